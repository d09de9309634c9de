//! Pushing, pulling, tagging and deleting, in a folder of the test's own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::super::manifest::{DOCKER_MANIFEST, OCI_INDEX, wrap};
use super::super::store::{own_repository, registry_path};
use super::*;

const PROGRAM: &[u8] = b"\0asm\x0d\0\x01\0program";
const SAMPLE: &[u8] = b"\0asm\x0d\0\x01\0sample";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("glasshouse-registry-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> ImageStore {
        let store = ImageStore::open(&self.0, vec![("hello".to_owned(), SAMPLE)]).unwrap();
        store.set_registry_hosts(vec!["localhost:7080".to_owned()]);
        store
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.0.join("blobs/sha256"))
            .unwrap()
            .count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn push(store: &ImageStore, repository: &str, tag: &str, program: &[u8]) -> Digest {
    let (config, manifest) = wrap(program);
    store.put_blob(program).unwrap();
    store.put_blob(&config).unwrap();
    store
        .put_manifest(repository, Some(tag), OCI_MANIFEST, &manifest)
        .unwrap()
}

#[test]
fn what_is_pushed_can_be_started_and_pulled() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = push(&store, "glasshouse.dev/team/app", "v1", PROGRAM);
    for name in [
        "glasshouse.dev/team/app:v1".to_owned(),
        "localhost:7080/team/app:v1".to_owned(),
        format!("localhost:7080/team/app@{digest}"),
        format!("localhost:7080/team/app:v1@{}", Digest::of(PROGRAM)),
    ] {
        let image = store.resolve(&name).unwrap();
        assert_eq!(store.program(&image.digest).unwrap(), PROGRAM, "{name}");
        assert_eq!(
            image.id(),
            format!("glasshouse.dev/team/app@{digest}"),
            "{name}"
        );
    }
    assert!(
        store.resolve("team/app:v1").is_err(),
        "Docker Hub's is another"
    );
    let store = folder.open();
    let manifest = store
        .manifest("glasshouse.dev/team/app", "v1")
        .unwrap()
        .unwrap();
    assert_eq!(
        (manifest.digest, manifest.media_type.as_str()),
        (digest, OCI_MANIFEST)
    );
    assert_eq!(store.blob(&Digest::of(PROGRAM)).unwrap().unwrap(), PROGRAM);
    assert_eq!(store.blob(&Digest::of(b"other")).unwrap(), None);
    assert_eq!(
        store.repositories(),
        ["glasshouse.dev/hello", "glasshouse.dev/team/app"]
    );
    assert_eq!(store.tags("glasshouse.dev/team/app").unwrap(), ["v1"]);
    assert_eq!(store.tags("glasshouse.dev/none"), None);
}

#[test]
fn samples_are_served_and_protected() {
    let folder = Folder::new();
    let store = folder.open();
    let manifest = store
        .manifest("glasshouse.dev/hello", "latest")
        .unwrap()
        .unwrap();
    let parsed = Manifest::parse(&manifest.bytes, Some(OCI_MANIFEST)).unwrap();
    for blob in parsed.blobs() {
        let bytes = store.blob(&blob.digest).unwrap().unwrap();
        assert_eq!(bytes.len() as u64, blob.size);
    }
    let image = store.resolve("glasshouse.dev/hello").unwrap();
    assert_eq!(image.manifest, manifest.digest);
    let refused = store.put_manifest(
        "glasshouse.dev/hello",
        Some("latest"),
        OCI_MANIFEST,
        &manifest.bytes,
    );
    assert!(matches!(refused, Err(StoreError::Reserved(_))));
    let refused = store.delete_manifest("glasshouse.dev/hello", "latest");
    assert!(matches!(refused, Err(StoreError::Reserved(_))));
    // Another tag is free, and may share the sample's content.
    store
        .put_manifest(
            "glasshouse.dev/hello",
            Some("mine"),
            OCI_MANIFEST,
            &manifest.bytes,
        )
        .unwrap();
    assert_eq!(program(&store, "glasshouse.dev/hello:mine"), SAMPLE);
    assert_eq!(
        store.tags("glasshouse.dev/hello").unwrap(),
        ["latest", "mine"]
    );
}

#[test]
fn content_goes_with_its_last_name() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = push(&store, "glasshouse.dev/a", "v1", PROGRAM);
    push(&store, "glasshouse.dev/b", "v1", PROGRAM);
    assert_eq!(folder.files(), 3);
    assert!(
        !store.delete_blob(&Digest::of(PROGRAM)),
        "a manifest needs it"
    );
    assert!(store.delete_manifest("glasshouse.dev/a", "v1").unwrap());
    assert!(store.resolve("glasshouse.dev/a:v1").is_err());
    assert!(
        store
            .manifest("glasshouse.dev/a", &digest.to_string())
            .unwrap()
            .is_some()
    );
    assert!(
        store
            .delete_manifest("glasshouse.dev/a", &digest.to_string())
            .unwrap()
    );
    assert!(
        !store
            .delete_manifest("glasshouse.dev/a", &digest.to_string())
            .unwrap()
    );
    assert_eq!(folder.files(), 3);
    assert!(
        store
            .delete_manifest("glasshouse.dev/b", &digest.to_string())
            .unwrap()
    );
    assert_eq!(folder.files(), 0);
    // What was pushed and never referred to goes at the next start, or when asked.
    let digest = store.put_blob(b"half a push").unwrap();
    assert!(store.delete_blob(&digest) && !store.delete_blob(&digest));
    store.put_blob(b"half a push").unwrap();
    assert_eq!(folder.files(), 1);
    drop(store);
    folder.open();
    assert_eq!(folder.files(), 0);
}

