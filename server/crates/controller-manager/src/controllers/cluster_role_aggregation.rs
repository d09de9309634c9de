//! Aggregated ClusterRoles: their rules are those of the roles that their selectors choose
//! (`pkg/controller/clusterroleaggregation`).

use client::Request;
use client::cache::Changed;
use serde_json::Value;
use shared::selector::Selector;
use shared::{KindRef, Millis, Object};

use crate::plan::{Plan, Write};
use crate::view::{Item, View};

/// The loop's name.
pub const NAME: &str = "clusterrole-aggregation-controller";

fn cluster_roles() -> KindRef {
    KindRef::new("rbac.authorization.k8s.io", "v1", "clusterroles")
}

fn selectors(role: &Object) -> &[Value] {
    role.items("/aggregationRule/clusterRoleSelectors")
}

/// Any role may become a part of any aggregated one.
#[must_use]
pub fn keys(view: &View, change: &Changed) -> Vec<Item> {
    if change.kind != cluster_roles() {
        return Vec::new();
    }
    let aggregated = view
        .list(&cluster_roles())
        .filter(|role| !selectors(role).is_empty());
    aggregated
        .map(|role| Item::new(cluster_roles(), role.key()))
        .collect()
}

/// One look at an aggregated role.
#[must_use]
pub fn reconcile(view: &View, item: &Item, _now: Millis) -> Plan {
    let Some(role) = view.get(&item.kind, &item.key) else {
        return Plan::default();
    };
    if selectors(role).is_empty() || role.deletion().is_some() {
        return Plan::default();
    }
    let mut rules: Vec<&Value> = Vec::new();
    for selector in selectors(role) {
        let Some(selector) = Selector::from_object(Some(selector)) else {
            continue;
        };
        let parts = view
            .list(&item.kind)
            .filter(|part| part.name() != role.name() && selector.matches_object(part));
        for rule in parts.flat_map(|part| part.items("/rules")) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    if role.items("/rules").iter().eq(rules.iter().copied()) {
        return Plan::default();
    }
    let rules: Value = rules.into_iter().cloned().collect();
    let mut value = role.to_value();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("rules".into(), rules);
    }
    Plan::of(
        format!("{}: rules of its parts", role.name()),
        vec![Write::new(Request::update(item.kind.clone(), value))],
    )
}

#[cfg(test)]
mod tests {
    use client::Observed;
    use serde_json::json;
    use shared::Revision;

    use super::*;
    use crate::Config;

    fn role(name: &str, label: &str, aggregates: &str, rules: &[&str]) -> Object {
        let rules: Vec<Value> = rules
            .iter()
            .map(|resource| json!({"apiGroups": [""], "resources": [resource], "verbs": ["get"]}))
            .collect();
        let mut role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {label: "true"}},
            "rules": rules,
        });
        if !aggregates.is_empty() {
            role["aggregationRule"] =
                json!({"clusterRoleSelectors": [{"matchLabels": {aggregates: "true"}}]});
        }
        Object::new(role)
    }

    /// What `all`, which aggregates the label `part`, should hold; `-` when it is right as it is.
    fn check(own: &[&str], parts: &[(&str, &[&str])], want: &str) {
        let mut view = View::new(Config::default());
        let mut objects = vec![role("all", "other", "part", own)];
        objects.extend(
            parts
                .iter()
                .map(|(label, rules)| role(&format!("r-{label}"), label, "", rules)),
        );
        view.apply(Observed::Replaced {
            kind: cluster_roles(),
            revision: Revision(1),
            objects,
        });
        let item = Item::new(cluster_roles(), shared::ObjectKey::new("", "all"));
        let plan = reconcile(&view, &item, Millis(0));
        let written = plan.stages.iter().flatten().next();
        let got = written.map_or("-".to_owned(), |write| {
            let client::Body::Object(value) = &write.request.body else {
                panic!("an update carries the object")
            };
            let rules = value["rules"].as_array().cloned().unwrap_or_default();
            let names = rules.iter().filter_map(|r| r["resources"][0].as_str());
            names.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(got, want, "{own:?} {parts:?}");
    }

    #[test]
    fn rules_follow_the_parts() {
        check(&[], &[("part", &["pods", "nodes"])], "pods nodes");
        check(&["pods", "nodes"], &[("part", &["pods", "nodes"])], "-");
        check(&["pods"], &[("part", &[]), ("else", &["pods"])], "");
        check(&[], &[("part", &["pods", "pods"])], "pods");
        check(&[], &[], "-");
    }
}
