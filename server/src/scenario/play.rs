//! Plays a scenario: sets the stage, does each step's actions, waits for its checks.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::{Answer, PatchKind, Request};
use io_clock::Clock;
use io_driver::backstage::Nodes;
use io_driver::client::Client;
use serde_json::{Value, json};
use shared::kind::KINDS;
use shared::scenario::expression::Val;
use shared::scenario::{Check, Deed, Expression, Place, Scenario, Target, is_system_namespace};
use shared::{KindRef, Millis, Object, ObjectKey, Status};
use tokio::time::{Instant, interval};

use crate::control_plane::ControlPlane;

/// How often the checks are tried: they read several kinds at once, which no single watch would tell of.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often a write that met somebody else's is sent again.
const CONFLICTS_MAX: usize = 5;

/// Plays one scenario in one cluster.
pub(super) struct Player<'s> {
    client: Arc<dyn Client>,
    nodes: Arc<dyn Nodes>,
    clock: Clock,
    scenario: &'s Scenario,
    step_limit: Duration,
    opened: Millis,
    moments_done: Cell<usize>,
}

impl<'s> Player<'s> {
    /// A player for a cluster that is ready; each step may take so many seconds of real time.
    pub(super) fn new(cluster: &ControlPlane, scenario: &'s Scenario, step_s: u64) -> Self {
        Self {
            client: cluster.admin(),
            nodes: cluster.nodes(),
            clock: cluster.clock(),
            scenario,
            step_limit: Duration::from_secs(step_s),
            opened: cluster.clock().now(),
            moments_done: Cell::new(0),
        }
    }

    /// Plays it to the end and says each check's outcome; answers how many failed.
    pub(super) async fn play(&self, say: impl Fn(String)) -> Result<usize> {
        say(self.scenario.title.clone());
        self.begin().await?;
        let mut failed = 0;
        for (number, step) in (1..).zip(&self.scenario.steps) {
            say(format!("\n{number}. {}", step.title));
            for action in &step.actions {
                say(format!("   ▸ {}", action.label));
                self.act(&action.deeds, action.expect)
                    .await
                    .with_context(|| format!("step {number}, \"{}\"", action.label))?;
            }
            let limit = Instant::now() + self.step_limit;
            for check in &step.checks {
                let held = self.comes_true(check, limit).await?;
                failed += usize::from(!held);
                say(format!(
                    "   {} {}",
                    if held { "✓" } else { "✗" },
                    check.name
                ));
                if !held {
                    say(format!("     {}", check.expression.source()));
                }
            }
        }
        Ok(failed)
    }

    /// Labels, taints and first objects.
    async fn begin(&self) -> Result<()> {
        for place in &self.scenario.places {
            self.set_place(place)
                .await
                .with_context(|| format!("node {}", place.node))?;
        }
        for object in &self.scenario.objects {
            self.deed(&Deed::Create(object.clone()))
                .await
                .map_err(|s| anyhow::anyhow!(s.message))
                .with_context(|| format!("{} {}", object.kind(), object.key()))?;
        }
        Ok(())
    }

    /// Taints are added to those that the cluster itself has set, so they are read and written back.
    async fn set_place(&self, place: &Place) -> Result<()> {
        let (kind, key) = (
            KindRef::new("", "v1", "nodes"),
            ObjectKey::new("", &place.node),
        );
        for _ in 0..CONFLICTS_MAX {
            let answer = self
                .client
                .call(Request::get(kind.clone(), &key), None)
                .await?;
            let node = answer.object().context("the node cannot be read")?;
            let mut taints = node.items("/spec/taints").to_vec();
            taints.extend(place.taints.iter().cloned());
            let patch = json!({
                "metadata": {"labels": place.labels, "resourceVersion": node.revision().to_string()},
                "spec": {"taints": taints},
            });
            let request = Request::patch(kind.clone(), &key, PatchKind::Merge, patch);
            match self.client.call(request, None).await {
                Err(status) if status.is_conflict() => {}
                other => return Ok(other.map(drop)?),
            }
        }
        bail!("somebody else keeps changing it")
    }

