//! What is answered by nodes rather than by the store: `proxy` of pods, services and nodes, and `metrics.k8s.io`.
//!
//! Source: `pkg/registry/core/{pod,service,node}/rest` and `apimachinery/pkg/util/net.SplitSchemeNamePort`.

use serde_json::Value;
use shared::{Object, Status};

use crate::answer::{Connect, Outcome};
use crate::item::Item;
use crate::server::{Context, Target};
use crate::value::{field, int, items, text};

/// The group that tells what pods and nodes use.
pub(crate) const METRICS: &str = "metrics.k8s.io";

/// `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`.
fn split(asked: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = asked.split(':').collect();
    match parts.as_slice() {
        [name] => Some((name, "")),
        [name, port] | ["http" | "", name, port] => Some((name, port)),
        _ => None,
    }
}

/// Finds where a `proxy` request goes.
pub(crate) fn connect(target: &Target<'_>, ctx: &Context<'_>) -> Result<Outcome, Status> {
    let asked = &target.request.name;
    let (name, port) = split(asked).ok_or_else(|| {
        let what = target.kind.singular;
        Status::bad_request(format!(
            "invalid {what} request {asked:?}: only http:NAME:PORT can be proxied to"
        ))
    })?;
    let kv = ctx
        .snapshot
        .get(&target.key(name))
        .ok_or_else(|| Status::not_found(target.kind.plural, target.kind.group, name))?;
    let item: Item = target.item(kv);
    let object = item.object()?;
    let (node, address) = match target.kind.plural {
        "nodes" => (name.to_owned(), String::new()),
        "pods" => of_pod(object, port)?,
        _ => of_service(object, port, ctx)?,
    };
    let is_pod = target.kind.plural == "pods";
    Ok(Outcome::Connect(Connect {
        subresource: "proxy".into(),
        node,
        namespace: object.namespace().into(),
        pod: if is_pod { name.into() } else { String::new() },
        uid: String::new(),
        container: String::new(),
        address,
        parameters: Vec::new(),
    }))
}

/// A pod's address, and the port asked for or its first container's first.
fn of_pod(pod: &Object, port: &str) -> Result<(String, String), Status> {
    let (node, ip) = (pod.text("/spec/nodeName"), pod.text("/status/podIP"));
    if node.is_empty() || ip.is_empty() {
        return Err(Status::bad_request("address not allowed"));
    }
    let containers = pod.items("/spec/containers");
    let ports = || {
        let all = containers.iter().flat_map(|c| items(c, "/ports"));
        all.filter(|p| matches!(field(p, "protocol"), "" | "TCP"))
    };
    let number = match port.parse::<u16>() {
        Ok(number) => Some(i64::from(number)),
        Err(_) if port.is_empty() => Some(
            ports()
                .next()
                .and_then(|p| int(p, "/containerPort"))
                .unwrap_or(80),
        ),
        Err(_) => ports()
            .find(|p| field(p, "name") == port)
            .and_then(|p| int(p, "/containerPort")),
    };
    let number = number.ok_or_else(|| no_port("pod", pod.name(), port))?;
    Ok((node.into(), format!("{ip}:{number}")))
}

/// One of a service's ready endpoints, drawn by the seed.
fn of_service(service: &Object, port: &str, ctx: &Context<'_>) -> Result<(String, String), Status> {
    let ports = service.items("/spec/ports");
    let is_asked = |p: &&Value| {
        field(p, "name") == port || int(p, "/port").is_some_and(|number| number.to_string() == port)
    };
    let chosen = match (port, ports) {
        ("", [only]) => Some(only),
        ("", several) => several.iter().find(|p| field(p, "name").is_empty()),
        _ => ports.iter().find(is_asked),
    };
    let chosen = chosen.ok_or_else(|| no_port("service", service.name(), port))?;
    let prefix = format!("/registry/endpointslices/{}/", service.namespace());
    let mut endpoints = Vec::new();
    for kv in ctx.snapshot.iter(&prefix) {
        let slice: Value = serde_json::from_slice(&kv.value).map_err(Status::internal)?;
        if text(&slice, "/metadata/labels/kubernetes.io~1service-name") != service.name() {
            continue;
        }
        let Some(number) = items(&slice, "/ports")
            .iter()
            .find(|p| field(p, "name") == field(chosen, "name"))
            .and_then(|p| int(p, "/port"))
        else {
            continue;
        };
        for endpoint in items(&slice, "/endpoints") {
            let is_ready = endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
            let ip = text(endpoint, "/addresses/0");
            if is_ready && !ip.is_empty() {
                endpoints.push((field(endpoint, "nodeName").into(), format!("{ip}:{number}")));
            }
        }
    }
    if endpoints.is_empty() {
        let message = format!("no endpoints available for service {:?}", service.name());
        return Err(Status::failure(503, "ServiceUnavailable", message));
    }
    let drawn = ctx.seed % endpoints.len() as u64;
    Ok(endpoints.swap_remove(usize::try_from(drawn).unwrap_or(0)))
}

fn no_port(what: &str, name: &str, port: &str) -> Status {
    let message = format!("no port {port:?} found for {what} {name:?}");
    Status::failure(503, "ServiceUnavailable", message)
}

/// A request for what pods or nodes use: nodes know.
pub(crate) fn metrics(target: &Target<'_>) -> Outcome {
    let request = target.request;
    let parameters = [
        ("labelSelector", &request.options.label_selector),
        ("fieldSelector", &request.options.field_selector),
        ("verb", &request.verb.word().to_owned()),
    ];
    Outcome::Connect(Connect {
        subresource: format!("metrics/{}", target.kind.plural),
        node: String::new(),
        namespace: request.namespace.clone(),
        pod: request.name.clone(),
        uid: String::new(),
        container: String::new(),
        address: String::new(),
        parameters: parameters
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_carry_ports_and_schemes() {
        for (asked, want) in [
            ("web", Some(("web", ""))),
            ("web:80", Some(("web", "80"))),
            ("http:web:http", Some(("web", "http"))),
            ("http:web:", Some(("web", ""))),
            ("https:web:443", None),
            ("a:b:c:d", None),
        ] {
            assert_eq!(split(asked), want, "{asked}");
        }
    }

    #[test]
    fn pods_are_reached_at_their_ports() {
        let pod = Object::new(json!({
            "metadata": {"name": "p"},
            "spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [
                {"containerPort": 53, "protocol": "UDP"}, {"containerPort": 8080, "name": "http"}]}]},
            "status": {"podIP": "10.0.0.1"},
        }));
        for (port, want) in [
            ("", Ok("10.0.0.1:8080")),
            ("http", Ok("10.0.0.1:8080")),
            ("9", Ok("10.0.0.1:9")),
            ("admin", Err(503)),
        ] {
            let got = of_pod(&pod, port).map(|(_, address)| address);
            assert_eq!(got.as_deref().map_err(|status| status.code), want, "{port}");
        }
        let unplaced = Object::new(json!({"metadata": {"name": "p"}}));
        assert_eq!(of_pod(&unplaced, "").map_err(|s| s.code), Err(400));
    }
}
