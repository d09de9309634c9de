//! What can be done with the selected object. Each button shows what it sends; drags have their equivalents here.

use leptos::prelude::*;
use shared::ObjectKey;

use crate::backend::{browser, call};
use crate::feature::{drag, instruments, send};
use crate::state::app::{Ask, Dialog, Hands, Mark, Nav, Truth};
use crate::state::cluster::Cluster;
use crate::state::route::Selected;
use crate::words::panel as words;

/// The row of buttons under the title.
#[component]
pub(super) fn Actions(at: Selected) -> impl IntoView {
    let (plural, key) = match at {
        Selected::Object(plural, key) => (plural, key),
        Selected::Component(name) => return view! { <LookInto component=name /> }.into_any(),
        _ => return ().into_any(),
    };
    let specific = match plural.as_str() {
        "pods" => view! { <PlaceMenu key=key.clone() /> }.into_any(),
        "nodes" => view! { <Power key=key.clone() /> }.into_any(),
        "deployments" => view! { <Scale key=key.clone() /> }.into_any(),
        "services" => view! { <Open key=key.clone() /> }.into_any(),
        _ => ().into_any(),
    };
    let deletable = !matches!(plural.as_str(), "nodes" | "events");
    view! {
        <div class="c-actions">
            {specific} <Looks plural=plural.clone() key=key.clone() /> {deletable.then(|| view! { <Delete plural=plural key=key /> })}
        </div>
    }
    .into_any()
}

/// The component's instrument, where it has one.
#[component]
fn LookInto(component: String) -> impl IntoView {
    let nav = expect_context::<Nav>();
    instruments::of_component(&component).map(|i| {
        view! {
            <div class="c-actions">
                <button type="button" class="c-button c-button--small" id="look-into" on:click=move |_| nav.look(i.word, "")>
                    {words::LOOK_INTO}
                </button>
            </div>
        }
    })
}

/// The instruments that know more of an object: the scheduler of a pod, the store of anything.
#[component]
fn Looks(plural: String, key: ObjectKey) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let at = key.to_string();
    let why = (plural == "pods").then(|| {
        view! {
            <button type="button" class="c-button c-button--small" id="why-here" on:click=move |_| nav.look("scheduler", &at)>
                {words::WHY_HERE}
            </button>
        }
    });
    let row = shared::kind::KINDS.iter().find(|k| k.plural == plural);
    let stored = row.map(|k| format!("{}{key}", k.storage_prefix()));
    let history = stored.map(|stored| {
        view! {
            <button type="button" class="c-button c-button--small" id="stored-history" on:click=move |_| nav.look("etcd", &stored)>
                {words::HISTORY}
            </button>
        }
    });
    view! { {why} {history} }
}

#[component]
fn Delete(plural: String, key: ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let click = move |_| {
        let owner = truth.now(|c| c.get(&plural, &key).and_then(shared::Object::controller));
        drag::delete(hands, nav, &plural, &key, owner.as_ref());
    };
    view! {
        <button type="button" class="c-button c-button--small" id="delete" on:click=click>
            "Delete …"
        </button>
    }
}

/// "Place on node …": the keyboard's way to drop a pod on a node.
#[component]
fn PlaceMenu(key: ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let open = RwSignal::new(false);
    let waiting = {
        let key = key.clone();
        Memo::new(move |_| {
            truth
                .cluster
                .with(|c| c.pods.get(&key).is_some_and(|p| p.node.is_empty()))
        })
    };
    let alive = {
        let key = key.clone();
        Memo::new(move |_| {
            truth
                .cluster
                .with(|c| c.pods.get(&key).is_some_and(|p| !p.terminal))
        })
    };
    let nodes = Memo::new(move |_| {
        truth
            .scene
            .with(|s| s.nodes.iter().map(|n| n.name.clone()).collect::<Vec<_>>())
    });
    let close = move || {
        open.set(false);
        hands.target.set(None);
        browser::focus("#place");
    };
    on_cleanup(move || {
        let _ = hands.target.try_set(None);
    });
    let toggle = move |_| {
        open.update(|o| *o = !*o);
        if open.get_untracked() {
            browser::soon(|| browser::focus("#place-menu [role=menuitem]"));
        }
    };
    let keys = move |e: web_sys::KeyboardEvent| match e.key().as_str() {
        "Escape" => {
            e.stop_propagation();
            close();
        }
        "ArrowDown" | "ArrowRight" => step(&e, true),
        "ArrowUp" | "ArrowLeft" => step(&e, false),
        _ => {}
    };
    let place = StoredValue::new(key);
    view! {
        <Show when=move || alive.get()>
            <div class="c-menu" on:keydown=keys>
                <button
                    type="button"
                    class="c-button c-button--small"
                    class=("c-button--main", move || waiting.get())
                    id="place"
                    aria-haspopup="menu"
                    aria-expanded=move || open.get().to_string()
                    on:click=toggle
                >
                    {move || if waiting.get() { "Place on node …" } else { "Recreate on node …" }}
                </button>
                <Show when=move || open.get()>
                    <ul class="c-menu__items" role="menu" id="place-menu" aria-label="Nodes">
                        {move || {
                            nodes.get().into_iter().map(|node| view! { <PlaceItem node=node pod=place open=open /> }).collect_view()
                        }}
                    </ul>
                </Show>
            </div>
        </Show>
    }
}

