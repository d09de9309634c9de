//! Links made and links attacked: round trips, cleaning, and hostile input.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::link::crc32;
use super::*;

fn object(value: Value) -> Object {
    Object::new(value)
}

fn pod(name: &str) -> Object {
    object(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": "node-2", "containers": [{"name": "c", "image": "nginx"}]}}))
}

fn scenario(objects: Vec<Object>) -> Scenario {
    Scenario {
        title: "two pods".into(),
        nodes: 3,
        objects,
        ..Scenario::default()
    }
}

/// A link around any JSON, right in form whatever it says.
fn forge(version: u8, json: &[u8]) -> String {
    let mut bytes = vec![version];
    bytes.extend(crc32(json).to_be_bytes());
    bytes.extend(miniz_oxide::deflate::compress_to_vec(json, 9));
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn the_checksum_is_the_one_of_gzip() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn a_scenario_survives_its_link() {
    let before = scenario(vec![pod("a"), pod("b")]);
    let link = before.encode().unwrap();
    assert!(link.len() < 300, "{} characters", link.len());
    assert!(
        link.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    assert_eq!(Scenario::decode(&link), Ok(before));
}

#[test]
fn every_single_changed_or_missing_character_is_noticed() {
    let link = scenario(vec![pod("a")]).encode().unwrap();
    for at in 0..link.len() {
        let mut bytes = link.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(Scenario::decode(&changed).is_err(), "changed at {at}");
        assert!(Scenario::decode(&link[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn hostile_links_are_refused_with_a_reason() {
    let refused = |link: &str| Scenario::decode(link).unwrap_err().to_string();
    let one = |object: Value| forge(1, json!({"objects": [object]}).to_string().as_bytes());
    let deep = "[".repeat(5000);
    let many = format!(
        r#"{{"objects":[{}]}}"#,
        vec![r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#; 501].join(",")
    );
    for (link, want) in [
        (String::new(), "nothing follows #s="),
        ("   ".into(), "nothing follows #s="),
        ("%%%".into(), "not base64url"),
        ("AQ==".into(), "not base64url"),
        ("AQ".into(), "checksum"),
        ("AwAAAAAA".into(), "format version 3"),
        ("AQAAAAD_____".into(), "checksum"),
        ("A".repeat(MAX_ENCODED + 1), "at most 65536"),
        (forge(1, &vec![b' '; 4_000_000]), "more than 1048576 bytes"),
        (forge(1, b"not json"), "does not hold a scenario"),
        (forge(1, b"[]"), "does not hold a scenario"),
        (forge(1, deep.as_bytes()), "does not hold a scenario"),
        (
            forge(1, br#"{"objects":[],"fetch":"http://x"}"#),
            "unknown field `fetch`",
        ),
        (forge(1, br#"{"objects":{"a":1}}"#), "invalid type"),
        (forge(1, many.as_bytes()), "501 objects"),
        (
            one(
                json!({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"k":"dg=="}}),
            ),
            "Secret \"s\" cannot travel in a link",
        ),
        (
            one(json!({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}})),
            "Node \"n\" cannot travel",
        ),
        (one(json!("a string")), "cannot travel"),
        (one(json!(null)), "cannot travel"),
        (
            one(json!({"apiVersion":"v2","kind":"Pod","metadata":{"name":"p"}})),
            "v2 Pod is not a kind",
        ),
        (one(json!({"apiVersion":"v1","kind":"Pod"})), "bad name"),
        (
            one(json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"../../x"}})),
            "bad name",
        ),
        (
            one(
                json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"<script>alert(1)</script>"}}),
            ),
            "bad name",
        ),
        (
            one(json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a/b"}})),
            "bad name",
        ),
        (
            one(
                json!({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"kube-system"}}),
            ),
            "is in kube-system",
        ),
        (
            one(json!({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system"}})),
            "is in kube-system",
        ),
    ] {
        let message = refused(&link);
        assert!(message.contains(want), "{want:?} not in {message:?}");
        assert!(message.len() < 600, "{} bytes of message", message.len());
    }
}

/// Forty links that somebody could send, beside those above: each is refused, quickly, with a reason that is safe to show.
#[test]
fn forty_more_hostile_links_are_refused() {
    let pod = |more: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}}{more}}}"#)
    };
    let step = |more: &str| format!(r#"{{"steps":[{{"title":"t"{more}}}]}}"#);
    let act = |deed: &str| step(&format!(r#","actions":[{{"label":"l","do":[{deed}]}}]"#));
    let check = |cel: &str| {
        step(&format!(
            r#","checks":[{{"name":"n","expression":{}}}]"#,
            json!(cel)
        ))
    };
    let many = |count: usize, item: &str| vec![item; count].join(",");
    let image = |i: &str| {
        format!(
            r#"{{"objects":[{}]}}"#,
            pod(&format!(
                r#","spec":{{"containers":[{{"name":"c","image":"{i}"}}]}}"#
            ))
        )
    };
    let cases: Vec<(String, &str)> = vec![
        (r#"{"nodes":201}"#.into(), "201 nodes"),
        (r#"{"nodes":-1}"#.into(), "invalid value"),
        (r#"{"nodes":1e99}"#.into(), "invalid"),
        (r#"{"title":["x"]}"#.into(), "invalid type"),
        (r#"{"title":"a","title":"b"}"#.into(), "duplicate field"),
        (r#"{"script":"alert(1)"}"#.into(), "unknown field"),
        (r#"{"__proto__":{}}"#.into(), "unknown field"),
        ("[]".into(), "no JSON object"),
        (r#"["a","b",1,[],[],[],[]]"#.into(), "no JSON object"),
        (" {}".into(), "no JSON object"),
        (r#"{"steps":[{}]}"#.into(), "missing field `title`"),
        (step(r#","html":"<b>""#), "unknown field `html`"),
        (
            step(&format!(r#","text":"{}""#, "x".repeat(MAX_TEXT + 1))),
            "the text of step 1 is longer",
        ),
        (
            format!(r#"{{"steps":[{}]}}"#, many(41, r#"{"title":"t"}"#)),
            "41 steps",
        ),
        (
            format!(
                r#"{{"timeline":[{}]}}"#,
                many(41, r#"{"afterSeconds":1,"label":"l","do":[]}"#)
            ),
            "41 moments",
        ),
        (
            r#"{"timeline":[{"afterSeconds":-5,"label":"l","do":[]}]}"#.into(),
            "invalid value",
        ),
        (
            step(&format!(
                r#","actions":[{}]"#,
                many(13, r#"{"label":"l","do":[]}"#)
            )),
            "13 actions",
        ),
        (
            step(&format!(
                r#","checks":[{}]"#,
                many(13, r#"{"name":"n","expression":"true"}"#)
            )),
            "13 checks",
        ),
        (act(&many(13, r#"{"stopNode":"node-1"}"#)), "13 deeds"),
        (
            act(r#"{"fetch":"http://evil.example"}"#),
            "unknown variant `fetch`",
        ),
        (
            act(r#"{"create":{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}}"#),
            "cannot travel",
        ),
        (
            act(
                r#"{"create":{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"r"}}}"#,
            ),
            "cannot travel",
        ),
        (
            act(
                r#"{"create":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"kube-system"}}}"#,
            ),
            "is in kube-system",
        ),
        (
            act(r#"{"replace":{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1"}}}"#),
            "cannot travel",
        ),
        (
            act(r#"{"delete":"nodes/node-1"}"#),
            "may not touch nodes/node-1",
        ),
        (
            act(r#"{"delete":"namespaces/kube-system"}"#),
            "may not touch namespaces/kube-system",
        ),
        (
            act(r#"{"delete":"configmaps/kube-system/image-aliases"}"#),
            "may not touch",
        ),
        (
            act(r#"{"delete":"secrets/default/token"}"#),
            "may not touch",
        ),
        (act(r#"{"delete":"pods/default"}"#), "names no object"),
        (
            act(r#"{"delete":"pods/default/../../nodes/node-1"}"#),
            "names no object",
        ),
        (
            act(r#"{"delete":"pods/default/%2e%2e"}"#),
            "names no object",
        ),
        (
            act(r#"{"patch":{"on":"secrets/default/s","patch":{}}}"#),
            "may not touch",
        ),
        (
            act(r#"{"patch":{"on":"pods/default/p","patch":{},"force":true}}"#),
            "unknown field `force`",
        ),
        (
            act(r#"{"bind":{"pod":"nodes/node-1","node":"node-2"}}"#),
            "only a pod can be bound",
        ),
        (act(r#"{"stopNode":"../../clock"}"#), "is not a node's name"),
        (
            act(r#"{"clock":{"rate":1,"path":"/x"}}"#),
            "unknown field `path`",
        ),
        (check(&"(".repeat(900)), "nests deeper"),
        (check(&" ".repeat(2000)), "longer than 1000 bytes"),
        (check("pods.exists(p"), "expected"),
        (image("evil.example/x:1"), "names a registry to fetch from"),
        (image("10.0.0.1:5000/x"), "names a registry to fetch from"),
        (
            image("glasshouse.dev.evil.example/x"),
            "names a registry to fetch from",
        ),
    ];
    assert!(cases.len() >= 40);
    for (json, want) in cases {
        let message = Scenario::decode(&forge(2, json.as_bytes()))
            .unwrap_err()
            .to_string();
        assert!(message.contains(want), "{want:?} not in {message:?}");
        assert!(message.len() < 600, "{} bytes of message", message.len());
    }
}

#[test]
fn what_must_not_travel_is_not_written_either() {
    let secret = object(json!({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}));
    assert!(matches!(
        scenario(vec![secret]).encode(),
        Err(EncodeError::Format(FormatError::Object(_)))
    ));
    // Text that does not compress: a chain of checksums.
    let mut state = 1u32;
    let noise: String = (0..20_000)
        .map(|_| {
            state = crc32(&state.to_be_bytes());
            format!("{state:08x}")
        })
        .collect();
    let big = object(
        json!({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"k":noise}}),
    );
    assert!(
        matches!(scenario(vec![big]).encode(), Err(EncodeError::TooLong(n)) if n > MAX_ENCODED)
    );
    assert_eq!(
        scenario(vec![pod("a"); 501]).encode(),
        Err(EncodeError::Format(FormatError::TooMany {
            what: "objects",
            found: 501,
            most: 500
        }))
    );
}

#[test]
fn only_what_a_user_made_is_collected_in_creation_order() {
    let make = |api: &str, kind: &str, ns: &str, name: &str| {
        object(
            json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": ns}}),
        )
    };
    let mut owned = pod("web-abc").to_value();
    owned["metadata"]["ownerReferences"] = json!([{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"1","controller":true}]);
    let mut going = pod("going").to_value();
    going["metadata"]["deletionTimestamp"] = json!("2026-11-23T06:25:38Z");
    let objects = [
        pod("bare"),
        object(owned),
        object(going),
        make("apps/v1", "Deployment", "default", "web"),
        make("v1", "Service", "default", "kubernetes"),
        make("v1", "Service", "shop", "web"),
        make("v1", "Namespace", "", "shop"),
        make("v1", "Namespace", "", "default"),
        make("v1", "Namespace", "", "kube-system"),
        make("v1", "ConfigMap", "default", "kube-root-ca.crt"),
        make("v1", "ConfigMap", "kube-system", "aliases"),
        make("v1", "Secret", "default", "token"),
        make("v1", "ServiceAccount", "default", "default"),
        make("v1", "Event", "default", "e"),
    ];
    let names: Vec<String> = Scenario::collect(3, &objects)
        .objects
        .iter()
        .map(|o| format!("{} {}", o.kind(), o.key()))
        .collect();
    assert_eq!(
        names,
        [
            "Namespace shop",
            "Service shop/web",
            "Deployment default/web",
            "Pod default/bare"
        ]
    );
}

#[test]
fn cleaning_leaves_what_the_author_wrote() {
    let stored = object(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "resourceVersion": "7", "generation": 1,
            "creationTimestamp": "2026-11-23T06:25:38Z", "managedFields": [{}],
            "labels": {"app": "p"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "spec": {"nodeName": "node-2", "serviceAccount": "default", "serviceAccountName": "default", "priority": 0,
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "mine", "operator": "Exists"}],
            "volumes": [{"name": "kube-api-access-x2kqp", "projected": {}}],
            "containers": [{"name": "c", "image": "nginx",
                "volumeMounts": [{"name": "kube-api-access-x2kqp", "mountPath": "/var"}]}]},
        "status": {"phase": "Running"}}));
    assert_eq!(
        clean(&stored).value(),
        &json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default", "labels": {"app": "p"}},
            "spec": {"nodeName": "node-2", "tolerations": [{"key": "mine", "operator": "Exists"}],
                "containers": [{"name": "c", "image": "nginx"}]}})
    );
    let service = |ip: &str| {
        object(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80, "nodePort": 30080}]}}),
        )
    };
    assert_eq!(clean(&service("10.96.0.7")).at("/spec/clusterIP"), None);
    assert_eq!(clean(&service("None")).text("/spec/clusterIP"), "None");
    assert_eq!(
        clean(&service("10.96.0.7")).int("/spec/ports/0/nodePort"),
        Some(30080)
    );
}
