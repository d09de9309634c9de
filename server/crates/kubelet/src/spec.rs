//! The parts of a `PodSpec` that the kubelet acts upon, read once per observed pod.
//!
//! A view, not the object: fields that no code here reads are left out, and what is absent reads as the API's default.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shared::quantity::Quantity;

mod container;
mod probe;
mod volume;

pub(crate) use container::*;
pub(crate) use probe::*;
pub(crate) use volume::*;

/// `v1.PodSpec`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) init_containers: Vec<ContainerSpec>,
    pub(crate) containers: Vec<ContainerSpec>,
    pub(crate) ephemeral_containers: Vec<ContainerSpec>,
    pub(crate) volumes: Vec<VolumeSpec>,
    pub(crate) node_selector: BTreeMap<String, String>,
    pub(crate) enable_service_links: Option<bool>,
    pub(crate) active_deadline_seconds: Option<u64>,
    pub(crate) termination_grace_period_seconds: Option<u64>,
    pub(crate) readiness_gates: Vec<ReadinessGate>,
    pub(crate) service_account_name: String,
    pub(crate) host_network: bool,
    pub(crate) dns_policy: String,
    pub(crate) dns_config: DnsConfig,
    pub(crate) hostname: String,
    pub(crate) subdomain: String,
    #[serde(rename = "setHostnameAsFQDN")]
    pub(crate) set_hostname_as_fqdn: bool,
    pub(crate) host_aliases: Vec<HostAlias>,
    pub(crate) priority: i64,
    pub(crate) tolerations: Vec<Toleration>,
    pub(crate) overhead: BTreeMap<String, Value>,
}

/// `v1.PodDNSConfig`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct DnsConfig {
    pub(crate) nameservers: Vec<String>,
    pub(crate) searches: Vec<String>,
    pub(crate) options: Vec<DnsOption>,
}

/// `v1.PodDNSConfigOption`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct DnsOption {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

/// `v1.HostAlias`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct HostAlias {
    pub(crate) ip: String,
    pub(crate) hostnames: Vec<String>,
}

/// `v1.Toleration`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Toleration {
    pub(crate) key: String,
    pub(crate) operator: String,
    pub(crate) value: String,
    pub(crate) effect: String,
}

/// `v1.PodReadinessGate`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReadinessGate {
    pub(crate) condition_type: String,
}

/// `v1.RestartPolicy`, of a pod or of an init container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

impl PodSpec {
    /// Reads `spec`; explicit nulls count as absent, as they do in the original's decoder.
    ///
    /// # Errors
    /// When a field has another type than the API gives it.
    pub(crate) fn parse(spec: Option<&Value>) -> Result<Self, serde_json::Error> {
        let mut value = spec
            .cloned()
            .unwrap_or_else(|| Value::Object(Default::default()));
        strip_nulls(&mut value);
        serde_json::from_value(value)
    }

    /// How long containers may take to end, in milliseconds (default 30 s).
    pub(crate) fn grace_ms(&self) -> u64 {
        self.termination_grace_period_seconds
            .unwrap_or(30)
            .saturating_mul(1000)
    }

    /// Init containers and then containers.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ContainerSpec> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// A volume or container may not store more than so much.
    pub(crate) fn limits_storage(&self) -> bool {
        let volume = |v: &VolumeSpec| {
            let e = v.empty_dir.as_ref();
            e.is_some_and(|e| e.in_memory() || e.limit().is_some())
        };
        let container = |c: &ContainerSpec| c.limit("ephemeral-storage").is_some();
        self.volumes.iter().any(volume) || self.containers.iter().any(container)
    }

    /// What the pod asks of the node for `resource`: the larger of the containers' sum (with sidecars) and the largest
    /// init container together with the sidecars before it, plus overhead (KEP-753).
    pub(crate) fn request(&self, resource: &str) -> Quantity {
        let apps: Quantity = self.containers.iter().map(|c| c.request(resource)).sum();
        let (mut sidecars, mut init_peak) = (Quantity::default(), Quantity::default());
        for container in &self.init_containers {
            let own = container.request(resource);
            if container.is_sidecar() {
                sidecars = sidecars + own;
                init_peak = init_peak.max(sidecars);
            } else {
                init_peak = init_peak.max(sidecars + own);
            }
        }
        let overhead = self.overhead.get(resource).and_then(quantity);
        (apps + sidecars).max(init_peak) + overhead.unwrap_or_default()
    }
}

/// A quantity given as a string or a number.
pub(crate) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        _ => None,
    }
}

fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn requests(cpu: &str) -> Value {
        json!({"requests": {"cpu": cpu}})
    }

    #[test]
    fn requests_follow_the_order_in_which_containers_run() {
        let cases = [
            (json!([]), json!(["1", "500m"]), 1500),
            (json!([["2", false]]), json!(["1"]), 2000),
            (json!([["1", true]]), json!(["1"]), 2000),
            (json!([["1", true], ["3", false]]), json!(["1"]), 4000),
            (json!([["3", false], ["1", true]]), json!(["1"]), 3000),
        ];
        for (init, apps, want) in cases {
            let init: Vec<Value> = init
                .as_array()
                .unwrap()
                .iter()
                .map(|c| {
                    let policy = (c[1] == true).then_some("Always");
                    json!({"resources": requests(c[0].as_str().unwrap()), "restartPolicy": policy})
                })
                .collect();
            let apps: Vec<Value> = apps
                .as_array()
                .unwrap()
                .iter()
                .map(|c| json!({"resources": requests(c.as_str().unwrap())}))
                .collect();
            let spec = json!({"initContainers": init, "containers": apps});
            let parsed = PodSpec::parse(Some(&spec)).unwrap();
            assert_eq!(parsed.request("cpu").as_millis(), want, "{spec}");
        }
    }

    #[test]
    fn limits_stand_in_for_requests_and_nulls_for_nothing() {
        let spec = json!({"containers": [{"name": "c", "command": null, "resources": {"limits": {"memory": "1Mi", "cpu": 2}}}]});
        let spec = PodSpec::parse(Some(&spec)).unwrap();
        assert_eq!(spec.request("memory").as_units(), 1 << 20);
        assert_eq!(spec.request("cpu").as_millis(), 2000);
        assert_eq!(spec.grace_ms(), 30_000);
    }

    #[test]
    fn a_mistyped_field_is_an_error_and_no_panic() {
        assert!(PodSpec::parse(Some(&json!({"containers": "x"}))).is_err());
        assert!(PodSpec::parse(None).is_ok());
    }
}
