//! The API as kubectl and curl see it.

use anyhow::Result;
use e2e::Cluster;
use e2e::cluster::curl;

#[test]
fn kubectl_finds_its_way_around() -> Result<()> {
    let cluster = Cluster::start(1)?;
    for (line, words) in [
        ("version", &["v1.36"][..]),
        (
            "api-resources",
            &["configmaps", "deployments", "endpointslices", "leases"],
        ),
        (
            "explain pod.spec",
            &["containers", "nodeName", "DESCRIPTION"],
        ),
        ("get --raw /readyz", &["ok"]),
        ("get --raw /livez", &["ok"]),
        (
            "get --raw /metrics",
            &[
                "apiserver_request_total",
                "etcd_debugging_mvcc_current_revision",
            ],
        ),
        (
            "get namespaces",
            &["default", "kube-system", "kube-public", "kube-node-lease"],
        ),
        (
            "get nodes -o wide",
            &["node-1", "Ready", "v1.36", "wasmtime://"],
        ),
        ("describe node node-1", &["Allocatable", "KubeletReady"]),
        ("get leases -n kube-node-lease", &["node-1"]),
        ("get service kubernetes -o yaml", &["clusterIP: 10.96.0.1"]),
        ("get pods -A", &[]),
    ] {
        let out = cluster.kubectl(line)?;
        for word in words {
            assert!(
                out.contains(word),
                "kubectl {line} should mention {word}:\n{out}"
            );
        }
    }
    Ok(())
}

#[test]
fn objects_are_made_changed_and_deleted() -> Result<()> {
    let cluster = Cluster::start(1)?;
    for (line, says) in [
        ("create namespace shop", "namespace/shop created"),
        (
            "create configmap c --from-literal=a=1 -n shop",
            "configmap/c created",
        ),
        (
            "create secret generic s --from-literal=p=w -n shop",
            "secret/s created",
        ),
        ("label configmap c x=y -n shop", "configmap/c labeled"),
        (
            "annotate configmap c note=hi -n shop",
            "configmap/c annotated",
        ),
        (
            "patch configmap c -n shop -p '{\"data\":{\"b\":\"2\"}}'",
            "configmap/c patched",
        ),
        (
            "get configmap c -n shop -o 'jsonpath={.data.a}{.data.b}'",
            "12",
        ),
        ("delete configmap c -n shop", "deleted"),
        ("delete namespace shop", "deleted"),
    ] {
        let out = cluster.kubectl(line)?;
        assert!(out.contains(says), "kubectl {line}: {out}");
    }
    assert!(
        cluster
            .kubectl_refused("get namespace shop")?
            .contains("NotFound")
    );
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: applied}, data: {a: '1'}}";
    assert!(
        cluster
            .kubectl_with("apply -f -", manifest)?
            .contains("created")
    );
    assert!(
        cluster
            .kubectl_with("apply -f -", manifest)?
            .contains("unchanged")
    );
    let changed = manifest.replace("'1'", "'2'");
    assert!(
        cluster
            .kubectl_with("apply -f -", &changed)?
            .contains("configured")
    );
    assert!(
        cluster
            .kubectl_with("apply --server-side --force-conflicts -f -", &changed)?
            .contains("serverside-applied")
    );
    Ok(())
}

#[test]
fn bad_input_is_refused_with_a_status_and_nothing_is_stored() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let (token, base) = (cluster.token()?, cluster.ready.dashboard.clone());
    let bearer = format!("Authorization: Bearer {token}");
    for (method, path, kind, body, code) in [
        (
            "POST",
            "/api/v1/namespaces/default/pods",
            "application/json",
            "{",
            400,
        ),
        (
            "POST",
            "/api/v1/namespaces/default/pods",
            "application/json",
            "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"NO\"}}",
            422,
        ),
        (
            "POST",
            "/api/v1/namespaces/none/configmaps",
            "application/json",
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}",
            404,
        ),
        (
            "POST",
            "/api/v1/namespaces/default/configmaps",
            "text/html",
            "x",
            415,
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default",
            "application/json",
            "{}",
            415,
        ),
        ("GET", "/api/v1/nonsense", "application/json", "", 404),
        ("DELETE", "/api/v1/nodes/none", "application/json", "", 404),
    ] {
        let answer = curl(&[
            "-X",
            method,
            "-H",
            &bearer,
            "-H",
            &format!("Content-Type: {kind}"),
            "-d",
            body,
            "-w",
            "\n%{http_code}",
            &format!("{base}{path}"),
        ])?;
        let (text, status) = answer.rsplit_once('\n').unwrap_or_default();
        assert_eq!(status, code.to_string(), "{method} {path}: {text}");
        assert!(
            path.ends_with("nonsense") || text.contains("\"Status\""),
            "{method} {path}: {text}"
        );
    }
    assert_eq!(cluster.kubectl("get pods -o name")?, "");
    for (headers, code) in [
        (&["Host: evil.example"][..], "403"),
        (&["Origin: http://evil.example"], "403"),
        (&["Authorization: Bearer wrong"], "401"),
    ] {
        let mut arguments = vec!["-o", "/dev/null", "-w", "%{http_code}"];
        for header in headers {
            arguments.extend(["-H", header]);
        }
        let url = format!("{base}/glasshouse/v1/clock");
        arguments.push(&url);
        assert_eq!(curl(&arguments)?, code, "{headers:?}");
    }
    let anonymous = curl(&[
        "-k",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &format!("{}/api/v1/pods", cluster.ready.api),
    ])?;
    assert_eq!(anonymous, "403");
    Ok(())
}
