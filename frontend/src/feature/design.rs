//! The page's own drawing board: every token and part in one place, in the theme that is on. Nothing here is live.

use leptos::prelude::*;

use crate::state::pod::Look;
use crate::ui::difference::Difference;
use crate::ui::state_word::StateWord;

/// Colour roles and what each is for. A colour means the same everywhere.
const COLOURS: [(&str, &str); 18] = [
    ("ground", "behind everything"),
    ("sheet", "head, panel, foot"),
    ("pane-solid", "a pane one reads from"),
    ("ink", "text"),
    ("soft", "text of second rank"),
    ("faint", "what is quiet"),
    ("line", "mullions, borders"),
    ("beam", "structure, what is chosen"),
    ("track", "empty gauges, hover"),
    ("light", "work, right now; nothing else"),
    ("working", "words on work"),
    ("ready", "does what it should"),
    ("waiting", "waits for something else"),
    ("failing", "went wrong"),
    ("ended", "is over"),
    ("data", "traffic of pods and services"),
    ("tag", "the tag of a request"),
    ("lit-pane", "a room that works"),
];

/// Tints of namespaces; `default` has none.
const TINTS: [&str; 6] = ["tint-1", "tint-2", "tint-3", "tint-4", "tint-5", "tint-6"];

const LOOKS: [(Look, &str); 5] = [
    (Look::Ready, "Running"),
    (Look::Working, "ContainerCreating"),
    (Look::Waiting, "Pending"),
    (Look::Failing, "CrashLoopBackOff"),
    (Look::Ended, "Completed"),
];

/// The drawing board.
#[component]
pub fn Design() -> impl IntoView {
    view! {
        <article class="c-design" tabindex="0" aria-labelledby="design-title">
            <h2 id="design-title">"Design"</h2>
            <p>
                "A section through a glasshouse: thin lines, panes one can see into, and amber light only where work is happening. Every colour has a glyph beside it, and every word is kubectl's."
            </p>
            <h3>"Colours"</h3>
            <div class="c-design__row">{COLOURS.into_iter().map(swatch).collect_view()}</div>
            <h3>"Tints of namespaces"</h3>
            <div class="c-design__row">{TINTS.into_iter().map(|t| swatch((t, "a stripe, never a state"))).collect_view()}</div>
            <h3>"States"</h3>
            <div class="c-design__row">{LOOKS.into_iter().map(state).collect_view()}</div>
            <h3>"Type"</h3>
            <div class="c-design__row">
                <span style="font-size:18px;font-weight:600">"Plex Sans, for the page"</span>
                <span style="font-family:var(--condensed);font-size:14px">
                    "Plex Sans Condensed, kube-"
                    <b>"scheduler"</b>
                    ", inside the drawing"
                </span>
                <code>"Plex Mono 10.244.1.4 0.42 ms, for what one types"</code>
            </div>
            <h3>"Parts"</h3>
            <div class="c-design__row">
                <button type="button" class="c-button">"Button"</button>
                <button type="button" class="c-button c-button--main">"Main button"</button>
                <button type="button" class="c-button c-button--small">"Small button"</button>
                <button type="button" class="c-button" disabled>"Not now"</button>
                <kbd>"?"</kbd>
                <span class="c-tag">"POST deployments/web"</span>
                <span class="c-capsule" data-part="init" data-look="ended">
                    <span>"○"</span>
                    "init"
                </span>
                <span class="c-capsule" data-part="sidecar" data-look="ready">
                    <span>"●"</span>
                    "sidecar"
                </span>
                <span class="c-capsule" data-part="app" data-look="ready">
                    <span>"●"</span>
                    "app"
                </span>
            </div>
            <h3>"Panes"</h3>
            <div class="c-design__row">{LOOKS.into_iter().map(pane).collect_view()}</div>
            <h3>"Before and after"</h3>
            <Difference lines=crate::state::diff::lines("spec:\n  replicas: 1\n  paused: false", "spec:\n  replicas: 3\n  paused: false") />
        </article>
    }
}

fn swatch((name, what): (&'static str, &'static str)) -> impl IntoView {
    view! {
        <div class="c-swatch">
            <i style=format!("--of:var(--{name})") aria-hidden="true"></i>
            <code>{name}</code>
            <span>{what}</span>
        </div>
    }
}

fn state((look, word): (Look, &'static str)) -> impl IntoView {
    view! { <StateWord look=Signal::stored(look) word=Signal::stored(word.to_owned()) /> }
}

fn pane((look, word): (Look, &'static str)) -> impl IntoView {
    view! {
        <div class="c-pod" data-look=look.word()>
            <span class="c-pod__line">
                <b>"web-7f9c-q6zvn"</b>
                <code>"10.244.2.3"</code>
            </span>
            <span class="c-pod__line">{state((look, word))}</span>
        </div>
    }
}
