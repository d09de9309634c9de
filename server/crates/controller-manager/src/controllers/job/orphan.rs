//! Pods that are held for a Job that is gone: nobody counts them any more, so they are let go.

use client::Request;
use client::cache::Changed;
use shared::{Millis, Object, ObjectRef};

use super::pods::release;
use super::tally::FINALIZER;
use crate::meta::{jobs, pods};
use crate::plan::{Plan, Write};
use crate::view::{Item, View, has_finalizer};

/// This loop's name.
pub const NAME: &str = "job-orphan";

fn held_for(pod: &Object) -> Option<ObjectRef> {
    let owner = pod.controller().filter(|c| c.kind == "Job")?;
    has_finalizer(pod, FINALIZER).then_some(owner)
}

/// The pods that a change concerns.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    if change.kind == pods() {
        let pod = change.new.iter().filter(|p| held_for(p).is_some());
        return pod.map(|p| Item::new(pods(), p.key())).collect();
    }
    let gone = change.old.iter().filter(|_| change.kind == jobs());
    let dependents = gone.flat_map(|job| view.dependents(job.uid()));
    let held = dependents.filter(|(item, pod)| item.kind == pods() && held_for(pod).is_some());
    held.map(|(item, _)| item.clone()).collect()
}

/// One look at a pod. That its Job is gone is confirmed by a read: the watches of two kinds are not in step.
#[must_use]
pub fn reconcile(view: &View, item: &Item, _now: Millis) -> Plan {
    let Some(pod) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    let Some(owner) = held_for(pod) else {
        return Plan::default();
    };
    let job = view.get(&jobs(), &owner.key());
    if job.is_some_and(|j| j.uid() == owner.uid) {
        return Plan::default();
    }
    let read = Write::absent(Request::get(jobs(), &owner.key()), &owner.uid);
    Plan::staged(
        format!("{}: its Job is gone", item.key),
        vec![vec![read], vec![release(pod)]],
    )
}
