//! What takes a write back, where the API allows it: what was created is deleted, what was changed is put back, what
//! was deleted is made again (as a new object: its uid, status and age are its own).

use serde_json::{Map, Value};
use shared::path::ResourcePath;
use shared::{Object, ObjectKey, scenario};

use super::cluster::Cluster;
use crate::backend::call::{self, Call};

/// The call that takes `call` back, judged before it is sent; `None` when nothing can. The answer to a creation says
/// which name it got, so that one is told by [`created`].
#[must_use]
pub fn inverse(call: &Call, cluster: &Cluster) -> Option<Call> {
    if let Some(power) = power(call) {
        return Some(power);
    }
    let at = ResourcePath::parse(call.path.split('?').next()?)?;
    let key = ObjectKey::new(at.namespace.as_deref().unwrap_or(""), at.name.as_deref()?);
    let before = cluster.get(&at.kind.plural, &key)?;
    match (call.method, at.subresource.as_deref()) {
        ("DELETE", None) if before.controller().is_none() => {
            call::create(scenario::clean(before).value())
        }
        ("PUT", None) => {
            let mut back = before.to_value();
            // Whoever undoes wants what was there, whatever version it is by then.
            drop_field(&mut back, "resourceVersion");
            call::replace(&back)
        }
        ("PATCH", None | Some("scale")) => {
            let back = restore(call.body.as_ref()?, Some(before.value()));
            let mut undo = call::patch(&at.kind, &key, "merge", &back);
            undo.path.clone_from(&call.path);
            Some(undo)
        }
        _ => None,
    }
}

/// The call that removes what a creation answered.
#[must_use]
pub fn created(call: &Call, answer: &Value) -> Option<Call> {
    let at = ResourcePath::parse(call.path.split('?').next()?)?;
    if call.method != "POST" || at.name.is_some() {
        return None;
    }
    let object = Object::new(answer.clone());
    (!object.name().is_empty()).then(|| call::delete(&at.kind, &object.key()))
}

/// Stopping and starting take each other back.
fn power(call: &Call) -> Option<Call> {
    let rest = call.path.strip_prefix("/glasshouse/v1/nodes/")?;
    let (node, verb) = rest.split_once('/')?;
    Some(call::node_power(
        &super::route::unescape(node),
        verb == "stop",
    ))
}

fn drop_field(object: &mut Value, field: &str) {
    if let Some(meta) = object
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        meta.remove(field);
    }
}

/// The merge patch that puts back what `patch` touches: maps are walked, everything else is taken as it was.
fn restore(patch: &Value, before: Option<&Value>) -> Value {
    match patch {
        Value::Object(fields) => {
            let back: Map<String, Value> = fields
                .iter()
                .map(|(k, v)| (k.clone(), restore(v, before.and_then(|b| b.get(k)))))
                .collect();
            Value::Object(back)
        }
        _ => before.cloned().unwrap_or(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::live::Message;
    use shared::{KindRef, Revision};

    use super::*;

    fn cluster() -> Cluster {
        let mut c = Cluster::default();
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7", "uid": "u", "labels": {"a": "1"}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}});
        c.apply(Message::Snapshot {
            kind: KindRef::new("apps", "v1", "deployments"),
            revision: Revision(7),
            items: vec![Object::new(deployment)],
        });
        c
    }

    fn check(call: &Call, want: &str) {
        let undo = inverse(call, &cluster());
        let shown = undo.map_or_else(
            || "nothing".into(),
            |u| format!("{} {} {}", u.method, u.path, u.body.unwrap_or_default()),
        );
        assert_eq!(shown, want);
    }

    #[test]
    fn writes_are_taken_back() {
        let kind = KindRef::new("apps", "v1", "deployments");
        let web = ObjectKey::new("shop", "web");
        let at = "/apis/apps/v1/namespaces/shop/deployments";
        check(
            &call::scale(&web, 5),
            &format!(r#"PATCH {at}/web/scale {{"spec":{{"replicas":2}}}}"#),
        );
        let patch = json!({"metadata": {"labels": {"a": "2", "b": "3"}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "j"}]}}}});
        check(
            &call::patch(&kind, &web, "strategic", &patch),
            &format!(
                r#"PATCH {at}/web {{"metadata":{{"labels":{{"a":"1","b":null}}}},"spec":{{"template":{{"spec":{{"containers":[{{"image":"i","name":"c"}}]}}}}}}}}"#
            ),
        );
        check(
            &call::delete(&kind, &web),
            &format!(
                r#"POST {at} {{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"labels":{{"a":"1"}},"name":"web","namespace":"shop"}},"spec":{{"replicas":2,"template":{{"spec":{{"containers":[{{"image":"i","name":"c"}}]}}}}}}}}"#
            ),
        );
        check(
            &call::delete(&kind, &ObjectKey::new("shop", "gone")),
            "nothing",
        );
        check(&call::bind(&web, "node-1"), "nothing");
        check(
            &call::node_power("node-2", false),
            "POST /glasshouse/v1/nodes/node-2/start null",
        );
    }

    #[test]
    fn what_was_created_is_deleted_by_the_name_it_got() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"}});
        let call = call::create(&pod).unwrap();
        let answer = json!({"metadata": {"name": "web-x2", "namespace": "default"}});
        let undo = created(&call, &answer).unwrap();
        assert_eq!(undo.path, "/api/v1/namespaces/default/pods/web-x2");
        assert_eq!(created(&undo, &answer), None);
    }
}
