//! Who may do what, as kubectl and curl see it: roles, impersonation, tokens, and the limits of a request.

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::cluster::curl;

/// A cluster with an account `team/reader` that may read pods of `team` and nothing else.
fn cluster() -> Result<Cluster> {
    let cluster = Cluster::start(1)?;
    for line in [
        "create namespace team",
        "create serviceaccount reader -n team",
        "create role pod-reader --verb=get,list,watch --resource=pods,pods/log -n team",
        "create rolebinding reader --role=pod-reader --serviceaccount=team:reader -n team",
        "create clusterrolebinding viewer --clusterrole=view --user=ann",
    ] {
        cluster.kubectl(line)?;
    }
    Ok(cluster)
}

/// Asks the API with a token; answers code and body.
fn ask(cluster: &Cluster, token: &str, arguments: &[&str], path: &str) -> Result<(u16, String)> {
    let bearer = format!("Authorization: Bearer {token}");
    let url = format!("{}{path}", cluster.ready.api);
    let mut all = vec!["-k", "-w", "\n%{http_code}"];
    if !token.is_empty() {
        all.extend(["-H", &bearer]);
    }
    all.extend(arguments);
    all.push(&url);
    let out = curl(&all)?;
    let (body, code) = out.rsplit_once('\n').context("no code")?;
    Ok((code.parse()?, body.to_owned()))
}

#[test]
fn roles_say_who_may_do_what() -> Result<()> {
    let cluster = cluster()?;
    let reader = "--as=system:serviceaccount:team:reader";
    for (line, want) in [
        ("auth can-i '*' '*'".to_owned(), "yes"),
        (format!("auth can-i list pods -n team {reader}"), "yes"),
        ("auth can-i list pods --as=ann".to_owned(), "yes"),
        (
            "auth can-i get deployments.apps --subresource=scale --as=ann".to_owned(),
            "yes",
        ),
        (format!("auth can-i --list -n team {reader}"), "pods/log"),
        (
            "auth can-i --list --as=ann".to_owned(),
            "deployments.apps/scale",
        ),
        ("auth whoami".to_owned(), "kubernetes-admin"),
        (
            format!("auth whoami {reader}"),
            "system:serviceaccounts:team",
        ),
        ("get clusterroles".to_owned(), "system:aggregate-to-view"),
        ("describe clusterrole view".to_owned(), "deployments.apps"),
        (format!("get pods -n team {reader}"), ""),
    ] {
        let out = cluster.kubectl(&line)?;
        assert!(
            out.contains(want),
            "kubectl {line} should mention {want}:\n{out}"
        );
    }
    for (line, want) in [
        (format!("auth can-i delete pods -n team {reader}"), "no"),
        (format!("auth can-i list pods -n default {reader}"), "no"),
        ("auth can-i get secrets --as=ann".to_owned(), "no"),
        ("get secrets --as=ann".to_owned(), "Forbidden"),
        (
            "get nodes --as=ann --as-group=nobody".to_owned(),
            "User \"ann\" cannot list resource \"nodes\"",
        ),
        (
            "create role r --verb=get --resource=secrets --as=ann".to_owned(),
            "cannot create resource \"roles\"",
        ),
    ] {
        let out = cluster.kubectl_refused(&line)?;
        assert!(
            out.contains(want),
            "kubectl {line} should mention {want}:\n{out}"
        );
    }
    Ok(())
}

#[test]
fn nobody_gives_away_more_than_they_have() -> Result<()> {
    let cluster = cluster()?;
    cluster.kubectl("create rolebinding boss --clusterrole=admin --user=bo -n team")?;
    let ok = cluster.kubectl("create role r --verb=get --resource=pods -n team --as=bo")?;
    assert!(ok.contains("created"), "{ok}");
    let refused =
        cluster.kubectl_refused("create role s --verb=get --resource=nodes -n team --as=bo")?;
    assert!(
        refused.contains("is attempting to grant RBAC permissions not currently held"),
        "{refused}"
    );
    let refused = cluster.kubectl_refused(
        "create rolebinding all --clusterrole=cluster-admin --user=bo -n team --as=bo",
    )?;
    assert!(refused.contains("not currently held"), "{refused}");
    Ok(())
}

