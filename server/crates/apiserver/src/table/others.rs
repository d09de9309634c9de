//! Rows of network, storage and policy kinds.

use serde_json::{Value, json};
use shared::{Millis, Object};

use super::{age, first_three, or_none, selector_text};
use crate::value::{field, flag, int, items, text};

/// `RWO,ROX`: access modes as kubectl abbreviates them.
fn access_modes(o: &Object, pointer: &str) -> Value {
    let short = o.items(pointer).iter().filter_map(|mode| {
        Some(match mode.as_str()? {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            _ => return None,
        })
    });
    short.collect::<Vec<_>>().join(",").into()
}

fn or_unset(text: &str) -> Value {
    if text.is_empty() {
        "<unset>".into()
    } else {
        text.into()
    }
}

pub(super) fn claim(o: &Object, now: Millis) -> Vec<Value> {
    let phase = if o.deletion().is_some() {
        "Terminating"
    } else {
        o.text("/status/phase")
    };
    let bound = !o.text("/spec/volumeName").is_empty();
    vec![
        phase.into(),
        o.text("/spec/volumeName").into(),
        if bound {
            o.text("/status/capacity/storage")
        } else {
            ""
        }
        .into(),
        if bound {
            access_modes(o, "/status/accessModes")
        } else {
            "".into()
        },
        o.text("/spec/storageClassName").into(),
        or_unset(o.text("/spec/volumeAttributesClassName")),
        age(o, now),
        o.text("/spec/volumeMode").into(),
    ]
}

pub(super) fn volume(o: &Object, now: Millis) -> Vec<Value> {
    let claim = match o.text("/spec/claimRef/name") {
        "" => String::new(),
        name => format!("{}/{name}", o.text("/spec/claimRef/namespace")),
    };
    let phase = if o.deletion().is_some() {
        "Terminating"
    } else {
        o.text("/status/phase")
    };
    vec![
        o.text("/spec/capacity/storage").into(),
        access_modes(o, "/spec/accessModes"),
        o.text("/spec/persistentVolumeReclaimPolicy").into(),
        phase.into(),
        claim.into(),
        o.text("/spec/storageClassName").into(),
        or_unset(o.text("/spec/volumeAttributesClassName")),
        o.text("/status/reason").into(),
        age(o, now),
        o.text("/spec/volumeMode").into(),
    ]
}

pub(super) fn quota(o: &Object, now: Millis) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in o
        .at("/status/hard")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let used = o
            .at("/status/used")
            .and_then(|u| u.get(name))
            .and_then(Value::as_str)
            .unwrap_or("0");
        let line = format!("{name}: {used}/{}", hard.as_str().unwrap_or_default());
        if name.starts_with("limits") {
            limits.push(line)
        } else {
            requests.push(line)
        }
    }
    vec![
        requests.join(", ").into(),
        limits.join(", ").into(),
        age(o, now),
    ]
}

pub(super) fn ingress_class(o: &Object, now: Millis) -> Vec<Value> {
    let parameters = match o.text("/spec/parameters/name") {
        "" => "<none>".to_owned(),
        name => {
            let kind = o.text("/spec/parameters/kind");
            match o.text("/spec/parameters/apiGroup") {
                "" => format!("{kind}/{name}"),
                group => format!("{kind}.{group}/{name}"),
            }
        }
    };
    vec![
        o.text("/spec/controller").into(),
        parameters.into(),
        age(o, now),
    ]
}

pub(super) fn ingress(o: &Object, now: Millis) -> Vec<Value> {
    let hosts: Vec<String> = o
        .items("/spec/rules")
        .iter()
        .map(|r| field(r, "host").to_owned())
        .filter(|h| !h.is_empty())
        .collect();
    let addresses = o
        .items("/status/loadBalancer/ingress")
        .iter()
        .map(|i| match field(i, "ip") {
            "" => field(i, "hostname"),
            ip => ip,
        });
    let ports = if o.items("/spec/tls").is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        or_none(o.text("/spec/ingressClassName")),
        first_three(&hosts, "*"),
        addresses.collect::<Vec<_>>().join(",").into(),
        ports.into(),
        age(o, now),
    ]
}

