//! Scenarios in the page: a library to choose from, a preview before anything is sent, and a guide that is followed
//! step by step while checks turn green.

pub mod guide;
pub mod library;
pub mod preview;
mod stage;

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::scenario::Scenario;

pub use guide::Guide;
pub use library::Library;
pub use preview::Preview;

use crate::backend::{browser, history};
use crate::state::app::{Dialog, Hands, Truth};
use crate::state::lesson::{Lesson, Read};

/// What is followed, and how it is shown. Handed down as context; written by this feature alone.
#[derive(Clone, Copy)]
pub struct Lessons {
    /// The open scenario.
    pub open: RwSignal<Option<Lesson>>,
    /// Large type, for a projector.
    pub present: RwSignal<bool>,
    /// Something is being set up or taken down: what.
    pub busy: RwSignal<Option<&'static str>>,
    /// Objects of kinds that the stream does not carry, as the checks saw them last.
    read: StoredValue<Read>,
    /// Page time in milliseconds from which they may be read again.
    read_next: StoredValue<f64>,
}

/// Where the open scenario is remembered.
const REMEMBERED: &str = "lesson";
/// How often kinds that the stream does not carry are read while checks need them, in milliseconds.
const READ_EVERY_MS: f64 = 900.0;

impl Lessons {
    /// Goes on where this browser was, and follows the cluster from here on.
    #[must_use]
    pub fn new(truth: Truth, hands: Hands) -> Self {
        let remembered = browser::remembered(REMEMBERED);
        let lesson = remembered.and_then(|t| serde_json::from_str::<Lesson>(&t).ok());
        let lessons = Self {
            open: RwSignal::new(lesson.filter(|l| l.scenario.validate().is_ok())),
            present: RwSignal::new(false),
            busy: RwSignal::new(None),
            read: StoredValue::new(Read::new()),
            read_next: StoredValue::new(0.0),
        };
        Effect::new(move |_| lessons.follow(truth, hands));
        Effect::new(move |_| {
            let accepted = hands.accepted.get();
            if !accepted.is_empty() {
                hands.accepted.set(Vec::new());
                let note =
                    |l: &mut Lesson| accepted.iter().for_each(|(c, a)| l.footprint.note(c, a));
                lessons.change(note);
            }
        });
        Effect::new(move |_| {
            let text = lessons.open.with(|l| match l {
                Some(lesson) => serde_json::to_string(lesson).unwrap_or_default(),
                None => String::new(),
            });
            browser::remember(REMEMBERED, &text);
        });
        Effect::new(move |_| {
            let open = lessons.open.with(Option::is_some);
            browser::mark_page("data-guide", open);
            browser::mark_page("data-present", open && lessons.present.get());
        });
        lessons
    }

    /// Looks at what changed in the present: checks that came true, moments whose time has come.
    fn follow(&self, truth: Truth, hands: Hands) {
        truth.folds.track();
        let now = truth.now(|c| c.pulse.now);
        let Some(mut lesson) = self.open.get_untracked() else {
            return;
        };
        if self.busy.get_untracked().is_some() || now == shared::Millis(0) {
            return;
        }
        let before = lesson.clone();
        let was_done = lesson.is_done(lesson.step);
        self.read
            .with_value(|read| truth.now(|c| lesson.look(c, read)));
        if !was_done && lesson.is_done(lesson.step) {
            hands.tell(if lesson.is_over() {
                "The scenario is complete."
            } else {
                "Every check of this step is green."
            });
        }
        for (label, deeds) in lesson.due(now) {
            stage::moment(hands, label, deeds);
        }
        self.read_more(&lesson, truth);
        if lesson != before {
            self.open.set(Some(lesson));
        }
    }

    /// Reads the kinds that the open checks need and the stream does not carry; the next look sees them.
    fn read_more(&self, lesson: &Lesson, truth: Truth) {
        let unseen = truth.now(|c| lesson.unseen(c));
        let (lessons, now) = (*self, browser::page_ms());
        if unseen.is_empty() || now < self.read_next.get_value() {
            return;
        }
        self.read_next.set_value(f64::INFINITY);
        spawn_local(async move {
            lessons.read.set_value(history::read(unseen).await);
            let next = browser::page_ms() + READ_EVERY_MS;
            lessons.read_next.set_value(next);
        });
    }

    /// Changes the open scenario, if any.
    fn change(&self, change: impl FnOnce(&mut Lesson)) {
        self.open.update(|l| {
            if let Some(lesson) = l {
                change(lesson);
            }
        });
    }
}

/// Asks whether to open a scenario: what it would do is shown first.
pub fn ask(hands: Hands, scenario: Scenario) {
    hands.dialog.set(Dialog::Preview(Box::new(scenario)));
}
