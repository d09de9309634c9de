//! Dragging with pointer events: pick up, carry, drop. What a drop means becomes API calls that are proposed, never
//! sent unseen. Everything here has a keyboard path: the palette's and the panel's menus.

use leptos::prelude::*;
use serde_json::Value;
use shared::live::Image;
use shared::{Object, ObjectKey, ObjectRef, scenario};
use wasm_bindgen::JsCast;

use super::send;
use crate::backend::{browser, call};
use crate::state::app::{Ask, Cargo, Dialog, Drag, Hands, Mark, Nav, Over, Truth};
use crate::state::route::Selected;
use crate::state::samples::{self, Placement};

/// Pixels of movement that make a press a drag.
const SLACK: f64 = 5.0;

/// A press that may become a drag.
#[derive(Clone)]
struct Pressed {
    cargo: Cargo,
    label: String,
    from: (f64, f64),
}

/// Handed down as context: picks things up.
#[derive(Clone, Copy)]
pub struct Grip {
    pressed: StoredValue<Option<Pressed>>,
    /// The press became a drag: the click that follows it is not meant.
    moved: StoredValue<bool>,
}

impl Grip {
    /// Listens on the window for as long as the page lives.
    #[must_use]
    pub fn new(hands: Hands, nav: Nav, truth: Truth) -> Self {
        let grip = Self {
            pressed: StoredValue::new(None),
            moved: StoredValue::new(false),
        };
        let _ = window_event_listener(leptos::ev::pointermove, move |e| grip.moves(hands, &e));
        let _ = window_event_listener(leptos::ev::pointerup, move |_| {
            grip.lets_go(hands, nav, truth)
        });
        let _ = window_event_listener(leptos::ev::pointercancel, move |_| grip.cancel(hands));
        let _ = window_event_listener(leptos::ev::keydown, move |e| {
            if e.key() == "Escape" && hands.drag.with_untracked(Option::is_some) {
                grip.cancel(hands);
            }
        });
        grip
    }

    /// To be called on `pointerdown` of whatever can be carried.
    pub fn press(&self, event: &web_sys::PointerEvent, cargo: Cargo, label: String) {
        self.moved.set_value(false);
        if event.button() == 0 {
            let from = (f64::from(event.client_x()), f64::from(event.client_y()));
            self.pressed.set_value(Some(Pressed { cargo, label, from }));
        }
    }

    /// True once for the click that ends a drag.
    #[must_use]
    pub fn was_drag(&self) -> bool {
        let moved = self.moved.get_value();
        self.moved.set_value(false);
        moved
    }

    fn moves(&self, hands: Hands, event: &web_sys::PointerEvent) {
        let Some(pressed) = self.pressed.get_value() else {
            return;
        };
        let at = (f64::from(event.client_x()), f64::from(event.client_y()));
        let far = (at.0 - pressed.from.0).hypot(at.1 - pressed.from.1) > SLACK;
        if !far && !self.moved.get_value() {
            return;
        }
        event.prevent_default();
        self.moved.set_value(true);
        hands.drag.set(Some(Drag {
            cargo: pressed.cargo,
            label: pressed.label,
            at,
            over: over(at),
        }));
    }

    fn lets_go(&self, hands: Hands, nav: Nav, truth: Truth) {
        self.pressed.set_value(None);
        let Some(drag) = hands.drag.get_untracked() else {
            return;
        };
        hands.drag.set(None);
        // The click that belongs to this release comes before any timer; a later one is meant.
        let moved = self.moved;
        browser::after(0, move || moved.set_value(false));
        match (drag.cargo, drag.over) {
            (Cargo::Workload(image), Over::Node(node)) => {
                run_image(
                    hands,
                    nav,
                    truth,
                    &image,
                    &Placement::Node(node),
                    Some(drag.at),
                );
            }
            (Cargo::Workload(image), Over::Canvas) => {
                run_image(hands, nav, truth, &image, &Placement::ByHand, Some(drag.at));
            }
            (Cargo::Pod(pod), Over::Node(node)) => place(hands, nav, &pod, &node, Some(drag.at)),
            (Cargo::StopNode, Over::Node(node)) => power(hands, nav, &node, false),
            (Cargo::Mark(mark), Over::Node(node)) => hands.dialog.set(Dialog::Mark(mark, node)),
            _ => hands.tell("Dropped outside: nothing was sent."),
        }
    }

