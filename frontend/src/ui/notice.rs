//! Messages on the spot, and the live region that says what changed to those who do not see it.

use leptos::prelude::*;

use crate::state::app::Hands;

/// The last refusal where it happened, and the polite live region.
#[component]
pub fn Notices() -> impl IntoView {
    let hands = expect_context::<Hands>();
    let place = |at: Option<(f64, f64)>| match at {
        Some((x, y)) => format!("--x:{x:.0}px;--y:{y:.0}px"),
        None => "--x:50vw;--y:40vh".into(),
    };
    view! {
        <div class="u-hidden" role="status" aria-live="polite" id="live-region">
            {hands.say}
        </div>
        {move || {
            hands
                .notice
                .get()
                .map(|notice| {
                    view! {
                        <div class="c-notice" role="alert" id="notice" style=place(notice.at) data-failed=notice.failed.to_string()>
                            <p>
                                <span aria-hidden="true">{if notice.failed { "▲ " } else { "● " }}</span>
                                {notice.text}
                            </p>
                            <button type="button" class="c-button c-button--small" on:click=move |_| hands.notice.set(None)>
                                "Dismiss"
                            </button>
                        </div>
                    }
                })
        }}
    }
}
