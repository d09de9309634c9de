//! Links: the user's objects into a fragment, and a fragment into a preview that is applied only by a click.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::scenario::Scenario;

use crate::backend::{browser, call, fetch};
use crate::state::app::{Dialog, Hands, Truth};
use crate::state::{share, text};
use crate::ui::modal::Modal;

/// Looks at the address bar: a link is previewed once the cluster is known, never applied by itself.
pub fn watch_address(hands: Hands) {
    let look = move || {
        let Some(link) = browser::shared_link() else {
            return;
        };
        hands.dialog.set(match Scenario::decode(&link) {
            Ok(scenario) => Dialog::Preview(Box::new(scenario)),
            Err(error) => Dialog::BadLink(error.to_string()),
        });
    };
    look();
    browser::on_fragment(look);
}

/// The link to copy.
#[component]
pub fn ShareDialog() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let scenario = truth.cluster.with_untracked(share::collect);
    let count = text::count(scenario.objects.len(), "object");
    let body = match scenario.encode() {
        Ok(_) if scenario.objects.is_empty() => view! {
            <p id="share-empty">
                "There is nothing of yours in this cluster yet. Make a pod, then copy the link again."
            </p>
        }
        .into_any(),
        Ok(code) => view! { <LinkField url=format!("{}#s={code}", browser::address()) count=count /> }.into_any(),
        Err(error) => view! { <p role="alert" id="share-error">{error.to_string()}</p> }.into_any(),
    };
    view! {
        <Modal title="Link to this scenario" on_close=close>
            {body}
            <div class="c-modal__foot">
                <span class="u-space"></span>
                <button type="button" class="c-button" on:click=move |_| close.run(())>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}

#[component]
fn LinkField(url: String, count: String) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let copied = RwSignal::new(None::<bool>);
    let copy = {
        let url = url.clone();
        move || {
            let url = url.clone();
            spawn_local(async move {
                let ok = browser::copy(&url).await;
                copied.set(Some(ok));
                hands.tell(if ok {
                    "The link is on the clipboard."
                } else {
                    "Select the link and copy it."
                });
            });
        }
    };
    copy();
    let again = copy.clone();
    let length = text::thousands(url.len() as u64);
    view! {
        <p>
            {format!("The link holds {count}, {length} characters, and nothing else: no Secrets, no tokens, no logs. ")}
            "Whoever opens it sees what it would create before anything happens."
        </p>
        <label for="share-link">"Link"</label>
        <div class="c-copy">
            <input type="text" id="share-link" readonly prop:value=url on:focus=move |e| select_all(&e) />
            <button type="button" class="c-button c-button--main" autofocus on:click=move |_| again()>
                "Copy"
            </button>
        </div>
        <p class="c-copy__said" data-ok=move || format!("{:?}", copied.get())>
            {move || match copied.get() {
                Some(true) => "● Copied.",
                Some(false) => "▲ The browser does not let this page use the clipboard: select the link and copy it.",
                None => "",
            }}
        </p>
    }
}

fn select_all(event: &web_sys::FocusEvent) {
    use wasm_bindgen::JsCast;
    if let Some(input) = event
        .target()
        .and_then(|t| t.dyn_into::<web_sys::HtmlInputElement>().ok())
    {
        input.select();
    }
}

/// A link that cannot be opened.
#[component]
pub fn BadLink(
    /// What is wrong with it.
    why: String,
) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let close = Callback::new(move |()| {
        browser::drop_fragment();
        hands.dialog.set(Dialog::None);
    });
    view! {
        <Modal title="This link cannot be opened" on_close=close>
            <p role="alert" id="link-error">
                {why}
            </p>
            <p>"Nothing was changed in this cluster."</p>
            <div class="c-modal__foot">
                <span class="u-space"></span>
                <button type="button" class="c-button c-button--main" autofocus on:click=move |_| close.run(())>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}

/// What a link would do here, and the click that does it.
#[component]
pub fn Preview(
    /// What the link holds.
    scenario: Scenario,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let close = Callback::new(move |()| {
        browser::drop_fragment();
        hands.dialog.set(Dialog::None);
    });
    let shown = scenario.clone();
    let known = Memo::new(move |_| {
        truth
            .cluster
            .with(|c| c.hello.is_some() && !c.shelf("nodes").is_empty())
    });
    let intents = Memo::new(move |_| truth.cluster.with(|c| share::preview(&shown, c)));
    let here = Memo::new(move |_| truth.cluster.with(|c| c.shelf("nodes").len()));
    let nodes = scenario.nodes;
    let title = if scenario.title.is_empty() {
        "Open this scenario?".to_owned()
    } else {
        scenario.title.clone()
    };
    let count = text::count(scenario.objects.len(), "object");
    let going = RwSignal::new(false);
    let apply = move |_| {
        if !going.get_untracked() {
            going.set(true);
            run(scenario.clone(), truth, hands);
        }
    };
    view! {
        <Modal title=title on_close=close wide=true>
            <p>
                {move || {
                    format!("The link asks for {count} in a cluster with {}; this one has {}.", text::count(nodes, "node"), here.get())
                }}
            </p>
            <Intents intents=intents />
            <div class="c-modal__foot">
                <span class="u-space"></span>
                <button type="button" class="c-button" id="preview-cancel" autofocus on:click=move |_| close.run(())>
                    "Cancel"
                </button>
                <button
                    type="button"
                    class="c-button c-button--main"
                    id="preview-apply"
                    disabled=move || !known.get() || going.get()
                    on:click=apply
                >
                    {move || if known.get() { "Apply" } else { "Waiting for the cluster" }}
                </button>
            </div>
        </Modal>
    }
}

#[component]
fn Intents(intents: Memo<Vec<share::Intent>>) -> impl IntoView {
    let one = |i: share::Intent| {
        view! {
            <li data-skip=i.skip.to_string()>
                <b>{i.kind}</b>
                <code>{i.name}</code>
                <span>{i.what}</span>
            </li>
        }
    };
    view! {
        <ul class="c-intents" id="preview" tabindex="0" aria-label="What the link would create">
            {move || intents.get().into_iter().map(one).collect_view()}
        </ul>
    }
}

/// Creates the objects in order. What exists already is left alone; the first refusals are told, the rest goes on.
fn run(scenario: Scenario, truth: Truth, hands: Hands) {
    let intents = truth
        .cluster
        .with_untracked(|c| share::preview(&scenario, c));
    spawn_local(async move {
        let (mut made, mut refused) = (0, Vec::new());
        for (object, intent) in scenario
            .objects
            .iter()
            .zip(intents)
            .filter(|(_, i)| !i.skip)
        {
            let Some(call) = call::create(object.value()) else {
                continue;
            };
            match fetch::send(&call).await {
                Ok(_) => made += 1,
                Err(failure) => refused.push(format!("{} {}: {failure}", intent.kind, intent.name)),
            }
        }
        browser::drop_fragment();
        hands.dialog.set(Dialog::None);
        hands.tell(format!(
            "The scenario is open: {} created.",
            text::count(made, "object")
        ));
        if !refused.is_empty() {
            hands.refuse(refused.join("\n"), None);
        }
    });
}
