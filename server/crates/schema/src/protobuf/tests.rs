//! Bodies written by hand with the field numbers of Kubernetes' `generated.proto` files, and garbage.

use serde_json::json;

use super::*;
use crate::wire::Writer;

fn body(api_version: &str, kind: &str, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut raw = Writer::default();
    fill(&mut raw);
    let mut unknown = Writer::default();
    unknown.nested(1, |meta| {
        meta.text(1, api_version);
        meta.text(2, kind);
    });
    unknown.message(2, &raw.into_bytes());
    unknown.message(3, b"");
    unknown.message(4, b"");
    [MAGIC, &unknown.into_bytes()].concat()
}

fn check(api_version: &str, kind: &str, fill: impl FnOnce(&mut Writer), mut want: Value) {
    want["apiVersion"] = api_version.into();
    want["kind"] = kind.into();
    let got = Schema::built_in().decode_protobuf(&body(api_version, kind, fill));
    assert_eq!(got, Ok(want));
}

/// `ObjectMeta` with the zero values that Go writes for what is no pointer.
fn metadata(w: &mut Writer, name: &str) {
    w.nested(1, |m| {
        m.text(1, name);
        for empty in [2, 3, 4, 5, 6] {
            m.message(empty, b"");
        }
        m.always(7, 0);
        m.message(8, b"");
        pair(m, 11, "app", name);
    });
}

fn pair(w: &mut Writer, field: u32, key: &str, value: &str) {
    w.nested(field, |entry| {
        entry.message(1, key.as_bytes());
        entry.message(2, value.as_bytes());
    });
}

#[test]
fn a_deployment_as_kubectl_creates_it() {
    let deployment = |w: &mut Writer| {
        metadata(w, "web");
        w.nested(2, |spec| {
            spec.always(1, 0);
            spec.nested(2, |selector| pair(selector, 1, "app", "web"));
            spec.nested(3, |template| {
                metadata(template, "web");
                template.nested(2, |pod| {
                    pod.nested(2, |c| {
                        c.text(1, "nginx");
                        c.text(2, "nginx:1.27");
                        c.message(5, b"");
                        c.nested(6, |port| {
                            port.message(1, b"");
                            port.always(2, 0);
                            port.always(3, 80);
                        });
                        c.message(8, b"");
                        c.always(16, 0);
                    });
                    pod.message(3, b"");
                    pod.always(11, 0);
                });
            });
            spec.nested(4, |strategy| strategy.message(1, b""));
            spec.always(5, 0);
        });
        w.nested(3, |status| status.always(1, 0));
    };
    check(
        "apps/v1",
        "Deployment",
        deployment,
        json!({
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {},
                "template": {
                    "metadata": {"name": "web", "labels": {"app": "web"}},
                    "spec": {"containers": [
                        {"name": "nginx", "image": "nginx:1.27", "ports": [{"containerPort": 80}], "resources": {}},
                    ]},
                },
            },
            "status": {},
        }),
    );
}

#[test]
fn messages_that_json_inlines() {
    let pod = |w: &mut Writer| {
        w.nested(2, |spec| {
            for (name, source) in [("e", 2), ("c", 19)] {
                spec.nested(1, |volume| {
                    volume.text(1, name);
                    volume.nested(2, |sources| {
                        sources.nested(source, |s| {
                            if source == 19 {
                                s.nested(1, |reference| reference.text(1, "map"));
                                s.always(3, 0);
                            }
                        });
                    });
                });
            }
            spec.nested(2, |c| {
                c.text(1, "c");
                c.nested(8, |resources| {
                    resources.nested(1, |limit| {
                        limit.text(1, "cpu");
                        limit.nested(2, |quantity| quantity.text(1, "0.5"));
                    });
                });
                c.nested(10, |probe| {
                    probe.nested(1, |handler| {
                        handler.nested(2, |get| {
                            get.text(1, "/healthz");
                            get.nested(2, |port| {
                                port.always(1, 1);
                                port.always(2, 0);
                                port.text(3, "http");
                            });
                        });
                    });
                    probe.always(3, 7);
                });
                // envFrom is spelled otherwise by prost and holds two inlined messages.
                c.nested(19, |from| {
                    from.nested(2, |map| map.nested(1, |reference| reference.text(1, "m")))
                });
            });
        });
    };
    check(
        "v1",
        "Pod",
        pod,
        json!({
            "spec": {
                "volumes": [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "map", "defaultMode": 0}}],
                "containers": [{
                    "name": "c",
                    "resources": {"limits": {"cpu": "500m"}},
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "timeoutSeconds": 7},
                    "envFrom": [{"configMapRef": {"name": "m"}}],
                }],
            },
            "status": {},
        }),
    );
}

