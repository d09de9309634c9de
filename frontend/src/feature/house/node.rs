//! The lower floor: nodes with their four parts, their capacity and their pods. Draws as much as the place allows, and
//! only what is in sight: there may be thousands.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use shared::ObjectKey;

use super::Plan;
use super::pod::Pod;
use crate::graph::layout::{Detail, Rect, part_in};
use crate::graph::room::{Part, Room};
use crate::state::app::{Hands, Nav, Over, Truth};
use crate::state::node::NodeView;
use crate::state::pod::Look;
use crate::state::route::Selected;
use crate::state::text::percent;
use crate::ui::state_word::StateWord;

/// All nodes.
#[component]
pub(super) fn Nodes() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let plan = expect_context::<Plan>();
    let names = Memo::new(move |_| {
        truth
            .scene
            .with(|s| s.nodes.iter().map(|n| n.name.clone()).collect::<Vec<_>>())
    });
    let views = Views::new(truth);
    let zones = Memo::new(move |_| plan.layout.with(|l| l.zones.clone()));
    view! {
        <section class="c-nodes" aria-labelledby="nodes">
            <h2 class="u-hidden" id="nodes">
                "worker nodes"
            </h2>
            {move || {
                zones
                    .get()
                    .into_iter()
                    .map(|(zone, at)| view! { <p class="c-zone" style=at.style()>{format!("zone {zone}")}</p> })
                    .collect_view()
            }}
            <For each=move || names.get() key=Clone::clone let:name>
                <Node node=views.of(&name) name=name />
            </For>
        </section>
    }
}

/// One signal per node: of thousands, only those that changed are told.
#[derive(Clone, Copy)]
struct Views {
    truth: Truth,
    signals: StoredValue<BTreeMap<String, ArcRwSignal<Arc<NodeView>>>>,
}

impl Views {
    fn new(truth: Truth) -> Self {
        let signals = StoredValue::new(BTreeMap::<String, ArcRwSignal<Arc<NodeView>>>::new());
        Effect::new(move |_| {
            truth.scene.with(|scene| {
                signals.update_value(|all| {
                    all.retain(|name, signal| {
                        let view = scene.node(name);
                        if let Some(view) = view
                            && !signal.with_untracked(|known| Arc::ptr_eq(known, view))
                        {
                            signal.set(Arc::clone(view));
                        }
                        view.is_some()
                    });
                });
            });
        });
        Self { truth, signals }
    }

    /// The signal of a node, beginning with what is known of it.
    fn of(self, name: &str) -> ArcRwSignal<Arc<NodeView>> {
        let view = self
            .truth
            .scene
            .with_untracked(|s| s.node(name).cloned().unwrap_or_default());
        let signal = ArcRwSignal::new(view);
        self.signals.update_value(|all| {
            all.insert(name.to_owned(), signal.clone());
        });
        signal
    }
}

/// What is drawn inside a node: nothing when it is out of sight or a cell of the heat map.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Nothing,
    Strip,
    Room,
}

#[component]
fn Node(node: ArcRwSignal<Arc<NodeView>>, name: String) -> impl IntoView {
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let plan = expect_context::<Plan>();
    let node = RwSignal::from(node);
    let place = {
        let name = name.clone();
        Memo::new(move |_| {
            plan.layout
                .with(|l| l.nodes.get(&name).copied().unwrap_or_default())
        })
    };
    let inside = Memo::new(move |_| {
        let detail = plan.look.with(|l| l.detail);
        match detail {
            Detail::Heat => Inside::Nothing,
            _ if !plan.sight.with(|s| s.overlaps(&place.get())) => Inside::Nothing,
            Detail::Strips => Inside::Strip,
            Detail::Rooms | Detail::Lines => Inside::Room,
        }
    });
    let target = {
        let name = name.clone();
        move || {
            let dragged = hands.drag.with(|d| {
                d.as_ref()
                    .is_some_and(|d| d.over == Over::Node(name.clone()))
            });
            (dragged || hands.target.with(|t| t.as_ref() == Some(&name))).to_string()
        }
    };
    let at = Selected::Object("nodes".into(), ObjectKey::new("", &name));
    let is_selected = at.clone();
    let open = Callback::new(move |()| nav.select(at.clone()));
    let label = move || node.with(|n| format!("node {}, {}", n.name, n.status));
    let heat = move || format!("{};--heat:{}%", place.get().style(), node.with(|n| load(n)));
    let shown = name.clone();
    view! {
        <article
            class="c-node"
            style=heat
            aria-label=label
            data-kind="node"
            data-name=name.clone()
            data-phase=move || node.with(|n| n.status.clone())
            data-look=move || node.with(|n| worst(n).word())
            data-drop=format!("node:{name}")
            data-target=target
            data-selected=move || nav.0.with(|r| r.selected == is_selected).to_string()
        >
            <div class="c-node__box">
                <Content name=shown node=node place=place inside=inside open=open />
            </div>
        </article>
    }
}

