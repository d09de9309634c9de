//! Components of Kubernetes in a process of their own: the same code, over HTTPS.

use std::sync::Arc;

use anyhow::Result;
use e2e::Cluster;
use io_clock::Clock;
use io_driver::flow::FlowLog;
use io_driver::rooms::Rooms;
use io_driver::run::{Surroundings, Unattached, run};
use scheduler::Scheduler;
use shared::Millis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: placed}, spec: {schedulerName: second, \
                   restartPolicy: Never, containers: [{name: main, image: 'glasshouse.dev/counter-cli:latest'}]}}";

#[test]
fn a_second_scheduler_in_another_process_places_the_pods_that_name_it() -> Result<()> {
    let cluster = Cluster::start(2)?;
    cluster.kubectl_with("apply -f -", POD)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let around = Surroundings {
        client: Arc::new(cluster.client("second-scheduler", tasks.clone())?),
        clock: Clock::start(Millis(0)),
        rooms: Arc::new(Rooms::new(Arc::new(FlowLog::default()))),
        cancel: cancel.clone(),
    };
    let loops = runtime.spawn(run(Scheduler::named("second", 1), Unattached, around));
    cluster.wait("pod/placed --for=jsonpath={.status.phase}=Succeeded")?;
    let events = cluster.kubectl(
        "get events --field-selector reason=Scheduled -o 'jsonpath={.items[*].reportingComponent}'",
    )?;
    assert_eq!(events, "second");
    cancel.cancel();
    runtime.block_on(loops)?;
    tasks.close();
    runtime.block_on(tasks.wait());
    Ok(())
}