#[test]
fn values_with_a_form_of_their_own() {
    check(
        "v1",
        "Secret",
        |w| {
            w.nested(2, |entry| {
                entry.text(1, "bin");
                entry.message(2, &[0, 255]);
            });
            w.nested(2, |entry| entry.text(1, "empty"));
            w.text(3, "Opaque");
        },
        json!({"data": {"bin": "AP8=", "empty": ""}, "type": "Opaque"}),
    );

    check(
        "coordination.k8s.io/v1",
        "Lease",
        |w| {
            w.nested(2, |spec| {
                spec.text(1, "node-1");
                spec.always(2, 40);
                spec.nested(4, |time| {
                    time.always(1, 1_700_000_000);
                    time.always(2, 123_456_789);
                });
            })
        },
        json!({"spec": {"holderIdentity": "node-1", "leaseDurationSeconds": 40,
        "renewTime": "2023-11-14T22:13:20.123456Z"}}),
    );

    check(
        "v1",
        "Service",
        |w| {
            w.nested(2, |spec| {
                spec.nested(1, |port| {
                    port.message(1, b"");
                    port.text(2, "TCP");
                    port.always(3, 80);
                    port.nested(4, |target| {
                        target.always(1, 0);
                        target.always(2, 8080);
                        target.message(3, b"");
                    });
                    port.always(5, 0);
                });
                pair(spec, 2, "app", "web");
            })
        },
        json!({
            "spec": {"ports": [{"protocol": "TCP", "port": 80, "targetPort": 8080}], "selector": {"app": "web"}},
            "status": {"loadBalancer": {}},
        }),
    );

    check(
        "authorization.k8s.io/v1",
        "SubjectAccessReview",
        |w| {
            w.nested(2, |spec| {
                spec.text(3, "jane");
                spec.nested(5, |entry| {
                    entry.text(1, "scopes");
                    entry.nested(2, |extra| {
                        extra.text(1, "a");
                        extra.text(1, "b");
                    });
                });
            })
        },
        json!({"spec": {"user": "jane", "extra": {"scopes": ["a", "b"]}}, "status": {"allowed": false}}),
    );

    check(
        "v1",
        "ConfigMap",
        |w| {
            w.nested(1, |m| {
                m.text(1, "c");
                m.nested(17, |entry| {
                    entry.text(1, "me");
                    entry.nested(7, |fields| fields.text(1, r#"{"f:data":{}}"#));
                });
            })
        },
        json!({"metadata": {"name": "c", "managedFields": [{"manager": "me", "fieldsV1": {"f:data": {}}}]}}),
    );

    check(
        "v1",
        "DeleteOptions",
        |w| {
            w.always(1, 0);
            w.nested(2, |preconditions| preconditions.text(1, "uid"));
            w.text(4, "Background");
        },
        json!({"gracePeriodSeconds": 0, "preconditions": {"uid": "uid"}, "propagationPolicy": "Background"}),
    );
}

#[test]
fn extensions_hold_json_or_a_body() {
    let inner = body("v1", "Namespace", |w| metadata(w, "n"));
    check(
        "apps/v1",
        "ControllerRevision",
        |w| w.nested(2, |raw| raw.message(1, &inner)),
        json!({
            "revision": 0,
            "data": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": {"app": "n"}},
                "spec": {}, "status": {}},
        }),
    );
    check(
        "apps/v1",
        "ControllerRevision",
        |w| w.nested(2, |raw| raw.text(1, "[1]")),
        json!({"revision": 0, "data": [1]}),
    );
}

#[test]
fn schemas_of_definitions() {
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        |w| {
            w.nested(2, |spec| {
                spec.nested(7, |version| {
                    version.text(1, "v1");
                    version.always(2, 1);
                    version.nested(4, |schema| {
                        schema.nested(1, |props| {
                            props.text(5, "object");
                            props.nested(8, |default| default.text(1, "{\"a\":1}"));
                            props.nested(29, |entry| {
                                entry.text(1, "list");
                                entry.nested(2, |list| {
                                    list.nested(24, |or| {
                                        or.nested(1, |item| item.text(5, "string"))
                                    })
                                });
                            });
                            props.nested(30, |or| or.always(1, 1));
                        })
                    });
                });
            })
        },
        json!({
            "spec": {"group": "", "scope": "", "versions": [{
                "name": "v1", "served": true, "storage": false,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "default": {"a": 1},
                    "properties": {"list": {"items": {"type": "string"}}},
                    "additionalProperties": true,
                }},
            }]},
            "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": null},
        }),
    );
}

