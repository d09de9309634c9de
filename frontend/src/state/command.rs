//! Command lines as `kubectl` reads them, turned into requests. Pure: sends nothing, prints what was answered.

use serde_json::{Value, json};
use shared::kind::{KINDS, Kind};
use shared::{ObjectKey, path};

use super::route::escape;
use super::table;
use super::yaml;
use crate::backend::call::{self, Call};

/// What the console says first.
pub const HELP: &str = "get, describe, delete, scale, label, annotate, cordon, uncordon, logs, api-resources. \
                        Flags: -n NAMESPACE, -A, -l SELECTOR, -o yaml|wide|name. Each request is shown under its command.";

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// As columns.
    Table,
    /// As YAML.
    Yaml,
    /// As it came.
    Text,
    /// `pod/web VERB`.
    Said(&'static str),
}

/// What a command line does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The requests, in order.
    pub calls: Vec<Call>,
    output: Output,
    namespaced: bool,
}

/// Why a line is no command of this console.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A verb that it lacks.
    #[error("this console does not know \"{0}\"; try: {HELP}")]
    Verb(String),
    /// A resource that the cluster does not serve.
    #[error("error: the server doesn't have a resource type \"{0}\"")]
    Kind(String),
    /// Something is missing.
    #[error("error: {0}")]
    Usage(&'static str),
}

impl Plan {
    /// How each call's answer is printed.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        vec![self.output; self.calls.len()]
    }
}

#[derive(Default)]
struct Words {
    plain: Vec<String>,
    namespace: Option<String>,
    all: bool,
    selector: String,
    output: String,
    flags: Vec<(String, String)>,
}

/// Reads a line; `kubectl` in front may be left out.
///
/// # Errors
/// When the verb, the resource or the arguments are wrong.
pub fn read(line: &str) -> Result<Plan, CommandError> {
    let mut words = words(line);
    if words.plain.first().is_some_and(|w| w == "kubectl") {
        words.plain.remove(0);
    }
    let verb = if words.plain.is_empty() {
        return Err(CommandError::Usage("type a verb, such as get"));
    } else {
        words.plain.remove(0)
    };
    match verb.as_str() {
        "get" => get(&words),
        "describe" => Ok(plan(&words, "GET", Output::Yaml)?),
        "delete" => delete(&words),
        "scale" => scale(&words),
        "label" => mark(&words, "labels", "labeled"),
        "annotate" => mark(&words, "annotations", "annotated"),
        "cordon" => cordon(&words, true),
        "uncordon" => cordon(&words, false),
        "logs" => logs(&words),
        "apply" | "create" => Err(CommandError::Usage(
            "choose \"From YAML …\" in the palette and paste the manifest there",
        )),
        "api-resources" => Ok(Plan {
            calls: vec![Call {
                method: "GET",
                path: "/apis".into(),
                ..Call::default()
            }],
            output: Output::Said("served"),
            namespaced: false,
        }),
        _ => Err(CommandError::Verb(verb)),
    }
}

fn words(line: &str) -> Words {
    let mut out = Words::default();
    let mut parts = line.split_whitespace();
    while let Some(part) = parts.next() {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) if part.starts_with('-') => (name, Some(value.to_owned())),
            _ => (part, None),
        };
        let mut take = || {
            value
                .clone()
                .or_else(|| parts.next().map(str::to_owned))
                .unwrap_or_default()
        };
        match name {
            "-n" | "--namespace" => out.namespace = Some(take()),
            "-l" | "--selector" => out.selector = take(),
            "-o" | "--output" => out.output = take(),
            "-A" | "--all-namespaces" => out.all = true,
            "-c" | "--container" | "--replicas" | "--tail" => out.flags.push((name.into(), take())),
            _ if name.starts_with('-') => out.flags.push((name.into(), value.unwrap_or_default())),
            _ => out.plain.push(part.to_owned()),
        }
    }
    out
}

impl Words {
    fn flag(&self, name: &str) -> Option<&str> {
        let found = self.flags.iter().find(|(n, _)| n == name);
        found.map(|(_, v)| v.as_str())
    }

    fn namespace(&self, kind: &Kind) -> &str {
        match (kind.namespaced, self.all) {
            (false, _) | (_, true) => "",
            _ => self.namespace.as_deref().unwrap_or("default"),
        }
    }

    /// The kind and the names of `po web`, `pod/web`, `pods`.
    fn targets(&self) -> Result<(&'static Kind, Vec<String>), CommandError> {
        let first = self.plain.first();
        let first = first.ok_or(CommandError::Usage("name a resource, such as pods"))?;
        let (word, slashed) = match first.split_once('/') {
            Some((word, name)) => (word, Some(name.to_owned())),
            None => (first.as_str(), None),
        };
        let kind = find(word).ok_or_else(|| CommandError::Kind(word.to_owned()))?;
        let rest = self
            .plain
            .iter()
            .skip(1)
            .filter(|w| !w.contains(['=', '/']) && !w.ends_with('-'));
        Ok((kind, slashed.into_iter().chain(rest.cloned()).collect()))
    }
}

