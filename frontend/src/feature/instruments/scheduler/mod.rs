//! The scheduler: for one pod, what became of every node.

use leptos::prelude::*;
use shared::ObjectKey;
use shared::exhibit::{NodeVerdict, PodVerdict, ScorePart};

use super::{Instrument, On, problem, waits};
use crate::backend::fetch::Failure;
use crate::backend::polled::polled;
use crate::state::app::Truth;
use crate::state::route::escape;
use crate::state::verdict::{self, Asked};
use crate::words::scheduler as words;

pub(super) const INSTRUMENT: Instrument = Instrument {
    word: "scheduler",
    title: words::TITLE,
    about: words::ABOUT,
    glyph: "⊜",
    component: "kube-scheduler",
    body: |on| view! { <Body on=on /> }.into_any(),
};

#[component]
fn Body(on: On) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let pods = Memo::new(move |_| truth.cluster.with(verdict::pods));
    let uid = Memo::new(move |_| {
        let at = on.at.get();
        let (namespace, name) = at.split_once('/')?;
        let key = ObjectKey::new(namespace, name);
        truth
            .cluster
            .with(|c| c.get("pods", &key).map(|p| p.uid().to_owned()))
    });
    let path = Memo::new(move |_| {
        let uid = uid.get()?;
        Some(format!(
            "/glasshouse/v1/components/kube-scheduler/{}",
            escape(&uid)
        ))
    });
    let verdict = polled::<PodVerdict>(truth, path);
    let shown = move || match (on.at.with(String::is_empty), verdict.get()) {
        (true, _) if pods.with(Vec::is_empty) => problem(words::NO_PODS.into()),
        (true, _) => problem(words::CHOOSE.into()),
        (false, None) if uid.with(Option::is_none) => problem(words::CHOOSE.into()),
        (false, None) => waits(),
        (false, Some(Ok(verdict))) => view! { <Judged verdict=verdict /> }.into_any(),
        (false, Some(Err(Failure::Refused(status)))) if status.code == 404 => {
            problem(words::NO_VERDICT.into())
        }
        (false, Some(Err(failure))) => problem(failure.to_string()),
    };
    view! {
        <div class="c-instrument__two">
            <nav class="c-instrument__list" aria-label=words::PODS>
                <h3>{words::PODS}</h3>
                <ul>
                    <For each=move || pods.get() key=|a| (a.key.clone(), a.node.clone()) let:asked>
                        <Choice on=on asked=asked />
                    </For>
                </ul>
            </nav>
            <div class="c-instrument__body" id="verdict" tabindex="0">{shown}</div>
        </div>
    }
}

#[component]
fn Choice(on: On, asked: Asked) -> impl IntoView {
    let at = asked.key.to_string();
    let (here, goes, name) = (at.clone(), at.clone(), at.clone());
    let place = if asked.node.is_empty() {
        words::NOWHERE.to_owned()
    } else {
        asked.node
    };
    view! {
        <li>
            <button
                type="button"
                data-pod=name
                aria-current=move || on.at.with(|o| *o == here).then_some("true")
                on:click=move |_| on.set(&goes)
            >
                <code>{at}</code>
                <span>{place}</span>
            </button>
        </li>
    }
}

#[component]
fn Judged(verdict: PodVerdict) -> impl IntoView {
    let chosen = verdict.node.clone();
    let one = |node: NodeVerdict| {
        let is_chosen = chosen.as_ref() == Some(&node.node);
        view! { <OneNode node=node is_chosen=is_chosen /> }
    };
    view! {
        <p class="c-story">{verdict::sentence(&verdict)}</p>
        <ol class="c-verdict">{verdict::ranked(&verdict).into_iter().map(one).collect_view()}</ol>
    }
}

#[component]
fn OneNode(node: NodeVerdict, is_chosen: bool) -> impl IntoView {
    let mark = is_chosen.then(|| view! { <b class="c-verdict__chosen">{words::CHOSEN}</b> });
    let Some(percent) = node.percent else {
        let reasons = node.reasons.join(", ");
        return view! {
            <li data-refused="true">
                <code>{node.node}</code>
                <span class="c-verdict__why">
                    <span aria-hidden="true">"✕ "</span>
                    {reasons}
                </span>
                <span class="c-quiet">{words::REFUSED} " " {node.refused_by}</span>
            </li>
        }
        .into_any();
    };
    let part = |p: ScorePart| {
        view! {
            <tr>
                <th scope="row">{p.plugin}</th>
                <td><span class="c-bar" style=format!("--part:{}%", p.score.clamp(0, 100))><i></i></span></td>
                <td>{format!("{} × {}", p.score, p.weight)}</td>
            </tr>
        }
    };
    view! {
        <li data-chosen=is_chosen.to_string()>
            <code>{node.node}</code>
            <span class="c-verdict__score">
                <span class="c-bar" style=format!("--part:{}%", percent.clamp(0, 100))><i></i></span>
                <b>{percent}</b>
            </span>
            {mark}
            <details open=is_chosen>
                <summary>{words::PARTS}</summary>
                <table class="c-grid">
                    <tbody>{node.parts.into_iter().map(part).collect_view()}</tbody>
                </table>
            </details>
        </li>
    }
    .into_any()
}
