//! One policy rule: what it allows, and whether it covers another.
//!
//! Matching follows `k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go`, covering
//! `k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Attributes;

/// `rbac.authorization.k8s.io/v1` PolicyRule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    pub(crate) verbs: Vec<String>,
    pub(crate) api_groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    pub(crate) non_resource_urls: Vec<String>,
}

const ANY: &str = "*";

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == wanted)
}

fn has_or_any(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == ANY || item == wanted)
}

/// True when every item of `wanted` is in `list`, or `list` stands for everything.
fn covers_all(list: &[String], wanted: &[String]) -> bool {
    has(list, ANY) || wanted.iter().all(|item| has(list, item))
}

impl Rule {
    /// The rules of a stored role; `null` counts as none.
    pub(crate) fn list(rules: Option<&Value>) -> Vec<Self> {
        let each = rules.and_then(Value::as_array).into_iter().flatten();
        each.filter_map(|rule| Self::deserialize(rule).ok())
            .collect()
    }

    /// Whether the rule allows what is asked.
    pub(crate) fn allows(&self, asked: &Attributes<'_>) -> bool {
        if !has_or_any(&self.verbs, asked.verb) {
            return false;
        }
        if asked.resource.is_empty() {
            return self
                .non_resource_urls
                .iter()
                .any(|url| path_matches(url, asked.path));
        }
        has_or_any(&self.api_groups, asked.group)
            && self.resources.iter().any(|r| resource_matches(r, asked))
            && (self.resource_names.is_empty() || has(&self.resource_names, asked.name))
    }

    /// Whether everything that `other` allows is allowed by this rule.
    fn covers(&self, other: &Self) -> bool {
        let names = self.resource_names.is_empty()
            || (!other.resource_names.is_empty()
                && other
                    .resource_names
                    .iter()
                    .all(|n| has(&self.resource_names, n)));
        covers_all(&self.verbs, &other.verbs)
            && covers_all(&self.api_groups, &other.api_groups)
            && covers_resources(&self.resources, &other.resources)
            && covers_paths(&self.non_resource_urls, &other.non_resource_urls)
            && names
    }

    /// The same as rules with one verb and one group, resource, name or path each.
    fn single(&self) -> Vec<Self> {
        let one = |text: &str| vec![text.to_owned()];
        let mut all = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let rule = Self {
                        verbs: one(verb),
                        api_groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    if self.resource_names.is_empty() {
                        all.push(rule);
                        continue;
                    }
                    all.extend(self.resource_names.iter().map(|name| Self {
                        resource_names: one(name),
                        ..rule.clone()
                    }));
                }
            }
        }
        for url in &self.non_resource_urls {
            all.extend(self.verbs.iter().map(|verb| Self {
                verbs: one(verb),
                non_resource_urls: one(url),
                ..Self::default()
            }));
        }
        all
    }

    /// As the original writes it into messages: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`.
    pub(crate) fn text(&self) -> String {
        let parts = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let set = parts.iter().filter(|(_, list)| !list.is_empty());
        let text: Vec<String> = set
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        format!("{{{}}}", text.join(", "))
    }

    /// As API objects have it: empty lists are left out.
    pub(crate) fn to_value(&self) -> Value {
        let mut fields = Map::new();
        for (name, list) in [
            ("verbs", &self.verbs),
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
            ("resourceNames", &self.resource_names),
            ("nonResourceURLs", &self.non_resource_urls),
        ] {
            if !list.is_empty() {
                fields.insert(name.into(), list.clone().into());
            }
        }
        Value::Object(fields)
    }
}

/// What of `wanted` the owner of `owned` does not have, as short as it can be said.
pub(crate) fn missing(owned: &[&Rule], wanted: &[Rule]) -> Vec<Rule> {
    let single = wanted.iter().flat_map(Rule::single);
    let missing = single.filter(|rule| !owned.iter().any(|o| o.covers(rule)));
    compact(missing.collect())
}

/// Joins single rules that differ in their verb only, in the order of first appearance.
fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut places: BTreeMap<Rule, usize> = BTreeMap::new();
    let mut joined: Vec<Rule> = Vec::new();
    for rule in rules {
        let verbs = rule.verbs.clone();
        let about = Rule {
            verbs: Vec::new(),
            ..rule
        };
        let place = *places.entry(about.clone()).or_insert(joined.len());
        match joined.get_mut(place) {
            Some(found) => found.verbs.extend(verbs),
            None => joined.push(Rule { verbs, ..about }),
        }
    }
    joined
}

