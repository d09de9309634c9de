//! Scripts and their transcripts.

use expect_test::{Expect, expect};

use crate::{Cluster, play};

fn check(script: &str, want: Expect) {
    let mut cluster = Cluster::new(1, 3);
    want.assert_eq(&play(&mut cluster, script));
}

#[test]
fn pods_are_placed_and_run() {
    check(
        "settle\nget nodes\npod a ok\npod b exit restart=Never\npod c missing\npod d ok cpu=5\nwait 5\nget pods\nevents a\nevents d",
        expect![[r#"
            > settle
            > get nodes
            node-1 Ready 10.244.1.0/24
            node-2 Ready 10.244.0.0/24
            node-3 Ready 10.244.2.0/24
            > pod a ok
            > pod b exit restart=Never
            > pod c missing
            > pod d ok cpu=5
            > wait 5
            > get pods
            a        1/1 Running            0 10.244.1.2  node-1
            b        0/1 Completed          0 10.244.2.2  node-3
            c        0/1 ImagePullBackOff   0 10.244.0.2  node-2
            d        0/1 Pending            0 <none>      <none>
            > events a
            Normal Scheduled x1 Successfully assigned default/a to node-1
            Normal Pulling x1 Pulling image "ok"
            Normal Pulled x1 Successfully pulled image "ok"
            Normal Started x1 Container started
            Normal Created x1 Container created
            > events d
            Warning FailedScheduling x2 0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.
        "#]],
    );
}

#[test]
fn a_crashing_pod_backs_off() {
    check(
        "settle\npod a crash\nwait 8\nget pods\nwait 60\nget pods\nevents a",
        expect![[r#"
            > settle
            > pod a crash
            > wait 8
            > get pods
            a        0/1 CrashLoopBackOff   1 10.244.0.2  node-2
            > wait 60
            > get pods
            a        0/1 CrashLoopBackOff   3 10.244.0.2  node-2
            > events a
            Normal Scheduled x1 Successfully assigned default/a to node-2
            Normal Pulling x4 Pulling image "crash"
            Normal Pulled x4 Successfully pulled image "crash"
            Normal Created x4 Container created
            Normal Started x4 Container started
            Warning BackOff x3 Back-off restarting failed container c in pod a_default(UID)
        "#]],
    );
}

#[test]
fn a_deleted_pod_goes() {
    check(
        "settle\npod a ok\nsettle\nget pods\ndelete pod a\nget pods\nsettle\nget pods\npod a ok\nsettle\nget pods",
        expect![[r#"
            > settle
            > pod a ok
            > settle
            > get pods
            a        1/1 Running            0 10.244.0.2  node-2
            > delete pod a
            > get pods
            a        1/1 Terminating        0 10.244.0.2  node-2
            > settle
            > get pods
            > pod a ok
            > settle
            > get pods
            a        1/1 Running            0 10.244.2.2  node-3
        "#]],
    );
}

#[test]
fn a_node_comes_back_with_its_pods() {
    check(
        "settle\npod a ok\nsettle\nget pods\nstop 1\nstop 2\nstop 3\nwait 5\nstart 1\nstart 2\nstart 3\nwait 5\nget pods\nevents a",
        expect![[r#"
            > settle
            > pod a ok
            > settle
            > get pods
            a        1/1 Running            0 10.244.0.2  node-2
            > stop 1
            > stop 2
            > stop 3
            > wait 5
            > start 1
            > start 2
            > start 3
            > wait 5
            > get pods
            a        1/1 Running            1 10.244.0.3  node-2
            > events a
            Normal Scheduled x1 Successfully assigned default/a to node-2
            Normal Pulling x1 Pulling image "ok"
            Normal Pulled x1 Successfully pulled image "ok"
            Normal Created x1 Container created
            Normal Started x1 Container started
            Normal SandboxChanged x1 Pod sandbox changed, it will be killed and re-created.
            Normal Pulling x1 Pulling image "ok"
            Normal Pulled x1 Successfully pulled image "ok"
            Normal Started x1 Container started
            Normal Created x1 Container created
        "#]],
    );
}

#[test]
fn components_may_crash_at_any_time() {
    check(
        "settle\nwait 1\ncrash kube-scheduler\npod a ok\nwait 1\nget pods\nsettle\nget pods\ncrash nobody",
        expect![[r#"
            > settle
            > wait 1
            > crash kube-scheduler
            > pod a ok
            > wait 1
            > get pods
            a        0/1 Pending            0 <none>      <none>
            > settle
            > get pods
            a        1/1 Running            0 10.244.2.2  node-3
            > crash nobody
            no such component is up
        "#]],
    );
}

#[test]
fn a_deployment_grows_rolls_shrinks_and_goes() {
    check(
        "settle\ndeployment web ok 3\nsettle\nget deployments\nget pods\nset deployment web image=ok2\nsettle\nget deployments\nget pods\nset deployment web replicas=1\nsettle\nget pods\ndelete deployment web\nsettle\nget pods",
        expect![[r#"
            > settle
            > deployment web ok 3
            > settle
            > get deployments
            web 3/3 3 3
            > get pods
            web*     1/1 Running            0 10.244.0.2  node-2
            web*     1/1 Running            0 10.244.1.2  node-1
            web*     1/1 Running            0 10.244.2.2  node-3
            > set deployment web image=ok2
            > settle
            > get deployments
            web 3/3 3 3
            > get pods
            web*     1/1 Running            0 10.244.0.3  node-2
            web*     1/1 Running            0 10.244.1.3  node-1
            web*     1/1 Running            0 10.244.2.3  node-3
            > set deployment web replicas=1
            > settle
            > get pods
            web*     1/1 Running            0 10.244.0.3  node-2
            > delete deployment web
            > settle
            > get pods
        "#]],
    );
}

#[test]
fn a_lost_node_is_noticed_and_its_pods_replaced() {
    check(
        "settle\ndeployment web ok 3\nsettle\nget pods\nstop 1\nwait 45\nget nodes\nwait 15\nget nodes\nget pods\nwait 310\nget pods\nstart 1\nwait 20\nget nodes\nget pods",
        expect![[r#"
            > settle
            > deployment web ok 3
            > settle
            > get pods
            web*     1/1 Running            0 10.244.0.2  node-2
            web*     1/1 Running            0 10.244.1.2  node-1
            web*     1/1 Running            0 10.244.2.2  node-3
            > stop 1
            > wait 45
            > get nodes
            node-1 Ready 10.244.1.0/24
            node-2 Ready 10.244.0.0/24
            node-3 Ready 10.244.2.0/24
            > wait 15
            > get nodes
            node-1 Unknown 10.244.1.0/24
            node-2 Ready 10.244.0.0/24
            node-3 Ready 10.244.2.0/24
            > get pods
            web*     1/1 Running            0 10.244.0.2  node-2
            web*     1/1 Running            0 10.244.1.2  node-1
            web*     1/1 Running            0 10.244.2.2  node-3
            > wait 310
            > get pods
            web*     1/1 Running            0 10.244.0.2  node-2
            web*     1/1 Running            0 10.244.2.2  node-3
            web*     1/1 Running            0 10.244.2.3  node-3
            web*     1/1 Terminating        0 10.244.1.2  node-1
            > start 1
            > wait 20
            > get nodes
            node-1 Ready 10.244.1.0/24
            node-2 Ready 10.244.0.0/24
            node-3 Ready 10.244.2.0/24
            > get pods
            web*     1/1 Running            0 10.244.0.2  node-2
            web*     1/1 Running            0 10.244.2.2  node-3
            web*     1/1 Running            0 10.244.2.3  node-3
        "#]],
    );
}