#[test]
fn what_is_no_body_is_refused() {
    let deep = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut w = Writer::default();
        w.message(28, &inner);
        w.into_bytes()
    });
    let malformed = |field: &str, why: &str| ProtobufError::Field {
        field: field.into(),
        why: why.into(),
    };
    for (bytes, want) in [
        (b"{}".to_vec(), ProtobufError::NotKubernetes),
        (
            b"k8s\0\x0a\xff".to_vec(),
            ProtobufError::Malformed("unexpected end of the message".into()),
        ),
        (
            body("v1", "Nope", |_| {}),
            ProtobufError::UnknownKind {
                api_version: "v1".into(),
                kind: "Nope".into(),
            },
        ),
        (
            body("v1", "ConfigMap", |w| w.nested(1, |m| m.always(1, 1))),
            malformed(
                "metadata.name",
                "a length-delimited field has the wrong wire type",
            ),
        ),
        (
            body("v1", "ConfigMap", |w| w.nested(1, |m| m.message(1, &[255]))),
            malformed("metadata.name", "a string is not UTF-8"),
        ),
        (
            body("apiextensions.k8s.io/v1", "CustomResourceDefinition", |w| {
                w.nested(2, |s| {
                    s.nested(7, |v| v.nested(4, |schema| schema.message(1, &deep)))
                });
            }),
            ProtobufError::TooLarge,
        ),
        (vec![0; MAX_BYTES + 1], ProtobufError::TooLarge),
    ] {
        assert_eq!(Schema::built_in().decode_protobuf(&bytes), Err(want));
    }
}

#[test]
fn garbage_never_panics() {
    // A damaged body is either refused or read as something, whatever byte is wrong.
    let whole = body("v1", "Pod", |w| {
        metadata(w, "p");
        w.nested(2, |spec| spec.nested(2, |c| c.text(1, "c")));
    });
    let mut refused = 0;
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flip;
            }
            refused += usize::from(Schema::built_in().decode_protobuf(&bytes).is_err());
        }
        refused += usize::from(Schema::built_in().decode_protobuf(&whole[..at]).is_err());
    }
    assert!(
        refused > whole.len(),
        "most damage is noticed, not {refused}"
    );
    let mut state = 0x9e37_79b9_u64;
    for kind in ["Pod", "Secret", "Node", "Event"] {
        for length in 0..200 {
            let noise = (0..length).map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            });
            let noise: Vec<u8> = noise.collect();
            let bytes = body("v1", kind, |w| w.message(2, &noise));
            let _ = Schema::built_in().decode_protobuf(&bytes);
        }
    }
}
