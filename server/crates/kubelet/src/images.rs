//! Which images the engine is asked for, one request per image at a time however many pods wait for it.
//!
//! Backoff after failures belongs to the container that waits, as in the original.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::runtime::{PodUid, RuntimeCommand};

/// Pulls and presence checks under way, by image.
#[derive(Debug, Default)]
pub(crate) struct Images {
    in_flight: BTreeMap<String, InFlight>,
}

#[derive(Debug)]
struct InFlight {
    present_only: bool,
    waiters: BTreeSet<PodUid>,
    /// Who wants the other kind of request once this one is answered.
    then: BTreeSet<PodUid>,
}

impl Images {
    /// Asks for an image on behalf of a pod.
    pub(crate) fn request(
        &mut self,
        image: &str,
        present_only: bool,
        pod: &str,
        commands: &mut VecDeque<RuntimeCommand>,
    ) {
        if let Some(flight) = self.in_flight.get_mut(image) {
            let queue = if flight.present_only == present_only {
                &mut flight.waiters
            } else {
                &mut flight.then
            };
            queue.insert(pod.into());
            return;
        }
        let waiters = BTreeSet::from([pod.to_owned()]);
        self.send(image, present_only, waiters, commands);
    }

    fn send(
        &mut self,
        image: &str,
        present_only: bool,
        waiters: BTreeSet<PodUid>,
        commands: &mut VecDeque<RuntimeCommand>,
    ) {
        let then = BTreeSet::new();
        let flight = InFlight {
            present_only,
            waiters,
            then,
        };
        self.in_flight.insert(image.into(), flight);
        commands.push_back(RuntimeCommand::PullImage {
            image: image.into(),
            present_only,
        });
    }

    /// Which pods wait for an image, and whether for a presence check only.
    pub(crate) fn waiting(&self, image: &str) -> Option<(bool, BTreeSet<PodUid>)> {
        let flight = self.in_flight.get(image)?;
        Some((flight.present_only, flight.waiters.clone()))
    }

    /// Takes in an answer: which pods waited for it, and whether it was a presence check only.
    pub(crate) fn answered(
        &mut self,
        image: &str,
        commands: &mut VecDeque<RuntimeCommand>,
    ) -> Option<(bool, BTreeSet<PodUid>)> {
        let flight = self.in_flight.remove(image)?;
        if !flight.then.is_empty() {
            self.send(image, !flight.present_only, flight.then, commands);
        }
        Some((flight.present_only, flight.waiters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_per_image_serves_all_who_wait() {
        let mut images = Images::default();
        let mut commands = VecDeque::new();
        for (pod, present_only) in [("a", true), ("b", true), ("c", false)] {
            images.request("i", present_only, pod, &mut commands);
        }
        assert_eq!(commands.len(), 1);
        let (present, pods) = images.answered("i", &mut commands).unwrap();
        assert!(present && pods == BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert_eq!(
            commands.pop_back(),
            Some(RuntimeCommand::PullImage {
                image: "i".into(),
                present_only: false
            })
        );
        let (present, pods) = images.answered("i", &mut commands).unwrap();
        assert!(!present && pods.contains("c"));
        assert_eq!(images.answered("i", &mut commands), None);
    }
}
