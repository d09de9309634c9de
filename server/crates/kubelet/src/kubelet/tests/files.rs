//! Static pods and their mirrors.

use expect_test::expect;
use serde_json::{Value, json};

use super::container;
use crate::kubelet::tests::harness::Harness;

fn manifest(image: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "etc", "namespace": "a"},
        "spec": {"containers": [container(image)]}})
}

#[test]
fn a_static_pod_runs_with_its_mirror() {
    let mut harness = Harness::new();
    harness.manifests(&[manifest("ok"), json!({"kind": "Service"})]);
    harness.run(5);
    let mirror = harness.object("pods", "a", "etc-n1").clone();
    assert_eq!(mirror["status"]["phase"], "Running");
    assert_eq!(mirror["metadata"]["ownerReferences"][0]["name"], "n1");
    let annotations = &mirror["metadata"]["annotations"];
    assert_eq!(annotations["kubernetes.io/config.source"], "file");
    assert_eq!(
        annotations["kubernetes.io/config.mirror"],
        annotations["kubernetes.io/config.hash"]
    );
    harness.vanish("etc-n1");
    harness.run(5);
    assert_eq!(
        harness.object("pods", "a", "etc-n1")["status"]["phase"],
        "Running"
    );
    harness.delete("etc-n1", 30);
    harness.run(30);
    assert_eq!(
        harness.object("pods", "a", "etc-n1")["metadata"].get("deletionTimestamp"),
        None
    );
    let text = harness.transcript();
    assert!(
        !text.contains("engine: stop"),
        "the pod itself goes on:\n{text}"
    );
}

#[test]
fn a_changed_file_is_another_pod_and_a_missing_one_none() {
    let mut harness = Harness::new();
    harness.manifests(&[manifest("ok")]);
    harness.run(5);
    harness.manifests(&[manifest("slow")]);
    harness.run(60);
    harness.manifests(&[]);
    harness.run(60);
    let text = harness.transcript();
    let lines: Vec<String> = text
        .lines()
        .filter(|l| {
            ["--", "engine:", "CREATE", "DELETE"]
                .iter()
                .any(|w| l.contains(w))
        })
        .map(hide_hashes)
        .collect();
    expect![[r#"
        0.00 -- manifests change
        0.00 CREATE etc-n1
        5.00 -- manifests change
        5.00 DELETE etc-n1 grace=Some(0)
        5.00 engine: stop UID_c_0 within 30000
        5.10 engine: remove UID
        6.00 CREATE etc-n1
        65.00 -- manifests change
        65.00 DELETE etc-n1 grace=Some(0)
        65.00 engine: stop UID_c_0 within 30000
        65.10 engine: remove UID
    "#]]
    .assert_eq(&(lines.join("\n") + "\n"));
}

/// Hashes in the order of their appearance do not matter: `uid`.
fn hide_hashes(line: &str) -> String {
    let words = line.split_inclusive([' ', '_']);
    let plain = |w: &str| {
        let end = w.trim_end_matches([' ', '_']);
        if end.len() == 32 {
            w.replace(end, "UID")
        } else {
            w.to_owned()
        }
    };
    words.map(plain).collect()
}