pub(super) fn ip_address(o: &Object, _now: Millis) -> Vec<Value> {
    let of = |name: &str| o.text(&format!("/spec/parentRef/{name}"));
    let parts = [of("resource"), of("namespace"), of("name")];
    vec![
        parts
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect::<Vec<_>>()
            .join("/")
            .into(),
    ]
}

pub(super) fn network_policy(o: &Object, now: Millis) -> Vec<Value> {
    vec![selector_text(o.at("/spec/podSelector")).into(), age(o, now)]
}

pub(super) fn service_cidr(o: &Object, now: Millis) -> Vec<Value> {
    let cidrs = o
        .items("/spec/cidrs")
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(",");
    vec![cidrs.into(), age(o, now)]
}

pub(super) fn role_binding(o: &Object, now: Millis) -> Vec<Value> {
    let names = |kind: &str| {
        let subjects = o
            .items("/subjects")
            .iter()
            .filter(|s| field(s, "kind") == kind);
        let shown = subjects.map(|s| match kind {
            "ServiceAccount" => format!("{}/{}", field(s, "namespace"), field(s, "name")),
            _ => field(s, "name").to_owned(),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    vec![
        format!("{}/{}", o.text("/roleRef/kind"), o.text("/roleRef/name")).into(),
        age(o, now),
        names("User").into(),
        names("Group").into(),
        names("ServiceAccount").into(),
    ]
}

pub(super) fn csi_node(o: &Object, now: Millis) -> Vec<Value> {
    vec![o.items("/spec/drivers").len().into(), age(o, now)]
}

pub(super) fn csi_driver(o: &Object, now: Millis) -> Vec<Value> {
    let set = |name: &str| json!(flag(o.value(), &format!("/spec/{name}")));
    let audiences: Vec<&str> = o
        .items("/spec/tokenRequests")
        .iter()
        .map(|t| field(t, "audience"))
        .collect();
    let modes: Vec<&str> = o
        .items("/spec/volumeLifecycleModes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    vec![
        set("attachRequired"),
        set("podInfoOnMount"),
        set("storageCapacity"),
        or_unset(&audiences.join(",")),
        set("requiresRepublish"),
        or_none(&modes.join(",")),
        age(o, now),
    ]
}

pub(super) fn storage_class(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        o.text("/provisioner").into(),
        o.text("/reclaimPolicy").into(),
        o.text("/volumeBindingMode").into(),
        json!(flag(o.value(), "/allowVolumeExpansion")),
        age(o, now),
    ]
}

pub(super) fn volume_attachment(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        o.text("/spec/attacher").into(),
        o.text("/spec/source/persistentVolumeName").into(),
        o.text("/spec/nodeName").into(),
        json!(flag(o.value(), "/status/attached")),
        age(o, now),
    ]
}

pub(super) fn priority_class(o: &Object, now: Millis) -> Vec<Value> {
    vec![
        json!(o.int("/value").unwrap_or(0)),
        json!(flag(o.value(), "/globalDefault")),
        age(o, now),
        o.text("/preemptionPolicy").into(),
    ]
}

pub(super) fn lease(o: &Object, now: Millis) -> Vec<Value> {
    vec![o.text("/spec/holderIdentity").into(), age(o, now)]
}

pub(super) fn runtime_class(o: &Object, now: Millis) -> Vec<Value> {
    vec![o.text("/handler").into(), age(o, now)]
}

pub(super) fn endpoint_slice(o: &Object, now: Millis) -> Vec<Value> {
    let ports: Vec<String> = o
        .items("/ports")
        .iter()
        .map(|p| int(p, "/port").map_or_else(|| "*".to_owned(), |n| n.to_string()))
        .collect();
    let addresses: Vec<String> = o
        .items("/endpoints")
        .iter()
        .flat_map(|e| items(e, "/addresses"))
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect();
    vec![
        text(o.value(), "/addressType").into(),
        first_three(&ports, "<unset>"),
        first_three(&addresses, "<unset>"),
        age(o, now),
    ]
}
