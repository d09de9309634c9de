//! A kubelet, an API that accepts everything, and an engine whose images are named after what they do: `ok` runs,
//! `exit` ends with 0 and `crash` with 1 after half a second, `slow` ignores being asked to end, `remote` is not here
//! until it is pulled, `missing` does not exist. A hook `ok` takes three seconds, `fail` fails at once, `hang` never
//! ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use client::{Answer, Body, Component, Observed, Request, Verb, WatchEvent};
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use crate::runtime::{
    ContainerId, HookAction, HookKind, PodUsage, ProbeAction, RuntimeCommand, RuntimeEvent, Volume,
};
use crate::{Kubelet, KubeletConfig};

pub(super) struct Harness {
    kubelet: Kubelet,
    objects: BTreeMap<(String, ObjectKey), Value>,
    revision: u64,
    now: Millis,
    start: Millis,
    engine: Vec<(Millis, RuntimeEvent)>,
    pulled: BTreeSet<String>,
    log: Vec<String>,
    writes: BTreeMap<String, u64>,
    pub(super) unhealthy: bool,
    /// What the engine measures, by pod.
    pub(super) usage: BTreeMap<String, PodUsage>,
    /// Tokens are refused.
    pub(super) no_tokens: bool,
    tokens: u64,
}

impl Harness {
    pub(super) fn new() -> Self {
        let mut harness = Self::without_range();
        harness.give_range();
        harness
    }

    pub(super) fn without_range() -> Self {
        let start = Millis::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let mut harness = Self {
            kubelet: kubelet(),
            objects: BTreeMap::new(),
            revision: 0,
            now: start,
            start,
            engine: Vec::new(),
            pulled: BTreeSet::new(),
            log: Vec::new(),
            writes: BTreeMap::new(),
            unhealthy: false,
            usage: BTreeMap::new(),
            no_tokens: false,
            tokens: 0,
        };
        harness.sync();
        harness.run(0);
        harness
    }

    fn sync(&mut self) {
        for plural in ["pods", "nodes", "services", "configmaps", "secrets"] {
            let of = self.objects.iter().filter(|((p, _), _)| p == plural);
            let objects = of.map(|(_, v)| Object::new(v.clone())).collect();
            let (kind, revision) = (KindRef::new("", "v1", plural), Revision(self.revision));
            self.kubelet.observe(
                Observed::Replaced {
                    kind,
                    revision,
                    objects,
                },
                self.now,
            );
        }
    }

    pub(super) fn restart(&mut self) {
        self.kubelet = kubelet();
        self.engine.clear();
        self.note("-- kubelet restarts");
        self.sync();
    }

    pub(super) fn give_range(&mut self) {
        let mut node = self.objects[&("nodes".into(), ObjectKey::new("", "n1"))].clone();
        node["spec"]["podCIDR"] = json!("10.244.1.0/24");
        self.put("nodes", node);
        self.run(0);
    }

