//! `v1.Container` and what it is made of, except probes and hooks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shared::quantity::Quantity;

use super::{Lifecycle, ProbeSpec, RestartPolicy, quantity};

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
    pub(crate) restart_policy_rules: Vec<RestartRule>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) tty: bool,
    pub(crate) termination_message_path: String,
    pub(crate) termination_message_policy: String,
}

/// `v1.ContainerRestartRule`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RestartRule {
    pub(crate) action: String,
    pub(crate) exit_codes: ExitCodes,
}

/// `v1.ContainerRestartRuleOnExitCodes`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ExitCodes {
    pub(crate) operator: String,
    pub(crate) values: Vec<i32>,
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
    pub(crate) sub_path_expr: String,
    pub(crate) read_only: bool,
}

impl ContainerSpec {
    /// True for an init container with `restartPolicy: Always` (KEP-753).
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(RestartPolicy::Always)
    }

    /// A rule of the container's own asks for a restart after this exit code (KEP-5307).
    pub(crate) fn restarts_on(&self, exit_code: i32) -> bool {
        self.restart_policy_rules.iter().any(|rule| {
            let listed = rule.exit_codes.values.contains(&exit_code);
            rule.action == "Restart"
                && match rule.exit_codes.operator.as_str() {
                    "In" => listed,
                    "NotIn" => !listed,
                    _ => false,
                }
        })
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
