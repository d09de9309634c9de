//! Subresources: which of them does what; binding, eviction, and connections to a pod.

use client::Verb;
use serde_json::{Value, json};
use shared::selector::Selector;
use shared::status::{Cause, Details};
use shared::{Status, kind};
use store::Txn;

use crate::answer::{Answer, Connect, Outcome, Proposal, Reply, success};
use crate::item::{encode, parse};
use crate::options::DeleteOptions;
use crate::server::{ApiServer, Context, Target};
use crate::value::{as_object, entries, field, int, items, object, text};
use crate::{body, refuse};

/// When to come back while the controller has not looked at a changed budget, in seconds.
const STALE_BUDGET_RETRY_S: u32 = 10;
/// The most evictions of one budget that its controller has not confirmed (`MaxDisruptedPodSize`).
const MAX_DISRUPTED_PODS: usize = 2000;

impl ApiServer {
    pub(crate) fn handle_subresource(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        if target.request.name.is_empty() {
            return Err(refuse::no_such_resource());
        }
        match (target.request.subresource.as_str(), target.request.verb) {
            ("scale", _) => self.scale(target, ctx),
            ("binding", _) => {
                let binding = body::object(target, ctx)?;
                self.bind(target, &binding, ctx)
            }
            ("eviction", _) => self.evict(target, ctx),
            ("token", _) => self.issue_token(target, ctx),
            ("log" | "exec" | "attach" | "portforward", _) => connect(target, ctx),
            ("proxy", _) => crate::proxy::connect(target, ctx),
            (_, Verb::Get) => self.get(target, ctx).map(|item| Answer::Object(item).ok()),
            (_, Verb::Update) => self.update(target, ctx),
            (_, Verb::Patch) => self.patch(target, ctx),
            _ => Err(refuse::method_not_allowed()),
        }
    }

    /// Places a pod on a node (`pkg/registry/core/pod/storage`, `BindingREST`).
    pub(crate) fn bind(
        &self,
        target: &Target<'_>,
        binding: &Value,
        ctx: &mut Context<'_>,
    ) -> Result<Outcome, Status> {
        let name = &target.request.name;
        check_target(binding, name)?;
        let current = target.existing(ctx.snapshot)?;
        let pod = current.object()?;
        check_bindable(pod, binding)?;
        let mut new = pod.to_value();
        object(&mut new, "spec").insert("nodeName".into(), text(binding, "/target/name").into());
        set_scheduled(&mut new, &ctx.now.rfc3339());
        for map in ["annotations", "labels"] {
            for (key, value) in entries(binding, &format!("/metadata/{map}")) {
                let all = object(&mut new, "metadata")
                    .entry(map)
                    .or_insert_with(crate::value::empty);
                as_object(all).insert(key.clone(), value.clone());
            }
        }
        target.track(ctx.now, Some(pod.value()), &mut new);
        if target.request.options.dry_run {
            return Ok(Outcome::Answer(
                Answer::Status(success(Details::default())),
                201,
            ));
        }
        let txn = Txn::update(
            target.key(name),
            encode(target.kind, &new)?,
            current.revision(),
        );
        let proposal = Proposal::new(
            txn,
            Reply::Success(Details::default()),
            201,
            target.modified(),
        );
        Ok(proposal.into())
    }

    /// Deletes a pod unless a disruption budget forbids it (`EvictionREST`).
    fn evict(&self, target: &Target<'_>, ctx: &mut Context<'_>) -> Result<Outcome, Status> {
        let eviction = body::object(target, ctx)?;
        let current = target.existing(ctx.snapshot)?;
        let pod = current.object()?;
        let sent = eviction.get("deleteOptions").cloned().unwrap_or_default();
        let mut options = DeleteOptions {
            grace_period_seconds: int(&sent, "/gracePeriodSeconds"),
            uid: sent
                .pointer("/preconditions/uid")
                .and_then(Value::as_str)
                .map(str::to_owned),
            resource_version: sent
                .pointer("/preconditions/resourceVersion")
                .and_then(Value::as_str)
                .map(str::to_owned),
            ..DeleteOptions::default()
        };
        options.dry_run = target.request.options.dry_run || !items(&sent, "/dryRun").is_empty();
        let is_counted = pod.deletion().is_none()
            && !shared::view::pod::is_terminal(pod)
            && pod.text("/status/phase") != "Pending";
        let budget = if is_counted {
            self.take_from_budget(pod, ctx)?
        } else {
            Txn::default()
        };
        let outcome = self.delete_object(target, &current, &options, ctx)?;
        Ok(match outcome {
            Outcome::Commit(mut proposal) => {
                proposal.txn = std::mem::take(&mut proposal.txn).and(budget);
                Outcome::Commit(Box::new(
                    proposal.with_reply(Reply::Success(Details::default()), 201),
                ))
            }
            _ => Outcome::Answer(Answer::Status(success(Details::default())), 201),
        })
    }