/// Go's `%q` of a list of strings.
pub(crate) fn quoted(list: &[String]) -> String {
    let each: Vec<String> = list.iter().map(|s| format!("{s:?}")).collect();
    format!("[{}]", each.join(" "))
}

/// `*`, `pods`, `pods/log` or `*/scale`.
fn resource_matches(rule: &str, asked: &Attributes<'_>) -> bool {
    if rule == ANY {
        return true;
    }
    let (resource, subresource) = rule.split_once('/').unwrap_or((rule, ""));
    subresource == asked.subresource
        && (resource == asked.resource || (resource == ANY && !subresource.is_empty()))
}

fn path_matches(rule: &str, path: &str) -> bool {
    rule == ANY
        || rule == path
        || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}

fn covers_resources(owned: &[String], wanted: &[String]) -> bool {
    let is_covered = |resource: &String| {
        has(owned, resource)
            || resource
                .split_once('/')
                .is_some_and(|(_, sub)| has(owned, &format!("*/{sub}")))
    };
    has(owned, ANY) || wanted.iter().all(is_covered)
}

fn covers_paths(owned: &[String], wanted: &[String]) -> bool {
    wanted
        .iter()
        .all(|path| owned.iter().any(|rule| path_matches(rule, path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::User;

    /// `VERBS GROUPS RESOURCES [NAMES]` or `VERBS url PATHS`; `core` is the empty group.
    fn rule(line: &str) -> Rule {
        crate::bootstrap::policy::rule(line).expect("a rule")
    }

    fn check(line: &str, asked: &str, want: bool) {
        let user = User::anonymous();
        let parts: Vec<&str> = asked.split(' ').collect();
        let at = |i: usize| parts.get(i).copied().unwrap_or_default();
        let (resource, group) = at(1).split_once('.').unwrap_or((at(1), ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let path = if at(1).starts_with('/') { at(1) } else { "" };
        let attributes = Attributes {
            user: &user,
            verb: at(0),
            group: if path.is_empty() { group } else { "" },
            resource: if path.is_empty() { resource } else { "" },
            subresource,
            namespace: "",
            name: at(2),
            path,
        };
        assert_eq!(rule(line).allows(&attributes), want, "{line} / {asked}");
    }

    #[test]
    fn rules_allow_what_they_name() {
        for (line, asked, want) in [
            ("get core pods", "get pods", true),
            ("get core pods", "get pods x", true),
            ("get core pods", "list pods", false),
            ("get core pods", "get pods.apps", false),
            ("get core pods", "get pods/log", false),
            ("get core pods/log", "get pods/log", true),
            ("get core pods/log", "get pods", false),
            ("get core */log", "get pods/log", true),
            ("get core */log", "get pods", false),
            ("get core *", "get pods/log", true),
            ("* * *", "delete deployments.apps", true),
            ("* * *", "get /metrics", false),
            ("get core pods a,b", "get pods a", true),
            ("get core pods a,b", "get pods c", false),
            ("list core pods a", "list pods", false),
            ("get url /api,/api/*", "get /api", true),
            ("get url /api,/api/*", "get /api/v1", true),
            ("get url /api,/api/*", "get /apis", false),
            ("get url /api,/api/*", "post /api", false),
            ("* url *", "get /metrics", true),
            ("* url *", "get pods", false),
        ] {
            check(line, asked, want);
        }
    }

    #[test]
    fn what_is_missing_is_said_in_few_words() {
        for (owned, wanted, want) in [
            (&["* * *"][..], "get,list core pods", &[][..]),
            (
                &["* * *"],
                "get url /x",
                &["{NonResourceURLs:[\"/x\"], Verbs:[\"get\"]}"],
            ),
            (
                &["get core pods", "list core pods"],
                "get,list core pods",
                &[],
            ),
            (
                &["get core pods"],
                "get,list,watch core,apps pods",
                &[
                    "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"list\" \"watch\"]}",
                    "{APIGroups:[\"apps\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\" \"watch\"]}",
                ],
            ),
            (&["get core pods a"], "get core pods a", &[]),
            (
                &["get core pods a"],
                "get core pods",
                &["{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"],
            ),
            (&["get core pods"], "get core pods a", &[]),
            (&["get core */log"], "get core pods/log", &[]),
            (&["get url /api/*"], "get url /api/v1", &[]),
        ] {
            let owned: Vec<Rule> = owned.iter().map(|l| rule(l)).collect();
            let owned: Vec<&Rule> = owned.iter().collect();
            let got: Vec<String> = missing(&owned, &[rule(wanted)])
                .iter()
                .map(Rule::text)
                .collect();
            assert_eq!(got, want, "{owned:?} {wanted}");
        }
    }
}
