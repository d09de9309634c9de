//! The form behind a taint or a label that was dropped on a node.

use leptos::prelude::*;
use serde_json::{Value, json};
use shared::{KindRef, ObjectKey};

use super::send;
use crate::backend::call::{self, Call};
use crate::state::app::{Ask, Dialog, Hands, Mark, Nav, Truth};
use crate::state::cluster::Cluster;
use crate::state::route::Selected;
use crate::ui::modal::Modal;

/// What a taint does to pods that do not tolerate it.
const EFFECTS: [(&str, &str); 3] = [
    ("NoSchedule", "NoSchedule: no new pods"),
    (
        "PreferNoSchedule",
        "PreferNoSchedule: new pods if nothing else is left",
    ),
    (
        "NoExecute",
        "NoExecute: no new pods, and evict those that are here",
    ),
];

/// Node, key, value and effect.
#[component]
pub fn MarkForm(
    /// A taint or a label.
    mark: Mark,
    /// The node it was dropped on.
    node: String,
) -> impl IntoView {
    let truth = expect_context::<Truth>();
    let hands = expect_context::<Hands>();
    let nav = expect_context::<Nav>();
    let (word, first) = match mark {
        Mark::Taint => ("Taint", "dedicated"),
        Mark::Label => ("Label", "disktype"),
    };
    let (node, key) = (RwSignal::new(node), RwSignal::new(first.to_owned()));
    let value = RwSignal::new(
        if mark == Mark::Taint {
            "teaching"
        } else {
            "ssd"
        }
        .to_owned(),
    );
    let effect = RwSignal::new("NoSchedule".to_owned());
    let close = Callback::new(move |()| hands.dialog.set(Dialog::None));
    let submit = move |e: web_sys::SubmitEvent| {
        e.prevent_default();
        hands.dialog.set(Dialog::None);
        let at = ObjectKey::new("", &node.get_untracked());
        let (k, v) = (key.get_untracked(), value.get_untracked());
        let call = match mark {
            Mark::Label => label(&at, &k, &v),
            Mark::Taint => {
                let node = |c: &Cluster| Some(c.get("nodes", &at)?.items("/spec/taints").to_vec());
                let has = truth.now(node).unwrap_or_default();
                taint(&at, has, &k, &v, &effect.get_untracked())
            }
        };
        let ask = Ask {
            title: format!("{word} {}", at.name),
            calls: vec![call],
            done: format!("{} has the {} {k}.", at.name, word.to_lowercase()),
            then: Some(Selected::Object("nodes".into(), at)),
            ..Ask::default()
        };
        send::propose(hands, nav, ask);
    };
    let nodes = truth.now(|c| {
        let names = c.shelf("nodes").keys().map(|k| k.name.clone());
        names.map(|n| (n.clone(), n)).collect::<Vec<_>>()
    });
    let effects = EFFECTS.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    view! {
        <Modal title=format!("{word} a node") on_close=close>
            <form class="c-form" on:submit=submit>
                <Choice label="Node" id="mark-node" value=node of=nodes />
                <Field label="Key" id="mark-key" value=key />
                <Field label="Value" id="mark-value" value=value />
                {(mark == Mark::Taint).then(|| view! { <Choice label="Effect" id="mark-effect" value=effect of=effects /> })}
                <div class="c-modal__foot">
                    <span class="u-space"></span>
                    <button type="button" class="c-button" on:click=move |_| close.run(())>
                        "Cancel"
                    </button>
                    <button type="submit" class="c-button c-button--main" id="mark-apply">
                        {word}
                    </button>
                </div>
            </form>
        </Modal>
    }
}

/// `kubectl label node`.
fn label(node: &ObjectKey, key: &str, value: &str) -> Call {
    let patch = json!({"metadata": {"labels": {key: value}}});
    Call {
        line: format!("kubectl label node {} {key}={value} --overwrite", node.name),
        ..call::patch(&nodes(), node, "strategic", &patch)
    }
}

/// `kubectl taint node`: the other taints stay, one of the same key and effect is replaced.
fn taint(node: &ObjectKey, has: Vec<Value>, key: &str, value: &str, effect: &str) -> Call {
    let same = |t: &Value| {
        let text = |f: &str| t.get(f).and_then(Value::as_str).unwrap_or_default();
        text("key") == key && text("effect") == effect
    };
    let mut taints: Vec<Value> = has.into_iter().filter(|t| !same(t)).collect();
    taints.push(json!({"key": key, "value": value, "effect": effect}));
    let patch = json!({"spec": {"taints": taints}});
    Call {
        line: format!(
            "kubectl taint node {} {key}={value}:{effect} --overwrite",
            node.name
        ),
        ..call::patch(&nodes(), node, "merge", &patch)
    }
}

fn nodes() -> KindRef {
    KindRef::new("", "v1", "nodes")
}

#[component]
fn Field(label: &'static str, id: &'static str, value: RwSignal<String>) -> impl IntoView {
    view! {
        <label for=id>{label}</label>
        <input type="text" id=id autocomplete="off" prop:value=value on:input=move |e| value.set(event_target_value(&e)) />
    }
}

#[component]
fn Choice(
    label: &'static str,
    id: &'static str,
    value: RwSignal<String>,
    of: Vec<(String, String)>,
) -> impl IntoView {
    let option = move |(key, text): (String, String)| {
        let selected = value.with_untracked(|v| *v == key);
        view! { <option value=key selected=selected>{text}</option> }
    };
    view! {
        <label for=id>{label}</label>
        <select id=id on:change=move |e| value.set(event_target_value(&e))>
            {of.into_iter().map(option).collect_view()}
        </select>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_replaces_its_like_and_leaves_the_others() {
        let has = vec![
            json!({"key": "a", "value": "1", "effect": "NoSchedule"}),
            json!({"key": "a", "effect": "NoExecute"}),
        ];
        let call = taint(&ObjectKey::new("", "n"), has, "a", "2", "NoSchedule");
        assert_eq!(
            call.body.unwrap().to_string(),
            r#"{"spec":{"taints":[{"effect":"NoExecute","key":"a"},{"effect":"NoSchedule","key":"a","value":"2"}]}}"#
        );
        assert_eq!(call.line, "kubectl taint node n a=2:NoSchedule --overwrite");
    }
}