    /// Counts one disruption against the pod's budget, 429 when it has none left.
    fn take_from_budget(&self, pod: &shared::Object, ctx: &Context<'_>) -> Result<Txn, Status> {
        let Some(row) = kind::find("policy", "v1", "poddisruptionbudgets") else {
            return Ok(Txn::default());
        };
        let prefix = format!("{}{}/", row.storage_prefix(), pod.namespace());
        let mut found = Vec::new();
        for kv in ctx.snapshot.iter(&prefix) {
            let budget = parse(&kv.value)?;
            let selector = Selector::from_object(budget.pointer("/spec/selector"));
            if selector.is_some_and(|s| s.matches_object(pod)) {
                found.push((kv, budget));
            }
        }
        let Some((kv, mut budget)) = found.pop() else {
            return Ok(Txn::default());
        };
        if !found.is_empty() {
            return Err(Status::failure(
                500,
                "InternalError",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        if passes_unhealthy(&budget, pod) {
            return Ok(Txn::default());
        }
        check_budget(&budget)?;
        let left = int(&budget, "/status/disruptionsAllowed").unwrap_or(0);
        let status = object(&mut budget, "status");
        status.insert("disruptionsAllowed".into(), (left - 1).into());
        let disrupted = as_object(
            status
                .entry("disruptedPods")
                .or_insert_with(crate::value::empty),
        );
        disrupted.insert(pod.name().into(), ctx.now.rfc3339().into());
        Ok(Txn::update(
            kv.key.clone(),
            encode(row, &budget)?,
            kv.mod_revision,
        ))
    }
}

/// True when the budget lets an unhealthy pod go without being counted (`unhealthyPodEvictionPolicy`, KEP-3017): always,
/// or while the application is not disrupted.
fn passes_unhealthy(budget: &Value, pod: &shared::Object) -> bool {
    let is_ready = pod
        .items("/status/conditions")
        .iter()
        .any(|c| field(c, "type") == "Ready" && field(c, "status") == "True");
    let count = |name: &str| int(budget, &format!("/status/{name}")).unwrap_or(0);
    let (healthy, desired) = (count("currentHealthy"), count("desiredHealthy"));
    let always = text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
    !is_ready && (always || (desired > 0 && healthy >= desired))
}

/// Refuses when no disruption is left, or when nobody knows yet (`checkAndDecrement` of the original).
fn check_budget(budget: &Value) -> Result<(), Status> {
    let name = text(budget, "/metadata/name");
    let count = |pointer: &str| int(budget, pointer).unwrap_or(0);
    let left = count("/status/disruptionsAllowed");
    let violated = |message: String, retry_after_seconds: Option<u32>| {
        let why = "Cannot evict pod as it would violate the pod's disruption budget.";
        let cause = Cause {
            reason: "DisruptionBudget".into(),
            message,
            field: String::new(),
        };
        Status::failure(429, "TooManyRequests", why).with_details(Details {
            causes: vec![cause],
            retry_after_seconds,
            ..Details::default()
        })
    };
    let forbidden = |why: &str| {
        Err(Status::forbidden(
            "poddisruptionbudget",
            "policy",
            name,
            why,
        ))
    };
    if count("/status/observedGeneration") < count("/metadata/generation") {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        Err(violated(why, Some(STALE_BUDGET_RETRY_S)))
    } else if left < 0 {
        forbidden("pdb disruptions allowed is negative")
    } else if entries(budget, "/status/disruptedPods").count() > MAX_DISRUPTED_PODS {
        forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    } else if left == 0 {
        let (wants, has) = (
            count("/status/desiredHealthy"),
            count("/status/currentHealthy"),
        );
        let why = format!(
            "The disruption budget {name} needs {wants} healthy pods and has {has} currently"
        );
        Err(violated(why, None))
    } else {
        Ok(())
    }
}

/// Sets the condition that the scheduler is done with the pod.
fn set_scheduled(pod: &mut Value, now: &str) {
    let list = object(pod, "status")
        .entry("conditions")
        .or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.retain(|c| field(c, "type") != "PodScheduled");
        list.push(json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}));
    }
}

