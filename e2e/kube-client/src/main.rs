//! An ordinary program on the kube-rs client; prints one line a step.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::Discovery;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

const NS: &str = "default";
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = Client::try_default().await?;
    let version = client.apiserver_version().await?;
    println!("version {} {}", version.major, version.minor);
    discover(&client).await?;
    objects(&client).await?;
    apply(&client).await?;
    tokio::time::timeout(PATIENCE, watch(&client)).await??;
    tokio::time::timeout(PATIENCE, pods(&client)).await??;
    Ok(())
}

async fn discover(client: &Client) -> Result<()> {
    let discovery = Discovery::new(client.clone()).run().await?;
    let apps = discovery.get("apps").context("the group apps")?;
    let (resource, capabilities) = apps.recommended_kind("Deployment").context("Deployment")?;
    let verb = capabilities.supports_operation("watch");
    println!(
        "discovered {} {} watch {verb}",
        resource.plural, resource.version
    );
    let all: Api<DynamicObject> = Api::namespaced_with(client.clone(), NS, &resource);
    println!(
        "dynamic {}",
        all.list(&ListParams::default()).await?.items.len()
    );
    Ok(())
}

async fn objects(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NS);
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "a", "labels": {"set": "rust"}}, "data": {"k": "1"},
    }))?;
    let made = maps.create(&PostParams::default(), &map).await?;
    println!("created {}", made.name_any());
    let again = maps.create(&PostParams::default(), &map).await;
    let Err(kube::Error::Api(refused)) = again else {
        bail!("a second creation should be refused");
    };
    println!("refused {} {}", refused.code, refused.reason);
    let patch = Patch::Merge(json!({"data": {"k": "2"}}));
    maps.patch("a", &PatchParams::default(), &patch).await?;
    let stale = maps.replace("a", &PostParams::default(), &made).await;
    println!(
        "stale {}",
        stale.is_err_and(|e| matches!(e, kube::Error::Api(s) if s.code == 409))
    );
    let labelled = ListParams::default().labels("set=rust").limit(1);
    println!("listed {}", maps.list(&labelled).await?.items.len());
    maps.delete("a", &DeleteParams::default()).await?;
    println!("gone {}", maps.get_opt("a").await?.is_none());
    Ok(())
}

async fn apply(client: &Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NS);
    let body = |replicas: i32| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "main", "image": "nginx"}]}}},
        })
    };
    let (mine, others) = (PatchParams::apply("mine"), PatchParams::apply("others"));
    deployments
        .patch("web", &mine, &Patch::Apply(body(0)))
        .await?;
    let conflict = deployments
        .patch("web", &others, &Patch::Apply(body(1)))
        .await;
    println!(
        "conflict {}",
        conflict.is_err_and(|e| matches!(e, kube::Error::Api(s) if s.code == 409))
    );
    let forced = deployments
        .patch("web", &others.force(), &Patch::Apply(body(0)))
        .await?;
    let managers = forced
        .managed_fields()
        .iter()
        .filter_map(|m| m.manager.clone())
        // It writes whenever it comes to it.
        .filter(|manager| manager != "kube-controller-manager");
    let mut managers: Vec<String> = managers.collect();
    managers.sort();
    println!("managers {}", managers.join(" "));
    deployments
        .delete("web", &DeleteParams::foreground())
        .await?;
    Ok(())
}

async fn watch(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NS);
    let config = Config::default().labels("set=watched").streaming_lists();
    let mut events = pin!(watcher(maps.clone(), config));
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "w", "labels": {"set": "watched"}}}))?;
    while let Some(event) = events.next().await {
        match event? {
            Event::InitDone => {
                println!("initial list is over");
                maps.create(&PostParams::default(), &map).await?;
            }
            Event::Apply(seen) if seen.data.is_none() => {
                println!("added {}", seen.name_any());
                let patch = Patch::Merge(json!({"data": {"k": "v"}}));
                maps.patch("w", &PatchParams::default(), &patch).await?;
            }
            Event::Apply(seen) => {
                println!("changed {}", seen.name_any());
                maps.delete("w", &DeleteParams::default()).await?;
            }
            Event::Delete(seen) => {
                println!("deleted {}", seen.name_any());
                return Ok(());
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }
    bail!("the watch ended")
}

async fn pods(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NS);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "web"}, "spec": {"containers": [{"name": "main", "image": "nginx"}]},
    }))?;
    pods.create(&PostParams::default(), &pod).await?;
    await_condition(pods.clone(), "web", conditions::is_pod_running()).await?;
    println!("running");
    pods.logs("web", &LogParams::default()).await?;
    let uid = pods.get("web").await?.uid().context("a uid")?;
    pods.delete("web", &DeleteParams::default().grace_period(0))
        .await?;
    await_condition(pods, "web", conditions::is_deleted(&uid)).await?;
    println!("ended");
    Ok(())
}
