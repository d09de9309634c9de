//! One key's versions, the newest first, each with what it changed.

use leptos::prelude::*;
use serde_json::Value;
use shared::exhibit::{KeyHistory, KeyVersion};

use super::super::{problem, waits};
use crate::backend::polled::polled;
use crate::state::app::Truth;
use crate::state::diff::{self, Line};
use crate::state::route::escape;
use crate::state::{text, yaml};
use crate::ui::difference::Difference;
use crate::words::etcd as words;

#[component]
pub(super) fn Versions(key: String) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let at = format!("/glasshouse/v1/store/history?key={}", escape(&key));
    let path = Memo::new(move |_| Some(at.clone()));
    let history = polled::<KeyHistory>(truth, path);
    let shown = move || match history.get() {
        None => waits(),
        Some(Err(failure)) => problem(failure.to_string()),
        Some(Ok(history)) if history.versions.is_empty() => problem(words::NO_VERSIONS.into()),
        Some(Ok(history)) => view! { <List versions=history.versions /> }.into_any(),
    };
    view! {
        <h3 class="c-instrument__key"><code>{key}</code></h3>
        {shown}
    }
}

#[component]
fn List(versions: Vec<KeyVersion>) -> impl IntoView {
    let changes = changes(&versions);
    let one = |(newest, (version, lines)): (bool, (KeyVersion, Change))| {
        let when = version.at.map(text::clock);
        let (word, body) = match lines {
            Change::Gone => (words::DELETED.to_owned(), ().into_any()),
            Change::Begins(word, lines) => (
                word.to_owned(),
                view! { <Difference lines=lines /> }.into_any(),
            ),
            Change::Differs(lines) => {
                let changed = lines.iter().filter(|l| l.mark() == "+" || l.mark() == "-");
                let word = text::count(changed.count(), "line");
                (
                    format!("{word} changed"),
                    view! { <Difference lines=lines /> }.into_any(),
                )
            }
        };
        view! {
            <li data-revision=version.revision.to_string()>
                <details open=newest>
                    <summary>
                        <b>{format!("revision {}", text::thousands(version.revision.0))}</b>
                        <span class="c-quiet">{word}</span>
                        <time>{when}</time>
                    </summary>
                    {body}
                </details>
            </li>
        }
    };
    let newest = std::iter::once(true).chain(std::iter::repeat(false));
    let rows = newest.zip(versions.into_iter().zip(changes).rev());
    view! { <ol class="c-versions">{rows.map(one).collect_view()}</ol> }
}

/// What a version did.
enum Change {
    Gone,
    /// The first that is known, or one after a deletion: all of it, under a word.
    Begins(&'static str, Vec<Line>),
    Differs(Vec<Line>),
}

/// For each version what it changed in the one before.
fn changes(versions: &[KeyVersion]) -> Vec<Change> {
    let text = |v: &Value| yaml::print(&diff::plain(v));
    let mut before = None::<&KeyVersion>;
    let mut all = Vec::new();
    for version in versions {
        let old = before.and_then(|b| b.value.as_ref());
        all.push(match (&version.value, old) {
            (None, _) => Change::Gone,
            (Some(new), None) => {
                let fresh = before.is_some() || began_here(new, version);
                let word = if fresh { words::CREATED } else { words::OLDEST };
                Change::Begins(word, diff::lines("", &text(new)))
            }
            (Some(new), Some(old)) => Change::Differs(diff::lines(&text(old), &text(new))),
        });
        before = Some(version);
    }
    all
}

/// Whether a value is one that its revision created: an object that nothing has changed yet.
fn began_here(value: &Value, version: &KeyVersion) -> bool {
    let created = value
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str)
        .and_then(shared::Millis::parse_rfc3339);
    matches!((created, version.at), (Some(a), Some(b)) if a.0 / 1000 == b.0 / 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::Revision;

    use super::*;

    #[test]
    fn each_version_tells_what_it_changed() {
        let version = |revision, value| KeyVersion {
            revision: Revision(revision),
            at: None,
            value,
        };
        let versions = [
            version(1, Some(json!({"a": 1}))),
            version(2, Some(json!({"a": 2}))),
            version(3, None),
            version(4, Some(json!({"b": 1}))),
        ];
        let shown: Vec<String> = changes(&versions)
            .into_iter()
            .map(|c| match c {
                Change::Gone => "gone".into(),
                Change::Begins(word, lines) => format!("{word} {}", lines.len()),
                Change::Differs(lines) => lines.iter().map(Line::mark).collect::<Vec<_>>().join(""),
            })
            .collect();
        assert_eq!(
            shown,
            [
                format!("{} 1", words::OLDEST),
                "-+".into(),
                "gone".into(),
                "created 1".into()
            ]
        );
    }
}
