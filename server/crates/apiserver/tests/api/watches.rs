//! Watches: what each watcher is told while objects come, change, leave its selection and go.

use crate::harness::{Cluster, frames};
use apiserver::{Include, Representation, WatchEncoder};
use serde_json::json;
use shared::{KindRef, Millis, Revision};

const MAPS: &str = "/api/v1/namespaces/rec/configmaps";

/// Makes an object, changes it, moves it out of and back into `l=1`, and deletes it; answers what `url` was told.
fn story(url: &str) -> Vec<String> {
    let mut cluster = Cluster::new();
    cluster.send("POST", MAPS, r#"{"metadata":{"name":"old"}}"#);
    let mut plan = cluster.watch(url).expect("a watch");
    let one = format!("{MAPS}/x");
    cluster.send(
        "POST",
        MAPS,
        r#"{"metadata":{"name":"x","labels":{"l":"1"}},"data":{"a":"1"}}"#,
    );
    cluster.patch("merge", &one, r#"{"data":{"a":"2"}}"#);
    cluster.patch("merge", &one, r#"{"metadata":{"labels":{"l":"2"}}}"#);
    cluster.patch("merge", &one, r#"{"metadata":{"labels":{"l":"1"}}}"#);
    cluster.send("DELETE", &one, "");
    frames(&mut plan, &cluster.store, "/metadata/labels/l")
}

#[test]
fn everything_is_told() {
    let all = [
        "ADDED old -",
        "ADDED x 1",
        "MODIFIED x 1",
        "MODIFIED x 2",
        "MODIFIED x 1",
        "DELETED x 1",
    ];
    assert_eq!(story(&format!("{MAPS}?watch=1")), all);
    assert_eq!(story(&format!("{MAPS}?watch=true&resourceVersion=0")), all);
    assert_eq!(
        story("/api/v1/configmaps?watch=1&labelSelector=l"),
        [
            "ADDED x 1",
            "MODIFIED x 1",
            "MODIFIED x 2",
            "MODIFIED x 1",
            "DELETED x 1"
        ]
    );
}

#[test]
fn leaving_the_selection_is_a_deletion() {
    let told = [
        "ADDED x 1",
        "MODIFIED x 1",
        "DELETED x 1",
        "ADDED x 1",
        "DELETED x 1",
    ];
    assert_eq!(story(&format!("{MAPS}?watch=1&labelSelector=l%3D1")), told);
    assert_eq!(
        story(&format!(
            "{MAPS}?watch=1&fieldSelector=metadata.name%3Dnone"
        )),
        [] as [&str; 0]
    );
    assert_eq!(story(&format!("{MAPS}/old?watch=1")), ["ADDED old -"]);
    assert_eq!(
        story("/api/v1/namespaces/default/configmaps?watch=1&labelSelector=l"),
        [] as [&str; 0]
    );
}

#[test]
fn initial_events_end_with_a_bookmark() {
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=!l";
    let mut cluster = Cluster::new();
    cluster.send("POST", MAPS, r#"{"metadata":{"name":"old"}}"#);
    let mut plan = cluster.watch(&format!("{MAPS}?{query}")).expect("a watch");
    let told = frames(
        &mut plan,
        &cluster.store,
        "/metadata/annotations/k8s.io~1initial-events-end",
    );
    assert_eq!(told, ["ADDED old -", "BOOKMARK - true"]);
    assert!(plan.bookmarks);
    let bookmark = plan.cursor.bookmark().object().expect("an object");
    assert_eq!(bookmark.revision(), cluster.store.revision());
    let refused = cluster
        .watch(&format!("{MAPS}?watch=1&sendInitialEvents=true"))
        .expect_err("refused");
    assert_eq!(refused.code, 422);
}

#[test]
fn a_watch_may_ask_for_no_initial_events() {
    let mut cluster = Cluster::new();
    cluster.send("POST", MAPS, r#"{"metadata":{"name":"old"}}"#);
    for version in ["", "&resourceVersion=0"] {
        let query =
            format!("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan{version}");
        let mut plan = cluster.watch(&format!("{MAPS}?{query}")).expect("a watch");
        cluster.send("POST", MAPS, r#"{"metadata":{"generateName":"new-"}}"#);
        let told = frames(&mut plan, &cluster.store, "/metadata/generateName");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("ADDED new-"), "{told:?}");
    }
    for (query, why) in [
        (
            "sendInitialEvents=false",
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            "sendInitialEvents=true&resourceVersionMatch=Exact",
            "[resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]",
        ),
        (
            "resourceVersionMatch=NotOlderThan",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    ] {
        let refused = cluster
            .watch(&format!("{MAPS}?watch=1&{query}"))
            .expect_err("refused");
        assert_eq!(
            refused.message,
            format!("ListOptions.meta.k8s.io \"\" is invalid: {why}")
        );
    }
    let refused = cluster.get(&format!("{MAPS}?sendInitialEvents=false"), "");
    assert_eq!(
        refused.summary(),
        "422 ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
    );
}

#[test]
fn a_watch_from_long_ago_tells_all_that_happened_since() {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        MAPS,
        r#"{"metadata":{"name":"m"},"data":{"a":"1"}}"#,
    );
    cluster.send(
        "PUT",
        &format!("{MAPS}/m"),
        r#"{"metadata":{"name":"m"},"data":{"a":"2"}}"#,
    );
    let mut plan = cluster
        .watch(&format!("{MAPS}?watch=1&resourceVersion=1&labelSelector="))
        .expect("a watch");
    let told = frames(&mut plan, &cluster.store, "/data/a");
    assert_eq!(told, ["ADDED m 1", "MODIFIED m 2"]);
}

#[test]
fn a_watch_resumes_where_it_was_or_is_told_that_it_cannot() {
    let mut cluster = Cluster::new();
    cluster.send("POST", MAPS, r#"{"metadata":{"name":"a"}}"#);
    let then = cluster.store.revision();
    cluster.send("POST", MAPS, r#"{"metadata":{"name":"b"}}"#);
    let mut plan = cluster
        .watch(&format!("{MAPS}?watch=1&resourceVersion={then}"))
        .expect("a watch");
    assert_eq!(frames(&mut plan, &cluster.store, "/x"), ["ADDED b -"]);
    let newest = cluster.store.revision();
    cluster.store.compact(newest).expect("compacted");
    let plan = cluster
        .watch(&format!("{MAPS}?watch=1&resourceVersion={then}"))
        .expect("a watch");
    let error = plan.error.expect("an error");
    assert_eq!((error.code, error.reason.as_str()), (410, "Expired"));
    assert!(
        error
            .message
            .starts_with(&format!("too old resource version: {then} (")),
        "{}",
        error.message
    );
    let line = WatchEncoder::new(Representation::Json).error(&error);
    assert!(String::from_utf8_lossy(&line).starts_with("{\"object\":{"));
    let future = cluster
        .watch(&format!("{MAPS}?watch=1&resourceVersion=99999"))
        .expect_err("refused");
    assert_eq!(future.code, 504);
}

#[test]
fn shared_changes_tell_the_same_as_history_and_are_encoded_once() {
    let mut cluster = Cluster::new();
    let mut first = cluster
        .watch(&format!("{MAPS}?watch=1&labelSelector=l"))
        .expect("a watch");
    let mut second = cluster
        .watch("/api/v1/configmaps?watch=1")
        .expect("a watch");
    let from = cluster.store.revision();
    cluster.send(
        "POST",
        MAPS,
        r#"{"metadata":{"name":"x","labels":{"l":"1"}}}"#,
    );
    let events = cluster
        .store
        .snapshot()
        .events_after("/", from, 0)
        .expect("history");
    let changes: Vec<_> = events
        .iter()
        .filter_map(|e| cluster.server.change(e, Default::default()))
        .collect();
    assert_eq!(changes.len(), 1);
    let (a, b) = (
        first.cursor.next(&changes).expect("frames"),
        second.cursor.next(&changes).expect("frames"),
    );
    let maps = KindRef::new("", "v1", "configmaps");
    for form in [
        Representation::Json,
        Representation::Partial,
        Representation::Protobuf,
        Representation::Table(Include::Metadata),
        Representation::Table(Include::None),
    ] {
        let encode = |frame| {
            let mut encoder = cluster.server.watch_encoder(form, &maps);
            // The first frame of a table has the columns, which belong to one watch alone.
            encoder.encode(frame, Millis(0)).expect("bytes");
            encoder.encode(frame, Millis(0)).expect("bytes")
        };
        let (a, b) = (encode(&a[0]), encode(&b[0]));
        assert_eq!((a.as_ptr(), a.len()), (b.as_ptr(), b.len()), "{form:?}");
    }
    assert!(first.cursor.next(&changes).expect("frames").is_empty());
    assert_eq!(first.cursor.position(), Revision(from.0 + 1));
    assert!(
        first
            .cursor
            .catch_up(&cluster.store.snapshot())
            .expect("frames")
            .is_empty()
    );
}

#[test]
fn deletes_carry_the_last_state_at_the_revision_of_the_delete() {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        MAPS,
        r#"{"metadata":{"name":"x"},"data":{"a":"1"}}"#,
    );
    let mut plan = cluster
        .watch(&format!(
            "{MAPS}?watch=1&resourceVersion={}",
            cluster.store.revision()
        ))
        .expect("a watch");
    cluster.send("DELETE", &format!("{MAPS}/x"), "");
    let told = plan
        .cursor
        .catch_up(&cluster.store.snapshot())
        .expect("frames");
    let object = told[0].object().expect("an object");
    assert_eq!(
        (object.revision(), object.at("/data/a")),
        (cluster.store.revision(), Some(&json!("1")))
    );
}

#[test]
fn a_long_gap_is_closed_in_steps() {
    const WRITES: usize = 2500;
    let mut cluster = Cluster::new();
    cluster.send("POST", MAPS, r#"{"metadata":{"name":"x"}}"#);
    let from = cluster.store.revision();
    let mut plan = cluster
        .watch(&format!("{MAPS}?watch=1&resourceVersion={from}"))
        .expect("a watch");
    for n in 0..WRITES {
        let body = format!(r#"{{"metadata":{{"name":"x"}},"data":{{"n":"{n}"}}}}"#);
        cluster.send("PUT", &format!("{MAPS}/x"), &body);
    }
    let (snapshot, mut seen) = (cluster.store.snapshot(), Vec::new());
    while plan.cursor.position() < snapshot.revision() {
        let frames = plan.cursor.catch_up(&snapshot).expect("history");
        assert!(frames.len() <= 1000, "{} at a time", frames.len());
        seen.extend(frames.iter().map(|f| f.item.revision().0));
    }
    let want: Vec<u64> = (1..=WRITES as u64).map(|n| from.0 + n).collect();
    assert_eq!(seen, want);
}

#[test]
fn typed_clients_are_told_in_protobuf() {
    let mut cluster = Cluster::new();
    cluster.send(
        "POST",
        MAPS,
        r#"{"metadata":{"name":"x"},"data":{"a":"1"}}"#,
    );
    let plan = cluster.watch(&format!("{MAPS}?watch=1")).expect("a watch");
    let maps = KindRef::new("", "v1", "configmaps");
    let mut encoder = cluster
        .server
        .watch_encoder(Representation::Protobuf, &maps);
    assert_eq!(
        encoder.content_type(),
        "application/vnd.kubernetes.protobuf;stream=watch"
    );
    let frame = encoder.encode(&plan.initial[0], Millis(0)).expect("bytes");
    let (word, object) = event(&frame);
    assert_eq!(
        (word.as_str(), &object["kind"]),
        ("ADDED", &json!("ConfigMap"))
    );
    assert_eq!(object["data"], json!({"a": "1"}));
    assert_eq!(
        object["metadata"]["resourceVersion"],
        json!(cluster.store.revision().to_string())
    );
    let (word, object) = event(&encoder.error(&shared::Status::expired("too old")));
    assert_eq!((word.as_str(), &object["code"]), ("ERROR", &json!(410)));
}

/// Reads `meta.v1.WatchEvent` as client-go does: length, type (1), object (2) with its raw bytes (1).
fn event(frame: &[u8]) -> (String, serde_json::Value) {
    let (length, message) = frame.split_first_chunk::<4>().expect("a length");
    assert_eq!(u32::from_be_bytes(*length) as usize, message.len());
    let (word, rest) = bytes(message, 0x0a);
    let (extension, rest) = bytes(rest, 0x12);
    assert!(rest.is_empty());
    let (raw, rest) = bytes(extension, 0x0a);
    assert!(rest.is_empty());
    let object = schema::Schema::built_in()
        .decode_protobuf(raw)
        .expect("an object");
    (String::from_utf8(word.to_vec()).expect("text"), object)
}

/// One field of bytes, and what follows it.
fn bytes(message: &[u8], key: u8) -> (&[u8], &[u8]) {
    assert_eq!(message[0], key);
    let (mut length, mut at, mut shift) = (0, 1, 0);
    loop {
        length |= usize::from(message[at] & 0x7f) << shift;
        shift += 7;
        at += 1;
        if message[at - 1] & 0x80 == 0 {
            break;
        }
    }
    message[at..].split_at(length)
}
