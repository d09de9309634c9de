//! The store: keys by prefix like folders, and one key's versions with what each changed.

mod versions;

use leptos::prelude::*;
use shared::exhibit::{StoreKey, StorePage};

use super::{Instrument, On, problem, waits};
use crate::backend::polled::polled;
use crate::state::app::Truth;
use crate::state::route::escape;
use crate::state::text;
use crate::words::etcd as words;

pub(super) const INSTRUMENT: Instrument = Instrument {
    word: "etcd",
    title: words::TITLE,
    about: words::ABOUT,
    glyph: "≣",
    component: "etcd",
    body: |on| view! { <Body on=on /> }.into_any(),
};

/// Where one begins.
const ROOT: &str = "/registry/";

#[component]
fn Body(on: On) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let prefix = Memo::new(move |_| {
        on.at.with(|at| match at.rfind('/') {
            // The folder of a key, so that its neighbours stay in sight.
            Some(slash) => at.get(..=slash).unwrap_or_default().to_owned(),
            None => ROOT.to_owned(),
        })
    });
    let path = Memo::new(move |_| {
        let prefix = escape(&prefix.get());
        Some(format!("/glasshouse/v1/store?prefix={prefix}"))
    });
    let page = polled::<StorePage>(truth, path);
    let key = Memo::new(move |_| {
        let at = on.at.get();
        (!at.is_empty() && !at.ends_with('/')).then_some(at)
    });
    let listed = move || match page.get() {
        None => waits(),
        Some(Ok(page)) => view! { <Listed on=on page=page /> }.into_any(),
        Some(Err(failure)) => problem(failure.to_string()),
    };
    let figures = move || {
        let page = page.get().and_then(Result::ok);
        page.map(|p| view! { <Figures page=p /> })
    };
    view! {
        {figures}
        <Crumbs on=on prefix=prefix />
        <div class="c-instrument__two c-instrument__two--wide">
            <div class="c-instrument__list" id="store-keys" tabindex="0" role="region" aria-label=words::KEYS>
                {listed}
            </div>
            <div class="c-instrument__body" id="store-history" tabindex="0" role="region" aria-label=words::HISTORY>
                {move || key.get().map(|key| view! { <versions::Versions key=key /> })}
            </div>
        </div>
    }
}

#[component]
fn Figures(page: StorePage) -> impl IntoView {
    let figures = [
        (words::REVISION, text::thousands(page.revision.0)),
        (words::COMPACTED, text::thousands(page.compacted.0)),
        (words::KEYS, text::thousands(page.keys as u64)),
        (words::BYTES, text::size(page.bytes)),
        (
            words::HISTORY,
            format!("{} revisions", text::thousands(page.history as u64)),
        ),
    ];
    let one = |(name, figure): (&'static str, String)| view! { <div><dt>{name}</dt><dd>{figure}</dd></div> };
    view! { <dl class="c-figures" id="store-figures">{figures.map(one).collect_view()}</dl> }
}

/// The way to the prefix, each part a step back.
#[component]
fn Crumbs(on: On, prefix: Memo<String>) -> impl IntoView {
    let parts = move || {
        let prefix = prefix.get();
        let ends = prefix.match_indices('/').skip(1);
        let mut from = 0;
        let parts = ends.map(|(end, _)| {
            let name = prefix.get(from..=end).unwrap_or_default().to_owned();
            from = end + 1;
            (name, prefix.get(..=end).unwrap_or_default().to_owned())
        });
        parts.collect::<Vec<_>>()
    };
    let one = move |(name, to): (String, String)| {
        view! {
            <li>
                <button type="button" class="c-link" on:click=move |_| on.set(&to)>
                    {name}
                </button>
            </li>
        }
    };
    view! {
        <nav aria-label=words::PATH>
            <ol class="c-crumbs">{move || parts().into_iter().map(one).collect_view()}</ol>
        </nav>
    }
}

#[component]
fn Listed(on: On, page: StorePage) -> impl IntoView {
    if page.folders.is_empty() && page.items.is_empty() {
        return problem(words::EMPTY.into());
    }
    let folder = move |(prefix, count): (String, usize)| {
        let to = prefix.clone();
        view! {
            <li>
                <button type="button" data-folder=prefix.clone() on:click=move |_| on.set(&to)>
                    <code>{last(&prefix)}</code>
                    <span>{text::count(count, "key")}</span>
                </button>
            </li>
        }
    };
    let key = move |k: StoreKey| {
        let (to, here) = (k.key.clone(), k.key.clone());
        let about = format!(
            "revision {} · version {} · {}",
            k.mod_revision,
            k.version,
            text::size(k.bytes as u64)
        );
        view! {
            <li>
                <button
                    type="button"
                    data-key=k.key.clone()
                    aria-current=move || on.at.with(|at| *at == here).then_some("true")
                    on:click=move |_| on.set(&to)
                >
                    <code>{last(&k.key)}</code>
                    <span>{about}</span>
                </button>
            </li>
        }
    };
    let more = (page.left_off > 0).then(|| {
        view! { <li class="c-quiet">{format!("and {} more", text::count(page.left_off, "key"))}</li> }
    });
    view! {
        <ul>
            {page.folders.into_iter().map(folder).collect_view()}
            {page.items.into_iter().map(key).collect_view()}
            {more}
        </ul>
    }
    .into_any()
}

/// The last part of a key or of a folder.
fn last(path: &str) -> String {
    let whole = path.trim_end_matches('/');
    let from = whole.rfind('/').map_or(0, |at| at + 1);
    path.get(from..).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::last;

    #[test]
    fn paths_end_in_their_last_part() {
        for (path, want) in [
            ("/registry/pods/", "pods/"),
            ("/registry/pods/default/web", "web"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(last(path), want);
        }
    }
}
