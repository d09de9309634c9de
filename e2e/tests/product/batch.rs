//! Jobs, CronJobs, DaemonSets and StatefulSets with real containers, and who leads.

use anyhow::Result;
use e2e::Cluster;

const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: NAME}, spec: {backoffLimit: 0, MORE \
    template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: main, image: 'IMAGE'}]}}}}";

fn job(name: &str, image: &str, more: &str) -> String {
    JOB.replace("NAME", name)
        .replace("IMAGE", image)
        .replace("MORE", more)
}

#[test]
fn jobs_complete_fail_and_count_their_indexes() -> Result<()> {
    let cluster = Cluster::start(2)?;
    let counter = "glasshouse.dev/counter-cli:latest";
    let manifests = [
        job(
            "three",
            counter,
            "completions: 3, parallelism: 2, completionMode: Indexed,",
        ),
        job("bad", "glasshouse.dev/crash:latest", ""),
        job("gone", counter, "ttlSecondsAfterFinished: 1,"),
        job("later", counter, "suspend: true,"),
    ];
    cluster.kubectl_with("apply -f -", &manifests.join("\n---\n"))?;
    cluster.wait("job/three --for=condition=Complete")?;
    assert_eq!(
        cluster.kubectl(
            "get job three -o 'jsonpath={.status.completedIndexes} {.status.succeeded}'"
        )?,
        "0-2 3"
    );
    cluster.wait("job/bad --for=condition=Failed")?;
    let why = cluster
        .kubectl("get job bad -o 'jsonpath={.status.conditions[-1].reason} {.status.failed}'")?;
    assert_eq!(why, "BackoffLimitExceeded 1");
    cluster.wait("job/gone --for=delete")?;
    assert_eq!(
        cluster.kubectl("get pods -l batch.kubernetes.io/job-name=later -o name")?,
        ""
    );
    cluster.kubectl("patch job later -p '{\"spec\":{\"suspend\":false}}'")?;
    cluster.wait("job/later --for=condition=Complete")?;
    cluster.kubectl("delete jobs --all")?;
    cluster.wait("pods --all --for=delete")?;
    Ok(())
}

#[test]
fn budgets_hold_back_evictions_and_quotas_count() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl("create deployment web --image=nginx --replicas=2")?;
    cluster.kubectl("create poddisruptionbudget keep --min-available=2 --selector=app=web")?;
    cluster.kubectl("create quota few --hard=pods=9")?;
    cluster.wait("deployment/web --for=jsonpath={.status.readyReplicas}=2")?;
    cluster.wait("pdb/keep --for=jsonpath={.status.currentHealthy}=2")?;
    cluster.wait("quota/few --for=jsonpath={.status.used.pods}=2")?;
    let refused = cluster.kubectl_refused("drain node-1 node-2 --force --timeout=1s")?;
    assert!(
        refused.contains("Cannot evict pod as it would violate the pod's disruption budget"),
        "{refused}"
    );
    cluster.kubectl("uncordon node-1 node-2")?;
    cluster.kubectl("delete pdb keep")?;
    cluster.kubectl("drain node-1 --force --timeout=60s")?;
    cluster.wait("deployment/web --for=jsonpath={.status.readyReplicas}=2")?;
    Ok(())
}
