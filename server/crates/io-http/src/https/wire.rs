//! Requests and answers as HTTP has them.

use axum::body::Bytes;
use client::{Answer, Body, Options, Request, Verb, WatchEvent};
use http_body_util::Full;
use io_driver::client::WatchItem;
use serde_json::Value;
use shared::live::Change;
use shared::{KindRef, Object, ObjectKey, Revision, Status, path};

/// The header that tells which revision led to a request, so that it joins that revision's trace.
pub const CAUSE: &str = "glasshouse-cause-revision";

pub(super) fn encode(
    request: &Request,
    authority: &str,
    agent: &str,
    cause: Option<Revision>,
) -> Result<hyper::Request<Full<Bytes>>, Status> {
    let (content_type, body) = match &request.body {
        Body::None => ("application/json", Vec::new()),
        Body::Object(value) => ("application/json", value.to_string().into_bytes()),
        Body::Patch(kind, value) => (kind.content_type(), value.to_string().into_bytes()),
        Body::Encoded {
            content_type,
            bytes,
        } => (content_type.as_str(), bytes.clone()),
    };
    let mut builder = hyper::Request::builder()
        .method(method(request.verb))
        .uri(format!(
            "https://{authority}{}{}",
            target(request),
            query(request)
        ))
        .header("user-agent", agent)
        .header("accept", "application/json")
        .header("content-type", content_type);
    if let Some(cause) = cause {
        builder = builder.header(CAUSE, cause.to_string());
    }
    builder
        .body(Full::new(body.into()))
        .map_err(|e| Status::bad_request(format!("a request cannot be sent: {e}")))
}

fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get | Verb::List | Verb::Watch => "GET",
        Verb::Create => "POST",
        Verb::Update => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete | Verb::DeleteCollection => "DELETE",
    }
}

fn target(request: &Request) -> String {
    let key = ObjectKey::new(&request.namespace, &request.name);
    match (request.name.is_empty(), request.subresource.is_empty()) {
        (true, _) => path::collection(&request.kind, &request.namespace),
        (false, true) => path::object(&request.kind, &key),
        (false, false) => path::subresource(&request.kind, &key, &request.subresource),
    }
}

fn query(request: &Request) -> String {
    let Options {
        label_selector,
        field_selector,
        resource_version,
        resource_version_match,
        limit,
        continue_token,
        field_manager,
        field_validation,
        force,
        dry_run,
        propagation_policy,
        grace_period_seconds,
        allow_watch_bookmarks,
        send_initial_events,
        timeout_seconds,
        parameters,
    } = &request.options;
    let flag = |set: bool, word: &str| if set { word.to_owned() } else { String::new() };
    let number = |n: u64| if n == 0 { String::new() } else { n.to_string() };
    let pairs = [
        ("watch", flag(request.verb == Verb::Watch, "true")),
        ("labelSelector", label_selector.clone()),
        ("fieldSelector", field_selector.clone()),
        ("resourceVersion", resource_version.clone()),
        ("resourceVersionMatch", resource_version_match.clone()),
        ("limit", number(*limit as u64)),
        ("continue", continue_token.clone()),
        ("fieldManager", flag(request.verb.mutates(), field_manager)),
        ("fieldValidation", field_validation.clone()),
        ("force", flag(*force, "true")),
        ("dryRun", flag(*dry_run, "All")),
        ("propagationPolicy", propagation_policy.clone()),
        (
            "gracePeriodSeconds",
            grace_period_seconds
                .map(|s| s.to_string())
                .unwrap_or_default(),
        ),
        ("allowWatchBookmarks", flag(*allow_watch_bookmarks, "true")),
        (
            "sendInitialEvents",
            send_initial_events
                .map(|all| all.to_string())
                .unwrap_or_default(),
        ),
        ("timeoutSeconds", number(*timeout_seconds)),
    ];
    let mut query = String::new();
    let connection = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value));
    let all = pairs
        .iter()
        .map(|(name, value)| (*name, value))
        .chain(connection);
    for (name, value) in all.filter(|(_, value)| !value.is_empty()) {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        percent_encode(value, &mut query);
    }
    query
}

