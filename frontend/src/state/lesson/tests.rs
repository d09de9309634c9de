//! Following a scenario without a browser.

use shared::Revision;
use shared::live::Message;

use super::*;

fn cluster(plural: &str, objects: Vec<Value>) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(Message::Snapshot {
        kind: KindRef::new("", "v1", plural),
        revision: Revision(1),
        items: objects.into_iter().map(Object::new).collect(),
    });
    cluster
}

fn lesson(value: Value) -> Lesson {
    Lesson::new(serde_json::from_value(value).unwrap(), Millis(10_000))
}

#[test]
fn the_library_is_read_and_good() {
    let all = library();
    assert!(all.len() >= 10);
    for (name, scenario) in all {
        assert_eq!(scenario.validate(), Ok(()), "{name}");
    }
}

#[test]
fn what_came_true_stays_true() {
    let mut lesson = lesson(json!({"steps": [
        {"title": "a", "checks": [{"name": "there", "expression": "pods.exists(p, p.metadata.name == 'web')"}]},
        {"title": "b", "checks": [{"name": "gone", "expression": "pods.size() == 0"}]}]}));
    let web = json!({"metadata": {"name": "web", "namespace": "default"}});
    assert!(!lesson.look(&cluster("pods", vec![])));
    assert!(lesson.look(&cluster("pods", vec![web])));
    assert!(!lesson.look(&cluster("pods", vec![])), "nothing is new");
    assert!(
        lesson.is_done(0) && !lesson.is_over(),
        "the second step is not in front"
    );
    lesson.step = 1;
    assert!(lesson.look(&cluster("pods", vec![])) && lesson.is_over());
    let stored = serde_json::to_string(&lesson).unwrap();
    assert_eq!(serde_json::from_str::<Lesson>(&stored).unwrap(), lesson);
}

#[test]
fn system_pods_do_not_count() {
    let own = json!({"metadata": {"name": "a", "namespace": "kube-system"}});
    let expression = Expression::parse("pods.size() == 0").unwrap();
    assert!(holds(&expression, &cluster("pods", vec![own])));
}

#[test]
fn moments_come_once_and_in_order() {
    let mut lesson = lesson(json!({"timeline": [
        {"afterSeconds": 9, "label": "late", "do": []},
        {"afterSeconds": 2, "label": "soon", "do": [{"stopNode": "node-1"}]}]}));
    let labels = |l: &mut Lesson, now| {
        l.due(Millis(now))
            .into_iter()
            .map(|d| d.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(labels(&mut lesson, 11_999), [""; 0]);
    assert_eq!(labels(&mut lesson, 12_000), ["soon"]);
    assert_eq!(labels(&mut lesson, 12_000), [""; 0]);
    assert_eq!(labels(&mut lesson, 99_000), ["late"]);
    assert_eq!(lesson.stops().into_iter().collect::<Vec<_>>(), ["node-1"]);
}

#[test]
fn a_reset_removes_what_was_made_last_first() {
    let object = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let lesson = lesson(
        json!({"objects": [object("Namespace", "shop"), object("ConfigMap", "m")],
        "steps": [{"title": "t", "actions": [{"label": "l", "do": [
            {"create": object("Pod", "p")}, {"replace": object("ConfigMap", "m")}]}]}]}),
    );
    let names: Vec<String> = lesson.makes().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["pods/default/p", "configmaps/default/m", "namespaces/shop"]
    );
}

#[test]
fn places_are_set_once_and_leave_what_the_cluster_set() {
    let place = Place {
        node: "n".into(),
        labels: [("disk".to_owned(), "ssd".to_owned())].into(),
        taints: vec![json!({"key": "mine", "effect": "NoSchedule"})],
    };
    let own = json!({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"});
    let node = |taints: Value, labels: Value| {
        cluster(
            "nodes",
            vec![json!({"metadata": {"name": "n", "labels": labels}, "spec": {"taints": taints}})],
        )
    };
    let before = node(json!([own]), json!({}));
    let call = settle(&place, &before).unwrap();
    assert_eq!(
        call.body.unwrap(),
        json!({"metadata": {"labels": {"disk": "ssd"}},
        "spec": {"taints": [own, {"key": "mine", "effect": "NoSchedule"}]}})
    );
    assert_eq!(unsettle(&place, &before), None);
    let after = node(
        json!([own, {"key": "mine", "effect": "NoSchedule"}]),
        json!({"disk": "ssd"}),
    );
    assert_eq!(settle(&place, &after), None);
    let back = unsettle(&place, &after).unwrap();
    assert_eq!(
        back.body.unwrap(),
        json!({"metadata": {"labels": {"disk": null}}, "spec": {"taints": [own]}})
    );
}