/// By plural, singular, short name or kind, as kubectl does.
fn find(word: &str) -> Option<&'static Kind> {
    let word = word.to_lowercase();
    let (name, group) = word.split_once('.').unwrap_or((&word, ""));
    KINDS.iter().find(|k| {
        let named = k.plural == name || k.singular == name || k.short_names.contains(&name);
        (named || k.kind.to_lowercase() == name) && (group.is_empty() || k.group == group)
    })
}

fn plan(words: &Words, method: &'static str, output: Output) -> Result<Plan, CommandError> {
    let (kind, names) = words.targets()?;
    let namespace = words.namespace(kind);
    let reference = kind.reference();
    let one = |at: String| Call {
        method,
        path: at,
        ..Call::default()
    };
    let calls = if names.is_empty() {
        let query = if words.selector.is_empty() {
            String::new()
        } else {
            format!("?labelSelector={}", escape(&words.selector))
        };
        vec![one(path::collection(&reference, namespace) + &query)]
    } else {
        let keys = names.iter().map(|n| ObjectKey::new(namespace, n));
        keys.map(|k| one(path::object(&reference, &k))).collect()
    };
    Ok(Plan {
        calls,
        output,
        namespaced: kind.namespaced && words.all,
    })
}

fn get(words: &Words) -> Result<Plan, CommandError> {
    let output = match words.output.as_str() {
        "yaml" | "json" => Output::Yaml,
        _ => Output::Table,
    };
    plan(words, "GET", output)
}

fn delete(words: &Words) -> Result<Plan, CommandError> {
    let (_, names) = words.targets()?;
    if names.is_empty() && words.selector.is_empty() {
        return Err(CommandError::Usage(
            "name what to delete, or select it with -l",
        ));
    }
    plan(words, "DELETE", Output::Said("deleted"))
}

fn scale(words: &Words) -> Result<Plan, CommandError> {
    let (kind, names) = words.targets()?;
    let replicas = words.flag("--replicas").and_then(|r| r.parse::<u32>().ok());
    let replicas = replicas.ok_or(CommandError::Usage("required flag(s) \"replicas\" not set"))?;
    let keys = names
        .iter()
        .map(|n| ObjectKey::new(words.namespace(kind), n));
    let call = |k: ObjectKey| {
        let mut call = call::scale(&k, replicas);
        call.path = path::subresource(&kind.reference(), &k, "scale");
        call
    };
    said(keys.map(call).collect(), "scaled")
}

fn mark(words: &Words, field: &str, done: &'static str) -> Result<Plan, CommandError> {
    let (kind, names) = words.targets()?;
    let mut changes = serde_json::Map::new();
    for word in words.plain.iter().skip(1) {
        if let Some((key, value)) = word.split_once('=') {
            changes.insert(key.into(), json!(value));
        } else if let Some(key) = word.strip_suffix('-') {
            changes.insert(key.into(), Value::Null);
        }
    }
    if changes.is_empty() {
        return Err(CommandError::Usage(
            "at least one KEY=VALUE, or KEY- to remove it",
        ));
    }
    let patch = json!({"metadata": {field: changes}});
    let keys = names
        .iter()
        .map(|n| ObjectKey::new(words.namespace(kind), n));
    let calls = keys.map(|k| call::patch(&kind.reference(), &k, "merge", &patch));
    said(calls.collect(), done)
}

fn cordon(words: &Words, on: bool) -> Result<Plan, CommandError> {
    let nodes = find("nodes").ok_or_else(|| CommandError::Kind("nodes".into()))?;
    let patch = json!({"spec": {"unschedulable": on}});
    let keys = words.plain.iter().map(|n| ObjectKey::new("", n));
    let calls = keys.map(|k| call::patch(&nodes.reference(), &k, "merge", &patch));
    said(calls.collect(), if on { "cordoned" } else { "uncordoned" })
}

fn said(calls: Vec<Call>, done: &'static str) -> Result<Plan, CommandError> {
    if calls.is_empty() {
        return Err(CommandError::Usage("name at least one object"));
    }
    Ok(Plan {
        calls,
        output: Output::Said(done),
        namespaced: false,
    })
}

fn logs(words: &Words) -> Result<Plan, CommandError> {
    let name = words.plain.first();
    let name = name.ok_or(CommandError::Usage("expected POD"))?;
    let name = name.rsplit('/').next().unwrap_or(name);
    let pods = find("pods").ok_or_else(|| CommandError::Kind("pods".into()))?;
    let key = ObjectKey::new(words.namespace(pods), name);
    let mut query = format!("?tailLines={}", words.flag("--tail").unwrap_or("100"));
    if let Some(container) = words.flag("-c").or(words.flag("--container")) {
        query += &format!("&container={}", escape(container));
    }
    if words.flag("-p").or(words.flag("--previous")).is_some() {
        query += "&previous=true";
    }
    Ok(Plan {
        calls: vec![Call {
            method: "GET",
            path: path::subresource(&pods.reference(), &key, "log") + &query,
            ..Call::default()
        }],
        output: Output::Text,
        namespaced: false,
    })
}

