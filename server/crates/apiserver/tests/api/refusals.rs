//! Requests that are refused: code and words, as users of Kubernetes know them.

use crate::harness::Cluster;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/rec/pods";

/// Sends one request to a cluster with a ConfigMap `c1` and a pod `p1` on node `n1`.
fn check(method: &str, url: &str, body: &str, want: &str) {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        "/api/v1/namespaces/rec/configmaps",
        r#"{"metadata":{"name":"c1"},"data":{"a":"1"}}"#,
    );
    cluster.send(
        "POST",
        PODS,
        r#"{"metadata":{"name":"p1"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    );
    cluster.send(
        "POST",
        &format!("{PODS}/p1/binding"),
        r#"{"metadata":{"name":"p1"},"target":{"kind":"Node","name":"n1"}}"#,
    );
    let got = cluster.send(method, url, body).summary();
    assert!(
        got.starts_with(want),
        "{method} {url} {body}\n want {want}\n  got {got}"
    );
}

/// Creates a pod with this spec.
fn check_spec(spec: Value, want: &str) {
    let body =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}, "spec": spec});
    check("POST", PODS, &body.to_string(), want);
}

/// Creates a pod whose only container has these fields besides name and image.
fn check_container(more: Value, want: &str) {
    let mut container = json!({"name": "c", "image": "i"});
    container
        .as_object_mut()
        .expect("fields")
        .extend(more.as_object().cloned().unwrap_or_default());
    check_spec(
        json!({"containers": [container]}),
        &format!("422 Pod \"bad\" is invalid: spec.containers[0].{want}"),
    );
}

#[test]
fn what_is_not_there() {
    for (url, want) in [
        (format!("{PODS}/none"), "404 pods \"none\" not found"),
        (
            "/apis/apps/v1/namespaces/rec/deployments/d".into(),
            "404 deployments.apps \"d\" not found",
        ),
        (
            "/api/v1/namespaces/none".into(),
            "404 namespaces \"none\" not found",
        ),
        (
            format!("{PODS}/p1/nope"),
            "404 the server could not find the requested resource",
        ),
        (
            "/api/v1/nopes".into(),
            "404 the server could not find the requested resource",
        ),
        (
            "/api/v1/namespaces/rec/nodes".into(),
            "404 the server could not find the requested resource",
        ),
        ("/apis/none.example/v1/x".into(), "404"),
    ] {
        check("GET", &url, "", want);
    }
    check("GET", "/api/v1/namespaces/none/pods", "", "200");
}

#[test]
fn methods_that_are_not_allowed() {
    let not_allowed = "405 the server does not allow this method on the requested resource";
    check("DELETE", "/api/v1/namespaces", "", not_allowed);
    check("POST", &format!("{PODS}/p1"), "{}", not_allowed);
    check("PUT", PODS, "{}", not_allowed);
    check("PATCH", PODS, "{}", not_allowed);
    check("POST", "/api/v1/pods", "{}", "404");
    check("BREW", PODS, "", not_allowed);
}

