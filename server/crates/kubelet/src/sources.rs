//! What containers are configured from: the ConfigMaps, Secrets and Services the kubelet has seen.

use std::collections::BTreeMap;

use client::Cache;
use serde_json::Value;
use shared::{KindRef, Object, ObjectKey};

/// Reads configuration objects from the kubelet's cache.
pub(crate) struct Sources<'a> {
    cache: &'a Cache,
}

/// `configmaps`.
pub(crate) fn config_maps() -> KindRef {
    KindRef::new("", "v1", "configmaps")
}

/// `secrets`.
pub(crate) fn secrets() -> KindRef {
    KindRef::new("", "v1", "secrets")
}

/// `services`.
pub(crate) fn services() -> KindRef {
    KindRef::new("", "v1", "services")
}

impl<'a> Sources<'a> {
    pub(crate) fn new(cache: &'a Cache) -> Self {
        Self { cache }
    }

    pub(crate) fn config_map(&self, namespace: &str, name: &str) -> Option<&'a Object> {
        self.cache
            .get(&config_maps(), &ObjectKey::new(namespace, name))
    }

    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Option<&'a Object> {
        self.cache.get(&secrets(), &ObjectKey::new(namespace, name))
    }

    /// `<SVC>_SERVICE_HOST` and its relatives for the Services of a namespace, and always for
    /// `default/kubernetes` (kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
    pub(crate) fn service_env(&self, namespace: &str, links: bool) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let kind = services();
        let master = self
            .cache
            .get(&kind, &ObjectKey::new("default", "kubernetes"));
        let own = self.cache.namespace(&kind, namespace).filter(|_| links);
        for service in master.into_iter().chain(own) {
            one_service(service, &mut env);
        }
        env
    }
}

fn one_service(service: &Object, env: &mut BTreeMap<String, String>) {
    let ip = service.text("/spec/clusterIP");
    let ports = service.items("/spec/ports");
    if ip.is_empty() || ip == "None" || ports.is_empty() {
        return;
    }
    let name = variable(service.name());
    let number = |port: &Value| port.get("port").and_then(Value::as_u64).unwrap_or_default();
    env.insert(format!("{name}_SERVICE_HOST"), ip.into());
    for (i, port) in ports.iter().enumerate() {
        let at = |field: &str| port.get(field).and_then(Value::as_str).unwrap_or_default();
        let number = number(port);
        if i == 0 {
            env.insert(format!("{name}_SERVICE_PORT"), number.to_string());
        }
        if !at("name").is_empty() {
            let key = format!("{name}_SERVICE_PORT_{}", variable(at("name")));
            env.insert(key, number.to_string());
        }
        let upper = if at("protocol").is_empty() {
            "TCP".into()
        } else {
            at("protocol").to_uppercase()
        };
        let url = format!("{}://{ip}:{number}", upper.to_lowercase());
        if i == 0 {
            env.insert(format!("{name}_PORT"), url.clone());
        }
        let prefix = format!("{name}_PORT_{number}_{upper}");
        env.insert(format!("{prefix}_PROTO"), upper.to_lowercase());
        env.insert(format!("{prefix}_PORT"), number.to_string());
        env.insert(format!("{prefix}_ADDR"), ip.into());
        env.insert(prefix, url);
    }
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// The decoded `data` of a Secret. What is not Base64 is left out: the API does not accept it.
pub(crate) fn secret_data(secret: &Object) -> BTreeMap<String, Vec<u8>> {
    base64_map(secret.at("/data"))
}

/// The files of a ConfigMap: `data` and `binaryData`.
pub(crate) fn config_map_data(map: &Object) -> BTreeMap<String, Vec<u8>> {
    let data = map.at("/data").and_then(Value::as_object);
    let text = |(k, v): (&String, &Value)| Some((k.clone(), v.as_str()?.as_bytes().to_vec()));
    let mut files: BTreeMap<_, _> = data.into_iter().flatten().filter_map(text).collect();
    files.extend(base64_map(map.at("/binaryData")));
    files
}

fn base64_map(data: Option<&Value>) -> BTreeMap<String, Vec<u8>> {
    use base64::Engine as _;
    let data = data.and_then(Value::as_object);
    let decode = |(k, v): (&String, &Value)| {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(v.as_str()?)
            .ok()?;
        Some((k.clone(), bytes))
    };
    data.into_iter().flatten().filter_map(decode).collect()
}
