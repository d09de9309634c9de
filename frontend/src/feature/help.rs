//! The cheat sheet: keys, glyphs and what is real here.

use leptos::prelude::*;

use crate::state::app::{Dialog, Hands, Truth};
use crate::state::pod::Look;
use crate::ui::modal::Modal;

const KEYS: [(&str, &str); 12] = [
    ("Ctrl+K, Cmd+K", "commands: go anywhere, make anything"),
    ("/", "search"),
    ("?", "this sheet"),
    (":", "console: kubectl's common verbs"),
    ("t", "table or drawing"),
    ("d y l s", "on a row: describe, YAML, logs, shell"),
    ("Space, Ctrl+D", "on a row: mark, delete"),
    ("+ - 0", "zoom the drawing; Ctrl + wheel and pinch do too"),
    ("Esc", "close, or let go of what you carry"),
    ("Tab, Enter", "reach and open any room or pod"),
    ("1 … 6", "the panel's tabs"),
    (
        "← →",
        "between tabs; between nodes in \u{201c}Place on node\u{201d}",
    ),
];

/// Keys, glyphs, and how to point kubectl here.
#[component]
pub fn Help() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let truth = expect_context::<Truth>();
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let looks = [
        (Look::Ready, "does what it should"),
        (Look::Working, "is being made or ended right now"),
        (Look::Waiting, "waits for something else"),
        (Look::Failing, "went wrong"),
        (Look::Ended, "is over"),
    ];
    let kubeconfig = truth.cluster.with_untracked(|c| {
        c.hello
            .as_ref()
            .map(|h| h.kubeconfig.clone())
            .unwrap_or_default()
    });
    view! {
        <Modal title="How to read and use this page" on_close=close>
            <p>"The picture is a section through your cluster. Amber is work that is happening right now; a moving point is a real request."</p>
            <dl class="c-keys">
                {KEYS.into_iter().map(|(k, what)| view! { <div><dt><kbd>{k}</kbd></dt><dd>{what}</dd></div> }).collect_view()}
            </dl>
            <dl class="c-keys">
                {looks
                    .into_iter()
                    .map(|(look, what)| {
                        view! {
                            <div>
                                <dt class="c-state" data-look=look.word()>
                                    {look.glyph()}
                                    " "
                                    {look.word()}
                                </dt>
                                <dd>{what}</dd>
                            </div>
                        }
                    })
                    .collect_view()}
            </dl>
            {(!kubeconfig.is_empty())
                .then(|| {
                    view! {
                        <p>"The same cluster from a terminal:"</p>
                        <pre class="c-code" tabindex="0">{format!("export KUBECONFIG={kubeconfig}\nkubectl get pods -A -w")}</pre>
                    }
                })}
            <div class="c-modal__foot">
                <button type="button" class="c-button c-button--main" autofocus on:click=move |_| close.run(())>
                    "Close"
                </button>
            </div>
        </Modal>
    }
}
