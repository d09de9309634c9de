//! The roles and bindings that a fresh cluster has, read from `policy.txt`
//! (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).

use serde_json::{Value, json};

use crate::authz::rule::Rule;

const TEXT: &str = include_str!("policy.txt");
const GROUP: &str = "rbac.authorization.k8s.io";
/// The controllers of the original each have an account of their own; here they share their manager's, which
/// therefore needs all of their roles ("must be granted all the relevant roles": Kubernetes' page on RBAC).
const CONTROLLERS: &str = "system:controllers";
const CONTROLLER_PREFIX: &str = "system:controller:";

/// Every default role and binding with its plural, roles first.
pub(crate) fn objects() -> Vec<(&'static str, Value)> {
    let mut roles: Vec<Role> = Vec::new();
    let mut bindings = Vec::new();
    for line in TEXT.lines() {
        if line.starts_with("  ") {
            if let (Some(role), Some(rule)) = (roles.last_mut(), rule(line)) {
                role.rules.push(rule);
            }
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ClusterRole", name, more @ ..] => roles.push(Role::cluster(name, more)),
            ["Role", namespace, name] => roles.push(Role {
                namespace,
                ..Role::cluster(name, &[])
            }),
            ["ClusterRoleBinding", name, role, subjects @ ..] => {
                bindings.push(binding("", name, ("ClusterRole", role), subjects));
            }
            ["RoleBinding", namespace, name, role, subjects @ ..] => {
                bindings.push(binding(namespace, name, ("Role", role), subjects));
            }
            _ => {}
        }
    }
    roles.push(controllers(&roles));
    let manager = ["User/system:kube-controller-manager"];
    bindings.push(binding(
        "",
        CONTROLLERS,
        ("ClusterRole", CONTROLLERS),
        &manager,
    ));
    aggregate(&mut roles);
    roles.iter().map(Role::object).chain(bindings).collect()
}

/// A role on its way into the store.
#[derive(Clone, Debug)]
struct Role {
    /// Empty for a cluster role.
    namespace: &'static str,
    name: &'static str,
    labels: Vec<&'static str>,
    /// The label of the roles that this one takes its rules from.
    aggregates: Option<&'static str>,
    rules: Vec<Rule>,
}

impl Role {
    fn cluster(name: &'static str, more: &[&'static str]) -> Self {
        Self {
            namespace: "",
            name,
            labels: more
                .iter()
                .filter_map(|word| word.strip_prefix("label="))
                .collect(),
            aggregates: more.iter().find_map(|word| word.strip_prefix("aggregate=")),
            rules: Vec::new(),
        }
    }

    fn object(&self) -> (&'static str, Value) {
        let rules: Vec<Value> = self.rules.iter().map(Rule::to_value).collect();
        let mut role = json!({"metadata": metadata(self.namespace, self.name), "rules": rules});
        for label in &self.labels {
            role["metadata"]["labels"][*label] = "true".into();
        }
        if let Some(label) = self.aggregates {
            role["aggregationRule"] =
                json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        }
        let plural = if self.namespace.is_empty() {
            "clusterroles"
        } else {
            "roles"
        };
        (plural, role)
    }
}

/// Everything that any controller may do.
fn controllers(roles: &[Role]) -> Role {
    let mut all = Role::cluster(CONTROLLERS, &[]);
    let cluster_wide = roles.iter().filter(|role| role.namespace.is_empty());
    for role in cluster_wide.filter(|role| role.name.starts_with(CONTROLLER_PREFIX)) {
        for rule in &role.rules {
            if !all.rules.contains(rule) {
                all.rules.push(rule.clone());
            }
        }
    }
    all
}

/// Fills aggregated roles. `view` is part of `edit`, which is part of `admin`, so it takes as many rounds as there are
/// such roles at most.
fn aggregate(roles: &mut [Role]) {
    for _ in 0..roles
        .iter()
        .filter(|role| role.aggregates.is_some())
        .count()
    {
        let before = roles.to_vec();
        for role in roles.iter_mut() {
            let Some(label) = role.aggregates else {
                continue;
            };
            let parts = before.iter().filter(|part| part.labels.contains(&label));
            for rule in parts.flat_map(|part| &part.rules) {
                if !role.rules.contains(rule) {
                    role.rules.push(rule.clone());
                }
            }
        }
    }
}

fn metadata(namespace: &str, name: &str) -> Value {
    let mut metadata = json!({
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    });
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn binding(
    namespace: &str,
    name: &str,
    (kind, role): (&str, &str),
    subjects: &[&str],
) -> (&'static str, Value) {
    let subjects: Vec<Value> = subjects.iter().filter_map(|word| subject(word)).collect();
    let mut binding = json!({
        "metadata": metadata(namespace, name),
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
    });
    if !subjects.is_empty() {
        binding["subjects"] = subjects.into();
    }
    let plural = if namespace.is_empty() {
        "clusterrolebindings"
    } else {
        "rolebindings"
    };
    (plural, binding)
}

/// `User/NAME`, `Group/NAME` or `ServiceAccount/NAMESPACE/NAME`.
fn subject(word: &str) -> Option<Value> {
    match word.split_once('/')? {
        ("ServiceAccount", account) => {
            let (namespace, name) = account.split_once('/')?;
            Some(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}))
        }
        (kind, name) => Some(json!({"kind": kind, "apiGroup": GROUP, "name": name})),
    }
}

/// `VERBS GROUPS RESOURCES [NAMES]` or `VERBS url PATHS`.
pub(crate) fn rule(line: &str) -> Option<Rule> {
    let list = |word: &str| -> Vec<String> {
        word.split(',')
            .map(|part| if part == "core" { "" } else { part }.to_owned())
            .collect()
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [verbs, "url", paths] => Some(Rule {
            verbs: list(verbs),
            non_resource_urls: list(paths),
            ..Rule::default()
        }),
        [verbs, groups, resources, names @ ..] if names.len() < 2 => Some(Rule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: names.iter().flat_map(|names| list(names)).collect(),
            ..Rule::default()
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(name: &str) -> usize {
        let all = objects();
        let (_, role) = all
            .iter()
            .find(|(plural, o)| *plural == "clusterroles" && o["metadata"]["name"] == name)
            .expect("a role");
        role["rules"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn every_line_says_something() {
        let mut counts = [0; 4];
        for line in TEXT
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let known = if line.starts_with("  ") {
                rule(line).is_some()
            } else {
                let kinds = [
                    "ClusterRole ",
                    "Role ",
                    "ClusterRoleBinding ",
                    "RoleBinding ",
                ];
                let kind = kinds.iter().position(|k| line.starts_with(k));
                counts[kind.expect(line)] += 1;
                true
            };
            assert!(known, "{line}");
        }
        let objects = objects();
        let of = |plural: &str| objects.iter().filter(|(p, _)| *p == plural).count();
        assert_eq!(counts[0] + 1, of("clusterroles"));
        assert_eq!(counts[1], of("roles"));
        assert_eq!(counts[2] + 1, of("clusterrolebindings"));
        assert_eq!(counts[3], of("rolebindings"));
        for (_, object) in &objects {
            let subjects = object.get("subjects").and_then(Value::as_array);
            assert!(subjects.is_none_or(|s| !s.is_empty()), "{object}");
        }
    }

    #[test]
    fn aggregated_roles_have_the_rules_of_their_parts() {
        for (name, want) in [
            ("view", 12),
            ("edit", 27),
            ("admin", 29),
            ("cluster-admin", 2),
        ] {
            assert_eq!(rules_of(name), want, "{name}");
        }
    }
}
