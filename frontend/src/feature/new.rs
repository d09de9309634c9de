//! Forms for new objects: few fields, then the YAML is shown before it is sent. The palette's keyboard path.

use leptos::prelude::*;
use serde_json::Value;
use shared::ObjectKey;
use shared::live::Image;

use super::inspect::Inspector;
use super::{drag, send};
use crate::backend::call;
use crate::state::app::{Ask, Dialog, Hands, Nav, NewWhat, Truth};
use crate::state::route::Selected;
use crate::state::samples::{self, Placement};
use crate::ui::modal::Modal;

/// The form's fields.
#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    namespace: RwSignal<String>,
    image: RwSignal<String>,
    /// `scheduler`, `hand` or `node:NAME`.
    place: RwSignal<String>,
    number: RwSignal<String>,
    selects: RwSignal<String>,
    outside: RwSignal<bool>,
}

/// A new pod of an image: name, namespace, and who places it.
#[component]
pub fn RunForm(
    /// The image to run.
    image: Image,
) -> impl IntoView {
    let base = samples::short_name(&image.name).to_owned();
    let known = image.clone();
    view! { <Form inspect=known what=NewWhat::Pod base=base image=image.name /> }
}

/// A new object.
#[component]
pub fn NewForm(
    /// The kind of object.
    what: NewWhat,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let http = |i: &Image| i.what.contains("http");
    let image = truth.images.with_untracked(|all| {
        all.iter()
            .find(|i| http(i))
            .or(all.first())
            .map(|i| i.name.clone())
    });
    let base = match what {
        NewWhat::Pod | NewWhat::Deployment | NewWhat::Service => "web",
        NewWhat::Namespace => "shop",
    };
    view! { <Form what=what base=base.to_owned() image=image.unwrap_or_default() /> }
}

fn word(what: NewWhat) -> (&'static str, &'static str) {
    match what {
        NewWhat::Pod => ("Pod", "pods"),
        NewWhat::Deployment => ("Deployment", "deployments"),
        NewWhat::Service => ("Service", "services"),
        NewWhat::Namespace => ("Namespace", "namespaces"),
    }
}

#[component]
fn Form(
    what: NewWhat,
    base: String,
    image: String,
    #[prop(optional)] inspect: Option<Image>,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let (kind, plural) = word(what);
    let taken = truth.now(|c| c.shelf(plural).keys().map(|k| k.name.clone()).collect());
    let app = truth.now(|c| {
        c.shelf("pods")
            .values()
            .find_map(|p| p.label("app").map(str::to_owned))
    });
    let fields = Fields {
        name: RwSignal::new(samples::free_name(&base, &taken)),
        namespace: RwSignal::new("default".into()),
        image: RwSignal::new(image),
        place: RwSignal::new("scheduler".into()),
        number: RwSignal::new(
            if what == NewWhat::Service {
                "8080"
            } else {
                "3"
            }
            .into(),
        ),
        selects: RwSignal::new(app.unwrap_or_else(|| "web".into())),
        outside: RwSignal::new(true),
    };
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let submit = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        hands.dialog.set(Dialog::None);
        make(what, fields, truth, hands, nav);
    };
    let needs_image = matches!(what, NewWhat::Pod | NewWhat::Deployment);
    view! {
        <Modal title=format!("New {kind}") on_close=close>
            {inspect.map(|image| view! { <Inspector image=image /> })}
            <form class="c-form" on:submit=submit>
                <Text label="Name" id="new-name" value=fields.name />
                {(what != NewWhat::Namespace).then(|| view! { <Choice label="Namespace" id="new-namespace" value=fields.namespace of=namespaces(truth) /> })}
                {needs_image.then(|| view! { <Choice label="Image" id="new-image" value=fields.image of=images(truth) /> })}
                {(what == NewWhat::Pod).then(|| view! { <Choice label="Where" id="new-place" value=fields.place of=places(truth) /> })}
                {(what == NewWhat::Deployment).then(|| view! { <Text label="Replicas" id="new-replicas" value=fields.number /> })}
                {(what == NewWhat::Service).then(|| view! { <ServiceFields fields=fields truth=truth /> })}
                <div class="c-modal__foot">
                    <span class="u-space"></span>
                    <button type="button" class="c-button" on:click=move |_| close.run(())>
                        "Cancel"
                    </button>
                    <button type="submit" class="c-button c-button--main" id="new-create">
                        "Create"
                    </button>
                </div>
            </form>
        </Modal>
    }
}

