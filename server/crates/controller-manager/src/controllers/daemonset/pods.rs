//! Pods that a DaemonSet lacks, and pods that it has too many of.

use client::Request;
use serde_json::{Value, json};
use shared::{Millis, Object};

use super::placement::tolerations;
use super::{BURST, HASH_LABEL, Round};
use crate::controllers::deployment::set as put;
use crate::meta::{about, has_ended, pod_from_template, pods};
use crate::plan::{Said, Write, earlier};

/// A failed pod stays so long before it is replaced, in seconds, so that one that fails at once does not spin.
const FAILED_STAYS_S: u64 = 10;
const GENERATION: &str = "pod-template-generation";
const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";

/// Creates and deletes until every node that should has one pod; when to look again.
pub(super) fn steps(round: &Round<'_>) -> (Vec<Write>, Option<Millis>) {
    let (mut create, mut delete, mut again) = (Vec::new(), Vec::new(), None);
    for (node, place) in &round.nodes {
        let pods = round.on(node);
        if !place.may_stay {
            delete.extend(pods.iter().filter(|p| p.deletion().is_none()).copied());
            continue;
        }
        let mut alive = Vec::new();
        for pod in pods.iter().filter(|p| p.deletion().is_none()) {
            match failed_until(pod).filter(|_| has_ended(pod)) {
                Some(at) if at <= round.now => delete.push(*pod),
                Some(at) => again = earlier(again, Some(at)),
                None => alive.push(*pod),
            }
        }
        if pods.is_empty() && place.may_start {
            create.push(*node);
        }
        delete.extend(surplus(round, &alive));
    }
    let known = |node: &&&str| round.nodes.contains_key(**node);
    for node in round.pods.keys().filter(|n| !known(n)) {
        let unplaced = |p: &&&Object| p.text("/spec/nodeName").is_empty() && p.deletion().is_none();
        delete.extend(round.on(node).iter().filter(unplaced).copied());
    }
    let created = create
        .iter()
        .take(BURST)
        .map(|node| self::create(round, node));
    let deleted = delete
        .iter()
        .take(BURST)
        .map(|pod| self::delete(round, pod));
    (created.chain(deleted).collect(), again)
}

/// All but one pod of a node. While an update surges, an old and a new one stand side by side.
fn surplus<'a>(round: &Round<'_>, alive: &[&'a Object]) -> Vec<&'a Object> {
    let (new, old): (Vec<&Object>, Vec<&Object>) =
        alive.iter().copied().partition(|p| round.is_updated(p));
    let keep_both = super::update::surge(round) > 0
        && new.first().is_some_and(|p| !round.is_available(p))
        && !old.is_empty();
    match (old.is_empty(), keep_both) {
        (false, true) => new
            .into_iter()
            .skip(1)
            .chain(old.into_iter().skip(1))
            .collect(),
        (false, false) if !new.is_empty() => new.into_iter().skip(1).chain(old).collect(),
        _ => alive.iter().skip(1).copied().collect(),
    }
}

fn failed_until(pod: &Object) -> Option<Millis> {
    let statuses = pod.items("/status/containerStatuses").iter();
    let ended = statuses.filter_map(|s| {
        let at = s.pointer("/state/terminated/finishedAt")?.as_str()?;
        Millis::parse_rfc3339(at)
    });
    let ended = ended.max().or(pod.created())?;
    Some(ended.plus_secs(FAILED_STAYS_S))
}

/// A pod for a node.
pub(super) fn create(round: &Round<'_>, node: &str) -> Write {
    let set = round.set;
    let mut pod = pod_from_template(set, "apps/v1", "DaemonSet");
    let hash = round.hash.as_str().into();
    put(&mut pod, &["metadata", "labels", HASH_LABEL], hash);
    if let Some(generation) = set.annotation(GENERATION_ANNOTATION) {
        put(
            &mut pod,
            &["metadata", "labels", GENERATION],
            generation.into(),
        );
    }
    let tolerations = tolerations(pod.get("spec").unwrap_or(&Value::Null));
    put(&mut pod, &["spec", "tolerations"], tolerations.into());
    let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
    let path = [
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
    ];
    put(
        &mut pod,
        &path,
        json!({"nodeSelectorTerms": [{"matchFields": [field]}]}),
    );
    let about = about(set, "apps/v1", "DaemonSet");
    Write::new(Request::create(pods(), pod))
        .saying(Said::normal(
            about.clone(),
            "SuccessfulCreate",
            "Created pod: {name}".into(),
        ))
        .saying_if_refused(Said::warning(
            about,
            "FailedCreate",
            "Error creating: {error}".into(),
        ))
}

/// Deletes a pod, and says so.
pub(super) fn delete(round: &Round<'_>, pod: &Object) -> Write {
    let about = about(round.set, "apps/v1", "DaemonSet");
    let said = match pod.text("/status/phase") {
        "Failed" => Said::warning(
            about,
            "FailedDaemonPod",
            format!(
                "Found failed daemon pod {} on node {}, will try to kill it",
                pod.key(),
                super::target(pod)
            ),
        ),
        _ => Said::normal(
            about,
            "SuccessfulDelete",
            format!("Deleted pod: {}", pod.name()),
        ),
    };
    Write::new(Request::delete(pods(), &pod.key(), pod.uid())).saying(said)
}

/// A number or a percentage of `total`, rounded up.
pub(crate) fn scaled(value: Option<&Value>, total: usize) -> usize {
    let percent = |text: &str| text.strip_suffix('%')?.parse::<usize>().ok();
    match value {
        Some(Value::String(text)) => {
            percent(text).map_or(0, |p| total.saturating_mul(p).div_ceil(100))
        }
        Some(number) => number
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0),
        None => 0,
    }
}