    fn cancel(&self, hands: Hands) {
        self.pressed.set_value(None);
        hands.drag.set(None);
    }
}

fn over(at: (f64, f64)) -> Over {
    let element = document().element_from_point(at.0 as f32, at.1 as f32);
    let target = element.and_then(|e| e.closest("[data-drop]").ok().flatten());
    match target.and_then(|t| t.get_attribute("data-drop")) {
        Some(drop) => match drop.strip_prefix("node:") {
            Some(node) => Over::Node(node.into()),
            None => Over::Canvas,
        },
        None => Over::Nowhere,
    }
}

/// Proposes a new pod of an image.
pub fn run_image(
    hands: Hands,
    nav: Nav,
    truth: Truth,
    image: &Image,
    placement: &Placement,
    at: Option<(f64, f64)>,
) {
    let taken = truth.now(|c| {
        c.shelf("pods")
            .keys()
            .filter(|k| k.namespace == "default")
            .map(|k| k.name.clone())
            .collect()
    });
    let name = samples::free_name(samples::short_name(&image.name), &taken);
    run_named(
        hands,
        nav,
        image,
        &ObjectKey::new("default", &name),
        placement,
        at,
    );
}

/// Proposes a new pod under a name.
pub fn run_named(
    hands: Hands,
    nav: Nav,
    image: &Image,
    key: &ObjectKey,
    placement: &Placement,
    at: Option<(f64, f64)>,
) {
    let pod = samples::pod(&key.name, &key.namespace, image, placement);
    let mut calls: Vec<_> = call::create(&pod).into_iter().collect();
    let place = match placement {
        Placement::Scheduler => "the scheduler chooses its node".to_owned(),
        Placement::ByHand => "it waits for you to place it".to_owned(),
        Placement::Node(node) => {
            calls.push(call::bind(key, node));
            format!("bound to {node}")
        }
    };
    send::propose(
        hands,
        nav,
        Ask {
            title: format!("Create Pod {}", key.name),
            warning: String::new(),
            calls,
            at,
            done: format!("Pod {} is created; {place}.", key.name),
            then: Some(Selected::Object("pods".into(), key.clone())),
            always: false,
            ..Ask::default()
        },
    );
}

/// Proposes to bring a pod to a node: a waiting one is bound, one that runs elsewhere is ended and made again there.
pub fn place(hands: Hands, nav: Nav, pod: &ObjectKey, node: &str, at: Option<(f64, f64)>) {
    let object = hands.truth.now(|c| c.get("pods", pod).cloned());
    match object.as_ref().map(|o| (o, o.text("/spec/nodeName"))) {
        Some((_, here)) if here == node => {
            hands.note(format!("{} runs on {node} already.", pod.name));
        }
        Some((object, here)) if !here.is_empty() => {
            send::propose(hands, nav, move_ask(object, node, at));
        }
        _ => bind(hands, nav, pod, node, at),
    }
}

/// Pods never move: what a move is made of, said before it is sent.
fn move_ask(pod: &Object, node: &str, at: Option<(f64, f64)>) -> Ask {
    let (key, here) = (pod.key(), pod.text("/spec/nodeName").to_owned());
    let mut calls = vec![call::evict(&key)];
    let (title, warning, done) = match pod.controller() {
        Some(owner) => (
            format!("Evict {} from {here}", key.name),
            format!(
                "Pods never move. This one belongs to {} {}: it is evicted here, and its owner makes another one, \
                 which kube-scheduler places where it thinks best. That need not be {node}.",
                owner.kind, owner.name
            ),
            format!("{} is evicted from {here}.", key.name),
        ),
        None => {
            let mut copy = scenario::clean(pod).to_value();
            if let Some(spec) = copy.pointer_mut("/spec").and_then(Value::as_object_mut) {
                spec.remove("nodeName");
                spec.insert("schedulerName".into(), samples::BY_HAND.into());
            }
            calls.extend(call::create(&copy));
            calls.push(call::bind(&key, node));
            (
                format!("Recreate {} on {node}", key.name),
                format!(
                    "Pods never move. This one is evicted from {here}; when its containers have ended, a new Pod of \
                     the same name is created and bound to {node}. Its address, its logs and its emptyDir volumes are \
                     new."
                ),
                format!("{} is made again on {node}.", key.name),
            )
        }
    };
    Ask {
        title,
        warning,
        calls,
        at,
        done,
        then: Some(Selected::Object("pods".into(), key)),
        always: true,
        ..Ask::default()
    }
}

