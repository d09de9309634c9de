//! Links: the user's objects into a fragment, and a fragment into a preview that is applied only by a click.

use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::scenario::Scenario;

use crate::backend::browser;
use crate::state::app::{Dialog, Hands, Truth};
use crate::state::{qr, share, text};
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
    let url_shown = url.clone();
    let embed = format!("<a href=\"{url}\">Open this scenario in Glasshouse</a>");
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
        {qr::path(&url_shown).map_or_else(
            || view! { <p class="c-quiet">"The link is too long for a QR code."</p> }.into_any(),
            |(side, path)| view! { <Qr side=side path=path /> }.into_any(),
        )}
        <details>
            <summary>"For a slide or a page"</summary>
            <pre class="c-code" id="share-embed" tabindex="0">{embed}</pre>
        </details>
        <p class="c-copy__said" data-ok=move || format!("{:?}", copied.get())>
            {move || match copied.get() {
                Some(true) => "● Copied.",
                Some(false) => "▲ The browser does not let this page use the clipboard: select the link and copy it.",
                None => "",
            }}
        </p>
    }
}

#[component]
fn Qr(side: usize, path: String) -> impl IntoView {
    // Four modules of quiet around it, as ISO/IEC 18004 asks.
    let frame = format!("-4 -4 {0} {0}", side + 8);
    view! {
        <svg class="c-qr" id="share-qr" role="img" aria-label="The link as a QR code" viewBox=frame>
            <path d=path fill="#000" />
        </svg>
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
