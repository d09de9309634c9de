//! The signals that carry the state to the components, handed down as context. One writer each, named here.

use std::collections::BTreeSet;

use leptos::prelude::*;
use shared::Object;
use shared::live::Image;
use shared::scenario::Scenario;

use super::cluster::Cluster;
use super::node::Scene;
use super::route::{Route, Selected, Tab, View};
use crate::backend::browser;
use crate::backend::call::Call;
use crate::graph::room::Room;

/// How the stream is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Link {
    /// No word yet.
    #[default]
    Connecting,
    /// Frames arrive.
    Live,
    /// Lost; page time in milliseconds since when.
    Lost(f64),
}

/// What the cluster says. Written by `backend::stream` alone.
#[derive(Clone, Copy)]
pub struct Truth {
    /// The fold of the stream, or a moment of the past while one is shown.
    pub cluster: RwSignal<Cluster>,
    /// The present, folded on, while the past is shown.
    pub present: StoredValue<Option<Cluster>>,
    /// Counts what was folded into the present, shown or not: whoever follows the present tracks this.
    pub folds: RwSignal<u64>,
    /// Whether it is live.
    pub link: RwSignal<Link>,
    /// Images that can run. Written by `feature::upload` as well.
    pub images: RwSignal<Vec<Image>>,
    /// The drawing's content, derived.
    pub scene: Memo<Scene>,
    /// Rooms that work right now. Written by `graph::animate` alone.
    pub lit: RwSignal<BTreeSet<Room>>,
}

/// What a hand is about to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Cargo {
    /// A new pod of this image.
    Workload(Image),
    /// A pod that exists.
    Pod(shared::ObjectKey),
    /// Cutting a node off.
    StopNode,
    /// A taint or a label for a node.
    Mark(Mark),
}

/// What can be pinned on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Keeps pods away that do not tolerate it.
    Taint,
    /// Lets selectors find the node.
    Label,
}

/// A drag on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Drag {
    /// What is carried.
    pub cargo: Cargo,
    /// The words on it.
    pub label: String,
    /// Where the pointer is, in the window.
    pub at: (f64, f64),
    /// Over what: a node's name, or the empty canvas.
    pub over: Over,
}

/// What lies under the pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// Nothing that takes a drop.
    #[default]
    Nowhere,
    /// The drawing, not a node.
    Canvas,
    /// A node.
    Node(String),
}

/// Something to be sent, shown before it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// What it does, as a question's title.
    pub title: String,
    /// Why one might hesitate; may be empty.
    pub warning: String,
    /// In order; the next is sent when the one before succeeded.
    pub calls: Vec<Call>,
    /// Where a refusal is shown, in the window; the middle of the page without.
    pub at: Option<(f64, f64)>,
    /// What the live region says afterwards.
    pub done: String,
    /// What the panel shows afterwards.
    pub then: Option<Selected>,
    /// Destructive ones are always asked.
    pub always: bool,
    /// The HTTP status with which the last call is meant to be refused, where that is the lesson.
    pub expect: Option<u16>,
    /// A scenario's own: what it does is noted, so that it can be taken back.
    pub lesson: bool,
}

/// What takes the last write back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo {
    /// What it was.
    pub what: String,
    /// What is sent, in order.
    pub calls: Vec<Call>,
}

/// A message on the spot.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The text, as the server said it.
    pub text: String,
    /// Where, in the window.
    pub at: Option<(f64, f64)>,
    /// Red or not.
    pub failed: bool,
}

/// The dialogs that open in front of the page.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Dialog {
    /// None.
    #[default]
    None,
    /// Shortcuts and words.
    Help,
    /// Everything that can be done or gone to, by its name.
    Commands,
    /// Objects from YAML.
    Paste,
    /// The scenarios that come with the page.
    Library,
    /// The link to copy.
    Share,
    /// What a link would do.
    Preview(Box<Scenario>),
    /// A link that cannot be opened.
    BadLink(String),
    /// A form for a new object.
    New(NewWhat),
    /// A form for a new pod of an image.
    Run(Image),
    /// A form for a taint or a label of a node.
    Mark(Mark, String),
}

/// What a form makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewWhat {
    /// A Pod.
    Pod,
    /// A Deployment.
    Deployment,
    /// A Service.
    Service,
    /// A Namespace.
    Namespace,
}

/// What the user is doing. Written by the features.
#[derive(Clone, Copy)]
pub struct Hands {
    /// A drag on its way.
    pub drag: RwSignal<Option<Drag>>,
    /// Waiting for "Send".
    pub ask: RwSignal<Option<Ask>>,
    /// A message on the spot.
    pub notice: RwSignal<Option<Notice>>,
    /// The dialog in front.
    pub dialog: RwSignal<Dialog>,
    /// What the live region says.
    pub say: RwSignal<String>,
    /// The node that a menu's focus is on, lit as a target.
    pub target: RwSignal<Option<String>>,
    /// True when the user wants no question before a harmless write.
    pub dont_ask: RwSignal<bool>,
    /// Whether the console is open.
    pub console: RwSignal<bool>,
    /// What takes the last write back.
    pub undo: RwSignal<Option<Undo>>,
    /// Calls of the open scenario that were accepted, with their answers. Taken away by `feature::scenario`.
    pub accepted: RwSignal<Vec<(Call, serde_json::Value)>>,
    /// What the cluster says: a hand compares with it before it writes.
    pub truth: Truth,
}

/// Where the page is. Written through its methods, which keep the address bar in step.
#[derive(Clone, Copy)]
pub struct Nav(pub RwSignal<Route>);