#[test]
fn bodies_that_are_no_pod() {
    let unrecognized = "400 the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: ";
    for (body, want) in [
        ("", format!("{unrecognized}unexpected end of JSON input (<empty>)")),
        ("{", format!("{unrecognized}unexpected end of JSON input ({{)")),
        ("[]", format!("{unrecognized}json: cannot unmarshal array")),
        (r#"{"apiVersion":"v1","kind":"Service"}"#, "400 Service in version \"v1\" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion".into()),
        (r#"{"apiVersion":"apps/v1","kind":"Pod"}"#, "400 Pod in version \"v1\" cannot be handled as a Pod: no kind \"Pod\" is registered for version \"apps/v1\"".into()),
        (r#"{"spec":{"containers":"no"}}"#, "400 Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container".into()),
        (r#"{"spec":{"containers":[{"resources":{"requests":{"cpu":"x"}}}]}}"#, "400 Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression".into()),
        (r#"{"metadata":{"name":"x","namespace":"default"}}"#, "400 the namespace of the provided object does not match the namespace sent on the request".into()),
    ] {
        check("POST", PODS, body, &want);
    }
    let mut cluster = Cluster::new();
    let reply = cluster.exchange("POST", PODS, "text/plain", "", b"{}");
    assert_eq!(reply.code, 415);
    let big = format!("{{\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(4 << 20));
    check(
        "POST",
        "/api/v1/namespaces/rec/configmaps",
        &big,
        "413 Request entity too large: limit is 3145728",
    );
}

#[test]
fn unknown_and_duplicate_fields() {
    let body =
        r#"{"metadata":{"name":"bad"},"spec":{"containers":[{"name":"c","image":"i","nope":1}]}}"#;
    let strict = "400 Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: ";
    check(
        "POST",
        &format!("{PODS}?fieldValidation=Strict"),
        body,
        &format!("{strict}unknown field \"spec.containers[0].nope\""),
    );
    let twice =
        r#"{"metadata":{"name":"x","name":"y"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;
    check(
        "POST",
        &format!("{PODS}?fieldValidation=Strict"),
        twice,
        &format!("{strict}duplicate field \"metadata.name\""),
    );
    check(
        "POST",
        &format!("{PODS}?fieldValidation=Nope"),
        body,
        "422 CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Nope\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
    );
    let mut cluster = Cluster::new();
    let warned = cluster.send("POST", PODS, body);
    assert_eq!(warned.code, 201);
    assert_eq!(warned.at("/spec/containers/0/nope"), Value::Null);
    assert!(
        warned.headers.contains(&(
            "Warning",
            "299 - \"unknown field \\\"spec.containers[0].nope\\\"\"".to_owned()
        )),
        "{:?}",
        warned.headers
    );
}

#[test]
fn metadata() {
    let of = |metadata: Value| {
        json!({"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}]}})
            .to_string()
    };
    for (metadata, want) in [
        (json!({"name": "p1"}), "409 pods \"p1\" already exists"),
        (
            json!({}),
            "422 Pod \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            json!({"name": "Bad_Name"}),
            "422 Pod \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of",
        ),
        (
            json!({"name": "x", "resourceVersion": "5"}),
            "500 resourceVersion should not be set on objects to be created",
        ),
        (
            json!({"name": "x", "labels": {"a": "b c"}}),
            "422 Pod \"x\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of",
        ),
        (
            json!({"name": "x", "labels": {"a": "b".repeat(64)}}),
            &format!(
                "422 Pod \"x\" is invalid: metadata.labels: Invalid value: \"{}\": must be no more than 63 bytes",
                "b".repeat(64)
            ),
        ),
        (
            json!({"name": "x", "finalizers": ["nope"]}),
            "422 Pod \"x\" is invalid: metadata.finalizers[0]: Invalid value: \"nope\": name is neither a standard finalizer name nor is it fully qualified",
        ),
        (
            json!({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p1"}]}),
            "422 Pod \"x\" is invalid: metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
        ),
        (
            json!({"name": "x", "annotations": {"a": "x".repeat(262_145)}}),
            "422 Pod \"x\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
    ] {
        check("POST", PODS, &of(metadata), want);
    }
}

#[test]
fn pod_specs() {
    let c = json!([{"name": "c", "image": "i"}]);
    let with = |name: &str, value: Value| json!({"containers": c, name: value});
    let invalid = "422 Pod \"bad\" is invalid: ";
    for (spec, want) in [
        (json!({}), "spec.containers: Required value"),
        (
            json!({"containers": [{}]}),
            "[spec.containers[0].name: Required value, spec.containers[0].image: Required value]",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]}),
            "spec.containers[1].name: Duplicate value: \"c\"",
        ),
        (
            with("restartPolicy", json!("Maybe")),
            "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ),
        (
            with("dnsPolicy", json!("x")),
            "spec.dnsPolicy: Unsupported value: \"x\": supported values: \"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"",
        ),
        (
            with("dnsPolicy", json!("None")),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        ),
        (
            with("nodeSelector", json!({"a b": "c"})),
            "spec.nodeSelector: Invalid value: \"a b\": name part must consist of alphanumeric characters",
        ),
        (
            with(
                "tolerations",
                json!([{"key": "k", "operator": "Exists", "value": "v"}]),
            ),
            "spec.tolerations[0].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'",
        ),
        (
            with("terminationGracePeriodSeconds", json!(-1)),
            "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            with(
                "volumes",
                json!([{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]),
            ),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            with(
                "topologySpreadConstraints",
                json!([{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]),
            ),
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        ),
    ] {
        check_spec(spec, &format!("{invalid}{want}"));
    }
    check_spec(
        with("serviceAccountName", json!("none")),
        "403 pods \"bad\" is forbidden: error looking up service account rec/none: serviceaccount \"none\" not found",
    );
}

#[test]
fn containers() {
    for (more, want) in [
        (
            json!({"image": " i"}),
            "image: Invalid value: \" i\": must not have leading or trailing whitespace",
        ),
        (
            json!({"imagePullPolicy": "Sometimes"}),
            "imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
        ),
        (
            json!({"ports": [{"containerPort": 80, "protocol": "ICMP"}]}),
            "ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ),
        (
            json!({"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]}),
            "ports[1].hostPort: Duplicate value: \"TCP//80\"",
        ),
        (
            json!({"ports": [{"containerPort": 70000}]}),
            "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            json!({"env": [{"name": ""}]}),
            "env[0].name: Required value",
        ),
        (
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nope"}}}]}),
            "env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.nope\": error converting fieldPath: field label not supported: metadata.nope",
        ),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
            "volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            json!({"livenessProbe": {}}),
            "livenessProbe: Required value: must specify a handler type",
        ),
        (
            json!({"livenessProbe": {"httpGet": {"port": 80}, "successThreshold": 2}}),
            "livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
            "resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
    ] {
        check_container(more, want);
    }
}

#[test]
fn other_kinds() {
    let template = |restart: &str| json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]}});
    let deployment = |spec: Value| {
        let mut all =
            json!({"selector": {"matchLabels": {"a": "b"}}, "template": template("Always")});
        all.as_object_mut()
            .expect("fields")
            .extend(spec.as_object().cloned().unwrap_or_default());
        json!({"metadata": {"name": "bad"}, "spec": all}).to_string()
    };
    let deployments = "/apis/apps/v1/namespaces/rec/deployments";
    let invalid = "422 Deployment.apps \"bad\" is invalid: ";
    for (spec, want) in [
        (
            json!({"selector": {"matchLabels": {"x": "y"}}}),
            "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
        ),
        (
            json!({"replicas": -1}),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            json!({"template": template("Never")}),
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
        ),
        (
            json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            json!({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
    ] {
        check(
            "POST",
            deployments,
            &deployment(spec),
            &format!("{invalid}{want}"),
        );
    }
    for (url, body, want) in [
        (
            "/api/v1/namespaces/rec/configmaps",
            r#"{"metadata":{"name":"bad"},"data":{"a b":"x"}}"#,
            "422 ConfigMap \"bad\" is invalid: data[a b]: Invalid value: \"a b\": a valid config key must consist of",
        ),
        (
            "/api/v1/namespaces/rec/configmaps",
            r#"{"metadata":{"name":"bad"},"data":{"a":"x"},"binaryData":{"a":"eA=="}}"#,
            "422 ConfigMap \"bad\" is invalid: data[a]: Invalid value: \"a\": duplicate of key present in binaryData",
        ),
        (
            "/api/v1/namespaces/rec/secrets",
            r#"{"metadata":{"name":"bad"},"type":"kubernetes.io/tls"}"#,
            "422 Secret \"bad\" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]",
        ),
        (
            "/apis/batch/v1/namespaces/rec/cronjobs",
            r#"{"metadata":{"name":"bad"},"spec":{"schedule":"x","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}}"#,
            "422 CronJob.batch \"bad\" is invalid: spec.schedule: Invalid value: \"x\": expected exactly 5 fields, found 1: [x]",
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/rec/ingresses",
            r#"{"metadata":{"name":"bad"},"spec":{}}"#,
            "422 Ingress.networking.k8s.io \"bad\" is invalid: spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
        ),
        (
            "/api/v1/persistentvolumes",
            r#"{"metadata":{"name":"bad"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"]}}"#,
            "422 PersistentVolume \"bad\" is invalid: spec: Required value: must specify a volume type",
        ),
        (
            "/api/v1/namespaces/none/configmaps",
            r#"{"metadata":{"name":"x"}}"#,
            "404 namespaces \"none\" not found",
        ),
    ] {
        check("POST", url, body, want);
    }
}

#[test]
fn updates() {
    let map = "/api/v1/namespaces/rec/configmaps/c1";
    for (method, url, body, want) in [
        (
            "PUT",
            map,
            r#"{"metadata":{"name":"c1","resourceVersion":"1"}}"#,
            "409 Operation cannot be fulfilled on configmaps \"c1\": the object has been modified; please apply your changes to the latest version and try again",
        ),
        (
            "PUT",
            map,
            r#"{"metadata":{"name":"c2"}}"#,
            "400 the name of the object (c2) does not match the name on the URL (c1)",
        ),
        (
            "PUT",
            map,
            r#"{"metadata":{"name":"c1","uid":"x"}}"#,
            "409 Operation cannot be fulfilled on configmaps \"c1\": StorageError: invalid object, Code: 4, Key: /registry/configmaps/rec/c1, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: ",
        ),
        (
            "PUT",
            "/api/v1/namespaces/rec/configmaps/none",
            r#"{"metadata":{"name":"none","resourceVersion":"1"}}"#,
            "404 configmaps \"none\" not found",
        ),
        (
            "DELETE",
            map,
            r#"{"preconditions":{"uid":"x"}}"#,
            "409 Operation cannot be fulfilled on ConfigMap \"c1\": the UID in the precondition (x) does not match the UID in record",
        ),
        (
            "DELETE",
            map,
            r#"{"propagationPolicy":"Maybe"}"#,
            "422 DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Maybe\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        ),
        (
            "DELETE",
            map,
            r#"{"orphanDependents":true,"propagationPolicy":"Background"}"#,
            "422 DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Background\": orphanDependents and deletionPropagation cannot be both set",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/kube-system",
            "",
            "403 namespaces \"kube-system\" is forbidden: this namespace may not be deleted",
        ),
        (
            "PATCH",
            "/api/v1/namespaces/rec/pods/p1",
            r#"{"spec":{"restartPolicy":"Never"}}"#,
            "422 Pod \"p1\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        ),
        (
            "POST",
            "/api/v1/namespaces/rec/pods/p1/binding",
            r#"{"metadata":{"name":"p1"},"target":{"kind":"Node","name":"n2"}}"#,
            "409 Operation cannot be fulfilled on pods/binding \"p1\": pod p1 is already assigned to node \"n1\"",
        ),
        (
            "POST",
            "/api/v1/namespaces/rec/pods/none/binding",
            r#"{"metadata":{"name":"none"},"target":{"kind":"Node","name":"n2"}}"#,
            "404 pods \"none\" not found",
        ),
    ] {
        check(method, url, body, want);
    }
}

#[test]
fn strangers() {
    let mut cluster = Cluster::new();
    cluster.user = apiserver::User::new("alice", &[]);
    for (url, want) in [
        (
            PODS,
            "403 pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" in the namespace \"rec\"",
        ),
        (
            "/api/v1/nodes/n1",
            "403 nodes \"n1\" is forbidden: User \"alice\" cannot get resource \"nodes\" in API group \"\" at the cluster scope",
        ),
        (
            "/metrics",
            "403 forbidden: User \"alice\" cannot get path \"/metrics\"",
        ),
        ("/apis", "200"),
    ] {
        assert_eq!(cluster.get(url, "").summary(), want);
    }
    cluster.user = apiserver::User::anonymous();
    assert_eq!(
        cluster.get("/api", "").summary(),
        "403 forbidden: User \"system:anonymous\" cannot get path \"/api\""
    );
    assert_eq!(cluster.get("/readyz", "").text, "ok");
    let review = r#"{"spec":{"resourceAttributes":{"verb":"list","resource":"pods"}}}"#;
    cluster.user = apiserver::User::new("alice", &[]);
    let own = cluster.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        review,
    );
    assert_eq!((own.code, own.at("/status/allowed")), (201, json!(false)));
    cluster.user = apiserver::User::new("root", &["system:masters"]);
    let own = cluster.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        review,
    );
    assert_eq!(own.at("/status/allowed"), json!(true));
    let who = cluster.send(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "{}",
    );
    assert_eq!(who.at("/status/userInfo/username"), json!("root"));
}
