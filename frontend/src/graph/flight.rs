//! What moves: hops of the flow log become points that travel from room to room, a trace after itself.
//!
//! Real hops take microseconds; here each takes long enough to be seen, in the order in which they happened. Decides
//! when and where; the drawing happens in [`super::animate`]. One story can be played alone, at its own pace: live
//! requests are then not drawn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::flow::{Hop, TraceId};

use super::room::Room;
use crate::state::trace::{Ending, is_background};

/// How long a point travels, in milliseconds of the page.
pub const TRAVEL_MS: f64 = 560.0;
/// How much longer it travels in slow motion.
pub const SLOWLY: f64 = 5.0;
/// How long a room stays lit after an arrival.
pub const LIT_MS: f64 = 700.0;
/// Tags shown at once; what is above shares one.
pub const MAX_TAGS: usize = 5;
/// Points in the air at once; above it hops only light their room.
pub const MAX_FLIGHTS: usize = 60;
/// Movements that one trace may have waiting: a longer story is told by its panel.
const MAX_BACKLOG: usize = 12;

/// One point on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Flight {
    /// Unique among flights.
    pub id: u64,
    /// The trace it belongs to: a click opens it.
    pub trace: TraceId,
    /// Where from.
    pub from: Room,
    /// Where to.
    pub to: Room,
    /// The tag's text.
    pub tag: String,
    /// Housekeeping travels small and without a tag.
    pub quiet: bool,
    /// How it ends.
    pub ending: Ending,
    /// Page time at which it leaves.
    pub leaves: f64,
    /// How long it travels, in milliseconds of the page.
    pub travel_ms: f64,
}

impl Flight {
    /// How far it is at a page time: below 0 before it leaves, above 1 after it arrived.
    #[must_use]
    pub fn progress(&self, now: f64) -> f64 {
        (now - self.leaves) / self.travel_ms
    }
}

/// Everything in the air, and what is lit.
#[derive(Debug)]
pub struct Sky {
    /// How long a live point travels.
    travel_ms: f64,
    /// One story is played alone.
    alone: bool,
    /// Where that story rests: lit until it goes on.
    held: Option<Room>,
    flights: VecDeque<Flight>,
    /// Where each trace was last, and when its last movement ends.
    last: BTreeMap<TraceId, (Room, f64)>,
    /// Rooms and until when they are lit.
    lit: BTreeMap<Room, f64>,
    next_id: u64,
    /// Movements that were not shown because too much was in the air.
    pub skipped: u64,
}

impl Default for Sky {
    fn default() -> Self {
        Self {
            travel_ms: TRAVEL_MS,
            alone: false,
            held: None,
            flights: VecDeque::new(),
            last: BTreeMap::new(),
            lit: BTreeMap::new(),
            next_id: 0,
            skipped: 0,
        }
    }
}

impl Sky {
    /// Lets live points travel slowly, or at the usual pace.
    pub fn set_slow(&mut self, slow: bool) {
        self.travel_ms = if slow { TRAVEL_MS * SLOWLY } else { TRAVEL_MS };
    }

    /// Keeps live requests out of the air while one story is played.
    pub fn set_alone(&mut self, alone: bool) {
        if self.alone != alone {
            self.clear();
        }
        self.alone = alone;
    }

    /// Plays one leg of a story: from a room to another, or a light where it stays.
    pub fn leg(
        &mut self,
        from: &Room,
        to: &Room,
        tag: &str,
        ending: Ending,
        travel_ms: f64,
        now: f64,
    ) {
        self.clear();
        if from == to {
            self.held = Some(to.clone());
            return;
        }
        self.flights.push_back(Flight {
            id: self.next_id,
            trace: TraceId::default(),
            from: from.clone(),
            to: to.clone(),
            tag: short(tag),
            quiet: false,
            ending,
            leaves: now,
            travel_ms,
        });
        self.next_id += 1;
    }

