//! The network: addresses, one node's routes and Service rules, and the tunnels between nodes.

use leptos::prelude::*;
use shared::exhibit::{RouteLine, ServiceRule};
use shared::live::Tunnel;

use super::{Instrument, On, problem, waits};
use crate::backend::polled::{Reading, polled};
use crate::state::app::{Nav, Truth};
use crate::state::route::{Selected, escape};
use crate::state::text;
use crate::words::network as words;

pub(super) const INSTRUMENT: Instrument = Instrument {
    word: "network",
    title: words::TITLE,
    about: words::ABOUT,
    glyph: "⌘",
    component: "cni",
    body: |on| view! { <Body on=on /> }.into_any(),
};

/// Endpoints of one rule that are named.
const ENDPOINTS_MAX: usize = 8;

#[component]
fn Body(on: On) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nodes = Memo::new(move |_| {
        let names = |c: &crate::state::cluster::Cluster| {
            let names = c.shelf("nodes").keys();
            names.map(|k| k.name.clone()).collect::<Vec<_>>()
        };
        truth.cluster.with(names)
    });
    let node = Memo::new(move |_| {
        let at = on.at.get();
        if at.is_empty() {
            nodes.with(|n| n.first().cloned())
        } else {
            Some(at)
        }
    });
    let path = move |component: &'static str, key: &'static str| {
        Memo::new(move |_| {
            let name = escape(&format!("{component} {}", node.get()?));
            Some(format!("/glasshouse/v1/components/{name}/{key}"))
        })
    };
    let routes = polled::<Vec<RouteLine>>(truth, path("cni", "routes"));
    let rules = polled::<Vec<ServiceRule>>(truth, path("kube-proxy", "services"));
    let option = move |name: String| {
        let (value, is) = (name.clone(), name.clone());
        view! { <option value=value selected=move || node.get().as_ref() == Some(&is)>{name}</option> }
    };
    view! {
        <div class="c-instrument__page" tabindex="0" role="region" aria-labelledby="instrument-title">
            <label class="c-instrument__choice">
                {words::NODE} " "
                <select id="network-node" on:change=move |e| on.set(&event_target_value(&e))>
                    {move || nodes.get().into_iter().map(option).collect_view()}
                </select>
            </label>
            <section id="network-routes">
                <h3>{words::ROUTES}</h3>
                {move || read(routes.get(), route_table)}
            </section>
            <section id="network-rules">
                <h3>{words::RULES}</h3>
                {move || read(rules.get(), rule_table)}
            </section>
            <Tunnels />
            <Pods />
        </div>
    }
}

fn read<T>(reading: Reading<Vec<T>>, table: fn(Vec<T>) -> AnyView) -> AnyView {
    match reading {
        None => waits(),
        Some(Ok(rows)) => table(rows),
        Some(Err(_)) => problem(words::NOTHING.into()),
    }
}

/// A table with a heading for each column.
fn grid(columns: &[&'static str], rows: impl IntoView) -> AnyView {
    let heads = columns.iter().map(|c| view! { <th scope="col">{*c}</th> });
    view! {
        <div class="c-grid__scroll" tabindex="0" role="region" aria-label=columns.join(", ")>
            <table class="c-grid">
                <thead><tr>{heads.collect_view()}</tr></thead>
                <tbody>{rows.into_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn route_table(routes: Vec<RouteLine>) -> AnyView {
    let one = |r: RouteLine| view! { <tr><th scope="row">{r.prefix}</th><td>{r.via}</td></tr> };
    grid(&["TO", "VIA"], routes.into_iter().map(one).collect_view())
}

fn rule_table(rules: Vec<ServiceRule>) -> AnyView {
    let one = |r: ServiceRule| {
        let how = [(r.local_only, words::LOCAL_ONLY), (r.sticky, words::STICKY)];
        let how: Vec<&str> = how.into_iter().filter(|h| h.0).map(|h| h.1).collect();
        let refused = r.endpoints.is_empty();
        view! {
            <tr>
                <th scope="row">{r.service.clone()}</th>
                <td>{r.to.clone()}</td>
                <td>{r.protocol.clone()}</td>
                <td data-refused=refused.to_string()>{endpoints(&r)}</td>
                <td>{how.join(", ")}</td>
            </tr>
        }
    };
    let columns = ["SERVICE", "ADDRESS", "PROTOCOL", "ENDPOINTS", "CHOOSES"];
    grid(&columns, rules.into_iter().map(one).collect_view())
}

fn endpoints(rule: &ServiceRule) -> String {
    let one = |(address, local): &(String, bool)| match local {
        true => format!("{address} ({})", words::HERE),
        false => address.clone(),
    };
    let named: Vec<String> = rule.endpoints.iter().take(ENDPOINTS_MAX).map(one).collect();
    match rule.endpoints.len().saturating_sub(ENDPOINTS_MAX) {
        _ if named.is_empty() => words::NO_ENDPOINTS.into(),
        0 => named.join("  "),
        more => format!("{}  and {more} more", named.join("  ")),
    }
}

#[component]
fn Tunnels() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let tunnels = Memo::new(move |_| truth.cluster.with(|c| c.pulse.tunnels.clone()));
    let one = |t: Tunnel| {
        view! {
            <tr>
                <th scope="row">{format!("{} → {}", t.from, t.to)}</th>
                <td>{text::bit_rate(t.bytes_per_second)}</td>
                <td>{text::size(t.bytes_total)}</td>
            </tr>
        }
    };
    let table = move || {
        let tunnels = tunnels.get();
        if tunnels.is_empty() {
            return problem(words::NO_TUNNELS.into());
        }
        let rows = tunnels.into_iter().map(one).collect_view();
        grid(&["TUNNEL", "NOW", "SINCE THE START"], rows)
    };
    view! {
        <section id="network-tunnels">
            <h3>{words::TUNNELS}</h3>
            {table}
        </section>
    }
}

#[component]
fn Pods() -> impl IntoView {
    let truth = expect_context::<Truth>();
    let nav = expect_context::<Nav>();
    let pods = Memo::new(move |_| {
        truth.cluster.with(|c| {
            let pods = c.shelf("pods").values();
            let pods = pods.filter(|p| !p.text("/status/podIP").is_empty());
            let row = |p: &shared::Object| {
                let (ip, node) = (p.text("/status/podIP"), p.text("/spec/nodeName"));
                (ip.to_owned(), p.key(), node.to_owned())
            };
            pods.map(row).collect::<Vec<_>>()
        })
    });
    let one = move |(ip, key, node): (String, shared::ObjectKey, String)| {
        let (name, at) = (key.to_string(), Selected::Object("pods".into(), key));
        view! {
            <tr>
                <th scope="row">{ip}</th>
                <td>
                    <button type="button" class="c-link" on:click=move |_| nav.select(at.clone())>
                        {name}
                    </button>
                </td>
                <td>{node}</td>
            </tr>
        }
    };
    let rows = move || pods.get().into_iter().map(one).collect_view();
    view! {
        <section id="network-pods">
            <h3>{words::PODS}</h3>
            {move || grid(&["ADDRESS", "POD", "NODE"], rows())}
        </section>
    }
}
