//! The protocol as a script of requests and answers, over a storage of maps.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

#[derive(Default)]
struct Maps(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    blobs: BTreeMap<String, Bytes>,
    manifests: BTreeMap<(String, String), Manifest>,
}

impl Storage for Maps {
    fn repositories(&self) -> Vec<String> {
        let inner = self.0.lock();
        let mut names: Vec<String> = inner
            .manifests
            .keys()
            .map(|(name, _)| name.clone())
            .collect();
        names.dedup();
        names
    }

    fn tags(&self, name: &str) -> Option<Vec<String>> {
        let inner = self.0.lock();
        let own = inner.manifests.keys().filter(|(n, _)| n == name);
        let mut references = own.map(|(_, r)| r.clone()).peekable();
        references.peek()?;
        Some(references.filter(|r| !r.contains(':')).collect())
    }

    fn manifest(&self, name: &str, reference: &str) -> Result<Option<Manifest>, Refusal> {
        let key = (name.to_owned(), reference.to_owned());
        Ok(self.0.lock().manifests.get(&key).cloned())
    }

    fn put_manifest(
        &self,
        name: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<String, Refusal> {
        let digest = digest_of(bytes);
        for reference in std::iter::once(digest.as_str()).chain(tag) {
            let manifest = Manifest {
                digest: digest.clone(),
                media_type: media_type.to_owned(),
                bytes: Bytes::copy_from_slice(bytes),
            };
            let key = (name.to_owned(), reference.to_owned());
            self.0.lock().manifests.insert(key, manifest);
        }
        Ok(digest)
    }

    fn delete_manifest(&self, name: &str, reference: &str) -> Result<bool, Refusal> {
        let key = (name.to_owned(), reference.to_owned());
        Ok(self.0.lock().manifests.remove(&key).is_some())
    }

    fn referrers(&self, _: &str, _: &str) -> Vec<Value> {
        vec![
            json!({"artifactType": "a/b"}),
            json!({"artifactType": "c/d"}),
        ]
    }

    fn blob(&self, digest: &str) -> Result<Option<Bytes>, Refusal> {
        Ok(self.0.lock().blobs.get(digest).cloned())
    }

    fn put_blob(&self, bytes: &[u8]) -> Result<(), Refusal> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.0.lock().blobs.insert(digest_of(&bytes), bytes);
        Ok(())
    }

    fn delete_blob(&self, digest: &str) -> bool {
        self.0.lock().blobs.remove(digest).is_some()
    }
}

struct Script(Registry);

struct Said {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Said {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Script {
    fn new() -> Self {
        Self(Registry::new(Arc::new(Maps::default())))
    }