/// Keeps RFC 3986's unreserved characters and encodes the rest.
fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

pub(super) fn refusal(code: u16, body: &[u8]) -> Status {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        Status::failure(
            code,
            "Unknown",
            format!(
                "the server answered {code}: {}",
                String::from_utf8_lossy(body)
            ),
        )
    })
}

/// Items of a list come without `kind` and `apiVersion`; a client that knows which list it asked for puts them back.
pub(super) fn answer(kind: &KindRef, body: &[u8]) -> Result<Answer, Status> {
    let mut value: Value = serde_json::from_slice(body)
        .map_err(|e| Status::internal(format!("the answer is no JSON: {e}")))?;
    let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
        return Ok(Answer::Object(Object::new(value)));
    };
    let at = |p: &str| value.pointer(p).and_then(Value::as_str).unwrap_or_default();
    let item_kind = at("/kind")
        .strip_suffix("List")
        .unwrap_or_default()
        .to_owned();
    let items = items.into_iter().map(|mut item| {
        if let Some(map) = item.as_object_mut() {
            map.entry("kind")
                .or_insert_with(|| item_kind.as_str().into());
            map.entry("apiVersion")
                .or_insert_with(|| kind.api_version().into());
        }
        Object::new(item)
    });
    Ok(Answer::List {
        revision: Revision(at("/metadata/resourceVersion").parse().unwrap_or(0)),
        items: items.collect(),
        continue_token: at("/metadata/continue").to_owned(),
    })
}

pub(super) fn watch_item(line: &[u8]) -> Result<WatchItem, Status> {
    let mut frame: Value = serde_json::from_slice(line)
        .map_err(|e| Status::internal(format!("a watch frame is no JSON: {e}")))?;
    let object = frame.get_mut("object").map(Value::take).unwrap_or_default();
    let change = match frame
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
    {
        "ADDED" => Change::Added,
        "MODIFIED" => Change::Modified,
        "DELETED" => Change::Deleted,
        "BOOKMARK" => return Ok(WatchItem::Bookmark(Object::new(object).revision())),
        _ => {
            let unknown = |_| Status::internal("a watch ended without saying why");
            return Err(serde_json::from_value(object).unwrap_or_else(unknown));
        }
    };
    Ok(WatchItem::Event(WatchEvent {
        change,
        object: Object::new(object),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_addressed_as_kubectl_addresses_them() {
        let pods = KindRef::new("", "v1", "pods");
        let key = ObjectKey::new("a", "p");
        let mut list = Request::list(KindRef::new("apps", "v1", "deployments"), "");
        list.options.label_selector = "app in (x,y)".into();
        for (request, want) in [
            (
                Request::get(pods.clone(), &key),
                "/api/v1/namespaces/a/pods/p",
            ),
            (
                Request::get(pods, &key).on("log"),
                "/api/v1/namespaces/a/pods/p/log",
            ),
            (
                list,
                "/apis/apps/v1/deployments?labelSelector=app%20in%20%28x%2Cy%29",
            ),
        ] {
            assert_eq!(format!("{}{}", target(&request), query(&request)), want);
        }
    }

    #[test]
    fn lists_get_their_kinds_back() {
        let body = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"p"}}]}"#;
        let Ok(Answer::List {
            revision, items, ..
        }) = answer(&KindRef::new("", "v1", "pods"), body)
        else {
            panic!("a list");
        };
        assert_eq!(
            (revision, items[0].kind(), items[0].api_version()),
            (Revision(7), "Pod", "v1")
        );
    }

    #[test]
    fn watch_frames_are_read() {
        let event = watch_item(br#"{"type":"DELETED","object":{"metadata":{"name":"p"}}}"#);
        assert!(matches!(
            event,
            Ok(WatchItem::Event(WatchEvent {
                change: Change::Deleted,
                ..
            }))
        ));
        let gone = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old","reason":"Expired","code":410}}"#;
        assert_eq!(watch_item(gone).map_err(|s| s.code), Err(410));
        assert!(watch_item(b"nonsense").is_err());
    }
}