/// Finds the node and the container of a connection.
fn connect(target: &Target<'_>, ctx: &Context<'_>) -> Result<Outcome, Status> {
    let current = target.existing(ctx.snapshot)?;
    let pod = current.object()?;
    let parameters = &target.request.options.parameters;
    let asked = parameters
        .iter()
        .find(|(name, _)| name == "container")
        .map_or("", |(_, value)| value);
    let subresource = target.request.subresource.as_str();
    let container = if subresource == "portforward" {
        String::new()
    } else {
        container_of(pod, asked)?
    };
    let node = pod.text("/spec/nodeName");
    if node.is_empty() {
        return match subresource {
            // The original answers an empty log for a pod that is not placed yet.
            "log" => Ok(Outcome::Answer(Answer::Empty, 204)),
            _ => Err(Status::bad_request(format!(
                "pod {} does not have a host assigned",
                pod.name()
            ))),
        };
    }
    Ok(Outcome::Connect(Connect {
        subresource: subresource.into(),
        node: node.into(),
        namespace: pod.namespace().into(),
        pod: pod.name().into(),
        uid: pod.uid().into(),
        container,
        address: String::new(),
        parameters: parameters.clone(),
    }))
}

fn container_of(pod: &shared::Object, asked: &str) -> Result<String, Status> {
    let names = |list: &str| -> Vec<String> {
        pod.items(&format!("/spec/{list}"))
            .iter()
            .map(|c| field(c, "name").to_owned())
            .collect()
    };
    let (main, init) = (names("containers"), names("initContainers"));
    let known = |name: &str| {
        [&main, &init, &names("ephemeralContainers")]
            .iter()
            .any(|l| l.iter().any(|n| n == name))
    };
    match (asked, main.as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", several) => {
            let mut why = format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.name(),
                several.join(" ")
            );
            if !init.is_empty() {
                why.push_str(&format!(
                    " or one of the init containers: [{}]",
                    init.join(" ")
                ));
            }
            Err(Status::bad_request(why))
        }
        (name, _) if known(name) => Ok(name.into()),
        (name, _) => Err(Status::bad_request(format!(
            "container {name} is not valid for pod {}",
            pod.name()
        ))),
    }
}

/// A binding names a Node.
fn check_target(binding: &Value, name: &str) -> Result<(), Status> {
    let kind = text(binding, "/target/kind");
    let (reason, field, message) = if text(binding, "/target/name").is_empty() {
        (
            "FieldValueRequired",
            "target.name",
            "Required value".to_owned(),
        )
    } else if !matches!(kind, "" | "Node") {
        let message =
            format!("Unsupported value: \"{kind}\": supported values: \"Node\", \"<empty>\"");
        ("FieldValueNotSupported", "target.kind", message)
    } else {
        return Ok(());
    };
    let cause = Cause {
        reason: reason.into(),
        message,
        field: field.into(),
    };
    Err(Status::invalid("Binding", "", name, vec![cause]))
}

/// A pod is bound once, while it lives, and when nothing gates it.
fn check_bindable(pod: &shared::Object, binding: &Value) -> Result<(), Status> {
    let (name, uid) = (pod.name(), text(binding, "/metadata/uid"));
    let why = if !uid.is_empty() && uid != pod.uid() {
        format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            pod.uid()
        )
    } else if pod.deletion().is_some() {
        format!("pod {name} is being deleted, cannot be assigned to a host")
    } else if !pod.text("/spec/nodeName").is_empty() {
        format!(
            "pod {name} is already assigned to node \"{}\"",
            pod.text("/spec/nodeName")
        )
    } else if !pod.items("/spec/schedulingGates").is_empty() {
        format!("pod {name} has non-empty .spec.schedulingGates")
    } else {
        return Ok(());
    };
    Err(Status::conflict("pods/binding", "", name, &why))
}
