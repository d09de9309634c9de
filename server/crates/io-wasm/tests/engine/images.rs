//! Names, uploads, refusals, pulling, and starting again from the cache.

use std::collections::BTreeMap;

use bytes::Bytes;
use io_wasm::image::manifest::wrap;
use io_wasm::image::{Digest, ImageKind};
use io_wasm::network::host::Loopback;
use io_wasm::{Engine, EngineConfig};
use kubelet::runtime::{RuntimeCommand, RuntimeEvent};

use crate::harness::{Folder, Node, container, engine, samples, workload};

#[test]
fn names_find_images() {
    let images = engine().images().clone();
    for (name, found, alias) in [
        ("nginx", "glasshouse.dev/hello-http:latest", Some("nginx")),
        (
            "nginx:1.27",
            "glasshouse.dev/hello-http:latest",
            Some("nginx"),
        ),
        (
            "docker.io/library/nginx:latest",
            "glasshouse.dev/hello-http:latest",
            Some("nginx"),
        ),
        (
            "registry.k8s.io/busybox:1.27.2",
            "glasshouse.dev/busybox:latest",
            Some("busybox"),
        ),
        (
            "databaseD",
            "glasshouse.dev/echo-tcp:latest",
            Some("databaseD"),
        ),
        ("glasshouse.dev/crash", "glasshouse.dev/crash:latest", None),
        (
            "glasshouse.dev/crash:latest",
            "glasshouse.dev/crash:latest",
            None,
        ),
    ] {
        let image = images.resolve(name).unwrap();
        assert_eq!(
            (image.name.as_str(), image.alias.as_deref()),
            (found, alias),
            "{name}"
        );
    }
    let wrong = format!("glasshouse.dev/crash@sha256:{}", "0".repeat(64));
    for (name, reason, message) in [
        (
            "redis",
            "ErrImagePull",
            "Glasshouse runs WebAssembly, not Linux images",
        ),
        (
            "redis",
            "ErrImagePull",
            "aliases in ConfigMap kube-system/image-aliases (broken, busybox, databaseD, nginx)",
        ),
        ("example.com/nginx", "ErrImagePull", "not found"),
        ("glasshouse.dev/crash:v2", "ErrImagePull", "not found"),
        (
            "broken",
            "ErrImagePull",
            "stands for \"glasshouse.dev/nothing:latest\", which is not here",
        ),
        (
            "UPPER",
            "InvalidImageName",
            "repository name must be lowercase",
        ),
        ("", "InvalidImageName", "invalid reference format"),
        (&wrong, "ErrImagePull", "it is pinned to sha256:0000"),
    ] {
        let error = images.resolve(name).unwrap_err();
        assert_eq!(error.reason(), reason, "{name}: {error}");
        assert!(error.to_string().contains(message), "{name}: {error}");
    }
}

#[test]
fn workloads_are_what_they_seem() {
    for (name, kind, import) in [
        ("hello-http", ImageKind::Http, "wasi:http/types@0.2"),
        ("echo-tcp", ImageKind::Command, "wasi:sockets/tcp@0.2"),
        ("busybox", ImageKind::Command, "wasi:cli/exit@0.2"),
        (
            "wasip1-hello",
            ImageKind::Preview1,
            "wasi_snapshot_preview1.fd_write",
        ),
    ] {
        let info = engine().inspect(workload(name)).unwrap();
        assert_eq!(info.kind, kind, "{name}");
        assert!(
            info.imports.iter().any(|i| i.starts_with(import)),
            "{name}: {:?}",
            info.imports
        );
    }
    let busybox = engine().inspect(workload("busybox")).unwrap().config;
    assert!(
        busybox.has_applet("/bin/sh") && busybox.has_applet("wget") && !busybox.has_applet("nginx")
    );
}

/// A core module with one import and the given exports, by hand.
fn module(import: Option<(&str, &str)>, export: &str) -> Vec<u8> {
    let name = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let section = |id: u8, body: Vec<u8>| [vec![id, body.len() as u8], body].concat();
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    out.extend(section(1, vec![1, 0x60, 0, 0]));
    let imported = u8::from(import.is_some());
    if let Some((module, function)) = import {
        out.extend(section(
            2,
            [vec![1], name(module), name(function), vec![0, 0]].concat(),
        ));
    }
    out.extend(section(3, vec![1, 0]));
    out.extend(section(
        7,
        [vec![1], name(export), vec![0, imported]].concat(),
    ));
    out.extend(section(10, vec![1, 2, 0, 0x0b]));
    out
}

