//! Jobs and CronJobs, case by case.

use expect_test::expect;
use serde_json::{Value, json};

use super::{World, check};

fn job(name: &str, spec: Value) -> Value {
    let mut value = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "d"},
        "spec": {
            "parallelism": 1, "completions": 1, "backoffLimit": 6,
            "selector": {"matchLabels": {"job": name}},
            "template": {"metadata": {"labels": {"job": name}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}},
        },
    });
    for (field, to) in spec.as_object().expect("fields") {
        value["spec"][field] = to.clone();
    }
    value
}

#[test]
fn a_job_runs_a_pod_to_its_end() {
    check(
        |w| {
            w.put(job("j", json!({})));
            w.run_pods("n1");
            let active = w.status("jobs", "j");
            w.note(&active);
            w.end_pod("j-1", 0);
            let done = w.status("jobs", "j");
            w.note(&done);
            let pod = w.object("pods", "j-1");
            let finalizers = pod.items("/metadata/finalizers").len();
            w.note(&format!("{finalizers} finalizers left"));
        },
        expect![[r#"
            create pods j-1
            update jobs/status j
              SuccessfulCreate Job/j: Created pod: j-1
            update jobs/status j
            -- {"active":1,"ready":1,"startTime":"2026-11-23T06:25:38Z","terminating":0,"uncountedTerminatedPods":{}}
            update jobs/status j
            patch pods j-1
            update jobs/status j
              Completed Job/j: Job completed
            -- {"completionTime":"2026-11-23T06:25:38Z","conditions":[{"lastProbeTime":"2026-11-23T06:25:38Z","lastTransitionTime":"2026-11-23T06:25:38Z","message":"Reached expected number of succeeded pods","reason":"CompletionsReached","status":"True","type":"SuccessCriteriaMet"},{"lastProbeTime":"2026-11-23T06:25:38Z","lastTransitionTime":"2026-11-23T06:25:38Z","message":"Reached expected number of succeeded pods","reason":"CompletionsReached","status":"True","type":"Complete"}],"ready":0,"startTime":"2026-11-23T06:25:38Z","succeeded":1,"terminating":0,"uncountedTerminatedPods":{}}
            -- 0 finalizers left
        "#]],
    );
}

#[test]
fn failures_are_tried_again_later_and_later_until_the_limit() {
    check(
        |w| {
            w.put(job("j", json!({"backoffLimit": 2})));
            w.run_pods("n1");
            for pause in [10, 20, 0] {
                let name = w.pod_of("j-");
                w.end_pod(&name, 1);
                w.note(&format!("{pause} s later"));
                w.after_secs(pause);
                w.run_pods("n1");
            }
            let done = w.status("jobs", "j");
            w.note(&done);
        },
        expect![[r#"
            create pods j-1
            update jobs/status j
              SuccessfulCreate Job/j: Created pod: j-1
            update jobs/status j
            update jobs/status j
            patch pods j-1
            update jobs/status j
            -- 10 s later
            create pods j-2
            update jobs/status j
              SuccessfulCreate Job/j: Created pod: j-2
            update jobs/status j
            update jobs/status j
            patch pods j-2
            update jobs/status j
            -- 20 s later
            create pods j-3
            update jobs/status j
              SuccessfulCreate Job/j: Created pod: j-3
            update jobs/status j
            update jobs/status j
            patch pods j-3
            update jobs/status j
              BackoffLimitExceeded Job/j: Job has reached the specified backoff limit
            -- 0 s later
            -- {"conditions":[{"lastProbeTime":"2026-11-23T06:26:08Z","lastTransitionTime":"2026-11-23T06:26:08Z","message":"Job has reached the specified backoff limit","reason":"BackoffLimitExceeded","status":"True","type":"FailureTarget"},{"lastProbeTime":"2026-11-23T06:26:08Z","lastTransitionTime":"2026-11-23T06:26:08Z","message":"Job has reached the specified backoff limit","reason":"BackoffLimitExceeded","status":"True","type":"Failed"}],"failed":3,"ready":0,"startTime":"2026-11-23T06:25:38Z","terminating":0,"uncountedTerminatedPods":{}}
        "#]],
    );
}

#[test]
fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    check(
        |w| {
            w.put(job(
                "j",
                json!({"suspend": true, "parallelism": 2, "completions": 2}),
            ));
            w.note("resumed");
            w.change("jobs", "j", |j| j["spec"]["suspend"] = false.into());
            w.note("suspended");
            w.change("jobs", "j", |j| j["spec"]["suspend"] = true.into());
            let status = w.status("jobs", "j");
            w.note(&status);
        },
        expect![[r#"
            update jobs/status j
              Suspended Job/j: Job suspended
            -- resumed
            create pods j-1
            create pods j-2
            update jobs/status j
              SuccessfulCreate Job/j: Created pod: j-1
              SuccessfulCreate Job/j: Created pod: j-2
              Resumed Job/j: Job resumed
            -- suspended
            patch pods j-1
            patch pods j-2
            delete pods j-1
            delete pods j-2
            update jobs/status j
              SuccessfulDelete Job/j: Deleted pod: j-1
              SuccessfulDelete Job/j: Deleted pod: j-2
            update jobs/status j
            -- {"conditions":[{"lastProbeTime":"2026-11-23T06:25:38Z","lastTransitionTime":"2026-11-23T06:25:38Z","message":"Job suspended","reason":"JobSuspended","status":"True","type":"Suspended"}],"ready":0,"terminating":0,"uncountedTerminatedPods":{}}
        "#]],
    );
}

#[test]
fn indexes_are_completed_one_by_one() {
    let mut w = World::new();
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 2});
    w.put(job("j", spec));
    w.run_pods("n1");
    let first = w.object("pods", &w.pod_of("j-0-"));
    let shown = [
        first.text("/spec/hostname").to_owned(),
        first
            .label("batch.kubernetes.io/job-completion-index")
            .unwrap_or_default()
            .to_owned(),
        first
            .at("/spec/containers/0/env")
            .cloned()
            .unwrap_or_default()
            .to_string(),
    ];
    let mut seen = vec![shown.join(" ")];
    for index in [1, 0, 2] {
        let name = w.pod_of(&format!("j-{index}-"));
        w.end_pod(&name, 0);
        w.run_pods("n1");
        seen.push(
            w.object("jobs", "j")
                .text("/status/completedIndexes")
                .to_owned(),
        );
    }
    seen.push(w.status("jobs", "j"));
    expect![[r#"
        j-0 0 [{"name":"JOB_COMPLETION_INDEX","valueFrom":{"fieldRef":{"fieldPath":"metadata.annotations['batch.kubernetes.io/job-completion-index']"}}}]
        1
        0,1
        0-2
        {"completedIndexes":"0-2","completionTime":"2026-11-23T06:25:38Z","conditions":[{"lastProbeTime":"2026-11-23T06:25:38Z","lastTransitionTime":"2026-11-23T06:25:38Z","message":"Reached expected number of succeeded pods","reason":"CompletionsReached","status":"True","type":"SuccessCriteriaMet"},{"lastProbeTime":"2026-11-23T06:25:38Z","lastTransitionTime":"2026-11-23T06:25:38Z","message":"Reached expected number of succeeded pods","reason":"CompletionsReached","status":"True","type":"Complete"}],"ready":0,"startTime":"2026-11-23T06:25:38Z","succeeded":3,"terminating":0,"uncountedTerminatedPods":{}}
    "#]].assert_eq(&(seen.join("\n") + "\n"));
}

#[test]
fn rules_about_failures_end_or_spare_a_job() {
    let rules = json!({"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]});
    let mut w = World::new();
    w.put(job(
        "j",
        json!({"podFailurePolicy": rules, "backoffLimit": 0, "podReplacementPolicy": "Failed"}),
    ));
    w.run_pods("n1");
    let name = w.pod_of("j-");
    w.change("pods", &name, |p| {
        p["status"]["phase"] = "Failed".into();
        p["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True"}]);
    });
    w.after_secs(30);
    w.run_pods("n1");
    let spared = w.object("jobs", "j").int("/status/failed");
    let name = w.pod_of("j-");
    w.end_pod(&name, 42);
    let failed = w.object("jobs", "j");
    let condition = crate::meta::condition(&failed, "Failed")
        .cloned()
        .unwrap_or_default();
    expect![[r#"
        None {"lastProbeTime":"2026-11-23T06:26:08Z","lastTransitionTime":"2026-11-23T06:26:08Z","message":"Container c for pod d/j-2 failed with exit code 42 matching FailJob rule at index 0","reason":"PodFailurePolicy","status":"True","type":"Failed"}
    "#]]
    .assert_eq(&format!("{spared:?} {condition}\n"));
}

#[test]
fn a_job_ends_at_its_deadline_and_goes_after_its_time() {
    check(
        |w| {
            w.put(job(
                "j",
                json!({"activeDeadlineSeconds": 5, "ttlSecondsAfterFinished": 60}),
            ));
            w.run_pods("n1");
            w.note("5 s later");
            w.after_secs(5);
            w.run_pods("n1");
            w.note("a minute later");
            w.after_secs(60);
            let left = (w.names("jobs"), w.names("pods"));
            w.note(&format!("{left:?}"));
        },
        expect![[r#"
            create pods j-1
            update jobs/status j
              SuccessfulCreate Job/j: Created pod: j-1
            update jobs/status j
            -- 5 s later
            delete pods j-1
            update jobs/status j
              SuccessfulDelete Job/j: Deleted pod: j-1
            update jobs/status j
            patch pods j-1
            update jobs/status j
            update jobs/status j
              DeadlineExceeded Job/j: Job was active longer than specified deadline
            -- a minute later
            delete jobs j
            patch jobs j
            -- ([], [])
        "#]],
    );
}

#[test]
fn pods_of_a_deleted_job_are_not_held() {
    for policy in ["Background", "Foreground", "Orphan"] {
        let mut w = World::new();
        w.put(job("j", json!({"parallelism": 2, "completions": 2})));
        w.run_pods("n1");
        w.delete("jobs", "j", policy);
        w.run_pods("n1");
        w.run_pods("n1");
        let pods = w.names("pods").len();
        let held = w
            .api
            .list("pods")
            .iter()
            .any(|p| !p.items("/metadata/finalizers").is_empty());
        assert_eq!((w.names("jobs").len(), held), (0, false), "{policy}");
        assert_eq!(pods, if policy == "Orphan" { 2 } else { 0 }, "{policy}");
    }
}

fn cron_job(spec: Value) -> Value {
    let mut value = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "d"},
        "spec": {
            "schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "suspend": false,
            "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": job("x", json!({}))["spec"].clone()},
        },
    });
    for (field, to) in spec.as_object().expect("fields") {
        value["spec"][field] = to.clone();
    }
    value
}

#[test]
fn a_cron_job_starts_jobs_and_keeps_few_of_the_finished() {
    check(
        |w| {
            w.put(cron_job(json!({})));
            for _ in 0..2 {
                w.note("5 minutes later");
                w.after_secs(300);
                w.run_pods("n1");
                let name = w.pod_of("c-");
                w.end_pod(&name, 0);
            }
            let status = w.status("cronjobs", "c");
            w.note(&status);
            let names = w.names("jobs");
            w.note(&format!("{names:?}"));
        },
        expect![[r#"
            -- 5 minutes later
            create jobs c-29923590
              SuccessfulCreate CronJob/c: Created job c-29923590
            update cronjobs/status c
            create pods c-29923590-1
            update jobs/status c-29923590
              SuccessfulCreate Job/c-29923590: Created pod: c-29923590-1
            update cronjobs/status c
            update jobs/status c-29923590
            update jobs/status c-29923590
            patch pods c-29923590-1
            update jobs/status c-29923590
              Completed Job/c-29923590: Job completed
            update cronjobs/status c
              SawCompletedJob CronJob/c: Saw completed job: c-29923590, condition: Complete
            -- 5 minutes later
            create jobs c-29923595
            delete pods c-29923590-1
              SuccessfulCreate CronJob/c: Created job c-29923595
            update cronjobs/status c
            create pods c-29923595-2
            update jobs/status c-29923595
              SuccessfulCreate Job/c-29923595: Created pod: c-29923595-2
            update cronjobs/status c
            update jobs/status c-29923595
            update jobs/status c-29923595
            patch pods c-29923595-2
            update jobs/status c-29923595
              Completed Job/c-29923595: Job completed
            delete jobs c-29923590
              SuccessfulDelete CronJob/c: Deleted job c-29923590
            update cronjobs/status c
              SawCompletedJob CronJob/c: Saw completed job: c-29923595, condition: Complete
            -- {"lastScheduleTime":"2026-11-23T06:35:00Z","lastSuccessfulTime":"2026-11-23T06:35:38Z"}
            -- ["c-29923595"]
        "#]],
    );
}

#[test]
fn what_still_runs_is_joined_left_alone_or_replaced() {
    for (policy, jobs) in [("Allow", 2), ("Forbid", 1), ("Replace", 1)] {
        let mut w = World::new();
        w.put(cron_job(json!({"concurrencyPolicy": policy})));
        w.after_secs(300);
        w.run_pods("n1");
        let first = w.names("jobs");
        w.after_secs(300);
        w.run_pods("n1");
        w.run_pods("n1");
        assert_eq!(
            w.names("jobs").len(),
            jobs,
            "{policy}: {}",
            w.log.join("\n")
        );
        assert_eq!(
            w.names("jobs").contains(&first[0]),
            policy != "Replace",
            "{policy}"
        );
    }
}

#[test]
fn missed_times_are_made_up_for_once_within_the_deadline() {
    for (spec, jobs) in [
        (json!({}), 1),
        (json!({"startingDeadlineSeconds": 10}), 0),
        (json!({"startingDeadlineSeconds": 240}), 1),
        (json!({"suspend": true}), 0),
        (json!({"schedule": "nonsense"}), 0),
        (json!({"timeZone": "No/Where"}), 0),
    ] {
        let mut w = World::new();
        w.put(cron_job(spec.clone()));
        w.after_secs(3600 + 120);
        assert_eq!(w.names("jobs").len(), jobs, "{spec}: {}", w.log.join("\n"));
    }
}
