//! TTL after finished: a Job goes `ttlSecondsAfterFinished` after its end (`pkg/controller/ttlafterfinished`).

use client::cache::Changed;
use client::{Body, Request};
use shared::Millis;

use super::job::{finished_at, is_finished};
use crate::meta::jobs;
use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// This loop's name.
pub const NAME: &str = "ttl-after-finished";

/// The Job that changed.
#[must_use]
pub fn keys(_view: &View, change: &Changed) -> Vec<Item> {
    let job = change.new.iter().filter(|_| change.kind == jobs());
    let with_ttl = job.filter(|j| j.at("/spec/ttlSecondsAfterFinished").is_some());
    with_ttl.map(|j| Item::new(jobs(), j.key())).collect()
}

/// One look at a Job.
#[must_use]
pub fn reconcile(view: &View, item: &Item, now: Millis) -> Plan {
    let job = view.get(&item.kind, &item.key);
    let Some(job) = job.filter(|j| is_finished(j) && j.deletion().is_none()) else {
        return Plan::default();
    };
    let ttl = job.int("/spec/ttlSecondsAfterFinished");
    let ttl = ttl.and_then(|s| u64::try_from(s).ok());
    let (Some(ttl), Some(end)) = (ttl, finished_at(job)) else {
        return Plan::default();
    };
    let due = end.plus_secs(ttl);
    if due > now {
        return Plan::default().again(Some(due));
    }
    let mut request = Request::delete(jobs(), &job.key(), job.uid());
    if let Body::Object(serde_json::Value::Object(options)) = &mut request.body {
        options.insert("propagationPolicy".into(), "Foreground".into());
    }
    Plan::of(
        format!("{}: finished {ttl} s ago", job.name()),
        vec![Write::new(request)],
    )
}