    /// Does an action's deeds; the last must be refused with `expect` when that is given.
    async fn act(&self, deeds: &[Deed], expect: Option<u16>) -> Result<()> {
        for (left, deed) in (0..deeds.len()).rev().zip(deeds) {
            let outcome = self.deed(deed).await;
            match (outcome, expect.filter(|_| left == 0)) {
                (Ok(()), None) => {}
                (Ok(()), Some(code)) => bail!("it should have been refused with {code}"),
                (Err(status), Some(code)) if status.code == code => {}
                (Err(status), _) => bail!("{} ({})", status.message, status.code),
            }
        }
        Ok(())
    }

    async fn deed(&self, deed: &Deed) -> Result<(), Status> {
        let request = match deed {
            Deed::Create(object) => Request::create(kind_of(object)?, placed(object)),
            Deed::Replace(object) => Request::update(kind_of(object)?, placed(object)),
            Deed::Patch { on, patch } => Request::patch(
                on.kind.clone(),
                &on.key,
                PatchKind::Strategic,
                patch.clone(),
            ),
            Deed::Delete(target) => Request::delete(target.kind.clone(), &target.key, ""),
            Deed::Bind { pod, node } => Request::bind(&self.read(pod).await?, node),
            Deed::StopNode(node) => return self.nodes.stop(node).await,
            Deed::StartNode(node) => return self.nodes.start(node).await,
            Deed::Clock(change) => {
                if let Some(rate) = change.rate {
                    self.clock
                        .set_rate(rate)
                        .map_err(|e| Status::bad_request(e.to_string()))?;
                }
                if let Some(ms) = change.step_ms {
                    self.clock.step(ms);
                }
                return Ok(());
            }
        };
        self.client.call(request, None).await.map(drop)
    }

    async fn read(&self, target: &Target) -> Result<Object, Status> {
        let request = Request::get(target.kind.clone(), &target.key);
        let answer = self.client.call(request, None).await?;
        answer
            .object()
            .cloned()
            .ok_or_else(|| Status::internal("a read was not answered with an object"))
    }

    /// Does the moments of the timeline whose time has come.
    async fn pass_time(&self) -> Result<()> {
        let elapsed = self.clock.now().0.saturating_sub(self.opened.0) / 1000;
        let mut moments: Vec<_> = self.scenario.timeline.iter().collect();
        moments.sort_by_key(|m| m.after_seconds);
        for moment in moments.into_iter().skip(self.moments_done.get()) {
            if u64::from(moment.after_seconds) > elapsed {
                break;
            }
            self.moments_done.set(self.moments_done.get() + 1);
            self.act(&moment.deeds, None)
                .await
                .with_context(|| format!("\"{}\"", moment.label))?;
        }
        Ok(())
    }

    async fn comes_true(&self, check: &Check, limit: Instant) -> Result<bool> {
        let mut tick = interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            self.pass_time().await?;
            if self.holds(&check.expression).await? {
                return Ok(true);
            }
            if Instant::now() > limit {
                return Ok(false);
            }
        }
    }

    /// Whether an expression holds over the objects as they are now.
    async fn holds(&self, expression: &Expression) -> Result<bool> {
        let mut lists: BTreeMap<&str, Vec<Object>> = BTreeMap::new();
        for plural in expression.variables() {
            // Kinds come in the order of their importance: the first of a plural is the one that is meant.
            if let Some(row) = KINDS.iter().find(|k| k.plural == plural) {
                let answer = self
                    .client
                    .call(Request::list(row.reference(), ""), None)
                    .await?;
                if let Answer::List { items, .. } = answer {
                    let own = |o: &Object| !is_system_namespace(o.namespace());
                    lists.insert(plural, items.into_iter().filter(own).collect());
                }
            }
        }
        let value = |name: &str| {
            let objects = lists.get(name)?;
            Some(Val::List(
                objects.iter().map(|o| Val::of(o.value())).collect(),
            ))
        };
        Ok(expression.holds(&value))
    }
}

fn kind_of(object: &Object) -> Result<KindRef, Status> {
    shared::kind::find_by_kind(object.api_version(), object.kind())
        .map(shared::kind::Kind::reference)
        .ok_or_else(|| Status::bad_request(format!("there is no kind {}", object.kind())))
}

/// The object in the namespace `default` when it names none and needs one.
fn placed(object: &Object) -> Value {
    let mut value = object.to_value();
    let row = shared::kind::find_by_kind(object.api_version(), object.kind());
    if object.namespace().is_empty()
        && row.is_some_and(|k| k.namespaced)
        && let Some(meta) = value
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
    {
        meta.insert("namespace".into(), "default".into());
    }
    value
}
