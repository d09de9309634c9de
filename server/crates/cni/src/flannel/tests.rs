//! Node objects in, writes and routes out.

use super::*;

fn node(name: &str, cidr: &str, annotated: Option<(&str, &str)>) -> Value {
    let annotations = annotated.map_or(json!({}), |(ip, mac)| {
        json!({DATA: format!("{{\"VNI\":1,\"VtepMAC\":\"{mac}\"}}"), TYPE: "vxlan", MANAGER: "true", PUBLIC_IP: ip})
    });
    json!({"kind": "Node", "metadata": {"name": name, "resourceVersion": "5", "annotations": annotations},
           "spec": {"podCIDR": cidr}})
}

fn flannel() -> Flannel {
    Flannel::new(
        "node-1",
        Ipv4Addr::new(127, 1, 1, 11),
        Mac([2, 0, 0, 0, 0, 1]),
    )
}

fn see(flannel: &mut Flannel, objects: Vec<Value>) -> Vec<Request> {
    let objects = objects.into_iter().map(Object::new).collect();
    flannel.observe(
        Observed::Replaced {
            kind: nodes(),
            revision: Revision(9),
            objects,
        },
        Millis(0),
    );
    flannel
        .poll(Millis(0))
        .into_iter()
        .map(|c| c.request)
        .collect()
}

#[test]
fn a_node_says_where_its_tunnel_end_is() {
    let mut flannel = flannel();
    let requests = see(&mut flannel, vec![node("node-1", "10.244.0.0/24", None)]);
    let paths: Vec<&str> = requests.iter().map(|r| r.subresource.as_str()).collect();
    assert_eq!(paths, ["", "status"]);
    assert!(
        flannel.poll(Millis(0)).is_empty(),
        "nothing is sent twice while it is on its way"
    );
}

#[test]
fn what_is_said_already_is_not_said_again() {
    let mut own = node(
        "node-1",
        "10.244.0.0/24",
        Some(("127.1.1.11", "02:00:00:00:00:01")),
    );
    own["status"] = json!({"conditions": [{"type": "NetworkUnavailable", "status": "False"}]});
    assert!(see(&mut flannel(), vec![own]).is_empty());
}

#[test]
fn routes_lead_to_every_node_that_has_said_where_it_is() {
    let mut flannel = flannel();
    see(
        &mut flannel,
        vec![
            node("node-1", "10.244.0.0/24", None),
            node(
                "node-2",
                "10.244.1.0/24",
                Some(("127.1.1.12", "02:00:00:00:00:02")),
            ),
            node("node-3", "10.244.2.0/24", None),
            node("node-4", "", Some(("127.1.1.14", "02:00:00:00:00:04"))),
        ],
    );
    let routes: Vec<String> = flannel
        .take_changed()
        .unwrap()
        .iter()
        .map(|r| format!("{} {:?}", r.prefix, r.hop))
        .collect();
    assert_eq!(
        routes,
        [
            "10.244.0.0/24 Local",
            "10.244.1.0/24 Vxlan { vni: 1, remote: 127.1.1.12, mac: Mac([2, 0, 0, 0, 0, 2]) }",
        ]
    );
    assert!(flannel.take_changed().is_none());
    assert_eq!(flannel.pod_cidr(), "10.244.0.0/24".parse().ok());
}

#[test]
fn a_refused_write_is_tried_again_later() {
    let mut flannel = flannel();
    flannel.observe(
        Observed::Replaced {
            kind: nodes(),
            revision: Revision(9),
            objects: vec![Object::new(node("node-1", "", None))],
        },
        Millis(0),
    );
    let calls = flannel.poll(Millis(0));
    flannel.answer(calls[0].id, Err(Status::internal("x")), Millis(0));
    assert!(flannel.poll(Millis(0)).is_empty());
    assert_eq!(flannel.wake(), Some((Millis(RETRY_MS), "retry")));
    assert_eq!(flannel.poll(Millis(RETRY_MS)).len(), 1);
}
