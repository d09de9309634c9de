//! Setting the stage and clearing it: what a scenario sends at its opening, at its moments, and at a reset.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::path;
use shared::scenario::{Deed, Scenario};

use super::Lessons;
use crate::backend::call::{self, Call};
use crate::backend::{browser, fetch, history};
use crate::state::app::{Hands, Truth};
use crate::state::effects::{self, Here};
use crate::state::lesson::{self, Lesson, Made, Settled};
use crate::state::text;

/// How long a reset waits for the old objects to go, in looks of [`LOOK_MS`].
const LOOKS_MAX: usize = 300;
const LOOK_MS: i32 = 200;

/// Opens a scenario: makes what is missing while its guide already stands, so that whatever was made is known.
pub(super) fn open(scenario: Scenario, truth: Truth, hands: Hands, lessons: Lessons) {
    if lessons.busy.get_untracked().is_some() {
        return;
    }
    lessons.busy.set(Some("Setting the stage"));
    spawn_local(async move {
        set(scenario, truth, hands, lessons).await;
        lessons.busy.set(None);
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
            set(lesson.scenario, truth, hands, lessons).await;
        }
        lessons.busy.set(None);
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
            match fetch::send(&call).await {
                Ok(answer) => hands.accepted.update(|all| all.push((call, answer))),
                Err(failure) => return hands.refuse(format!("{label}: {failure}"), None),
            }
        }
    });
}

/// Begins a scenario: places, then objects in order. What exists already is left alone; the refusals are told, the
/// rest goes on. The timeline counts from the end of this.
async fn set(scenario: Scenario, truth: Truth, hands: Hands, lessons: Lessons) {
    let read = history::read(truth.now(|c| effects::unseen(&scenario, c))).await;
    let (places, objects) = truth.now(|cluster| {
        let here = Here {
            cluster,
            read: &read,
        };
        let places = scenario.places.iter();
        let places: Vec<_> = places.filter_map(|p| Settled::plan(p, cluster)).collect();
        let objects = effects::objects(&scenario, here).into_iter();
        let missing = objects.filter(|(_, e)| !e.skip);
        let objects: Vec<Call> = missing
            .filter_map(|(o, _)| call::create(o.value()))
            .collect();
        (places, objects)
    });
    let followed = Lesson::has_course(&scenario);
    lessons
        .open
        .set(Some(Lesson::new(scenario, truth.now(|c| c.pulse.now))));
    let (mut made, mut refused) = (0, Vec::new());
    for (call, settled) in places {
        match fetch::send(&call).await {
            Ok(_) => lessons.change(|l| l.footprint.note_settled(settled)),
            Err(failure) => refused.push(format!("{} {}: {failure}", call.method, call.path)),
        }
    }
    for call in objects {
        match fetch::send(&call).await {
            Ok(answer) => {
                made += 1;
                lessons.change(|l| l.footprint.note(&call, &answer));
            }
            Err(failure) => refused.push(format!("{} {}: {failure}", call.method, call.path)),
        }
    }
    if followed {
        let now = truth.now(|c| c.pulse.now);
        lessons.change(|l| l.opened = now);
    } else {
        lessons.open.set(None);
    }
    hands.tell(format!(
        "The scenario is open: {} created.",
        text::count(made, "object")
    ));
    if !refused.is_empty() {
        hands.refuse(refused.join("\n"), None);
    }
}

/// Removes what the scenario made and gives nodes and clock back; answers whether everything is gone.
async fn clear(lesson: &Lesson, truth: Truth, hands: Hands) -> bool {
    for call in truth.now(|c| lesson.footprint.take_back(c)) {
        match fetch::send(&call).await {
            Ok(_) => {}
            // Gone already is as good, another object of the name is not ours, and a node that runs cannot be started.
            Err(fetch::Failure::Refused(status)) if matches!(status.code, 404 | 409 | 400) => {}
            Err(failure) => {
                hands.refuse(failure.to_string(), None);
                return false;
            }
        }
    }
    let mut left: Vec<&Made> = lesson.footprint.made().collect();
    for _ in 0..LOOKS_MAX {
        while let Some(made) = left.last()
            && is_gone(made, truth).await
        {
            left.pop();
        }
        if left.is_empty() {
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

/// Whether an object with this UID is no longer there: by the stream, or by asking where that does not carry its kind.
async fn is_gone(made: &Made, truth: Truth) -> bool {
    let (kind, key) = (&made.target.kind, &made.target.key);
    let streamed = truth.now(|c| {
        let shelf = c.shelves.get(&kind.plural)?;
        Some(shelf.get(key).is_none_or(|o| o.uid() != made.uid))
    });
    if let Some(gone) = streamed {
        return gone;
    }
    match fetch::get::<shared::Object>(&path::object(kind, key)).await {
        Ok(object) => object.uid() != made.uid,
        Err(fetch::Failure::Refused(status)) => status.code == 404,
        Err(_) => false,
    }
}