#[test]
fn a_token_opens_what_its_account_may() -> Result<()> {
    let cluster = cluster()?;
    let token = cluster.kubectl("create token reader -n team --duration=20m")?;
    let token = token.trim();
    let pods = "/api/v1/namespaces/team/pods";
    for (token, path, want) in [
        (token, pods, 200),
        (token, "/api/v1/namespaces/default/pods", 403),
        (token, "/api/v1/namespaces/team/secrets", 403),
        (token, "/openid/v1/jwks", 200),
        (token, "/.well-known/openid-configuration", 200),
        ("nonsense", pods, 401),
        ("", pods, 403),
        ("", "/api", 403),
        ("", "/version", 200),
        ("", "/readyz", 200),
    ] {
        let (code, body) = ask(&cluster, token, &[], path)?;
        assert_eq!(code, want, "{path}: {body}");
    }
    let with_kubectl = format!(
        "get pods -n team --server={} --insecure-skip-tls-verify --kubeconfig=/dev/null --token={token}",
        cluster.ready.api
    );
    cluster.kubectl(&with_kubectl)?;
    let review = format!(
        "{{apiVersion: authentication.k8s.io/v1, kind: TokenReview, metadata: {{name: t}}, spec: {{token: '{token}'}}}}"
    );
    // A kind that cannot be patched makes kubectl ask whether it is a CustomResourceDefinition's, which are not served.
    let review = cluster.kubectl_with("create --validate=false -o yaml -f -", &review)?;
    assert!(
        review.contains("username: system:serviceaccount:team:reader"),
        "{review}"
    );
    cluster.kubectl("delete serviceaccount reader -n team")?;
    assert_eq!(ask(&cluster, token, &[], pods)?.0, 401);
    let cluster = cluster.crash_and_restart()?;
    assert_eq!(ask(&cluster, token, &[], pods)?.0, 401);
    let token = cluster.kubectl("create token default -n team")?;
    assert_eq!(ask(&cluster, token.trim(), &[], pods)?.0, 403);
    Ok(())
}

#[test]
fn answers_have_the_headers_that_clients_rely_on() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let token = cluster.kubectl("create token default")?;
    cluster.kubectl("create clusterrolebinding all --clusterrole=cluster-admin --serviceaccount=default:default")?;
    let value = "x".repeat(200_000);
    let big = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: big}}, data: {{a: '{value}'}}}}"
    );
    cluster.kubectl_with("create -f -", &big)?;
    let big = "/api/v1/namespaces/default/configmaps/big";
    let gzip = ["-H", "Accept-Encoding: gzip", "-o", "/dev/null", "-D", "-"];
    let (code, headers) = ask(&cluster, token.trim(), &gzip, big)?;
    let headers = headers.to_lowercase();
    assert_eq!(code, 200, "{headers}");
    for wanted in [
        "content-encoding: gzip",
        "audit-id: ",
        "cache-control: no-cache, private",
    ] {
        assert!(headers.contains(wanted), "{wanted}: {headers}");
    }
    let (code, body) = ask(&cluster, token.trim(), &["--compressed"], big)?;
    assert!(code == 200 && body.contains(&value));
    let (code, headers) = ask(&cluster, token.trim(), &["-I"], "/api/v1/pods")?;
    assert!(
        code == 200 && headers.to_lowercase().contains("content-type"),
        "{headers}"
    );
    for (arguments, path, want) in [
        (&["-H", "Accept: image/png"][..], "/api/v1/pods", 406),
        (&["-X", "OPTIONS"], "/api/v1/pods", 405),
        (
            &["-X", "POST", "-d", "{"],
            "/api/v1/namespaces/default/pods",
            415,
        ),
        (
            &["-H", "Content-Type: application/json", "-d", "{"],
            "/api/v1/namespaces/default/pods",
            400,
        ),
        (&["-H", "Impersonate-Group: x"], "/api/v1/pods", 500),
    ] {
        let (code, body) = ask(&cluster, token.trim(), arguments, path)?;
        assert_eq!(code, want, "{path} {arguments:?}: {body}");
        assert!(body.contains("\"kind\":\"Status\""), "{body}");
    }
    let (_, metrics) = ask(&cluster, token.trim(), &[], "/metrics")?;
    for name in [
        "apiserver_request_total{",
        "apiserver_request_duration_seconds_bucket{",
        "apiserver_current_inflight_requests{",
        "etcd_request_duration_seconds_bucket{",
        "authentication_attempts_total{",
        "apiserver_resource_objects{",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
    Ok(())
}