#[test]
fn manifests_need_what_they_refer_to() {
    let folder = Folder::new();
    let store = folder.open();
    let (config, manifest) = wrap(PROGRAM);
    let put = |bytes: &[u8], media_type: &str| {
        store
            .put_manifest("glasshouse.dev/a", Some("v1"), media_type, bytes)
            .map_err(|e| e.to_string())
    };
    store.put_blob(PROGRAM).unwrap();
    let missing = format!(
        "the manifest refers to {}, which is not here: push it first",
        Digest::of(&config)
    );
    assert_eq!(put(&manifest, OCI_MANIFEST), Err(missing));
    store.put_blob(&config).unwrap();
    let wrong = put(&manifest, DOCKER_MANIFEST).unwrap_err();
    assert!(wrong.contains("was sent as"), "{wrong}");
    let digest = put(&manifest, OCI_MANIFEST).unwrap();
    let child = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": manifest.len(),
        "platform": {"architecture": "wasm", "os": "wasip2"}});
    let index = json!({"schemaVersion": 2, "manifests": [child]}).to_string();
    let digest = put(index.as_bytes(), OCI_INDEX).unwrap();
    let image = store.resolve("glasshouse.dev/a:v1").unwrap();
    assert_eq!(
        (image.manifest, store.program(&image.digest).unwrap()),
        (digest, Bytes::from_static(PROGRAM))
    );
    let stray = json!({"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": Digest::of(b"x"), "size": 1}]});
    assert!(
        put(stray.to_string().as_bytes(), OCI_INDEX)
            .unwrap_err()
            .contains("not here")
    );
}

#[test]
fn an_artifact_is_kept_but_not_started_and_refers_to_its_subject() {
    let folder = Folder::new();
    let store = folder.open();
    let subject = push(&store, "glasshouse.dev/a", "v1", PROGRAM);
    let empty = store.put_blob(b"{}").unwrap();
    let signature = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/example",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [], "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
        "annotations": {"by": "me"},
    });
    let text = signature.to_string();
    let digest = store
        .put_manifest("glasshouse.dev/a", None, OCI_MANIFEST, text.as_bytes())
        .unwrap();
    let listed = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": text.len(),
        "artifactType": "application/example", "annotations": {"by": "me"}});
    assert_eq!(store.referrers("glasshouse.dev/a", &subject), [listed]);
    assert!(store.referrers("glasshouse.dev/a", &digest).is_empty());
    let pinned = format!("glasshouse.dev/a@{digest}");
    let refused = store.resolve(&pinned).unwrap_err().to_string();
    assert!(refused.contains("it is no Wasm image"), "{refused}");
}

/// The bytes that a name leads to.
fn program(store: &ImageStore, name: &str) -> Bytes {
    let image = store.resolve(name).unwrap();
    let bytes = store.program(&image.digest).unwrap();
    assert_eq!(bytes.len() as u64, image.size, "{name}");
    bytes
}

#[test]
fn a_container_image_around_a_program_runs() {
    let folder = Folder::new();
    let store = folder.open();
    let mut layer = vec![0; 512];
    layer[..8].copy_from_slice(b"app.wasm");
    layer[124..135].copy_from_slice(format!("{:011o}", PROGRAM.len()).as_bytes());
    layer.extend(PROGRAM);
    layer.resize(2048, 0);
    let (layer, config) = (
        store.put_blob(&layer).unwrap(),
        store.put_blob(b"{}").unwrap(),
    );
    let image = |layer: Digest| {
        json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": layer, "size": 1}]})
        .to_string()
    };
    let put = |tag: &str, text: String| {
        store
            .put_manifest(
                "glasshouse.dev/a",
                Some(tag),
                DOCKER_MANIFEST,
                text.as_bytes(),
            )
            .unwrap()
    };
    put("v1", image(layer));
    assert_eq!(program(&store, "glasshouse.dev/a:v1"), PROGRAM);
    let store_again = folder.open();
    assert_eq!(program(&store_again, "glasshouse.dev/a:v1"), PROGRAM);
    let linux = store.put_blob(&[0; 1024]).unwrap();
    put("linux", image(linux));
    let refused = store
        .resolve("glasshouse.dev/a:linux")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("it is a Linux image"), "{refused}");
}

#[test]
fn paths_and_repositories_correspond() {
    for (path, repository) in [
        ("app", "glasshouse.dev/app"),
        ("team/app", "glasshouse.dev/team/app"),
        ("docker.io/library/nginx", "docker.io/library/nginx"),
        ("localhost/app", "localhost/app"),
    ] {
        assert_eq!(own_repository(path), repository);
        assert_eq!(registry_path(repository), path);
    }
}
