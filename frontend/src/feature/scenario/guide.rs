//! The guide: the step in front, its actions, and its checks.

use leptos::prelude::*;
use shared::scenario::{Action, Check, Step};

use super::{Lessons, stage};
use crate::feature::send;
use crate::state::app::{Ask, Hands, Nav, Truth};
use crate::state::lesson;
use crate::state::route::Selected;
use crate::ui::prose::Prose;

/// The left column while a scenario is open.
#[component]
pub fn Guide() -> impl IntoView {
    let lessons = expect_context::<Lessons>();
    let open = Memo::new(move |_| lessons.open.with(Option::is_some));
    let steps = Memo::new(move |_| {
        lessons
            .open
            .with(|l| l.as_ref().map_or(0, |l| l.scenario.steps.len()))
    });
    let busy = move || {
        lessons.busy.get().map(|what| {
            view! { <p class="c-guide__busy" role="status">{what}" …"</p> }
        })
    };
    view! {
        {busy}
        <Show when=move || open.get()>
            <section class="c-guide" id="guide" aria-labelledby="guide-title">
                <Head />
                <Front />
                <Course />
                <Show when=move || 0 < steps.get()>
                    <Foot />
                </Show>
            </section>
        </Show>
    }
}

#[component]
fn Head() -> impl IntoView {
    let lessons = expect_context::<Lessons>();
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let title = Memo::new(move |_| {
        lessons.open.with(|l| {
            l.as_ref()
                .map(|l| l.scenario.title.clone())
                .unwrap_or_default()
        })
    });
    let busy = move || lessons.busy.with(Option::is_some);
    let present = move |_| lessons.present.update(|p| *p = !*p);
    view! {
        <header class="c-guide__head">
            <h2 id="guide-title">{title}</h2>
            <div class="c-guide__tools">
                <button type="button" class="c-button c-button--small" id="guide-present" aria-pressed=move || lessons.present.get().to_string() on:click=present>
                    "Present"
                </button>
                <button type="button" class="c-button c-button--small" id="guide-reset" disabled=busy on:click=move |_| stage::reset(truth, hands, lessons)>
                    "Reset"
                </button>
                <button type="button" class="c-button c-button--small" id="guide-leave" disabled=busy on:click=move |_| stage::leave(truth, hands, lessons, true)>
                    "Leave and clean up"
                </button>
                <button
                    type="button"
                    class="c-button c-button--small"
                    id="guide-close"
                    aria-label="Close the guide and keep its objects"
                    on:click=move |_| stage::leave(truth, hands, lessons, false)
                >
                    "✕"
                </button>
            </div>
        </header>
    }
}

/// The step in front. Rebuilt only when another one comes, so that nothing jumps while one reads.
#[component]
fn Front() -> impl IntoView {
    let lessons = expect_context::<Lessons>();
    let front = Memo::new(move |_| {
        lessons.open.with(|l| {
            let lesson = l.as_ref()?;
            let step = lesson.scenario.steps.get(lesson.step)?.clone();
            Some((lesson.step, step))
        })
    });
    move || {
        front.get().map(|(number, step)| {
            view! { <Page number=number step=step /> }
        })
    }
}

#[component]
fn Page(number: usize, step: Step) -> impl IntoView {
    let nav = expect_context::<Nav>();
    let look = step.show.clone().map(|target| {
        let at = Selected::Object(target.kind.plural.clone(), target.key.clone());
        let label = format!("Look at {}", target.key.name);
        view! {
            <button type="button" class="c-button c-button--small" id="guide-show" on:click=move |_| nav.select(at.clone())>
                {label}
            </button>
        }
    });
    let actions = step.actions.into_iter().map(|a| view! { <Act action=a /> });
    let checks = step.checks.into_iter().enumerate();
    let checks = checks.map(|(i, c)| view! { <Must place=(number, i) check=c /> });
    view! {
        <article class="c-guide__page" tabindex="0" aria-label="Step">
            <h3>{step.title}</h3>
            <Prose text=step.text />
            <div class="c-guide__actions">{actions.collect_view()} {look}</div>
            <ul class="c-guide__checks" aria-label="Checks">{checks.collect_view()}</ul>
        </article>
    }
}

