//! The hub: hands every committed change to those who watch its kind or its namespace, and to nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apiserver::Change;
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Batches of changes that a watch may fall behind before it reads history instead.
const BATCHES_BEHIND_MAX: usize = 256;

/// Changes that were committed together or shortly after each other, in order.
pub(super) type Batch = Arc<[Arc<Change>]>;

/// How many watches of one place are told at once. With more, waking each for every change costs more than what it is
/// told: the changes of [`GATHER_US`] are told together.
const CROWD: usize = 100;
/// How long changes are gathered for a crowd, in microseconds of the host's clock.
const GATHER_US: u64 = 15_000;

/// One channel for each key prefix that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Hub {
    channels: Mutex<BTreeMap<String, Channel>>,
}

#[derive(Debug)]
struct Channel {
    to: broadcast::Sender<Batch>,
    /// What a crowd has not been told yet, in order.
    gathered: Vec<Arc<Change>>,
}

impl Channel {
    fn tell(&mut self) {
        if !self.gathered.is_empty() {
            // Nobody listening any more is no failure.
            let _ = self.to.send(std::mem::take(&mut self.gathered).into());
        }
    }
}

impl Hub {
    /// Hears of every change below a prefix from now on: that of a kind, or of a namespace in it.
    pub(super) fn subscribe(&self, prefix: &str) -> broadcast::Receiver<Batch> {
        let mut channels = self.channels.lock();
        // A channel that nobody listens to any more has a place until the next one is opened.
        if !channels.contains_key(prefix) {
            channels.retain(|_, channel| channel.to.receiver_count() > 0);
        }
        let channel = channels
            .entry(prefix.to_owned())
            .or_insert_with(|| Channel {
                to: broadcast::Sender::new(BATCHES_BEHIND_MAX),
                gathered: Vec::new(),
            });
        channel.to.subscribe()
    }

    /// Tells of changes, in the order of their commits. Answers in how many microseconds [`Self::tell_crowds`] is due,
    /// if anybody waits for it.
    pub(super) fn publish(&self, changes: &[Arc<Change>]) -> Option<u64> {
        let mut channels = self.channels.lock();
        let mut addressed = BTreeSet::new();
        for change in changes {
            for prefix in prefixes(change.key()) {
                if let Some(channel) = channels.get_mut(prefix) {
                    channel.gathered.push(Arc::clone(change));
                    addressed.insert(prefix);
                }
            }
        }
        let mut due = None;
        for prefix in addressed {
            match channels.get_mut(prefix) {
                Some(channel) if channel.to.receiver_count() > CROWD => due = Some(GATHER_US),
                Some(channel) => channel.tell(),
                None => {}
            }
        }
        due
    }

    /// Tells crowds what was gathered for them.
    pub(super) fn tell_crowds(&self) {
        self.channels.lock().values_mut().for_each(Channel::tell);
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
        assert_eq!(hub.publish(&changes), None, "few are told at once");
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
        let mut crowd: Vec<_> = (0..=CROWD)
            .map(|_| hub.subscribe("/registry/secrets/"))
            .collect();
        let mut one = hub.subscribe("/registry/secrets/a/");
        let mut hears = |one: &mut broadcast::Receiver<Batch>| {
            let last = crowd.last_mut().map(broadcast::Receiver::try_recv);
            (
                one.try_recv().is_ok(),
                last.and_then(Result::ok).map(|b| b.len()),
            )
        };
        let secrets = changes.get(3..).unwrap_or_default();
        assert_eq!(hub.publish(secrets), Some(GATHER_US));
        assert_eq!(hub.publish(secrets), Some(GATHER_US));
        assert_eq!(hears(&mut one), (true, None), "a crowd is told later");
        hub.tell_crowds();
        assert_eq!(hears(&mut one), (true, Some(2)), "and everything together");
        drop((crowd, one));
        drop(hub.subscribe("/registry/nodes/"));
        assert_eq!(
            hub.channels.lock().len(),
            1,
            "nobody's channels are dropped"
        );
    }
}
