//! Namespaces on the beam: the tint of what is in them, how many pods, and how full their quotas are.

use leptos::prelude::*;
use shared::ObjectKey;

use crate::state::app::{Nav, Truth};
use crate::state::namespace::NamespaceView;
use crate::state::route::Selected;

/// All that are worth showing.
#[component]
pub(super) fn Namespaces() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let all = Memo::new(move |_| truth.scene.with(|s| s.namespaces.clone()));
    view! {
        <h2 class="c-floor-name" id="namespaces">
            "namespaces"
        </h2>
        <ul class="c-namespaces" aria-labelledby="namespaces">
            {move || all.get().into_iter().map(|n| view! { <li><OneNamespace namespace=n /></li> }).collect_view()}
        </ul>
    }
}

#[component]
fn OneNamespace(namespace: NamespaceView) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let at = Selected::Object("namespaces".into(), ObjectKey::new("", &namespace.name));
    let select = {
        let at = at.clone();
        move |_| nav.select(at.clone())
    };
    // The fullest quota tells how much room is left; the panel has all of them.
    let fullest = namespace.quota.iter().max_by_key(|(.., percent)| *percent);
    let gauge = fullest.map(|(resource, used, hard, percent)| {
        let look = if *percent < 85 { "ready" } else { "failing" };
        view! {
            <span class="c-bar" aria-hidden="true" data-look=look>
                <i style=format!("--part:{}%", (*percent).min(100))></i>
            </span>
            <code>{format!("{resource} {used}/{hard}")}</code>
        }
    });
    view! {
        <button
            type="button"
            class="c-service"
            data-kind="namespace"
            data-name=namespace.name.clone()
            data-tint=namespace.tint.to_string()
            data-selected=move || nav.0.with(|r| r.selected == at).to_string()
            on:click=select
        >
            <i class="c-tint" aria-hidden="true"></i>
            <b>{namespace.name.clone()}</b>
            <span>{crate::state::text::count(namespace.pods, "pod")}</span>
            {gauge}
        </button>
    }
}