    /// Takes a hop that just happened.
    pub fn hop(&mut self, hop: &Hop, now: f64) {
        if self.alone {
            return;
        }
        let to = Room::of_component(&hop.component);
        let known = self.last.get(&hop.trace);
        // A trace begins where its first hop is; a write that began inside a component starts there too.
        let (from, free) = known.cloned().unwrap_or_else(|| (to.clone(), now));
        let leaves = free.max(now);
        let backlog = (leaves - now) / self.travel_ms;
        let crowded = self.flights.len() >= MAX_FLIGHTS || backlog > MAX_BACKLOG as f64;
        if from == to || crowded {
            self.skipped += u64::from(from != to);
            // With a movement still to come, its arrival lights the room.
            if free <= now {
                self.light(&to, now + LIT_MS, is_background(hop));
            }
            self.last.insert(hop.trace, (to, free.max(now)));
            return;
        }
        let quiet = is_background(hop);
        self.flights.push_back(Flight {
            id: self.next_id,
            trace: hop.trace,
            from,
            to: to.clone(),
            tag: tag(hop),
            quiet,
            ending: Ending::of(hop),
            leaves,
            travel_ms: self.travel_ms,
        });
        self.next_id += 1;
        self.last.insert(hop.trace, (to, leaves + self.travel_ms));
    }

    fn light(&mut self, room: &Room, until: f64, quiet: bool) {
        if quiet {
            return;
        }
        let end = self.lit.entry(room.clone()).or_insert(until);
        *end = end.max(until);
    }

    /// Moves time on: lands what arrived, lights where it landed, forgets what is over.
    pub fn advance(&mut self, now: f64) {
        let (landed, flying): (VecDeque<Flight>, _) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|f| f.progress(now) >= 1.0);
        self.flights = flying;
        let leaving = |f: &&Flight| (0.0..0.4).contains(&f.progress(now));
        let from: Vec<(Room, bool, f64)> = self
            .flights
            .iter()
            .filter(leaving)
            .map(|f| (f.from.clone(), f.quiet, f.travel_ms))
            .collect();
        for (room, quiet, travel_ms) in from {
            self.light(&room, now + travel_ms * 0.4, quiet);
        }
        for flight in landed {
            if self.alone {
                self.held = Some(flight.to);
            } else {
                self.light(&flight.to, now + LIT_MS, flight.quiet);
            }
        }
        self.lit.retain(|_, until| *until > now);
        // A trace that rested is forgotten, unless it is the tail of a busy one.
        self.last.retain(|_, (_, free)| *free + 20_000.0 > now);
    }

    /// Points that are on their way at this time.
    pub fn airborne(&self, now: f64) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(move |f| f.progress(now) >= 0.0)
    }

    /// Rooms that work at this time.
    #[must_use]
    pub fn lit(&self) -> BTreeSet<Room> {
        self.lit.keys().chain(&self.held).cloned().collect()
    }

    /// True when nothing moves and no light is about to go out.
    #[must_use]
    pub fn is_still(&self) -> bool {
        self.flights.is_empty() && self.lit.is_empty()
    }

    /// Lands everything at once: for pages that are hidden.
    pub fn clear(&mut self) {
        self.flights.clear();
        self.lit.clear();
        self.last.clear();
        self.held = None;
    }
}

