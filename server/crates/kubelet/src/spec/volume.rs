//! `v1.Volume` and its sources.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shared::quantity::Quantity;

use super::{FieldRef, ResourceFieldRef, quantity};

/// `v1.Volume`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VolumeSpec {
    pub(crate) name: String,
    pub(crate) empty_dir: Option<EmptyDir>,
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

/// `v1.VolumeProjection`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Projection {
    pub(crate) config_map: Option<ConfigFiles>,
    pub(crate) secret: Option<ConfigFiles>,
    #[serde(rename = "downwardAPI")]
    pub(crate) downward_api: Option<DownwardFiles>,
    pub(crate) service_account_token: Option<TokenFile>,
}

/// `v1.ServiceAccountTokenProjection`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TokenFile {
    pub(crate) audience: String,
    pub(crate) expiration_seconds: Option<u64>,
    pub(crate) path: String,
}

/// `v1.EmptyDirVolumeSource`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct EmptyDir {
    pub(crate) medium: String,
    size_limit: Value,
}

impl EmptyDir {
    /// The content counts as memory of the pod.
    pub(crate) fn in_memory(&self) -> bool {
        self.medium == "Memory"
    }

    /// How much it may hold before the pod is evicted.
    pub(crate) fn limit(&self) -> Option<Quantity> {
        quantity(&self.size_limit).filter(|q| q.as_units() > 0)
    }
}