/// What kubectl would print of an answer.
#[must_use]
pub fn print(plan: &Plan, output: &Output, value: &Value) -> String {
    match output {
        Output::Text => value.as_str().unwrap_or_default().to_owned(),
        Output::Yaml => yaml::print(value),
        Output::Said("served") => KINDS
            .iter()
            .map(|k| {
                format!(
                    "{:40} {:12} {}",
                    k.plural,
                    k.short_names.join(","),
                    k.api_version()
                )
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Output::Said(done) => {
            let word = |p: &str| value.pointer(p).and_then(Value::as_str).unwrap_or_default();
            let kind = match word("/kind") {
                "Status" => word("/details/kind"),
                kind => kind,
            };
            let name = match word("/metadata/name") {
                "" => word("/details/name"),
                name => name,
            };
            format!("{}/{name} {done}", kind.to_lowercase())
        }
        Output::Table => columns(&table::from_server(value, plan.namespaced)),
    }
}

/// Cells under their headings, three spaces apart as kubectl prints them.
fn columns(table: &table::Table) -> String {
    if table.rows.is_empty() {
        return "No resources found.".into();
    }
    let rows = || std::iter::once(&table.columns).chain(table.rows.iter().map(|r| &r.cells));
    let width = |i: usize| {
        let widths = rows().filter_map(|r| r.get(i)).map(|c| c.chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(c, &w)| format!("{c:w$}"));
        padded.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    rows().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: &str) {
        let got = match read(line) {
            Ok(plan) => {
                let calls = plan.calls.iter().map(|c| {
                    let body = c.body.as_ref().map(|b| format!(" {b}")).unwrap_or_default();
                    format!("{} {}{body}", c.method, c.path)
                });
                calls.collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, want, "{line}");
    }

    #[test]
    fn command_lines_become_requests() {
        for (line, want) in [
            ("get pods", "GET /api/v1/namespaces/default/pods"),
            ("kubectl get po -A", "GET /api/v1/pods"),
            (
                "get deploy -n shop -l app=web",
                "GET /apis/apps/v1/namespaces/shop/deployments?labelSelector=app%3Dweb",
            ),
            ("get node/node-1 -o yaml", "GET /api/v1/nodes/node-1"),
            (
                "describe pod web",
                "GET /api/v1/namespaces/default/pods/web",
            ),
            (
                "delete pod a b",
                "DELETE /api/v1/namespaces/default/pods/a; DELETE /api/v1/namespaces/default/pods/b",
            ),
            (
                "delete pods",
                "error: name what to delete, or select it with -l",
            ),
            (
                "scale deploy/web --replicas=3",
                r#"PATCH /apis/apps/v1/namespaces/default/deployments/web/scale {"spec":{"replicas":3}}"#,
            ),
            (
                "scale deploy/web",
                "error: required flag(s) \"replicas\" not set",
            ),
            (
                "label node node-1 disk=ssd old-",
                r#"PATCH /api/v1/nodes/node-1 {"metadata":{"labels":{"disk":"ssd","old":null}}}"#,
            ),
            (
                "label node node-1",
                "error: at least one KEY=VALUE, or KEY- to remove it",
            ),
            (
                "cordon node-1",
                r#"PATCH /api/v1/nodes/node-1 {"spec":{"unschedulable":true}}"#,
            ),
            (
                "logs web -c main --tail 5 -p",
                "GET /api/v1/namespaces/default/pods/web/log?tailLines=5&container=main&previous=true",
            ),
            (
                "get unicorns",
                "error: the server doesn't have a resource type \"unicorns\"",
            ),
            ("get", "error: name a resource, such as pods"),
            ("", "error: type a verb, such as get"),
        ] {
            check(line, want);
        }
        assert!(
            read("dance")
                .unwrap_err()
                .to_string()
                .starts_with("this console does not know \"dance\"")
        );
    }

    #[test]
    fn answers_are_printed_in_columns() {
        let answer = json!({"columnDefinitions": [{"name": "Name"}, {"name": "Age"}],
            "rows": [{"cells": ["web-long", "5m"], "object": {"metadata": {"name": "web-long"}}},
                {"cells": ["a", "10s"], "object": {"metadata": {"name": "a"}}}]});
        let plan = read("get pods").unwrap();
        assert_eq!(
            print(&plan, &Output::Table, &answer),
            "NAME       AGE\nweb-long   5m\na          10s"
        );
        let done = read("delete pod web").unwrap();
        let status = json!({"kind": "Status", "details": {"kind": "pods", "name": "web"}});
        assert_eq!(
            print(&done, &Output::Said("deleted"), &status),
            "pods/web deleted"
        );
    }
}