impl Truth {
    /// Signals with nothing in them yet.
    #[must_use]
    pub fn new() -> Self {
        let cluster = RwSignal::new(Cluster::default());
        Self {
            cluster,
            present: StoredValue::new(None),
            folds: RwSignal::new(0),
            link: RwSignal::new(Link::default()),
            images: RwSignal::new(Vec::new()),
            scene: Memo::new(move |before: Option<&Scene>| {
                cluster.with(|c| match before {
                    Some(before) => Scene::after(before, c),
                    None => Scene::of(c),
                })
            }),
            lit: RwSignal::new(BTreeSet::new()),
        }
    }

    /// Folds what the stream said into the present.
    pub fn fold(&self, messages: Vec<shared::live::Message>) {
        let apply = |cluster: &mut Cluster| messages.into_iter().for_each(|m| cluster.apply(m));
        if self.present.with_value(Option::is_some) {
            self.present.update_value(|p| {
                if let Some(present) = p {
                    apply(present);
                }
            });
        } else {
            self.cluster.update(apply);
        }
        self.folds.update(|n| *n += 1);
    }

    /// Looks at the present, also while the past is shown: what is written, judged or taken back is about this one.
    pub fn now<T>(&self, look: impl FnOnce(&Cluster) -> T) -> T {
        self.present.with_value(|present| match present {
            Some(present) => look(present),
            None => self.cluster.with_untracked(look),
        })
    }

    /// Shows a moment of the past; the present goes on behind it.
    pub fn show_past(&self, past: Cluster) {
        if self.present.with_value(Option::is_none) {
            self.present.set_value(Some(self.cluster.get_untracked()));
        }
        self.cluster.set(past);
    }

    /// Shows the present again.
    pub fn show_present(&self) {
        if let Some(present) = self.present.try_update_value(Option::take).flatten() {
            self.cluster.set(present);
        }
    }

    /// The selected object, as of now.
    #[must_use]
    pub fn object(&self, plural: &str, key: &shared::ObjectKey) -> Option<Object> {
        self.cluster.with(|c| c.get(plural, key).cloned())
    }
}

impl Default for Truth {
    fn default() -> Self {
        Self::new()
    }
}

impl Hands {
    /// Empty hands.
    #[must_use]
    pub fn new(truth: Truth) -> Self {
        Self {
            drag: RwSignal::new(None),
            ask: RwSignal::new(None),
            notice: RwSignal::new(None),
            dialog: RwSignal::new(Dialog::None),
            say: RwSignal::new(String::new()),
            target: RwSignal::new(None),
            dont_ask: RwSignal::new(browser::remembered("dont-ask").as_deref() == Some("yes")),
            console: RwSignal::new(false),
            undo: RwSignal::new(None),
            accepted: RwSignal::new(Vec::new()),
            truth,
        }
    }

    /// Shows a refusal on the spot.
    pub fn refuse(&self, text: impl Into<String>, at: Option<(f64, f64)>) {
        let text = text.into();
        self.notice.set(Some(Notice {
            text,
            at,
            failed: true,
        }));
    }

    /// Shows something that is no refusal in the middle of the page.
    pub fn note(&self, text: impl Into<String>) {
        self.notice.set(Some(Notice {
            text: text.into(),
            at: None,
            failed: false,
        }));
    }

    /// Says something that went well.
    pub fn tell(&self, text: impl Into<String>) {
        self.say.set(text.into());
    }
}

impl Nav {
    /// Starts where the address bar points, and follows Back and Forward.
    #[must_use]
    pub fn new() -> Self {
        browser::settle_path();
        let route = RwSignal::new(Route::parse(&browser::query()));
        browser::on_back(move || route.set(Route::parse(&browser::query())));
        Self(route)
    }

    /// Selects something; its story first.
    pub fn select(&self, selected: Selected) {
        self.go(|r| {
            if r.selected != selected {
                r.tab = Tab::Path;
            }
            r.selected = selected;
        });
    }

    /// Selects something and opens one of its tabs.
    pub fn open(&self, selected: Selected, tab: Tab) {
        self.go(|r| {
            r.selected = selected;
            r.tab = tab;
        });
    }

    /// Opens a tab of what is selected.
    pub fn tab(&self, tab: Tab) {
        self.go(|r| r.tab = tab);
    }

    /// Opens the drawing, a table or an instrument.
    pub fn view(&self, view: View) {
        self.go(|r| {
            if r.view != view {
                r.on.clear();
            }
            r.view = view;
        });
    }

    /// Opens an instrument on something.
    pub fn look(&self, instrument: &str, on: &str) {
        self.go(|r| {
            r.view = View::Instrument(instrument.to_owned());
            on.clone_into(&mut r.on);
        });
    }

    fn go(&self, change: impl FnOnce(&mut Route)) {
        let before = self.0.get_untracked();
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            browser::push_query(&after.query());
            self.0.set(after);
        }
    }
}

impl Default for Nav {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use shared::Revision;
    use shared::live::{Message, Pulse};

    use super::*;

    #[test]
    fn hands_act_on_the_present_while_the_past_is_shown() {
        Owner::new().with(|| {
            let truth = Truth::new();
            let pulse = |revision| {
                vec![Message::Pulse(Pulse {
                    revision: Revision(revision),
                    ..Pulse::default()
                })]
            };
            let seen = |truth: &Truth| {
                let shown = truth.cluster.with_untracked(|c| c.pulse.revision.0);
                (
                    shown,
                    truth.now(|c| c.pulse.revision.0),
                    truth.folds.get_untracked(),
                )
            };
            truth.fold(pulse(7));
            assert_eq!(seen(&truth), (7, 7, 1));
            truth.show_past(Cluster::default());
            truth.fold(pulse(9));
            assert_eq!(seen(&truth), (0, 9, 2));
            truth.show_present();
            assert_eq!(seen(&truth), (9, 9, 2));
        });
    }
}
