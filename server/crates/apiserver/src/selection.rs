//! Which objects of a collection a request is about: label and field selectors.
//!
//! Which fields a kind supports is a table; the texts follow `k8s.io/kubernetes/pkg/registry` field label conversion.

use serde_json::Value;
use shared::selector::{FieldTerm, Selector, parse_fields};
use shared::{Kind, Status};

use crate::item::Item;

/// What a request selects. The default selects everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: Selector,
    fields: Vec<FieldTerm>,
}

impl Selection {
    /// Reads the selectors of a request.
    ///
    /// # Errors
    /// 400 when one is malformed or names a field that the kind does not support.
    pub fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, Status> {
        let labels = Selector::parse(labels).map_err(|e| Status::bad_request(e.to_string()))?;
        let fields = parse_fields(fields).map_err(|e| {
            let text = e.to_string();
            Status::bad_request(
                text.strip_prefix("unable to parse requirement: ")
                    .unwrap_or(&text),
            )
        })?;
        for term in &fields {
            if !is_supported(kind, &term.field) {
                return Err(Status::bad_request(format!(
                    "field label not supported: {}",
                    term.field
                )));
            }
        }
        Ok(Self { labels, fields })
    }

    /// True when it selects everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one name that can match, if the fields say so.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.fields
            .iter()
            .find(|t| t.equal && t.field == "metadata.name")
            .map(|t| t.value.as_str())
    }

    /// Judges an object.
    ///
    /// # Errors
    /// 500 when the stored object is damaged.
    pub fn matches(&self, item: &Item) -> Result<bool, Status> {
        if self.is_everything() {
            return Ok(true);
        }
        if !self.labels.is_empty()
            && !self
                .labels
                .matches(item.peek("/metadata/labels")?.as_deref())
        {
            return Ok(false);
        }
        for term in &self.fields {
            if (value_of(item, &term.field)? == term.value) != term.equal {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The fields besides name and namespace that a kind can be selected by.
fn supported(kind: &Kind) -> &'static [&'static str] {
    match (kind.group, kind.plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("networking.k8s.io", "ipaddresses") => {
            &["spec.parentRef.namespace", "spec.parentRef.name"]
        }
        _ => &[],
    }
}

fn is_supported(kind: &Kind, field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace") || supported(kind).contains(&field)
}

/// The field as the text that a selector compares with; what is missing reads as its zero value.
fn value_of(item: &Item, field: &str) -> Result<String, Status> {
    let at = |pointer: &str| -> Result<String, Status> {
        Ok(item.peek(pointer)?.map_or_else(String::new, |v| scalar(&v)))
    };
    let text = match field {
        "source" => {
            let component = at("/source/component")?;
            if component.is_empty() {
                at("/reportingComponent")?
            } else {
                component
            }
        }
        "status.podIPs" => {
            let ips = item.peek("/status/podIPs")?;
            let ips = ips
                .as_deref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            ips.filter_map(|ip| ip.get("ip")?.as_str())
                .collect::<Vec<_>>()
                .join(",")
        }
        "status.successful" => at("/status/succeeded")?,
        _ => at(&format!("/{}", field.replace('.', "/")))?,
    };
    Ok(match field {
        _ if !text.is_empty() => text,
        "spec.hostNetwork" | "spec.unschedulable" => "false".into(),
        "status.replicas" | "status.successful" => "0".into(),
        _ => text,
    })
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::kind;

    fn check(plural: &str, labels: &str, fields: &str) -> String {
        let row = kind::find("", "v1", plural).expect("a row");
        let object = json!({"metadata": {"name": "a", "namespace": "n", "labels": {"x": "1"}},
            "spec": {"nodeName": "node-1"}, "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}});
        match Selection::parse(row, labels, fields) {
            Ok(selection) => selection
                .matches(&Item::made(row, object))
                .expect("judged")
                .to_string(),
            Err(status) => status.message,
        }
    }

    #[test]
    fn selectors_select() {
        for (plural, labels, fields, want) in [
            ("pods", "", "", "true"),
            ("pods", "x=1", "", "true"),
            ("pods", "x=2", "", "false"),
            ("pods", "", "metadata.name=a,spec.nodeName=node-1", "true"),
            ("pods", "", "spec.nodeName!=node-1", "false"),
            ("pods", "", "spec.hostNetwork=false", "true"),
            ("pods", "", "status.podIPs=10.0.0.1", "true"),
            ("nodes", "", "spec.unschedulable=false", "true"),
            (
                "pods",
                "",
                "spec.nope=1",
                "field label not supported: spec.nope",
            ),
            (
                "configmaps",
                "",
                "status.phase=x",
                "field label not supported: status.phase",
            ),
            (
                "pods",
                "",
                "metadata.name",
                "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
            ),
        ] {
            assert_eq!(
                check(plural, labels, fields),
                want,
                "{plural} {labels} {fields}"
            );
        }
        assert!(check("pods", "a b", "").starts_with("unable to parse requirement"));
    }
}