/// What is inside; a cell has only a way to open it.
#[component]
fn Content(
    name: String,
    node: RwSignal<Arc<NodeView>>,
    place: Memo<Rect>,
    inside: Memo<Inside>,
    open: Callback<()>,
) -> impl IntoView {
    move || {
        let name = name.clone();
        match inside.get() {
            Inside::Nothing => {
                view! { <button type="button" class="c-node__cell" title=name.clone() aria-label=name on:click=move |_| open.run(()) /> }
                    .into_any()
            }
            Inside::Strip => {
                view! {
                    <Line node=node open=open />
                    <Capacity node=node />
                    <Pods node=node />
                }
                .into_any()
            }
            Inside::Room => {
                view! {
                    <Parts name=name place=place />
                    <Line node=node open=open />
                    <Capacity node=node />
                    <Pods node=node />
                }
                .into_any()
            }
        }
    }
}

/// How a cell looks: the node's own state, or the worst of its pods'.
fn worst(n: &NodeView) -> Look {
    let has = |look: Look| n.pods.iter().any(|p| p.look == look);
    match n.look {
        Look::Ready if has(Look::Working) => Look::Working,
        own => own,
    }
}

/// How full a node is, in percent: of pods' requests, or of the pods themselves where they ask for nothing.
fn load(n: &NodeView) -> u32 {
    const PODS_MAX: usize = 110;
    let pods = (n.pods.len() * 100 / PODS_MAX) as u32;
    let asked = percent(n.cpu_m.0, n.cpu_m.1).max(percent(n.memory.0, n.memory.1));
    asked.max(pods).min(100)
}

/// Its name, where it is and how it is.
#[component]
fn Line(node: RwSignal<Arc<NodeView>>, open: Callback<()>) -> impl IntoView {
    let look = Signal::derive(move || node.with(|n| n.look));
    let word = Signal::derive(move || node.with(|n| n.status.clone()));
    view! {
        <div class="c-node__line">
            <h3>
                <button type="button" class="c-node__open" on:click=move |_| open.run(())>
                    {move || node.with(|n| n.name.clone())}
                </button>
            </h3>
            <span class="c-node__where">{move || node.with(|n| whereabouts(n))}</span>
            <StateWord look=look word=word />
        </div>
    }
}

fn whereabouts(n: &NodeView) -> String {
    let zone = if n.zone.is_empty() {
        String::new()
    } else {
        format!("zone {}", n.zone)
    };
    let parts: Vec<&str> = [zone.as_str(), n.pod_cidr.as_str()]
        .into_iter()
        .filter(|p| !p.is_empty())
        .collect();
    parts.join(" · ")
}

/// kubelet, kube-proxy, engine, network plugin.
#[component]
fn Parts(name: String, place: Memo<Rect>) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let plan = expect_context::<Plan>();
    Part::ALL
        .into_iter()
        .map(move |part| {
            let room = Room::OnNode(name.clone(), part);
            let component = room.component();
            let (lit, at) = (room, Selected::Component(component.clone()));
            let style = move || part_in(part, place.get().w * plan.look.get().natural).style();
            let node_name = name.clone();
            view! {
                <button
                    type="button"
                    class="c-part"
                    data-part=part.name()
                    style=style
                    data-kind="component"
                    data-name=component
                    data-working=move || truth.lit.with(|l| l.contains(&lit)).to_string()
                    on:click=move |_| nav.select(at.clone())
                >
                    {part.name()}
                    <span class="u-hidden">{format!(" on {node_name}")}</span>
                </button>
            }
        })
        .collect_view()
}

/// What the pods asked for, of what can be given.
#[component]
fn Capacity(node: RwSignal<Arc<NodeView>>) -> impl IntoView {
    let cpu = Signal::derive(move || node.with(|n| n.cpu_m));
    let memory = Signal::derive(move || node.with(|n| n.memory));
    view! {
        <dl class="c-capacity">
            <Gauge name="cpu" title="CPU requested by pods, of what is allocatable" of=cpu />
            <Gauge name="mem" title="memory requested by pods, of what is allocatable" of=memory />
        </dl>
    }
}

#[component]
fn Gauge(name: &'static str, title: &'static str, of: Signal<(i64, i64)>) -> impl IntoView {
    let part = move || {
        let (asked, all) = of.get();
        percent(asked, all)
    };
    let look = move || match part() {
        0..=84 => "ready",
        _ => "failing",
    };
    view! {
        <div title=title>
            <dt>
                {name}
                <span class="u-hidden">" requested"</span>
            </dt>
            <dd>
                <span class="c-bar" aria-hidden="true" data-look=look>
                    <i style=move || format!("--part:{}%", part().min(100))></i>
                </span>
                {move || format!("{}%", part())}
            </dd>
        </div>
    }
}

#[component]
fn Pods(node: RwSignal<Arc<NodeView>>) -> impl IntoView {
    let plan = expect_context::<Plan>();
    let keys =
        Memo::new(move |_| node.with(|n| n.pods.iter().map(|p| p.key.clone()).collect::<Vec<_>>()));
    view! {
        <ul class="c-pods" data-detail=move || plan.look.with(|l| l.detail.word())>
            <For each=move || keys.get() key=Clone::clone let:key>
                <li>
                    <Pod key=key node=node />
                </li>
            </For>
        </ul>
    }
}