/// A component that imports an interface with one function, by hand.
fn component(interface: &str, function: &str) -> Vec<u8> {
    let name = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let section = |id: u8, body: Vec<u8>| [vec![id, body.len() as u8], body].concat();
    let mut out = b"\0asm\x0d\0\x01\0".to_vec();
    let instance = [
        vec![1, 0x42, 2, 1, 0x40, 0, 1, 0, 4, 0],
        name(function),
        vec![1, 0],
    ]
    .concat();
    out.extend(section(7, instance));
    out.extend(section(
        10,
        [vec![1, 0], name(interface), vec![5, 0]].concat(),
    ));
    // A second, empty instance is exported as what can be run.
    out.extend(section(5, vec![1, 1, 0]));
    out.extend(section(
        11,
        [vec![1, 0], name("wasi:cli/run@0.2.0"), vec![5, 1, 0]].concat(),
    ));
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_cannot_run_are_refused_with_the_reason() {
    let hello = workload("hello-http");
    let large = [b"\0asm\x01\0\0\0".to_vec(), vec![0; 33 << 20]].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "the file is empty"),
        (
            "text",
            b"hello, world".to_vec(),
            "not WebAssembly: it begins with bytes [68, 65, 6c, 6c]",
        ),
        ("elf", b"\x7fELF\x02\x01\x01".to_vec(), "a Linux program"),
        ("zip", b"PK\x03\x04....".to_vec(), "a ZIP archive"),
        ("wat", b"(module)".to_vec(), "WebAssembly text"),
        ("header", b"\0asm\x01".to_vec(), "ends inside its header"),
        ("version", b"\0asm\x02\0\0\0".to_vec(), "format version"),
        ("truncated", hello[..hello.len() / 2].to_vec(), "damaged"),
        (
            "garbage",
            [&hello[..5000], &[0xff; 100], &hello[5100..]].concat(),
            "damaged",
        ),
        ("large", large, "at most 33554432 (32 MiB)"),
        (
            "no start",
            module(None, "main"),
            "the core module has no _start function; it exports main",
        ),
        (
            "library",
            module(None, "_initialize"),
            "is a reactor (a library)",
        ),
        (
            "foreign",
            module(Some(("env", "abort")), "_start"),
            "needs an import that no node offers: abort in module env",
        ),
        (
            "typo",
            module(Some(("wasi_snapshot_preview1", "fd_wrote")), "_start"),
            "fd_wrote in module wasi_snapshot_preview1",
        ),
        (
            "keyvalue",
            component("wasi:keyvalue/store@0.2.0", "open"),
            "open in interface wasi:keyvalue/store@0.2.0",
        ),
        (
            "newer",
            component("wasi:cli/environment@0.2.0", "get-future"),
            "get-future in interface wasi:cli/environment@0.2.0",
        ),
        (
            "nothing",
            b"\0asm\x0d\0\x01\0".to_vec(),
            "nothing that can be started; it exports nothing",
        ),
    ];
    let folder = Folder::new();
    let engine = Engine::new(EngineConfig::new(folder.0.clone(), Vec::new())).unwrap();
    for (what, bytes, message) in cases {
        let error = engine
            .add_upload("mine:v1", bytes.into())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{what}: {error}");
    }
    for (name, message) in [("Mine", "lowercase"), ("a b", "invalid reference")] {
        let error = engine
            .add_upload(name, Bytes::from_static(workload("crash")))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
    assert!(engine.images().list().is_empty());
    assert_eq!(
        std::fs::read_dir(folder.0.join("images/blobs/sha256"))
            .unwrap()
            .count(),
        0,
        "nothing is stored"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_kept_by_digest_and_run() {
    let folder = Folder::new();
    let (bytes, other) = (workload("counter-cli"), workload("crash"));
    let open = || Engine::new(EngineConfig::new(folder.0.clone(), Vec::new())).unwrap();
    let engine = open();
    let (image, info) = engine
        .add_upload("example.com/counter:v1", Bytes::from_static(bytes))
        .await
        .unwrap();
    assert_eq!(
        (info.kind, image.digest),
        (ImageKind::Command, Digest::of(bytes))
    );
    assert_eq!(
        image.id(),
        format!("example.com/counter@{}", image.manifest)
    );
    // The same name moves on, the old bytes go unless another name has them.
    engine
        .add_upload("second", Bytes::from_static(bytes))
        .await
        .unwrap();
    engine
        .add_upload("example.com/counter:v1", Bytes::from_static(other))
        .await
        .unwrap();
    assert!(
        engine
            .images()
            .remove("docker.io/library/second:latest")
            .unwrap()
    );
    let blobs = || {
        std::fs::read_dir(folder.0.join("images/blobs/sha256"))
            .unwrap()
            .count()
    };
    assert_eq!(blobs(), 3, "a program, its config, its manifest");
    drop(engine);
    let engine = open();
    assert!(
        engine.is_compiled(&Digest::of(other)),
        "the compiled program is found again"
    );
    let mut node = Node::with(engine.clone(), Loopback::default(), Folder::new());
    let pod = node.pod("uploaded").await;
    assert_eq!(
        node.run(container(&pod, "main", "example.com/counter:v1"))
            .await
            .0
            .code,
        1
    );
    node.shut_down().await;
    // A program that was compiled is started without its image being read; one that was not is checked first.
    let blob = folder
        .0
        .join("images/blobs/sha256")
        .join(Digest::of(other).hex());
    std::fs::write(&blob, b"\0asm damaged").unwrap();
    for (case, (cache, code)) in [
        (true, Ok(1)),
        (false, Err("are damaged: upload the image again")),
    ]
    .into_iter()
    .enumerate()
    {
        if !cache {
            std::fs::remove_dir_all(folder.0.join("cache")).unwrap();
        }
        let mut node = Node::with(open(), Loopback::default(), Folder::new());
        let pod = node.pod(&format!("again-{case}")).await;
        let config = container(&pod, "main", "example.com/counter:v1");
        match code {
            Ok(code) => assert_eq!(node.run(config).await.0.code, code),
            Err(why) => {
                let (_, message) = node.refused(config).await;
                assert!(message.contains(why), "{message}");
            }
        }
        node.shut_down().await;
    }
    std::fs::write(folder.0.join("images/index.json"), b"{\"a\":").unwrap();
    assert!(Engine::new(EngineConfig::new(folder.0.clone(), Vec::new())).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cache_is_compiled_anew() {
    let folder = Folder::new();
    let open = || Engine::new(EngineConfig::new(folder.0.clone(), samples())).unwrap();
    let run = async |engine: Engine| {
        let mut node = Node::with(engine, Loopback::default(), Folder::new());
        let pod = node.pod("cached").await;
        let ended = node
            .run(container(&pod, "main", "glasshouse.dev/counter-cli"))
            .await
            .0;
        node.shut_down().await;
        ended.code
    };
    assert_eq!(run(open()).await, 0);
    let digest = Digest::of(workload("counter-cli"));
    assert!(open().is_compiled(&digest));
    for entry in std::fs::read_dir(folder.0.join("cache")).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            std::fs::write(file.unwrap().path(), b"half a file").unwrap();
        }
    }
    assert_eq!(run(open()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pulling_says_what_an_image_stands_for() {
    let mut node = Node::new();
    let (_, manifest) = wrap(workload("hello-http"));
    let id = format!("glasshouse.dev/hello-http@{}", Digest::of(&manifest));
    for (image, present_only, ready, message) in [
        (
            "nginx:1.27",
            false,
            Some(id.as_str()),
            "\"nginx\" stands for glasshouse.dev/hello-http:latest.",
        ),
        (
            "nginx:1.27",
            true,
            Some(id.as_str()),
            "already present on machine",
        ),
        ("glasshouse.dev/hello-http", true, Some(id.as_str()), ""),
        (
            "glasshouse.dev/hello-http",
            false,
            Some(id.as_str()),
            "Successfully pulled image \"glasshouse.dev/hello-http\" in ",
        ),
        (
            "redis",
            true,
            None,
            "ErrImageNeverPull Container image \"redis\" is not present with pull policy of Never",
        ),
        (
            "redis",
            false,
            None,
            "ErrImagePull failed to pull image \"redis\": not found",
        ),
        (
            "Bad Name",
            false,
            None,
            "InvalidImageName Failed to apply default image tag",
        ),
    ] {
        node.runtime.submit(RuntimeCommand::PullImage {
            image: image.to_owned(),
            present_only,
        });
        let (got, text) = node
            .wait("an answer", |event| match event {
                RuntimeEvent::ImageReady {
                    image_id, message, ..
                } => Some((Some(image_id.clone()), message.clone())),
                RuntimeEvent::ImageFailed {
                    reason, message, ..
                } => Some((None, format!("{reason} {message}"))),
                _ => None,
            })
            .await;
        assert_eq!(got.as_deref(), ready, "{image}: {text}");
        assert!(text.contains(message), "{image}: {text}");
    }
    let aliases = BTreeMap::from([(
        "redis".to_owned(),
        "glasshouse.dev/echo-tcp:latest".to_owned(),
    )]);
    let folder = Folder::new();
    let engine = Engine::new(EngineConfig::new(folder.0.clone(), samples())).unwrap();
    assert!(engine.images().resolve("redis").is_err());
    engine.images().set_aliases(aliases);
    assert_eq!(
        engine.images().resolve("redis:7").unwrap().name,
        "glasshouse.dev/echo-tcp:latest"
    );
    node.shut_down().await;
}