    pub(super) fn pod(&mut self, name: &str, mut spec: Value) {
        spec["nodeName"] = json!("n1");
        let metadata = json!({"name": name, "namespace": "a", "uid": format!("uid-{name}")});
        self.put("pods", json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}));
    }

    pub(super) fn delete(&mut self, name: &str, grace: i64) {
        let mut pod = self.objects[&("pods".into(), ObjectKey::new("a", name))].clone();
        pod["metadata"]["deletionTimestamp"] = json!(self.now.rfc3339());
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.note(&format!("-- delete {name}"));
        self.put("pods", pod);
    }

    pub(super) fn vanish(&mut self, name: &str) {
        self.note(&format!("-- {name} vanishes"));
        self.remove("pods", &ObjectKey::new("a", name));
    }

    fn remove(&mut self, plural: &str, key: &ObjectKey) {
        if let Some(object) = self.objects.remove(&(plural.into(), key.clone())) {
            self.tell(plural, Change::Deleted, object);
        }
    }

    pub(super) fn put(&mut self, plural: &str, mut object: Value) -> Object {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let stored = Object::new(object.clone());
        self.objects
            .insert((plural.into(), stored.key()), object.clone());
        self.tell(plural, Change::Modified, object);
        stored
    }

    fn tell(&mut self, plural: &str, change: Change, object: Value) {
        if ["pods", "nodes", "configmaps", "secrets"].contains(&plural) {
            let event = WatchEvent {
                change,
                object: Object::new(object),
            };
            let kind = KindRef::new("", "v1", plural);
            self.kubelet
                .observe(Observed::Event { kind, event }, self.now);
        }
    }

    /// Lets time pass, stopping at everything that is due on the way.
    pub(super) fn run(&mut self, seconds: u64) {
        let end = self.now.plus_secs(seconds);
        loop {
            self.settle();
            let engine = self.engine.iter().map(|(at, _)| *at).min();
            let next = self
                .kubelet
                .wake()
                .map(|(at, _)| at)
                .into_iter()
                .chain(engine)
                .min();
            match next.filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
        }
        self.now = end;
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            let now = self.now;
            let due: Vec<RuntimeEvent> = self
                .engine
                .extract_if(.., |(at, _)| *at <= now)
                .map(|(_, e)| e)
                .collect();
            let quiet = due.is_empty();
            for event in due {
                self.kubelet.runtime_event(event, now);
            }
            let calls = self.kubelet.poll(now);
            let commands = self.kubelet.poll_runtime();
            if quiet && calls.is_empty() && commands.is_empty() {
                return;
            }
            for call in calls {
                let answer = self.serve(&call.request);
                self.kubelet.answer(call.id, answer, now);
            }
            commands.into_iter().for_each(|c| self.execute(c));
        }
        panic!("the kubelet does not come to rest:\n{}", self.transcript());
    }

    fn serve(&mut self, request: &Request) -> Result<Answer, Status> {
        let plural = request.kind.plural.clone();
        let slash = if request.subresource.is_empty() {
            ""
        } else {
            "/"
        };
        *self
            .writes
            .entry(format!("{plural}{slash}{}", request.subresource))
            .or_default() += 1;
        let place = (plural.clone(), request.key());
        let object = match (&request.verb, &request.body) {
            (Verb::Get, _) => {
                let found = self.objects.get(&place).cloned();
                Object::new(found.ok_or(Status::not_found(&plural, "", &request.name))?)
            }
            (Verb::Create, _) if request.subresource == "token" => self.token(request)?,
            (Verb::Create, Body::Object(object)) if plural == "pods" => {
                let mut object = object.clone();
                object["metadata"]["uid"] = json!(format!("mirror-{}", self.revision));
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                self.note(&format!("CREATE {name}"));
                self.put(&plural, object)
            }
            (Verb::Create, Body::Object(object)) => {
                self.heard(object);
                self.put(&plural, object.clone())
            }
            (Verb::Update, Body::Object(object)) => self.put(&plural, object.clone()),
            (Verb::Patch, Body::Patch(_, patch)) => {
                let mut object = self.objects.get(&place).cloned().ok_or(Status::not_found(
                    &plural,
                    "",
                    &request.name,
                ))?;
                merge(&mut object, patch);
                if plural == "events" {
                    self.heard(&object);
                }
                if plural == "pods" {
                    self.show(&object);
                }
                self.put(&plural, object)
            }
            (Verb::Delete, _) => {
                self.note(&format!(
                    "DELETE {} grace={:?}",
                    request.name, request.options.grace_period_seconds
                ));
                self.remove(&plural, &request.key());
                Object::new(json!({"kind": "Status"}))
            }
            other => panic!("unexpected call {other:?}"),
        };
        Ok(Answer::Object(object))
    }

    fn token(&mut self, request: &Request) -> Result<Object, Status> {
        self.note(&format!("TOKEN for {}/{}", request.namespace, request.name));
        if self.no_tokens {
            return Err(Status::failure(
                503,
                "ServiceUnavailable",
                "no tokens today",
            ));
        }
        self.tokens += 1;
        let Body::Object(body) = &request.body else {
            panic!("a token request")
        };
        let life = body["spec"]["expirationSeconds"].as_u64().unwrap();
        let expires = self.now.plus_secs(life).rfc3339();
        let token = format!("token-{}", self.tokens);
        Ok(Object::new(
            json!({"status": {"token": token, "expirationTimestamp": expires}}),
        ))
    }

    fn heard(&mut self, object: &Value) {
        if object["kind"] == "Event" && object["involvedObject"]["kind"] == "Pod" {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let (kind, reason) = (text(&object["type"]), text(&object["reason"]));
            let field = text(&object["involvedObject"]["fieldPath"]);
            self.note(&format!(
                "{kind} {reason} {field} {}",
                text(&object["message"])
            ));
        }
    }

    /// One line of what `kubectl get pod` would be made from.
    fn show(&mut self, pod: &Value) {
        let status = &pod["status"];
        let lists = [
            "initContainerStatuses",
            "containerStatuses",
            "ephemeralContainerStatuses",
        ];
        let each = lists
            .iter()
            .flat_map(|l| status[l].as_array().cloned().unwrap_or_default())
            .map(|c| {
                let (kind, state) = c["state"]
                    .as_object()
                    .and_then(|s| s.iter().next())
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .unwrap();
                let reason = if kind == "running" {
                    "running".into()
                } else {
                    state["reason"].as_str().unwrap_or_default().to_owned()
                };
                let ready = if c["ready"] == true { "+" } else { "" };
                format!(
                    "{}{ready}={reason}({})",
                    c["name"].as_str().unwrap(),
                    c["restartCount"]
                )
            });
        let each: Vec<String> = each.collect();
        let on: Vec<&str> = status["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["status"] == "True")
            .filter_map(|c| c["type"].as_str())
            .map(|t| match t {
                "PodReadyToStartContainers" => "Network",
                "PodScheduled" => "",
                t => t,
            })
            .filter(|t| !t.is_empty())
            .collect();
        let why = status["reason"]
            .as_str()
            .map(|r| format!(" {r}"))
            .unwrap_or_default();
        let name = pod["metadata"]["name"].as_str().unwrap();
        let ip = status["podIP"].as_str().unwrap_or("-");
        self.note(&format!(
            "{name}: {}{why} {ip} {} [{}]",
            status["phase"].as_str().unwrap(),
            each.join(" "),
            on.join(" ")
        ));
    }

    fn execute(&mut self, command: RuntimeCommand) {
        let mut soon = |ms, event| self.engine.push((self.now.plus_ms(ms), event));
        match command {
            RuntimeCommand::CreateSandbox(config) => {
                soon(0, RuntimeEvent::SandboxReady { pod: config.pod })
            }
            RuntimeCommand::StopSandbox { pod } => {
                soon(0, RuntimeEvent::SandboxStopped { pod: pod.clone() });
                self.note(&format!("engine: free {pod}"));
            }
            RuntimeCommand::Measure { storage } => {
                let pods = self.usage.clone();
                soon(0, RuntimeEvent::Measured { pods, storage });
            }
            RuntimeCommand::UpdateVolumes { pod, volumes } => {
                let failure = None;
                soon(0, RuntimeEvent::VolumesUpdated { pod, failure });
                for volume in volumes {
                    self.note(&format!("engine: update {}", files(&volume)));
                }
            }
            RuntimeCommand::RunHook {
                id,
                hook,
                action,
                timeout_ms,
            } => self.hook(id, hook, action, timeout_ms),
            RuntimeCommand::RemoveSandbox { pod } => {
                soon(0, RuntimeEvent::SandboxRemoved { pod: pod.clone() });
                self.note(&format!("engine: remove {pod}"));
            }
            RuntimeCommand::PullImage {
                image,
                present_only,
            } => {
                let here = image != "missing"
                    && (image != "remote" || !present_only || self.pulled.contains(&image));
                if !present_only {
                    self.pulled.insert(image.clone());
                }
                if here && image == "remote" {
                    let message = format!("Compiling image \"{image}\" (1 bytes)");
                    let image = image.clone();
                    soon(5, RuntimeEvent::ImageCompiling { image, message });
                }
                let (reason, message) = if present_only {
                    (
                        "ErrImageNeverPull",
                        format!(
                            "Container image \"{image}\" is not present with pull policy of Never"
                        ),
                    )
                } else {
                    ("ErrImagePull", "no such image".into())
                };
                soon(
                    10,
                    if here {
                        RuntimeEvent::ImageReady {
                            image_id: format!("{image}@sha256:0"),
                            image,
                            message: String::new(),
                        }
                    } else {
                        RuntimeEvent::ImageFailed {
                            image,
                            reason: reason.into(),
                            message,
                        }
                    },
                );
            }
            RuntimeCommand::StartContainer(config) => {
                let id = config.id.unwrap();
                soon(0, RuntimeEvent::Started { id: id.clone() });
                for mount in &config.mounts {
                    if let Volume::Files { .. } = &mount.volume {
                        self.log
                            .push(format!("engine: mount {}", files(&mount.volume)));
                    }
                }
                let ends = match config.image.as_str() {
                    "exit" => Some(0),
                    "crash" => Some(1),
                    _ => None,
                };
                if let Some(exit_code) = ends {
                    soon(
                        500,
                        RuntimeEvent::Exited {
                            id,
                            exit_code,
                            reason: String::new(),
                            message: String::new(),
                        },
                    );
                }
            }
            RuntimeCommand::StopContainer { id, grace_ms } => {
                self.note(&format!("engine: stop {id} within {grace_ms}"));
                let slow = self.objects.iter().any(|((p, _), v)| {
                    p == "pods"
                        && v["metadata"]["uid"] == json!(id.pod)
                        && v["spec"]["containers"][0]["image"] == "slow"
                });
                let (ms, exit_code) = if slow { (grace_ms, 137) } else { (100, 143) };
                let event = RuntimeEvent::Exited {
                    id,
                    exit_code,
                    reason: String::new(),
                    message: String::new(),
                };
                self.engine.push((self.now.plus_ms(ms), event));
            }
            RuntimeCommand::Probe { id, probe, .. } => {
                let failure = self
                    .unhealthy
                    .then(|| "HTTP probe failed with statuscode: 500".to_owned());
                soon(0, RuntimeEvent::Probed { id, probe, failure });
            }
        }
    }

    fn hook(&mut self, id: ContainerId, hook: HookKind, action: HookAction, timeout_ms: u64) {
        self.note(&format!("engine: {hook:?} of {id} within {timeout_ms}"));
        let (after, failure) = match action {
            HookAction::Sleep { ms } => (ms, None),
            HookAction::Run(ProbeAction::Exec { command }) => match command[0].as_str() {
                "fail" => (0, Some("exit code 1".to_owned())),
                "hang" => (timeout_ms, Some("timed out".to_owned())),
                _ => (3000, None),
            },
            HookAction::Run(_) => (0, None),
        };
        let (after, failure) = if after > timeout_ms {
            (timeout_ms, Some("timed out".to_owned()))
        } else {
            (after, failure)
        };
        let event = RuntimeEvent::HookDone { id, hook, failure };
        self.engine.push((self.now.plus_ms(after), event));
    }

    /// The files of the manifest directory are these now.
    pub(super) fn manifests(&mut self, manifests: &[Value]) {
        self.note("-- manifests change");
        self.kubelet.set_static_pods(manifests, self.now);
    }

    /// Adds a container to a pod that runs.
    pub(super) fn debug(&mut self, name: &str, container: Value) {
        let mut pod = self.objects[&("pods".into(), ObjectKey::new("a", name))].clone();
        pod["spec"]["ephemeralContainers"] = json!([container]);
        self.note(&format!("-- debug {name}"));
        self.put("pods", pod);
    }

    /// Changes a pod's label.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        let mut pod = self.objects[&("pods".into(), ObjectKey::new("a", name))].clone();
        pod["metadata"]["labels"] = json!({"app": value});
        self.put("pods", pod);
    }

    /// A stored object.
    pub(super) fn object(&self, plural: &str, namespace: &str, name: &str) -> &Value {
        &self.objects[&(plural.to_owned(), ObjectKey::new(namespace, name))]
    }

    fn note(&mut self, text: &str) {
        let ms = self.now.since(self.start);
        self.log
            .push(format!("{}.{:02} {text}", ms / 1000, ms % 1000 / 10));
    }

    pub(super) fn transcript(&self) -> String {
        let mut text = self.log.join("\n");
        text.push('\n');
        text
    }

    pub(super) fn writes(&self) -> BTreeMap<String, u64> {
        self.writes.clone()
    }
}