/// What comes by itself, and what of it has come.
#[component]
fn Course() -> impl IntoView {
    let lessons = expect_context::<Lessons>();
    let course = Memo::new(move |_| {
        lessons.open.with(|l| {
            let lesson = l.as_ref()?;
            let moments = lesson.scenario.timeline.iter();
            let moments = moments.map(|m| (m.after_seconds, m.label.clone()));
            Some((lesson.moments, moments.collect::<Vec<_>>()))
        })
    });
    let one = |(seconds, label, past): (u32, String, bool)| {
        view! {
            <li data-done=past.to_string()>
                <span class="c-guide__mark" aria-hidden="true">{if past { "✓" } else { "○" }}</span>
                <span>
                    {label} " "
                    <span class="c-quiet">
                        {format!("after {seconds} s of cluster time")} {past.then_some(", done")}
                    </span>
                </span>
            </li>
        }
    };
    move || {
        let (passed, moments) = course.get().filter(|(_, m)| !m.is_empty())?;
        let moments = moments.into_iter().enumerate();
        let moments = moments.map(|(i, (s, l))| one((s, l, i < passed)));
        Some(view! {
            <section class="c-guide__course" aria-label="What happens by itself">
                <h3>"By itself"</h3>
                <ul class="c-guide__checks">{moments.collect_view()}</ul>
            </section>
        })
    }
}

/// A button that does what the text asks for; what it sends is shown first.
#[component]
fn Act(action: Action) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let label = action.label.clone();
    let press = move |_| {
        let warning = action.expect.map_or_else(String::new, |code| {
            format!("The API server is meant to refuse this with {code}: that is the lesson.")
        });
        let ask = Ask {
            title: action.label.clone(),
            warning,
            calls: action.deeds.iter().flat_map(lesson::calls).collect(),
            done: format!("{}: sent.", action.label),
            expect: action.expect,
            lesson: true,
            ..Ask::default()
        };
        send::propose(hands, nav, ask);
    };
    view! {
        <button type="button" class="c-button c-button--main c-guide__act" on:click=press>
            <span aria-hidden="true">"▸"</span>
            {label}
        </button>
    }
}

#[component]
fn Must(place: (usize, usize), check: Check) -> impl IntoView {
    let lessons = expect_context::<Lessons>();
    let done = Memo::new(move |_| {
        lessons
            .open
            .with(|l| l.as_ref().is_some_and(|l| l.done.contains(&place)))
    });
    let hint = (!check.hint.is_empty()).then(|| {
        let hint = check.hint.clone();
        view! { <Prose text=hint /> }
    });
    let source = check.expression.source().to_owned();
    view! {
        <li data-done=move || done.get().to_string()>
            <span class="c-guide__mark" aria-hidden="true">{move || if done.get() { "✓" } else { "○" }}</span>
            <details>
                <summary>
                    {check.name}
                    <span class="u-hidden">{move || if done.get() { ": done" } else { ": not yet" }}</span>
                </summary>
                {hint}
                <pre class="c-code" tabindex="0">{source}</pre>
            </details>
        </li>
    }
}

#[component]
fn Foot() -> impl IntoView {
    let lessons = expect_context::<Lessons>();
    let shown = Memo::new(move |_| {
        lessons.open.with(|l| {
            l.as_ref().map_or((0, 0, false, false), |l| {
                let steps = l.scenario.steps.len();
                (l.step, steps, l.is_done(l.step), l.is_over())
            })
        })
    });
    let go = move |by: isize| {
        lessons.change(|l| {
            let last = l.scenario.steps.len().saturating_sub(1);
            l.step = l.step.saturating_add_signed(by).min(last);
        });
    };
    let words = move || {
        let (step, steps, _, over) = shown.get();
        if over {
            "Complete: every check is green.".to_owned()
        } else {
            format!("Step {} of {steps}", step + 1)
        }
    };
    let is_last = move || {
        let (step, steps, ..) = shown.get();
        step + 1 >= steps
    };
    view! {
        <footer class="c-guide__foot">
            <button type="button" class="c-button c-button--small" id="guide-back" disabled=move || shown.get().0 == 0 on:click=move |_| go(-1)>
                "Back"
            </button>
            <span id="guide-progress" data-over=move || shown.get().3.to_string()>{words}</span>
            <button
                type="button"
                class="c-button c-button--small"
                class=("c-button--main", move || shown.get().2 && !is_last())
                id="guide-next"
                disabled=is_last
                on:click=move |_| go(1)
            >
                "Next"
            </button>
        </footer>
    }
}