fn tag(hop: &Hop) -> String {
    let text = match (hop.revision, hop.component.as_str()) {
        (Some(revision), "etcd") => format!("commit {revision}"),
        _ if hop.text.is_empty() => hop.phase.clone(),
        _ => hop.text.clone(),
    };
    short(&text)
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(34).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use shared::flow::Outcome;

    use super::super::room::Part;
    use super::*;

    fn hop(trace: u128, component: &str, phase: &str) -> Hop {
        Hop {
            seq: 0,
            trace: TraceId(trace),
            component: component.into(),
            phase: phase.into(),
            text: format!("{component} works"),
            object: None,
            cause: None,
            revision: None,
            start_us: 0,
            duration_us: 1,
            outcome: Outcome::Done,
        }
    }

    #[test]
    fn a_trace_travels_hop_by_hop() {
        let mut sky = Sky::default();
        for component in [
            "kubectl",
            "kube-apiserver",
            "etcd",
            "etcd",
            "kubelet node-1",
        ] {
            sky.hop(&hop(1, component, "request"), 0.0);
        }
        let legs: Vec<String> = sky
            .flights
            .iter()
            .map(|f| format!("{}>{}@{}", f.from.component(), f.to.component(), f.leaves))
            .collect();
        assert_eq!(
            legs,
            [
                "kubectl>kube-apiserver@0",
                "kube-apiserver>etcd@560",
                "etcd>kubelet node-1@1120"
            ]
        );
        assert_eq!(sky.airborne(100.0).count(), 1);
        sky.advance(100.0);
        // Only what works is lit: etcd's turn is still to come.
        assert_eq!(sky.lit().into_iter().collect::<Vec<_>>(), [Room::Kubectl]);
        sky.advance(700.0);
        assert!(sky.lit().contains(&Room::Apiserver));
        assert_eq!(sky.airborne(700.0).count(), 1);
        for now in [1300.0, 2000.0, 5000.0] {
            sky.advance(now);
        }
        assert!(sky.is_still());
    }

    #[test]
    fn housekeeping_lights_nothing() {
        let mut sky = Sky::default();
        for component in ["kubelet node-1", "kube-apiserver"] {
            sky.hop(&hop(1, component, "heartbeat"), 0.0);
        }
        sky.advance(700.0);
        assert!(sky.lit().is_empty());
    }

    #[test]
    fn a_flood_stays_bounded() {
        let mut sky = Sky::default();
        for i in 0..10_000u128 {
            sky.hop(
                &hop(
                    i / 4,
                    if i % 2 == 0 {
                        "kubectl"
                    } else {
                        "kube-apiserver"
                    },
                    "request",
                ),
                1.0,
            );
        }
        assert!(sky.flights.len() <= MAX_FLIGHTS);
        assert!(sky.skipped > 0);
        let kubelet = Room::OnNode("n".into(), Part::Kubelet);
        for _ in 0..100 {
            sky.hop(&hop(99_999, "kubelet n", "x"), 2.0);
            sky.hop(&hop(99_999, "kube-apiserver", "x"), 2.0);
        }
        assert!(sky.last[&TraceId(99_999)].1 < 2.0 + TRAVEL_MS * 20.0);
        sky.advance(1e9);
        sky.advance(2e9);
        assert!(sky.is_still() && sky.last.is_empty());
        assert!(!sky.lit().contains(&kubelet));
    }

    #[test]
    fn a_story_is_played_alone_at_its_own_pace() {
        let mut sky = Sky::default();
        sky.set_alone(true);
        sky.hop(&hop(1, "kubectl", "request"), 0.0);
        assert!(sky.is_still());
        sky.leg(
            &Room::Kubectl,
            &Room::Apiserver,
            "POST pods",
            Ending::Done,
            2000.0,
            0.0,
        );
        sky.advance(1000.0);
        let progress: Vec<f64> = sky.airborne(1000.0).map(|f| f.progress(1000.0)).collect();
        assert_eq!(progress, [0.5]);
        sky.advance(2001.0);
        assert!(sky.flights.is_empty() && sky.lit().contains(&Room::Apiserver));
        sky.leg(&Room::Etcd, &Room::Etcd, "", Ending::Done, 2000.0, 3000.0);
        assert_eq!(sky.lit().into_iter().collect::<Vec<_>>(), [Room::Etcd]);
        sky.advance(60_000.0);
        assert!(sky.is_still() && sky.lit().contains(&Room::Etcd));
        sky.set_alone(false);
        assert!(sky.lit().is_empty());
        sky.hop(&hop(1, "kubectl", "request"), 0.0);
        assert!(!sky.is_still());
    }

    #[test]
    fn tags_are_short_and_whole_characters() {
        let mut h = hop(1, "kubectl", "request");
        h.text = "é".repeat(100);
        assert_eq!(tag(&h).chars().count(), 35);
        h.component = "etcd".into();
        h.revision = Some(shared::Revision(4812));
        assert_eq!(tag(&h), "commit 4812");
    }
}
