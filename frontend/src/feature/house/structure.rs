//! The lines of the house: roof, beams, ground, edges and roots. Decoration for the eye; the rooms carry the words.

use leptos::prelude::*;

use super::Plan;
use crate::graph::edge;
use crate::graph::layout::{Detail, Layout};
use crate::graph::room::Room;
use crate::state::app::Truth;
use crate::state::text;

/// Pairs of nodes that get a root of their own; beyond, the tunnels are told in the nodes' panels.
const MAX_ROOTED_NODES: usize = 5;

/// One tunnel as it is drawn.
#[derive(Clone, PartialEq)]
struct Root {
    d: String,
    label: String,
    at: (f64, f64),
    busy: bool,
}

/// Roof, floors, ground, edges, roots.
#[component]
pub(super) fn Structure() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Plan { layout, .. } = expect_context::<Plan>();
    let roots = Memo::new(move |_| layout.with(|l| truth.cluster.with(|c| roots(l, c))));
    let edges = Memo::new(move |_| {
        layout.with(|l| {
            edge::standing(l)
                .into_iter()
                .map(|(r, p)| (r, p.d))
                .collect::<Vec<_>>()
        })
    });
    let size = move || layout.with(|l| format!("0 0 {:.0} {:.0}", l.size.0, l.size.1));
    view! {
        <svg class="c-lines" viewBox=size aria-hidden="true">
            {move || layout.with(walls)}
            <g class="c-lines__edges">
                {move || {
                    edges
                        .get()
                        .into_iter()
                        .map(|(room, d)| {
                            let gate = matches!(room, Room::Gate(_));
                            let lit = move || truth.lit.with(|lit| lit.contains(&room)).to_string();
                            view! { <path d=d class=("c-lines__gate", gate) data-lit=lit /> }
                        })
                        .collect_view()
                }}
            </g>
            <g class="c-lines__roots">
                {move || {
                    roots
                        .get()
                        .into_iter()
                        .map(|r| {
                            view! {
                                <path d=r.d.clone() class="c-lines__root" data-busy=r.busy.to_string() />
                                <path d=r.d class="c-lines__sap" data-busy=r.busy.to_string() />
                            }
                        })
                        .collect_view()
                }}
            </g>
        </svg>
        <Tunnels roots=roots />
    }
}

/// The roots in words: what carries them, and how much goes through each.
#[component]
fn Tunnels(roots: Memo<Vec<Root>>) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let Plan { layout, .. } = expect_context::<Plan>();
    let ground = move || {
        layout.with(|l| {
            format!(
                "--x:{:.0}px;--y:{:.0}px",
                l.house.x - 96.0,
                l.house.bottom() + 12.0
            )
        })
    };
    let tunnels = move || {
        let network = truth.cluster.with(|c| {
            c.hello
                .as_ref()
                .map_or(String::new(), |h| h.network.clone())
        });
        match network.as_str() {
            "" => String::new(),
            "flannel" => "tunnels: flannel, vxlan vni 1".into(),
            other => format!("tunnels: {other}"),
        }
    };
    view! {
        <p class="c-floor-name" style=ground>
            {tunnels}
        </p>
        <ul class="c-roots" aria-label="Tunnels between nodes">
            {move || {
                roots
                    .get()
                    .into_iter()
                    .map(|r| {
                        view! {
                            <li style=format!("--x:{:.0}px;--y:{:.0}px", r.at.0, r.at.1) data-busy=r.busy.to_string()>
                                {r.label}
                            </li>
                        }
                    })
                    .collect_view()
            }}
        </ul>
    }
}

fn walls(l: &Layout) -> impl IntoView + use<> {
    let (h, mid) = (l.house, l.house.mid_x());
    let eaves = 10.0;
    let roof = format!(
        "M{} {}L{mid} {}L{} {}",
        h.x - eaves,
        h.y,
        l.ridge_y,
        h.right() + eaves,
        h.y
    );
    let inner = format!(
        "M{} {}L{mid} {}L{} {}",
        h.x + 30.0,
        h.y,
        l.ridge_y + 11.0,
        h.right() - 30.0,
        h.y
    );
    // Rafters stand where the panes of the roof meet.
    let rafters: String = [0.2, 0.35, 0.5, 0.65, 0.8]
        .iter()
        .map(|t: &f64| {
            let x = h.x + h.w * t;
            let rise = (1.0 - (t - 0.5).abs() * 2.0) * (h.y - l.ridge_y);
            format!("M{x:.1} {}V{:.1}", h.y, h.y - rise * 0.86)
        })
        .collect();
    let (left, right) = (h.x, h.right());
    let sides = format!("M{left} {y}V{b}M{right} {y}V{b}", y = h.y, b = h.bottom());
    let floor = |y: f64| format!("M{left} {y}H{right}");
    let ground = format!("M{} {y}H{}", left - 16.0, right + 16.0, y = h.bottom());
    view! {
        <rect class="c-lines__glass" x=h.x y=h.y width=h.w height=h.h />
        <rect class="c-lines__corridor" x=l.corridor.x y=l.corridor.y width=l.corridor.w height=l.corridor.h />
        <path class="c-lines__mullion" d=rafters />
        <path class="c-lines__mullion" d=inner />
        <path class="c-lines__mullion" d=sides />
        <path class="c-lines__beam" d=roof />
        <path class="c-lines__beam" d=floor(l.floor_y) />
        <path class="c-lines__beam" d=floor(l.corridor.bottom()) />
        <path class="c-lines__ground" d=ground />
    }
}

fn roots(l: &Layout, cluster: &crate::state::cluster::Cluster) -> Vec<Root> {
    if l.nodes.len() > MAX_ROOTED_NODES || matches!(l.detail, Detail::Strips | Detail::Heat) {
        return Vec::new();
    }
    let nodes: Vec<_> = l.nodes.iter().collect();
    let mut out = Vec::new();
    for (i, (a, ra)) in nodes.iter().enumerate() {
        for (j, (b, rb)) in nodes.iter().enumerate().skip(i + 1) {
            let both = |t: &&shared::live::Tunnel| {
                (t.from == **a && t.to == **b) || (t.from == **b && t.to == **a)
            };
            let between = || cluster.pulse.tunnels.iter().filter(both);
            let rate: u64 = between().map(|t| t.bytes_per_second).sum();
            let total: u64 = between().map(|t| t.bytes_total).sum();
            let (path, at) = edge::root(l, ra, rb, j - i);
            out.push(Root {
                d: path.d,
                label: match (rate, total) {
                    (0, 0) => "idle".into(),
                    (0, _) => format!("idle · {}", text::size(total)),
                    _ => format!("{} · {}", text::bit_rate(rate), text::size(total)),
                },
                at,
                busy: rate > 0,
            });
        }
    }
    out
}
