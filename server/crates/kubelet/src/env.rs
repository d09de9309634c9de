//! The environment of a container: service variables, `envFrom`, `env` with `$(VAR)` references.
//!
//! Order and rules: `makeEnvironmentVariables` of the kubelet. Later sources win; `$(VAR)` sees what came before it.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::Object;

use crate::downward::Subject;
use crate::sources::Sources;
use crate::spec::{ContainerSpec, EnvVar, KeyRef};

/// Why the environment could not be made; shown as `CreateContainerConfigError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvError {
    #[error("{kind} \"{name}\" not found")]
    NotFound { kind: &'static str, name: String },
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey {
        kind: &'static str,
        namespace: String,
        name: String,
        key: String,
    },
    #[error("field label not supported: {0}")]
    Field(String),
}

/// The variables of a container, by name; the engine wants them in one order, so it is the alphabet's.
pub(crate) fn environment(
    container: &ContainerSpec,
    subject: &Subject<'_>,
    sources: &Sources<'_>,
) -> Result<BTreeMap<String, String>, EnvError> {
    let namespace = subject.pod.namespace();
    let services = sources.service_env(namespace, subject.spec.enable_service_links != Some(false));
    let mut result = BTreeMap::new();
    for from in &container.env_from {
        let (object, data) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(map), _) => (map, sources.config_map(namespace, &map.name).map(text_data)),
            (None, Some(secret)) => (
                secret,
                sources.secret(namespace, &secret.name).map(secret_text),
            ),
            (None, None) => continue,
        };
        let kind = if from.config_map_ref.is_some() {
            "configmap"
        } else {
            "secret"
        };
        let Some(data) = data else {
            if object.optional {
                continue;
            }
            return Err(EnvError::NotFound {
                kind,
                name: object.name.clone(),
            });
        };
        result.extend(
            data.into_iter()
                .map(|(k, v)| (format!("{}{k}", from.prefix), v)),
        );
    }
    for variable in &container.env {
        let lookup = |name: &str| result.get(name).or_else(|| services.get(name)).cloned();
        if variable.value_from.is_none() {
            let value = expand(&variable.value, lookup);
            result.insert(variable.name.clone(), value);
        } else if let Some(value) = from_source(variable, container, subject, sources)? {
            result.insert(variable.name.clone(), value);
        }
    }
    for (name, value) in services {
        result.entry(name).or_insert(value);
    }
    Ok(result)
}

/// The value of `valueFrom`; `None` when an optional source is absent.
fn from_source(
    variable: &EnvVar,
    container: &ContainerSpec,
    subject: &Subject<'_>,
    sources: &Sources<'_>,
) -> Result<Option<String>, EnvError> {
    let Some(from) = &variable.value_from else {
        return Ok(None);
    };
    let namespace = subject.pod.namespace();
    if let Some(field) = &from.field_ref {
        let value = subject.field(field);
        return value
            .map(Some)
            .ok_or_else(|| EnvError::Field(field.field_path.clone()));
    }
    if let Some(field) = &from.resource_field_ref {
        let value = subject.resource(field, Some(container));
        return value
            .map(Some)
            .ok_or_else(|| EnvError::Field(field.resource.clone()));
    }
    if let Some(key) = &from.config_map_key_ref {
        let data = sources.config_map(namespace, &key.name).map(text_data);
        return keyed(key, "configmap", "ConfigMap", namespace, data);
    }
    if let Some(key) = &from.secret_key_ref {
        let data = sources.secret(namespace, &key.name).map(secret_text);
        return keyed(key, "secret", "Secret", namespace, data);
    }
    Ok(None)
}

fn keyed(
    key: &KeyRef,
    plural: &'static str,
    kind: &'static str,
    namespace: &str,
    data: Option<BTreeMap<String, String>>,
) -> Result<Option<String>, EnvError> {
    let Some(mut data) = data else {
        let missing = EnvError::NotFound {
            kind: plural,
            name: key.name.clone(),
        };
        return if key.optional { Ok(None) } else { Err(missing) };
    };
    match data.remove(&key.key) {
        Some(value) => Ok(Some(value)),
        None if key.optional => Ok(None),
        None => Err(EnvError::NoKey {
            kind,
            namespace: namespace.into(),
            name: key.name.clone(),
            key: key.key.clone(),
        }),
    }
}

fn text_data(map: &Object) -> BTreeMap<String, String> {
    let data = map.at("/data").and_then(Value::as_object);
    let text = |(k, v): (&String, &Value)| Some((k.clone(), v.as_str()?.to_owned()));
    data.into_iter().flatten().filter_map(text).collect()
}

fn secret_text(secret: &Object) -> BTreeMap<String, String> {
    let data = crate::sources::secret_data(secret);
    data.into_iter()
        .map(|(k, v)| (k, String::from_utf8_lossy(&v).into_owned()))
        .collect()
}

/// Replaces `$(NAME)` by its value; `$$` stands for `$`, and what has no value stays as written
/// (`k8s.io/kubernetes/third_party/forked/golang/expansion`).
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|a| a.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(&value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Replaces `$(NAME)` as [`expand`] does; the error is a name that has no value.
pub(crate) fn expand_strictly(
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let missing = std::cell::RefCell::new(None);
    let out = expand(text, |name| {
        let value = lookup(name);
        if value.is_none() {
            missing.replace(Some(name.to_owned()));
        }
        value
    });
    missing.into_inner().map_or(Ok(out), Err)
}

#[cfg(test)]
mod tests;