#[component]
fn PlaceItem(node: String, pod: StoredValue<ObjectKey>, open: RwSignal<bool>) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let (aim, chosen, said) = (node.clone(), node.clone(), node.clone());
    let choose = move |_| {
        open.set(false);
        hands.target.set(None);
        drag::place(hands, nav, &pod.get_value(), &chosen, None);
    };
    view! {
        <li role="none">
            <button
                type="button"
                role="menuitem"
                tabindex="-1"
                data-node=node
                on:focus=move |_| hands.target.set(Some(aim.clone()))
                on:blur=move |_| hands.target.set(None)
                on:click=choose
            >
                {said}
            </button>
        </li>
    }
}

/// Moves focus to the next or previous item of the menu that an event came from.
fn step(event: &web_sys::KeyboardEvent, forward: bool) {
    use wasm_bindgen::JsCast;
    event.prevent_default();
    let Some(item) = drag::closest(event, "li") else {
        return;
    };
    let list = item.parent_element();
    let (next, wrap) = if forward {
        (
            item.next_element_sibling(),
            list.and_then(|l| l.first_element_child()),
        )
    } else {
        (
            item.previous_element_sibling(),
            list.and_then(|l| l.last_element_child()),
        )
    };
    let button = next.or(wrap).and_then(|li| li.first_element_child());
    if let Some(button) = button.and_then(|b| b.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = button.focus();
    }
}

#[component]
fn Power(key: ObjectKey) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let (taint, label) = (key.name.clone(), key.name.clone());
    let (stop, start) = (key.name.clone(), key.name);
    view! {
        <Cordon key=ObjectKey::new("", &stop) />
        <button type="button" class="c-button c-button--small" id="node-taint" on:click=move |_| hands.dialog.set(Dialog::Mark(Mark::Taint, taint.clone()))>
            "Taint …"
        </button>
        <button type="button" class="c-button c-button--small" id="node-label" on:click=move |_| hands.dialog.set(Dialog::Mark(Mark::Label, label.clone()))>
            "Label …"
        </button>
        <button type="button" class="c-button c-button--small" id="node-stop" on:click=move |_| drag::power(hands, nav, &stop, false)>
            "Stop …"
        </button>
        <button type="button" class="c-button c-button--small" id="node-start" on:click=move |_| drag::power(hands, nav, &start, true)>
            "Start"
        </button>
    }
}

/// Keeps new pods away, or lets them in again.
#[component]
fn Cordon(key: ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let at = key.clone();
    let cordoned = move |c: &Cluster| {
        let node = c.get("nodes", &at);
        node.and_then(|n| n.at("/spec/unschedulable")) == Some(&serde_json::Value::Bool(true))
    };
    let word = |cordoned: bool| if cordoned { "Uncordon" } else { "Cordon" };
    let shown = {
        let cordoned = cordoned.clone();
        Memo::new(move |_| truth.cluster.with(&cordoned))
    };
    let click = move |_| {
        let now = truth.now(&cordoned);
        let (on, verb) = (!now, word(now));
        let mut call = call::patch(
            &shared::KindRef::new("", "v1", "nodes"),
            &key,
            "strategic",
            &serde_json::json!({"spec": {"unschedulable": on}}),
        );
        call.line = format!("kubectl {} {}", verb.to_lowercase(), key.name);
        let ask = Ask {
            title: format!("{verb} {}", key.name),
            calls: vec![call],
            done: format!("{}: {}ed.", key.name, verb.to_lowercase()),
            ..Ask::default()
        };
        send::propose(hands, nav, ask);
    };
    view! {
        <button type="button" class="c-button c-button--small" id="node-cordon" on:click=click>
            {move || word(shown.get())}
        </button>
    }
}

#[component]
fn Scale(key: ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let asked = {
        let key = key.clone();
        move |c: &Cluster| {
            let asked = c
                .get("deployments", &key)
                .and_then(|d| d.int("/spec/replicas"));
            u32::try_from(asked.unwrap_or(1)).unwrap_or(0)
        }
    };
    let replicas = {
        let asked = asked.clone();
        Memo::new(move |_| truth.cluster.with(&asked))
    };
    let by = move |change: i32| {
        let n = truth.now(&asked).saturating_add_signed(change);
        send::propose(
            hands,
            nav,
            Ask {
                title: format!("Scale {} to {n}", key.name),
                warning: String::new(),
                calls: vec![call::scale(&key, n)],
                at: None,
                done: format!("{} is asked to have {n} replicas.", key.name),
                then: None,
                always: false,
                ..Ask::default()
            },
        );
    };
    let less = by.clone();
    view! {
        <div class="c-scale" role="group" aria-label="Replicas">
            <button type="button" class="c-button c-button--small" id="scale-down" aria-label="One replica less" on:click=move |_| {
                less(-1);
            }>
                "−"
            </button>
            <output id="replicas">{move || replicas.get()}</output>
            <button type="button" class="c-button c-button--small" id="scale-up" aria-label="One replica more" on:click=move |_| {
                by(1);
            }>
                "+"
            </button>
        </div>
    }
}

/// The way in from this browser, where a node port is open.
#[component]
fn Open(key: ObjectKey) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let port = Memo::new(move |_| {
        truth
            .scene
            .with(|s| s.gates.iter().find(|g| g.service == key).map(|g| g.port))
    });
    move || {
        port.get().map(|port| {
            let url = format!("http://{}:{port}/", browser::host());
            view! {
                <a class="c-button c-button--small c-button--main" id="open-service" href=url.clone() target="_blank" rel="noreferrer">
                    {format!("Open {url}")}
                </a>
            }
        })
    }
}
