//! Objects in, names out.

use super::*;
use serde_json::json;
use shared::Revision;

fn zone() -> Arc<Zone> {
    let slice = |service: &str, endpoints: Value| {
        json!({"metadata": {"name": format!("{service}-x"), "namespace": "a", "labels": {SERVICE_NAME: service}},
               "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints})
    };
    let service = |name: &str, spec: Value| json!({"metadata": {"name": name, "namespace": "a"}, "spec": spec});
    let objects = [
        vec![
            service(
                "web",
                json!({"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]}),
            ),
            service("db", json!({"clusterIP": "None"})),
            service(
                "out",
                json!({"type": "ExternalName", "externalName": "Example.COM."}),
            ),
        ],
        vec![slice(
            "db",
            json!([
                {"addresses": ["10.244.1.2"], "hostname": "db-0", "conditions": {"ready": true}},
                {"addresses": ["10.244.1.3"], "conditions": {"ready": false}},
            ]),
        )],
        vec![
            json!({"metadata": {"name": "p", "namespace": "a"}, "status": {"podIP": "10.244.1.7"}}),
        ],
    ];
    let mut dns = Dns::default();
    for (kind, objects) in kinds().into_iter().zip(objects) {
        let objects = objects.into_iter().map(Object::new).collect();
        dns.observe(
            Observed::Replaced {
                kind,
                revision: Revision(1),
                objects,
            },
            Millis(0),
        );
    }
    dns.poll(Millis(0));
    let zone = dns.take_changed().unwrap();
    dns.is_dirty = true;
    dns.poll(Millis(0));
    assert!(
        dns.take_changed().is_none(),
        "a second look changes nothing"
    );
    zone
}

#[test]
fn names_lead_where_the_specification_says() {
    let zone = zone();
    for (name, want) in [
        ("web.a.svc.cluster.local", "Records([A(10.96.0.9)])"),
        (
            "_http._tcp.web.a.svc.cluster.local",
            "Records([Srv(80, \"web.a.svc.cluster.local\")])",
        ),
        (
            "9.0.96.10.in-addr.arpa",
            "Records([Ptr(\"web.a.svc.cluster.local\")])",
        ),
        ("db.a.svc.cluster.local", "Records([A(10.244.1.2)])"),
        ("db-0.db.a.svc.cluster.local", "Records([A(10.244.1.2)])"),
        (
            "_http._tcp.db.a.svc.cluster.local",
            "Records([Srv(8080, \"db-0.db.a.svc.cluster.local\")])",
        ),
        (
            "out.a.svc.cluster.local",
            "Records([Cname(\"example.com\")])",
        ),
        ("10-244-1-7.a.pod.cluster.local", "Records([A(10.244.1.7)])"),
        ("a.svc.cluster.local", "Records([])"),
        ("nobody.a.svc.cluster.local", "NoName"),
        ("web.b.svc.cluster.local", "NoName"),
        ("example.com", "Foreign"),
    ] {
        assert_eq!(format!("{:?}", zone.lookup(name)), want, "{name}");
    }
}

#[test]
fn search_domains_are_the_kubelets() {
    assert_eq!(
        search_domains("a"),
        ["a.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    );
}