#[component]
fn ServiceFields(fields: Fields, truth: Truth) -> impl IntoView {
    let apps = truth.now(|c| {
        let labels: std::collections::BTreeSet<String> = c
            .shelf("pods")
            .values()
            .filter_map(|p| p.label("app"))
            .map(str::to_owned)
            .collect();
        labels
            .into_iter()
            .map(|l| (l.clone(), l))
            .collect::<Vec<_>>()
    });
    let pods = if apps.is_empty() {
        view! { <Text label="Pods labelled app =" id="new-selects" value=fields.selects /> }
            .into_any()
    } else {
        view! { <Choice label="Pods labelled app =" id="new-selects" value=fields.selects of=apps /> }.into_any()
    };
    view! {
        {pods}
        <Text label="Container port" id="new-port" value=fields.number />
        <label class="c-check">
            <input type="checkbox" id="new-outside" prop:checked=fields.outside on:change=move |e| fields.outside.set(event_target_checked(&e)) />
            "Open a port on every node (NodePort)"
        </label>
    }
}

#[component]
fn Text(label: &'static str, id: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <label for=id>{label}</label>
        <input type="text" id=id required autocomplete="off" prop:value=value on:input=move |e| value.set(event_target_value(&e)) />
    }
}

#[component]
fn Choice(
    label: &'static str,
    id: &'static str,
    value: RwSignal<String>,
    of: Vec<(String, String)>,
) -> impl IntoView {
    view! {
        <label for=id>{label}</label>
        <select id=id on:change=move |e| value.set(event_target_value(&e))>
            {of
                .into_iter()
                .map(|(key, text)| {
                    let selected = value.with_untracked(|v| *v == key);
                    view! { <option value=key selected=selected>{text}</option> }
                })
                .collect_view()}
        </select>
    }
}

fn namespaces(truth: Truth) -> Vec<(String, String)> {
    let system = shared::scenario::is_system_namespace;
    truth.now(|c| {
        c.shelf("namespaces")
            .keys()
            .filter(|k| !system(&k.name))
            .map(|k| (k.name.clone(), k.name.clone()))
            .collect()
    })
}

fn images(truth: Truth) -> Vec<(String, String)> {
    truth.images.with_untracked(|all| {
        let named = |i: &Image| {
            (
                i.name.clone(),
                format!("{} ({})", samples::short_name(&i.name), i.what),
            )
        };
        all.iter().map(named).collect()
    })
}

fn places(truth: Truth) -> Vec<(String, String)> {
    let mut out = vec![
        ("scheduler".to_owned(), "kube-scheduler chooses".to_owned()),
        ("hand".into(), "waiting room: I place it by hand".into()),
    ];
    truth.now(|c| {
        out.extend(
            c.shelf("nodes")
                .keys()
                .map(|k| (format!("node:{}", k.name), format!("on {}", k.name))),
        );
    });
    out
}

fn make(what: NewWhat, f: Fields, truth: Truth, hands: Hands, nav: Nav) {
    let name = f.name.get_untracked().trim().to_owned();
    let namespace = f.namespace.get_untracked();
    let image_name = f.image.get_untracked();
    let chosen = truth
        .images
        .with_untracked(|all| all.iter().find(|i| i.name == image_name).cloned());
    // An image that is not in the list is still a name that a node can be asked for.
    let image = chosen.unwrap_or_else(|| Image {
        name: image_name,
        ..Image::default()
    });
    let key = ObjectKey::new(&namespace, &name);
    let object: Value = match what {
        NewWhat::Pod => {
            let place = f.place.get_untracked();
            let placement = match place.strip_prefix("node:") {
                Some(node) => Placement::Node(node.into()),
                None if place == "hand" => Placement::ByHand,
                None => Placement::Scheduler,
            };
            drag::run_named(hands, nav, &image, &key, &placement, None);
            return;
        }
        NewWhat::Deployment => match f.number.get_untracked().trim().parse() {
            Ok(replicas) => samples::deployment(&name, &namespace, &image, replicas),
            Err(_) => return hands.refuse("Replicas must be a whole number, such as 3.", None),
        },
        NewWhat::Service => match f.number.get_untracked().trim().parse() {
            Ok(port) => samples::service(
                &name,
                &namespace,
                &f.selects.get_untracked(),
                port,
                f.outside.get_untracked(),
            ),
            Err(_) => {
                return hands.refuse("A port is a number from 1 to 65535, such as 8080.", None);
            }
        },
        NewWhat::Namespace => samples::namespace(&name),
    };
    let (kind, plural) = word(what);
    let key = if what == NewWhat::Namespace {
        ObjectKey::new("", &name)
    } else {
        key
    };
    send::propose(
        hands,
        nav,
        Ask {
            title: format!("Create {kind} {name}"),
            warning: String::new(),
            calls: call::create(&object).into_iter().collect(),
            at: None,
            done: format!("{kind} {name} is created."),
            then: Some(Selected::Object(plural.into(), key)),
            always: false,
            ..Ask::default()
        },
    );
}
