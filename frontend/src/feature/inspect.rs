//! What a module is, before it runs: kind, size, digest, what it needs of its node, and its imports and exports word
//! by word.

use leptos::prelude::*;
use shared::live::Image;

use crate::state::text::{plain, size};

/// What the interfaces that a module imports let it do, in the order in which they are told.
const CAPABILITIES: [(&str, &str); 9] = [
    ("wasi:http/outgoing", "call others over HTTP"),
    ("wasi:http/incoming", "answer HTTP"),
    ("wasi:sockets", "open sockets in the pod's network"),
    ("wasi:filesystem", "read and write its volumes"),
    ("wasi:cli/environment", "read its environment and arguments"),
    ("wasi:cli/std", "read standard input, write its log"),
    ("wasi:clocks", "read clocks and wait"),
    ("wasi:random", "draw random numbers"),
    (
        "wasi_snapshot_preview1",
        "the system calls of WASI preview 1",
    ),
];

/// The facts about an image.
#[component]
pub fn Inspector(
    /// Which image.
    image: Image,
) -> impl IntoView {
    let capabilities = capabilities(&image);
    let facts = [
        ("Image", image.name.clone()),
        ("Kind", image.what.clone()),
        ("Size", size(image.size)),
        ("Digest", image.digest.clone()),
    ];
    let fact = |(name, value): (&'static str, String)| {
        view! { <div><dt>{name}</dt><dd><code>{plain(&value)}</code></dd></div> }
    };
    view! {
        <details class="c-inspect" open=image.uploaded>
            <summary>"What this module is"</summary>
            <dl class="c-facts">{facts.into_iter().map(fact).collect_view()}</dl>
            <h3 class="c-panel__h3">"It can"</h3>
            <ul class="c-inspect__can" id="inspect-can">{capabilities.into_iter().map(|c| view! { <li>{c}</li> }).collect_view()}</ul>
            <Names title="Imports" names=image.imports />
            <Names title="Exports" names=image.exports />
        </details>
    }
}

/// What a module's imports let it do, in words; without any it can only compute.
#[must_use]
pub fn capabilities(image: &Image) -> Vec<String> {
    let names = image.imports.iter().chain(&image.exports);
    let names: Vec<&String> = names.collect();
    let asks = |prefix: &str| names.iter().any(|n| n.starts_with(prefix));
    let mut can: Vec<String> = CAPABILITIES
        .iter()
        .filter(|(prefix, _)| asks(prefix))
        .map(|(_, what)| (*what).to_owned())
        .collect();
    if can.is_empty() {
        can.push("compute, and nothing else".into());
    }
    can
}

#[component]
fn Names(title: &'static str, names: Vec<String>) -> impl IntoView {
    let count = names.len();
    let one = |n: String| view! { <li><code>{plain(&n)}</code></li> };
    view! {
        <details>
            <summary>{format!("{title}: {count}")}</summary>
            <ul class="c-inspect__names">{names.into_iter().map(one).collect_view()}</ul>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_as_what_they_allow() {
        for (imports, exports, want) in [
            (vec![], vec![], "compute, and nothing else"),
            (
                vec![
                    "wasi:sockets/tcp@0.2.0",
                    "wasi:clocks/monotonic-clock@0.2.0",
                ],
                vec![],
                "open sockets in the pod's network, read clocks and wait",
            ),
            (
                vec![],
                vec!["wasi:http/incoming-handler@0.2.0"],
                "answer HTTP",
            ),
            (vec!["evil:thing/x"], vec![], "compute, and nothing else"),
        ] {
            let image = Image {
                imports: imports.into_iter().map(String::from).collect(),
                exports: exports.into_iter().map(String::from).collect(),
                ..Image::default()
            };
            assert_eq!(capabilities(&image).join(", "), want);
        }
    }
}