fn bind(hands: Hands, nav: Nav, pod: &ObjectKey, node: &str, at: Option<(f64, f64)>) {
    send::propose(
        hands,
        nav,
        Ask {
            title: format!("Bind {} to {node}", pod.name),
            warning: String::new(),
            calls: vec![call::bind(pod, node)],
            at,
            done: format!("{} is bound to {node}.", pod.name),
            then: Some(Selected::Object("pods".into(), pod.clone())),
            always: false,
            ..Ask::default()
        },
    );
}

/// Proposes to cut a node off or to give it back.
pub fn power(hands: Hands, nav: Nav, node: &str, on: bool) {
    let (title, warning) = if on {
        (format!("Start {node}"), String::new())
    } else {
        (
            format!("Stop {node}"),
            "The node falls silent without a word. After 40 seconds without a heartbeat it is NotReady, and 5 \
             minutes later its pods are evicted and those with a controller are made elsewhere: on the cluster clock, \
             which you can speed up."
                .to_owned(),
        )
    };
    let word = if on { "started" } else { "stopped" };
    send::propose(
        hands,
        nav,
        Ask {
            title,
            warning,
            calls: vec![call::node_power(node, on)],
            at: None,
            done: format!("{node} is {word}."),
            then: Some(Selected::Object("nodes".into(), ObjectKey::new("", node))),
            always: !on,
            ..Ask::default()
        },
    );
}

/// Proposes a deletion, saying so when a controller will bring the object back.
pub fn delete(hands: Hands, nav: Nav, plural: &str, key: &ObjectKey, owner: Option<&ObjectRef>) {
    let Some(kind) = shared::kind::KINDS.iter().find(|k| k.plural == plural) else {
        return;
    };
    let warning = owner.map_or_else(String::new, |o| {
        format!(
            "It is managed by {} {}, which will make another in its place.",
            o.kind, o.name
        )
    });
    send::propose(
        hands,
        nav,
        Ask {
            title: format!("Delete {} {}", kind.kind, key.name),
            warning,
            calls: vec![call::delete(&kind.reference(), key)],
            at: None,
            done: format!("{} {} is being deleted.", kind.kind, key.name),
            then: None,
            always: true,
            ..Ask::default()
        },
    );
}

/// What is being carried, under the pointer.
#[component]
pub fn Carried() -> impl IntoView {
    let hands = expect_context::<Hands>();
    move || {
        hands.drag.get().map(|drag| {
            let hint = match (&drag.over, &drag.cargo) {
                (Over::Node(node), Cargo::StopNode) => format!("stop {node}"),
                (Over::Node(node), Cargo::Mark(Mark::Taint)) => format!("taint {node}"),
                (Over::Node(node), Cargo::Mark(Mark::Label)) => format!("label {node}"),
                (Over::Node(node), _) => format!("bind to {node}"),
                (Over::Canvas, Cargo::Workload(_)) => "make it wait for a node".into(),
                _ => "drop it on a node".into(),
            };
            view! {
                <div class="c-carried" aria-hidden="true" style=format!("--x:{:.0}px;--y:{:.0}px", drag.at.0, drag.at.1)>
                    <strong>{drag.label}</strong>
                    <span>{hint}</span>
                </div>
            }
        })
    }
}

/// The element under an event's target that matches a selector.
#[must_use]
pub fn closest(event: &web_sys::Event, selector: &str) -> Option<web_sys::Element> {
    event
        .target()?
        .dyn_into::<web_sys::Element>()
        .ok()?
        .closest(selector)
        .ok()?
}
