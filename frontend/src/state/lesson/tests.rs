//! Following a scenario without a browser.

use serde_json::json;
use shared::Revision;
use shared::live::Message;

use super::*;

pub(super) fn cluster(plural: &str, objects: Vec<Value>) -> Cluster {
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
    assert!(!lesson.look(&cluster("pods", vec![]), &Read::new()));
    assert!(lesson.look(&cluster("pods", vec![web]), &Read::new()));
    assert!(
        !lesson.look(&cluster("pods", vec![]), &Read::new()),
        "nothing is new"
    );
    assert!(
        lesson.is_done(0) && !lesson.is_over(),
        "the second step is not in front"
    );
    lesson.step = 1;
    assert!(lesson.look(&cluster("pods", vec![]), &Read::new()) && lesson.is_over());
    let stored = serde_json::to_string(&lesson).unwrap();
    assert_eq!(serde_json::from_str::<Lesson>(&stored).unwrap(), lesson);
}

#[test]
fn system_pods_do_not_count() {
    let own = json!({"metadata": {"name": "a", "namespace": "kube-system"}});
    let expression = Expression::parse("pods.size() == 0").unwrap();
    assert!(holds(
        &expression,
        &cluster("pods", vec![own]),
        &Read::new()
    ));
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
}

#[test]
fn what_was_not_read_is_unknown_and_not_empty() {
    let lesson = lesson(json!({"steps": [{"title": "t", "checks": [
        {"name": "a", "expression": "jobs.all(j, j.status.succeeded == 1)"},
        {"name": "b", "expression": "pods.size() == 0 && jobs.size() == 1"}]}]}));
    let pods = cluster("pods", vec![]);
    assert_eq!(lesson.unseen(&pods), ["jobs".to_owned()].into());
    let job =
        json!({"metadata": {"name": "j", "namespace": "default"}, "status": {"succeeded": 1}});
    for (read, want) in [
        (Read::new(), false),
        (
            Read::from([("jobs".to_owned(), vec![Object::new(job)])]),
            true,
        ),
    ] {
        let mut lesson = lesson.clone();
        lesson.look(&pods, &read);
        assert_eq!(lesson.is_done(0), want);
        assert_eq!(
            lesson.unseen(&pods).is_empty(),
            want,
            "what is done needs no reading"
        );
    }
    let mut early = lesson;
    assert!(
        !early.look(&Cluster::default(), &Read::new()),
        "before the first list nothing holds"
    );
}

#[test]
fn a_timeline_alone_is_a_course() {
    let timeline = json!({"timeline": [{"afterSeconds": 1, "label": "l", "do": []}]});
    let mut lesson = lesson(timeline);
    assert!(Lesson::has_course(&lesson.scenario) && !lesson.is_over());
    lesson.due(Millis(11_000));
    assert!(lesson.is_over());
    assert!(!Lesson::has_course(&Scenario::default()));
}
