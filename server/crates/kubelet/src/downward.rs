//! The downward API: fields of the pod and resources of its containers, as environment values and files.
//!
//! Paths and formats: kubernetes.io/docs/concepts/workloads/pods/downward-api.

use std::net::Ipv4Addr;

use serde_json::Value;
use shared::Object;

use crate::config::KubeletConfig;
use crate::spec::{ContainerSpec, FieldRef, PodSpec, ResourceFieldRef, quantity};

/// What fields are read from.
pub(crate) struct Subject<'a> {
    pub(crate) pod: &'a Object,
    pub(crate) spec: &'a PodSpec,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) config: &'a KubeletConfig,
}

impl Subject<'_> {
    /// The value of a `fieldRef`; `None` for a path that the API does not offer.
    pub(crate) fn field(&self, field: &FieldRef) -> Option<String> {
        let ip = || self.ip.map(|ip| ip.to_string()).unwrap_or_default();
        Some(match field.field_path.as_str() {
            "metadata.name" => self.pod.name().into(),
            "metadata.namespace" => self.pod.namespace().into(),
            "metadata.uid" => self.pod.uid().into(),
            "metadata.labels" => self.map("/metadata/labels"),
            "metadata.annotations" => self.map("/metadata/annotations"),
            "spec.nodeName" => self.config.node_name.clone(),
            "spec.serviceAccountName" => self.spec.service_account_name.clone(),
            "status.hostIP" | "status.hostIPs" => self.config.node_ip.to_string(),
            "status.podIP" | "status.podIPs" => ip(),
            path => {
                let (kind, key) = path.strip_suffix("']")?.split_once("['")?;
                match kind {
                    "metadata.labels" => self.pod.label(key),
                    "metadata.annotations" => self.pod.annotation(key),
                    _ => return None,
                }
                .unwrap_or_default()
                .into()
            }
        })
    }

    /// `key="value"` lines, values quoted as Go's `%q` does.
    fn map(&self, pointer: &str) -> String {
        let map = self.pod.at(pointer).and_then(Value::as_object);
        let lines = map.into_iter().flatten().map(|(key, value)| {
            let value = value.as_str().unwrap_or_default();
            format!("{key}={value:?}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The value of a `resourceFieldRef`: rounded up to whole divisors. A limit that is not set reads as the node's
    /// allocatable amount.
    pub(crate) fn resource(
        &self,
        field: &ResourceFieldRef,
        own: Option<&ContainerSpec>,
    ) -> Option<String> {
        let container = if field.container_name.is_empty() {
            own?
        } else {
            self.spec.all().find(|c| c.name == field.container_name)?
        };
        let (class, resource) = field.resource.split_once('.')?;
        let node = || {
            let amount = i64::try_from(self.config.allocatable(resource)?).ok()?;
            Some(amount.saturating_mul(if resource == "cpu" { 1 } else { 1000 }))
        };
        let milli = match class {
            "limits" => match container.limit(resource) {
                Some(limit) => limit.as_millis(),
                None => node()?,
            },
            "requests" => container.request(resource).as_millis(),
            _ => return None,
        };
        let divisor = quantity(&field.divisor).map_or(0, |d| d.as_millis());
        let divisor = if divisor > 0 { divisor } else { 1000 };
        Some(
            milli
                .saturating_add(divisor - 1)
                .div_euclid(divisor)
                .to_string(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_and_resources_are_read() {
        let pod = Object::new(json!({
            "metadata": {"name": "p", "namespace": "a", "uid": "u", "labels": {"app": "web", "x": "a\"b"}},
            "spec": {"serviceAccountName": "sa", "containers": [
                {"name": "c", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}, {"name": "d"}]},
        }));
        let spec = PodSpec::parse(pod.at("/spec")).unwrap();
        let config = KubeletConfig::new("n1", Ipv4Addr::new(10, 0, 0, 1));
        let subject = Subject {
            pod: &pod,
            spec: &spec,
            ip: Some(Ipv4Addr::new(10, 244, 0, 2)),
            config: &config,
        };
        for (path, want) in [
            ("metadata.name", Some("p")),
            ("metadata.labels", Some("app=\"web\"\nx=\"a\\\"b\"")),
            ("metadata.labels['app']", Some("web")),
            ("metadata.annotations['none']", Some("")),
            ("spec.nodeName", Some("n1")),
            ("spec.serviceAccountName", Some("sa")),
            ("status.hostIP", Some("10.0.0.1")),
            ("status.podIP", Some("10.244.0.2")),
            ("status.phase", None),
        ] {
            assert_eq!(
                subject
                    .field(&FieldRef {
                        field_path: path.into()
                    })
                    .as_deref(),
                want,
                "{path}"
            );
        }
        for (container, resource, divisor, want) in [
            ("c", "limits.cpu", json!("0"), Some("2")),
            ("c", "limits.cpu", json!("1m"), Some("1500")),
            ("c", "requests.memory", json!("1Mi"), Some("64")),
            ("d", "limits.cpu", json!(null), Some("4")),
            ("d", "requests.cpu", json!(null), Some("0")),
            ("x", "limits.cpu", json!(null), None),
            ("c", "cpu", json!(null), None),
        ] {
            let field = ResourceFieldRef {
                container_name: container.into(),
                resource: resource.into(),
                divisor,
            };
            assert_eq!(
                subject.resource(&field, None).as_deref(),
                want,
                "{container} {resource}"
            );
        }
    }
}