    /// `METHOD PATH`, headers as `name: value`, and a body.
    async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Said {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (parts, body) = self.0.handle(request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Said {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn check(&self, line: &str, headers: &[&str], body: &str, status: u16) -> Said {
        let said = self.ask(line, headers, body).await;
        assert_eq!(said.status, status, "{line}: {}", said.body);
        assert_eq!(
            said.header("docker-distribution-api-version"),
            "registry/2.0"
        );
        said
    }
}

#[tokio::test]
async fn a_blob_goes_in_and_comes_out() {
    let script = Script::new();
    let digest = digest_of(b"hello world");
    assert_eq!(script.check("GET /v2/", &[], "", 200).await.body, "{}");
    let blob = format!("/v2/a/b/blobs/{digest}");
    let unknown = script.check(&format!("GET {blob}"), &[], "", 404).await;
    assert!(unknown.body.contains("BLOB_UNKNOWN"), "{}", unknown.body);

    // In pieces.
    let begun = script
        .check("POST /v2/a/b/blobs/uploads/", &[], "", 202)
        .await;
    let upload = begun.header("location").to_owned();
    let patch = format!("PATCH {upload}");
    let said = script
        .check(&patch, &["content-range: 0-5"], "hello ", 202)
        .await;
    assert_eq!(said.header("range"), "0-5");
    let said = script
        .check(&patch, &["content-range: 2-5"], "again", 416)
        .await;
    assert_eq!(said.header("range"), "0-5");
    let said = script.check(&format!("GET {upload}"), &[], "", 204).await;
    assert_eq!(said.header("range"), "0-5");
    let said = script
        .check(&format!("PUT {upload}?digest={digest}"), &[], "world", 201)
        .await;
    assert_eq!(said.header("location"), blob);
    assert_eq!(said.header("docker-content-digest"), digest);

    assert_eq!(
        script
            .check(&format!("GET {blob}"), &[], "", 200)
            .await
            .body,
        "hello world"
    );
    let head = script.check(&format!("HEAD {blob}"), &[], "", 200).await;
    assert_eq!(head.header("content-length"), "11");
    for (range, status, body, said_range) in [
        ("bytes=0-4", 206, "hello", "bytes 0-4/11"),
        ("bytes=6-", 206, "world", "bytes 6-10/11"),
        ("bytes=-5", 206, "world", "bytes 6-10/11"),
        ("bytes=4-99", 206, "o world", "bytes 4-10/11"),
        ("bytes=11-", 416, "", "bytes */11"),
        ("bytes=5-4", 416, "", "bytes */11"),
        ("lines=1-2", 200, "hello world", ""),
    ] {
        let said = script
            .check(
                &format!("GET {blob}"),
                &[&format!("range: {range}")],
                "",
                status,
            )
            .await;
        assert_eq!(
            (said.body.as_str(), said.header("content-range")),
            (body, said_range),
            "{range}"
        );
    }

    // At once, and from another repository.
    let other = digest_of(b"x");
    script
        .check(
            &format!("POST /v2/c/blobs/uploads/?digest={other}"),
            &[],
            "x",
            201,
        )
        .await;
    let encoded = digest.replace(':', "%3A");
    script
        .check(
            &format!("POST /v2/c/blobs/uploads/?mount={encoded}&from=a%2Fb"),
            &[],
            "",
            201,
        )
        .await;
    let absent = digest_of(b"absent");
    script
        .check(
            &format!("POST /v2/c/blobs/uploads/?mount={absent}&from=a"),
            &[],
            "",
            202,
        )
        .await;
    script.check(&format!("DELETE {blob}"), &[], "", 202).await;
    script.check(&format!("DELETE {blob}"), &[], "", 404).await;
}

#[tokio::test]
async fn what_is_not_as_it_says_is_refused() {
    let script = Script::new();
    let wrong = digest_of(b"something else");
    for (line, body, status, code) in [
        (
            format!("POST /v2/a/blobs/uploads/?digest={wrong}"),
            "x",
            400,
            "DIGEST_INVALID",
        ),
        (
            "POST /v2/a/blobs/uploads/?digest=sha256:12".to_owned(),
            "x",
            400,
            "DIGEST_INVALID",
        ),
        (
            "PUT /v2/a/blobs/uploads/77?digest=x".to_owned(),
            "x",
            404,
            "BLOB_UPLOAD_UNKNOWN",
        ),
        (
            "DELETE /v2/a/blobs/uploads/77".to_owned(),
            "",
            404,
            "BLOB_UPLOAD_UNKNOWN",
        ),
        (
            format!("PUT /v2/a/manifests/{wrong}"),
            "{}",
            400,
            "DIGEST_INVALID",
        ),
        (
            "PUT /v2/A/manifests/v1".to_owned(),
            "{}",
            400,
            "NAME_INVALID",
        ),
        (
            "PUT /v2/a/manifests/.v1".to_owned(),
            "{}",
            400,
            "TAG_INVALID",
        ),
        (
            "GET /v2/a/manifests/v1".to_owned(),
            "",
            404,
            "MANIFEST_UNKNOWN",
        ),
        ("GET /v2/a/tags/list".to_owned(), "", 404, "NAME_UNKNOWN"),
        ("POST /v2/a/manifests/v1".to_owned(), "", 405, "UNSUPPORTED"),
        ("GET /v2/a/secrets".to_owned(), "", 404, "UNSUPPORTED"),
    ] {
        let said = script.check(&line, &[], body, status).await;
        let errors: Value = serde_json::from_str(&said.body).unwrap();
        assert_eq!(errors["errors"][0]["code"], code, "{line}");
    }
    let large = "x".repeat(MANIFEST_BYTES_MAX + 1);
    let said = script
        .check("PUT /v2/a/manifests/v1", &[], &large, 413)
        .await;
    assert!(said.body.contains("SIZE_INVALID"));
}

#[tokio::test]
async fn manifests_have_tags_pages_and_referrers() {
    let script = Script::new();
    let typed = ["content-type: application/vnd.oci.image.manifest.v1+json; charset=utf-8"];
    let digest = digest_of(b"{}");
    for tag in ["v1", "v2", "v3"] {
        let said = script
            .check(&format!("PUT /v2/a/manifests/{tag}"), &typed, "{}", 201)
            .await;
        assert_eq!(said.header("location"), format!("/v2/a/manifests/{tag}"));
        assert_eq!(said.header("docker-content-digest"), digest);
    }
    let said = script
        .check(&format!("GET /v2/a/manifests/{digest}"), &[], "", 200)
        .await;
    assert_eq!(
        said.header("content-type"),
        "application/vnd.oci.image.manifest.v1+json"
    );
    let about = json!({"subject": {"digest": digest}}).to_string();
    let said = script
        .check("PUT /v2/b/manifests/v1", &typed, &about, 201)
        .await;
    assert_eq!(said.header("oci-subject"), digest);

    let first = script.check("GET /v2/a/tags/list?n=2", &[], "", 200).await;
    assert_eq!(first.body, r#"{"name":"a","tags":["v1","v2"]}"#);
    assert_eq!(
        first.header("link"),
        "</v2/a/tags/list?n=2&last=v2>; rel=\"next\""
    );
    let next = script
        .check("GET /v2/a/tags/list?n=2&last=v2", &[], "", 200)
        .await;
    assert_eq!(
        (next.body.as_str(), next.header("link")),
        (r#"{"name":"a","tags":["v3"]}"#, "")
    );
    let all = script.check("GET /v2/_catalog", &[], "", 200).await;
    assert_eq!(all.body, r#"{"repositories":["a","b"]}"#);

    let path = format!("GET /v2/a/referrers/{digest}");
    let said = script.check(&path, &[], "", 200).await;
    assert_eq!(
        said.header("content-type"),
        "application/vnd.oci.image.index.v1+json"
    );
    let said = script
        .check(&format!("{path}?artifactType=c%2Fd"), &[], "", 200)
        .await;
    assert_eq!(said.header("oci-filters-applied"), "artifactType");
    let index: Value = serde_json::from_str(&said.body).unwrap();
    assert_eq!(index["manifests"], json!([{"artifactType": "c/d"}]));

    script
        .check("DELETE /v2/a/manifests/v1", &[], "", 202)
        .await;
    script
        .check("DELETE /v2/a/manifests/v1", &[], "", 404)
        .await;
}
