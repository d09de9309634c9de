//! The parts of a `PodSpec` that the kubelet acts upon, read once per observed pod.
//!
//! A view, not the object: fields that no code here reads are left out, and what is absent reads as the API's default.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shared::quantity::Quantity;

/// `v1.PodSpec`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) init_containers: Vec<ContainerSpec>,
    pub(crate) containers: Vec<ContainerSpec>,
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
    pub(crate) overhead: BTreeMap<String, Value>,
}

/// `v1.PodDNSConfig`, its search list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct DnsConfig {
    pub(crate) searches: Vec<String>,
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

/// `v1.Container`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerSpec {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) image_pull_policy: PullPolicy,
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) ports: Vec<PortSpec>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) env_from: Vec<EnvFrom>,
    pub(crate) resources: Resources,
    pub(crate) volume_mounts: Vec<VolumeMount>,
    pub(crate) liveness_probe: Option<ProbeSpec>,
    pub(crate) readiness_probe: Option<ProbeSpec>,
    pub(crate) startup_probe: Option<ProbeSpec>,
    pub(crate) restart_policy: Option<RestartPolicy>,
    pub(crate) stdin: bool,
}

/// `v1.PullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum PullPolicy {
    Always,
    #[default]
    IfNotPresent,
    Never,
}

/// `v1.ContainerPort`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PortSpec {
    pub(crate) name: String,
    pub(crate) container_port: u16,
}

/// `v1.EnvVar`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EnvVar {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) value_from: Option<EnvSource>,
}

/// `v1.EnvVarSource`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EnvSource {
    pub(crate) field_ref: Option<FieldRef>,
    pub(crate) resource_field_ref: Option<ResourceFieldRef>,
    pub(crate) config_map_key_ref: Option<KeyRef>,
    pub(crate) secret_key_ref: Option<KeyRef>,
}

/// `v1.ObjectFieldSelector`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FieldRef {
    pub(crate) field_path: String,
}

/// `v1.ResourceFieldSelector`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ResourceFieldRef {
    pub(crate) container_name: String,
    pub(crate) resource: String,
    pub(crate) divisor: Value,
}

/// A key of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct KeyRef {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) optional: bool,
}

/// `v1.EnvFromSource`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EnvFrom {
    pub(crate) prefix: String,
    pub(crate) config_map_ref: Option<NameRef>,
    pub(crate) secret_ref: Option<NameRef>,
}

/// A whole ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct NameRef {
    pub(crate) name: String,
    pub(crate) optional: bool,
}

/// `v1.ResourceRequirements`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    pub(crate) limits: BTreeMap<String, Value>,
    pub(crate) requests: BTreeMap<String, Value>,
}

/// `v1.VolumeMount`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VolumeMount {
    pub(crate) name: String,
    pub(crate) mount_path: String,
    pub(crate) sub_path: String,
    pub(crate) read_only: bool,
}

/// `v1.Volume`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VolumeSpec {
    pub(crate) name: String,
    pub(crate) empty_dir: Option<Value>,
    pub(crate) config_map: Option<ConfigFiles>,
    pub(crate) secret: Option<SecretFiles>,
    #[serde(rename = "downwardAPI")]
    pub(crate) downward_api: Option<DownwardFiles>,
    pub(crate) projected: Option<Projected>,
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// `v1.ConfigMapVolumeSource` and `v1.ConfigMapProjection`; a `v1.SecretProjection` has the same fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigFiles {
    pub(crate) name: String,
    pub(crate) items: Vec<KeyToPath>,
    pub(crate) optional: bool,
}

/// `v1.SecretVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SecretFiles {
    pub(crate) secret_name: String,
    pub(crate) items: Vec<KeyToPath>,
    pub(crate) optional: bool,
}

/// `v1.KeyToPath`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct KeyToPath {
    pub(crate) key: String,
    pub(crate) path: String,
}

/// `v1.DownwardAPIVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct DownwardFiles {
    pub(crate) items: Vec<DownwardFile>,
}

/// `v1.DownwardAPIVolumeFile`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DownwardFile {
    pub(crate) path: String,
    pub(crate) field_ref: Option<FieldRef>,
    pub(crate) resource_field_ref: Option<ResourceFieldRef>,
}

/// `v1.ProjectedVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Projected {
    pub(crate) sources: Vec<Projection>,
}

/// `v1.VolumeProjection`, without service-account tokens, which need a signer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Projection {
    pub(crate) config_map: Option<ConfigFiles>,
    pub(crate) secret: Option<ConfigFiles>,
    #[serde(rename = "downwardAPI")]
    pub(crate) downward_api: Option<DownwardFiles>,
}

/// `v1.Probe`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProbeSpec {
    pub(crate) exec: Option<ExecAction>,
    pub(crate) http_get: Option<HttpGet>,
    pub(crate) tcp_socket: Option<TcpSocket>,
    pub(crate) initial_delay_seconds: u64,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) period_seconds: Option<u64>,
    pub(crate) success_threshold: Option<u32>,
    pub(crate) failure_threshold: Option<u32>,
    pub(crate) termination_grace_period_seconds: Option<u64>,
}

/// `v1.ExecAction`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ExecAction {
    pub(crate) command: Vec<String>,
}

/// `v1.HTTPGetAction`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HttpGet {
    pub(crate) path: String,
    pub(crate) port: Value,
    pub(crate) host: String,
    pub(crate) http_headers: Vec<Header>,
}

/// `v1.HTTPHeader`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// `v1.TCPSocketAction`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TcpSocket {
    pub(crate) port: Value,
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

impl ContainerSpec {
    /// True for an init container with `restartPolicy: Always` (KEP-753).
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    /// The request for a resource, which defaults to the limit.
    pub(crate) fn request(&self, resource: &str) -> Quantity {
        let of = |map: &BTreeMap<String, Value>| map.get(resource).and_then(quantity);
        of(&self.resources.requests)
            .or_else(|| of(&self.resources.limits))
            .unwrap_or_default()
    }

    /// The limit for a resource.
    pub(crate) fn limit(&self, resource: &str) -> Option<Quantity> {
        self.resources.limits.get(resource).and_then(quantity)
    }

    /// A port by number or by the name it is declared under.
    pub(crate) fn port(&self, port: &Value) -> Option<u16> {
        if let Some(number) = port.as_u64() {
            return u16::try_from(number).ok();
        }
        let name = port.as_str()?;
        name.parse().ok().or_else(|| {
            let declared = self.ports.iter().find(|p| p.name == name);
            declared.map(|p| p.container_port)
        })
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
