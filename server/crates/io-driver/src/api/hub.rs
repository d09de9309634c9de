//! The hub: hands every committed change to those who watch its kind or its namespace, and to nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use apiserver::Change;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Batches of changes that a watch may fall behind before it reads history instead.
const BATCHES_BEHIND_MAX: usize = 256;

/// Changes that were committed together or shortly after each other, in order.
pub(super) type Batch = Arc<[Arc<Change>]>;

/// One channel for each key prefix that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Hub {
    channels: Mutex<BTreeMap<String, broadcast::Sender<Batch>>>,
}

impl Hub {
    /// Hears of every change below a prefix from now on: that of a kind, or of a namespace in it.
    pub(super) fn subscribe(&self, prefix: &str) -> broadcast::Receiver<Batch> {
        let mut channels = self.channels.lock();
        // A channel that nobody listens to any more has a place until the next one is opened.
        if !channels.contains_key(prefix) {
            channels.retain(|_, channel| channel.receiver_count() > 0);
        }
        channels
            .entry(prefix.to_owned())
            .or_insert_with(|| broadcast::Sender::new(BATCHES_BEHIND_MAX))
            .subscribe()
    }

    /// Tells of changes, in the order of their commits.
    pub(super) fn publish(&self, changes: &[Arc<Change>]) {
        for (channel, batch) in self.addressed(changes) {
            // Nobody listening any more is no failure.
            let _ = channel.send(batch.into());
        }
    }

    fn addressed(
        &self,
        changes: &[Arc<Change>],
    ) -> Vec<(broadcast::Sender<Batch>, Vec<Arc<Change>>)> {
        let mut batches: BTreeMap<&str, Vec<Arc<Change>>> = BTreeMap::new();
        let channels = self.channels.lock();
        for change in changes {
            for prefix in prefixes(change.key()) {
                if channels.contains_key(prefix) {
                    batches.entry(prefix).or_default().push(Arc::clone(change));
                }
            }
        }
        let channel = |prefix: &str| channels.get(prefix).cloned();
        batches
            .into_iter()
            .filter_map(|(prefix, batch)| Some((channel(prefix)?, batch)))
            .collect()
    }
}

/// Everything up to each slash of a key: `/registry/pods/a/x` is below `/registry/pods/` and `/registry/pods/a/`.
fn prefixes(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('/')
        .filter_map(|(at, slash)| key.get(..at + slash.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apiserver::{ApiServer, Config};
    use store::{Store, Txn};

    #[test]
    fn only_those_who_watch_a_place_hear_of_it() {
        let (server, hub) = (ApiServer::new(Config::default()), Hub::default());
        let mut heard: Vec<_> = [
            "/registry/pods/",
            "/registry/pods/a/",
            "/registry/pods/b/",
            "/registry/configmaps/",
        ]
        .map(|prefix| (prefix, hub.subscribe(prefix)))
        .into();
        let mut store = Store::new();
        let from = store.snapshot().revision();
        for key in [
            "/registry/pods/a/x",
            "/registry/pods/a/y",
            "/registry/configmaps/a/x",
            "/registry/secrets/a/x",
        ] {
            let txn = Txn::create(key, r#"{"metadata":{"name":"x"}}"#);
            store.commit(txn).expect("committed");
        }
        let events = store.snapshot().events_after("", from, 0);
        let changes: Vec<_> = events
            .expect("history")
            .iter()
            .filter_map(|e| server.change(e, Arc::default()))
            .collect();
        assert_eq!(changes.len(), 4);
        hub.publish(&changes);
        let counts: Vec<_> = heard
            .iter_mut()
            .map(|(prefix, channel)| (*prefix, channel.try_recv().map_or(0, |b| b.len())))
            .collect();
        assert_eq!(
            counts,
            [
                ("/registry/pods/", 2),
                ("/registry/pods/a/", 2),
                ("/registry/pods/b/", 0),
                ("/registry/configmaps/", 1)
            ]
        );
        heard.clear();
        drop(hub.subscribe("/registry/nodes/"));
        assert_eq!(
            hub.channels.lock().len(),
            1,
            "nobody's channels are dropped"
        );
    }
}
