//! Setting the stage and clearing it: what a scenario sends at its opening, at its moments, and at a reset.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::live::ClockChange;
use shared::scenario::{Deed, Scenario};

use super::Lessons;
use crate::backend::call::{self, Call};
use crate::backend::{browser, fetch};
use crate::state::app::{Hands, Truth};
use crate::state::lesson::{self, Lesson};
use crate::state::{share, text};

/// How long a reset waits for the old objects to go, in looks of [`LOOK_MS`].
const LOOKS_MAX: usize = 300;
const LOOK_MS: i32 = 200;

/// Opens a scenario: makes what is missing, then shows its guide.
pub(super) fn open(scenario: Scenario, truth: Truth, hands: Hands, lessons: Lessons) {
    if lessons.busy.get_untracked().is_some() {
        return;
    }
    lessons.busy.set(Some("Setting the stage"));
    spawn_local(async move {
        set(&scenario, truth, hands).await;
        finish(scenario, truth, lessons);
    });
}

/// Removes what the scenario made, waits until it is gone, and begins again.
pub(super) fn reset(truth: Truth, hands: Hands, lessons: Lessons) {
    let Some(lesson) = lessons.open.get_untracked() else {
        return;
    };
    if lessons.busy.get_untracked().is_some() {
        return;
    }
    lessons.busy.set(Some("Clearing the stage"));
    spawn_local(async move {
        if clear(&lesson, truth, hands).await {
            set(&lesson.scenario, truth, hands).await;
            finish(lesson.scenario, truth, lessons);
        } else {
            lessons.busy.set(None);
        }
    });
}

/// Closes the guide; with `clean` what it made is removed.
pub(super) fn leave(truth: Truth, hands: Hands, lessons: Lessons, clean: bool) {
    let lesson = lessons.open.get_untracked();
    lessons.open.set(None);
    lessons.present.set(false);
    if let (Some(lesson), true) = (lesson, clean) {
        spawn_local(async move {
            clear(&lesson, truth, hands).await;
        });
    }
}

/// Sends what a moment of the timeline does.
pub(super) fn moment(hands: Hands, label: String, deeds: Vec<Deed>) {
    spawn_local(async move {
        hands.tell(label.clone());
        for call in deeds.iter().flat_map(lesson::calls) {
            if let Err(failure) = fetch::send(&call).await {
                return hands.refuse(format!("{label}: {failure}"), None);
            }
        }
    });
}

fn finish(scenario: Scenario, truth: Truth, lessons: Lessons) {
    let now = truth.cluster.with_untracked(|c| c.pulse.now);
    let followed = (!scenario.steps.is_empty()).then(|| Lesson::new(scenario, now));
    lessons.busy.set(None);
    lessons.open.set(followed);
}

/// Creates the objects in order. What exists already is left alone; the first refusals are told, the rest goes on.
async fn set(scenario: &Scenario, truth: Truth, hands: Hands) {
    let places = truth.cluster.with_untracked(|c| {
        let calls = scenario.places.iter().filter_map(|p| lesson::settle(p, c));
        calls.collect::<Vec<_>>()
    });
    let intents = truth
        .cluster
        .with_untracked(|c| share::preview(scenario, c));
    let objects = scenario.objects.iter().zip(intents);
    let objects = objects
        .filter(|(_, i)| !i.skip)
        .filter_map(|(o, _)| call::create(o.value()));
    let (mut made, mut refused) = (0, Vec::new());
    for call in places.into_iter().chain(objects.collect::<Vec<_>>()) {
        match fetch::send(&call).await {
            Ok(_) => made += usize::from(call.method == "POST"),
            Err(failure) => refused.push(format!("{} {}: {failure}", call.method, call.path)),
        }
    }
    hands.tell(format!(
        "The scenario is open: {} created.",
        text::count(made, "object")
    ));
    if !refused.is_empty() {
        hands.refuse(refused.join("\n"), None);
    }
}

/// Removes what the scenario makes and gives nodes and clock back; answers whether everything is gone.
async fn clear(lesson: &Lesson, truth: Truth, hands: Hands) -> bool {
    let targets = lesson.makes();
    let calls = truth.cluster.with_untracked(|c| {
        // What the stream does not carry may be there: asking for its end does no harm.
        let there = |t: &&shared::scenario::Target| {
            !c.shelves.contains_key(&t.kind.plural) || c.get(&t.kind.plural, &t.key).is_some()
        };
        let mut calls: Vec<Call> = targets
            .iter()
            .filter(there)
            .map(|t| call::delete(&t.kind, &t.key))
            .collect();
        let places = lesson.scenario.places.iter();
        calls.extend(places.filter_map(|p| lesson::unsettle(p, c)));
        calls.extend(
            lesson
                .stops()
                .into_iter()
                .map(|n| call::node_power(n, true)),
        );
        if (c.pulse.rate - 1.0).abs() > f64::EPSILON {
            calls.push(call::clock(&ClockChange {
                rate: Some(1.0),
                step_ms: None,
            }));
        }
        calls
    });
    for call in calls {
        match fetch::send(&call).await {
            Ok(_) => {}
            // Gone already is as good, and a node that runs cannot be started.
            Err(fetch::Failure::Refused(status)) if matches!(status.code, 404 | 409 | 400) => {}
            Err(failure) => {
                hands.refuse(failure.to_string(), None);
                return false;
            }
        }
    }
    for _ in 0..LOOKS_MAX {
        let gone = truth.cluster.with_untracked(|c| {
            targets
                .iter()
                .all(|t| c.get(&t.kind.plural, &t.key).is_none())
        });
        if gone {
            return true;
        }
        browser::pause(LOOK_MS).await;
    }
    hands.refuse(
        "Some objects of the scenario are still being deleted; try again when they are gone.",
        None,
    );
    false
}
