//! The real kube-proxy, DNS and flannel decisions on the real network: objects in, a name that can be called out.

use client::{Component, Interest, Observed};
use kube_proxy::KubeProxy;
use serde_json::{Value, json};
use shared::{Object, Revision};

use super::*;

fn feed(component: &mut dyn Component, objects: &[(&str, Value)]) {
    for Interest { kind, .. } in component.interests() {
        let of_kind = objects.iter().filter(|(plural, _)| *plural == kind.plural);
        let objects = of_kind
            .map(|(_, value)| Object::new(value.clone()))
            .collect();
        let revision = Revision(1);
        component.observe(
            Observed::Replaced {
                kind,
                revision,
                objects,
            },
            Millis(1),
        );
    }
    component.poll(Millis(1));
}

fn objects(endpoints: &[&PodNetwork], node_port: u16) -> Vec<(&'static str, Value)> {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|pod| json!({"addresses": [pod.ip()], "conditions": {"ready": true}, "nodeName": "node-1"}))
        .collect();
    vec![
        (
            "services",
            json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"type": "NodePort", "clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"],
                "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": node_port, "protocol": "TCP"}]}}),
        ),
        (
            "endpointslices",
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints}),
        ),
    ]
}

#[tokio::test]
async fn a_service_of_the_cluster_is_called_by_name_and_by_node_port() {
    let w = World::new(2).await;
    let (client, server) = (w.pod(0, 2), w.pod(1, 2));
    w.echo_server(&server, 8080).await;
    let node_ip = w.nodes[0].host().ip();
    let port = node_port();
    let (mut proxy, mut dns) = (KubeProxy::new("node-0", 1), cni::dns::Dns::default());
    let cluster = objects(&[&server], port);
    feed(&mut proxy, &cluster);
    feed(&mut dns, &cluster);
    w.nodes[0].set_services(proxy.take_changed().unwrap());
    w.nodes[0].set_zone(dns.take_changed().unwrap());
    let found = client.resolve("web").await.unwrap();
    assert_eq!(found, [Ipv4Addr::new(10, 96, 0, 77)]);
    let stream = within(client.tcp_connect((found[0], 80).into(), None))
        .await
        .unwrap();
    assert_eq!(ask(stream, b"by name").await, b"by name");
    let stream = within(client.tcp_connect((node_ip, port).into(), None))
        .await
        .unwrap();
    assert_eq!(
        ask(stream, b"by node port from a pod").await,
        b"by node port from a pod"
    );
    let mut ports = ServicePorts::new(w.nodes[0].clone(), w.tasks.clone(), w.cancel.clone());
    let open = proxy.table().node_ports().map(|p| p.port).collect();
    let conflicts = ports.set(&open).await;
    assert!(conflicts.iter().all(|c| !c.on_node_ip), "{conflicts:?}");
    let mut outside = tokio::net::TcpStream::connect((node_ip, port))
        .await
        .unwrap();
    outside.write_all(b"from outside").await.unwrap();
    outside.shutdown().await.unwrap();
    let mut got = Vec::new();
    within(outside.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, b"from outside");
    feed(&mut proxy, &objects(&[], port));
    w.nodes[0].set_services(proxy.take_changed().unwrap());
    let error = within(client.tcp_connect(sa("10.96.0.77:80"), None))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    drop(ports);
    w.end().await;
}

#[test]
fn routes_of_the_plugin_are_taken_over() {
    let mac = cni::Mac([2, 0, 0, 0, 0, 9]);
    let remote = Ipv4Addr::new(127, 1, 0, 9);
    let prefix = "10.244.9.0/24".parse().unwrap();
    let route = cni::Route {
        prefix,
        hop: cni::Hop::Vxlan {
            vni: 1,
            remote,
            mac,
        },
    };
    let taken = OverlayRoute::from_cni(&route, 8472);
    assert_eq!(taken.prefix.to_string(), "10.244.9.0/24");
    assert_eq!(
        taken.hop,
        Hop::Vxlan {
            vni: 1,
            remote,
            port: 8472,
            mac: mac.0
        }
    );
}