fn kubelet() -> Kubelet {
    Kubelet::new(KubeletConfig::new("n1", Ipv4Addr::new(10, 0, 0, 1)))
}

/// `v: a=1 b=2`.
fn files(volume: &Volume) -> String {
    let Volume::Files { name, files } = volume else {
        return volume.name().to_owned();
    };
    let each = files
        .iter()
        .map(|(path, content)| format!("{path}={}", String::from_utf8_lossy(content)));
    format!("{name}: {}", each.collect::<Vec<_>>().join(" "))
}

/// A strategic merge for what the kubelet sends: maps by field, `conditions` by type, null removes.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, value) in fields {
        match (field.as_str(), value) {
            (_, Value::Null) => {
                target.as_object_mut().unwrap().remove(field);
            }
            ("conditions", Value::Array(new)) => {
                let mut old = target["conditions"].as_array().cloned().unwrap_or_default();
                for condition in new {
                    match old.iter_mut().find(|c| c["type"] == condition["type"]) {
                        Some(slot) => merge(slot, condition),
                        None => {
                            let mut fresh = json!({});
                            merge(&mut fresh, condition);
                            old.push(fresh);
                        }
                    }
                }
                target["conditions"] = old.into();
            }
            (_, Value::Array(new)) => {
                let kept = new.iter().filter(|v| v.get("$patch").is_none());
                target[field] = kept.cloned().collect();
            }
            (_, Value::Object(_)) => merge(&mut target[field], value),
            _ => target[field] = value.clone(),
        }
    }
}
