//! The world around a kubelet in which everything is late or goes wrong, by a seed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use client::{Answer, Body, Component, Observed, Request, Verb, WatchEvent};
use serde_json::{Value, json};
use shared::live::Change;
use shared::{KindRef, Millis, Object, ObjectKey, Revision, Status};

use super::rules::{Life, Wanted};
use crate::kubelet::tests::harness::merge;
use crate::runtime::{ContainerId, HookKind, RuntimeCommand, RuntimeEvent};
use crate::{Kubelet, KubeletConfig};

/// How long the trouble lasts, and how long the pods may take to recover: the longest back-off lies within.
const BAD_MS: u64 = 120_000;
const GOOD_MS: u64 = 700_000;

/// Looks without anything happening that are as good as a loop without end.
const LOOKS_MAX: u64 = 1000;

/// How often each kind of trouble came: a run without trouble shows nothing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    starts: u64,
    exits: u64,
    hooks: u64,
    failed_writes: u64,
    restarts: u64,
    deletions: u64,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        self.starts += other.starts;
        self.exits += other.exits;
        self.hooks += other.hooks;
        self.failed_writes += other.failed_writes;
        self.restarts += other.restarts;
        self.deletions += other.deletions;
    }

    pub(super) fn must_be_rich(&self, seeds: u64) {
        let all = [
            self.starts,
            self.exits,
            self.hooks,
            self.failed_writes,
            self.deletions,
        ];
        let rich = all.iter().all(|n| *n >= seeds) && self.restarts > 0;
        assert!(rich, "the times were not bad enough: {self:?}");
    }
}

pub(super) struct World {
    kubelet: Kubelet,
    pods: BTreeMap<ObjectKey, Value>,
    node: Value,
    lives: BTreeMap<String, Life>,
    agenda: Vec<(Millis, u64, RuntimeEvent)>,
    order: u64,
    revision: u64,
    made: u64,
    random: u64,
    trouble: bool,
    now: Millis,
    log: Vec<String>,
    pub(super) seen: Seen,
}

fn kubelet() -> Kubelet {
    Kubelet::new(KubeletConfig::new("n1", Ipv4Addr::new(10, 0, 0, 1)))
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "n1", "uid": "n1", "resourceVersion": "1", "labels": {}},
            "spec": {"podCIDR": "10.244.1.0/24"}});
        let mut world = Self {
            kubelet: kubelet(),
            pods: BTreeMap::new(),
            node,
            lives: BTreeMap::new(),
            agenda: Vec::new(),
            order: 0,
            revision: 1,
            made: 0,
            random: seed,
            trouble: true,
            now: Millis(1_000_000),
            log: Vec::new(),
            seen: Seen::default(),
        };
        world.sync();
        world
    }

    pub(super) fn log(&self) -> String {
        self.log.join("\n")
    }

    /// SplitMix64 below a limit.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit.max(1)
    }

    fn unlucky(&mut self, percent: u64) -> bool {
        let hit = self.below(100) < percent;
        hit && self.trouble
    }

    fn note(&mut self, text: impl Into<String>) {
        self.log
            .push(format!("{} {}", self.now.0 - 1_000_000, text.into()));
    }

    fn sync(&mut self) {
        let pods = self.pods.values().cloned().map(Object::new).collect();
        let node = vec![Object::new(self.node.clone())];
        for (plural, objects) in [
            ("pods", pods),
            ("nodes", node),
            ("services", vec![]),
            ("configmaps", vec![]),
            ("secrets", vec![]),
        ] {
            let (kind, revision) = (KindRef::new("", "v1", plural), Revision(self.revision));
            let observed = Observed::Replaced {
                kind,
                revision,
                objects,
            };
            self.kubelet.observe(observed, self.now);
        }
    }

    /// Everybody does something silly for a while.
    pub(super) fn bad_times(&mut self) -> Result<(), String> {
        let end = self.now.plus_ms(BAD_MS);
        while self.now < end {
            match self.below(12) {
                0..4 => self.create(),
                4..6 => self.delete(),
                6 if self.below(4) == 0 => self.restart(),
                _ => {}
            }
            let pause = self.below(6000);
            self.run(pause)?;
        }
        Ok(())
    }

    /// Nothing goes wrong any more: everything comes to rest where it belongs.
    pub(super) fn good_times(&mut self) -> Result<(), String> {
        self.trouble = false;
        self.note("-- peace");
        self.run(GOOD_MS)?;
        for (key, pod) in &self.pods {
            let life = &self.lives[pod["metadata"]["uid"].as_str().unwrap()];
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                return Err(format!("{key} is still not deleted"));
            }
            let phase = pod["status"]["phase"].as_str().unwrap_or_default();
            let over = matches!(phase, "Succeeded" | "Failed");
            if over && !life.is_gone() {
                return Err(format!("{key} is {phase} and still there"));
            }
            let steady = pod["spec"]["containers"][0]["image"] == "ok" && !over;
            if steady && (phase != "Running" || !life.running().contains(&"app")) {
                return Err(format!("{key} is {phase} with {:?}", life.running()));
            }
        }
        let kept: Vec<&str> = self
            .pods
            .values()
            .filter_map(|p| p["metadata"]["uid"].as_str())
            .collect();
        let left = self
            .lives
            .iter()
            .find(|(uid, l)| !l.is_gone() && !kept.contains(&uid.as_str()));
        left.map_or(Ok(()), |(uid, _)| Err(format!("{uid} is left behind")))
    }

    fn create(&mut self) {
        if self.pods.len() > 5 {
            return;
        }
        self.made += 1;
        let uid = format!("u{}", self.made);
        let mut containers = Vec::new();
        for i in 0..self.below(4) {
            let sidecar = self.below(2) == 0;
            containers.push(self.container(&format!("i{i}"), sidecar));
        }
        let images = ["ok", "exit", "crash"];
        let image = images[self.below(3) as usize];
        let mut app = self.container("app", false);
        app["image"] = json!(image);
        let role = |c: &Value| {
            if c["restartPolicy"] == "Always" {
                "sidecar"
            } else {
                "init"
            }
        };
        let wanted = |c: &Value, role| Wanted {
            name: c["name"].as_str().unwrap().to_owned(),
            role,
            pre_stop: !c["lifecycle"]["preStop"].is_null(),
        };
        let grace_s = 3 + self.below(20);
        let mut life = Life::default();
        life.grace_ms = grace_s * 1000;
        life.containers = containers.iter().map(|c| wanted(c, role(c))).collect();
        life.containers.push(wanted(&app, "app"));
        self.lives.insert(uid.clone(), life);
        let policies = ["Always", "OnFailure", "Never"];
        let policy = policies[self.below(3) as usize];
        let spec = json!({"nodeName": "n1", "restartPolicy": policy, "terminationGracePeriodSeconds": grace_s,
            "initContainers": containers, "containers": [app]});
        self.note(format!("-- create {uid} {spec}"));
        let metadata = json!({"name": format!("p{}", self.made), "namespace": "a", "uid": uid});
        self.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}));
    }

    /// A container; an init container ends by itself.
    fn container(&mut self, name: &str, sidecar: bool) -> Value {
        let mut hook = || (self.below(3) == 0).then(|| json!({"exec": {"command": ["x"]}}));
        let lifecycle = json!({"postStart": hook(), "preStop": hook()});
        let mut container =
            json!({"name": name, "image": "exit", "imagePullPolicy": "IfNotPresent"});
        if sidecar {
            container["restartPolicy"] = json!("Always");
            container["image"] = json!("ok");
        }
        if sidecar || name == "app" {
            container["lifecycle"] = lifecycle;
        }
        container
    }

    fn delete(&mut self) {
        let at = self.below(self.pods.len() as u64) as usize;
        let Some(mut pod) = self.pods.values().nth(at).cloned() else {
            return;
        };
        if pod["metadata"]["deletionTimestamp"].is_null() {
            let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
            self.note(format!("-- delete {uid}"));
            self.seen.deletions += 1;
            let life = self.lives.get_mut(&uid).unwrap();
            pod["metadata"]["deletionTimestamp"] = json!(self.now.rfc3339());
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(life.grace_ms / 1000);
            life.ending.get_or_insert(self.now);
            self.put(pod);
        }
    }

    fn restart(&mut self) {
        self.note("-- the node restarts");
        self.seen.restarts += 1;
        self.kubelet = kubelet();
        self.agenda.clear();
        self.lives.values_mut().for_each(Life::lost);
        self.sync();
    }

    fn put(&mut self, mut object: Value) -> Object {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let stored = Object::new(object.clone());
        self.pods.insert(stored.key(), object);
        self.tell(Change::Modified, stored.clone());
        stored
    }

    fn tell(&mut self, change: Change, object: Object) {
        let kind = KindRef::new("", "v1", "pods");
        let event = WatchEvent { change, object };
        self.kubelet
            .observe(Observed::Event { kind, event }, self.now);
    }

    fn run(&mut self, ms: u64) -> Result<(), String> {
        let end = self.now.plus_ms(ms);
        let (mut looks, mut last) = (0, self.now);
        loop {
            looks = if self.now == last { looks + 1 } else { 0 };
            last = self.now;
            if looks > LOOKS_MAX {
                return Err(format!(
                    "it looks again and again: {:?}",
                    self.kubelet.wake()
                ));
            }
            self.settle()?;
            let next = self.agenda.iter().map(|(at, ..)| *at).min();
            let wake = self.kubelet.wake().map(|(at, _)| at);
            match next.into_iter().chain(wake).min().filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
        }
        self.now = end;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..200 {
            let now = self.now;
            let mut due: Vec<_> = self.agenda.extract_if(.., |(at, ..)| *at <= now).collect();
            due.sort_by_key(|(at, order, _)| (*at, *order));
            let quiet = due.is_empty();
            for (.., event) in due {
                self.happen(event);
            }
            let calls = self.kubelet.poll(now);
            let commands = self.kubelet.poll_runtime();
            if quiet && calls.is_empty() && commands.is_empty() {
                return Ok(());
            }
            for command in commands {
                self.execute(command)?;
            }
            for call in calls {
                let answer = self.serve(&call.request)?;
                self.kubelet.answer(call.id, answer, now);
            }
        }
        Err("the kubelet does not come to rest".into())
    }

    fn happen(&mut self, event: RuntimeEvent) {
        match &event {
            RuntimeEvent::Started { id } => self.note(format!("started {id}")),
            RuntimeEvent::StartFailed { id, .. } => {
                self.note(format!("not started {id}"));
                self.lives.get_mut(&id.pod).unwrap().ended(id, 128);
            }
            RuntimeEvent::Exited { id, exit_code, .. } => {
                self.note(format!("exited {id} {exit_code}"));
                self.seen.exits += 1;
                self.lives.get_mut(&id.pod).unwrap().ended(id, *exit_code);
                let over = |e: &RuntimeEvent| matches!(e, RuntimeEvent::Exited { id: i, .. } | RuntimeEvent::Started { id: i } if i == id);
                self.agenda.retain(|(.., e)| !over(e));
            }
            _ => {}
        }
        if let RuntimeEvent::Started { id } = &event {
            self.run_of(&id.clone());
        }
        let done = match &event {
            RuntimeEvent::HookDone {
                id,
                hook: HookKind::PostStart,
                failure: None,
            } => Some(id.clone()),
            RuntimeEvent::Started { id } if !self.has_post_start(id) => Some(id.clone()),
            _ => None,
        };
        self.kubelet.runtime_event(event, self.now);
        if let Some(id) = done {
            self.lives.get_mut(&id.pod).unwrap().started(&id);
        }
    }

    fn spec_of(&self, id: &ContainerId) -> Option<&Value> {
        let pod = self
            .pods
            .values()
            .find(|p| p["metadata"]["uid"] == json!(id.pod))?;
        let lists = [&pod["spec"]["initContainers"], &pod["spec"]["containers"]];
        let mut all = lists.into_iter().filter_map(Value::as_array).flatten();
        all.find(|c| c["name"] == json!(id.container))
    }

    fn has_post_start(&self, id: &ContainerId) -> bool {
        self.spec_of(id)
            .is_some_and(|c| !c["lifecycle"]["postStart"].is_null())
    }

    /// A run has begun: when and how it ends by itself.
    fn run_of(&mut self, id: &ContainerId) {
        let image = self.spec_of(id).map(|c| c["image"].clone());
        let code = match image.as_ref().and_then(Value::as_str) {
            Some("exit") => i32::from(self.unlucky(20)),
            Some("crash") => 1,
            _ if self.unlucky(30) => 1,
            _ => return,
        };
        let after = 1 + self.below(8000);
        self.later(after, exited(id.clone(), code));
    }

    fn later(&mut self, ms: u64, event: RuntimeEvent) {
        self.order += 1;
        self.agenda.push((self.now.plus_ms(ms), self.order, event));
    }

    fn execute(&mut self, command: RuntimeCommand) -> Result<(), String> {
        let pod = match &command {
            RuntimeCommand::CreateSandbox(c) => Some(c.pod.clone()),
            RuntimeCommand::StartContainer(c) => c.id.as_ref().map(|id| id.pod.clone()),
            RuntimeCommand::StopContainer { id, .. } | RuntimeCommand::RunHook { id, .. } => {
                Some(id.pod.clone())
            }
            RuntimeCommand::StopSandbox { pod } | RuntimeCommand::RemoveSandbox { pod } => {
                Some(pod.clone())
            }
            _ => None,
        };
        if let Some(pod) = pod {
            self.note(format!("{command:?}").chars().take(160).collect::<String>());
            let life = self.lives.get_mut(&pod).ok_or("a command for no pod")?;
            life.command(&command, self.now)
                .map_err(|why| format!("{why}: {command:?}"))?;
        }
        let late = if self.trouble { self.below(3000) } else { 5 };
        match command {
            RuntimeCommand::CreateSandbox(c) => {
                self.later(late, RuntimeEvent::SandboxReady { pod: c.pod })
            }
            RuntimeCommand::StopSandbox { pod } => {
                self.later(late, RuntimeEvent::SandboxStopped { pod })
            }
            RuntimeCommand::RemoveSandbox { pod } => {
                self.later(late, RuntimeEvent::SandboxRemoved { pod })
            }
            RuntimeCommand::PullImage {
                image,
                present_only,
            } => {
                let (message, reason) = (
                    String::new(),
                    if present_only {
                        "ErrImageNeverPull"
                    } else {
                        ""
                    },
                );
                let event = if self.unlucky(15) {
                    let reason = reason.to_owned();
                    RuntimeEvent::ImageFailed {
                        image,
                        reason,
                        message,
                    }
                } else {
                    let image_id = image.clone();
                    RuntimeEvent::ImageReady {
                        image,
                        image_id,
                        message,
                    }
                };
                self.later(late, event);
            }
            RuntimeCommand::StartContainer(c) => {
                let id = c.id.unwrap();
                self.seen.starts += 1;
                let reasons = ["CreateContainerError", "RunContainerError"];
                let event = if self.unlucky(10) {
                    let (reason, message) =
                        (reasons[self.below(2) as usize].to_owned(), String::new());
                    RuntimeEvent::StartFailed {
                        id,
                        reason,
                        message,
                    }
                } else {
                    RuntimeEvent::Started { id }
                };
                self.later(late, event);
            }
            RuntimeCommand::StopContainer { id, grace_ms } => {
                let code = if self.unlucky(30) { 137 } else { 143 };
                let after = if code == 137 {
                    grace_ms
                } else {
                    late.min(grace_ms)
                };
                self.later(after, exited(id, code));
            }
            RuntimeCommand::RunHook {
                id,
                hook,
                timeout_ms,
                ..
            } => {
                self.seen.hooks += 1;
                let failure = self.unlucky(20).then(|| "no".to_owned());
                let event = RuntimeEvent::HookDone { id, hook, failure };
                self.later(late.min(timeout_ms), event);
            }
            RuntimeCommand::Measure { storage } => {
                let pods = BTreeMap::new();
                self.later(late, RuntimeEvent::Measured { pods, storage });
            }
            RuntimeCommand::UpdateVolumes { .. } | RuntimeCommand::Probe { .. } => {
                return Err("nobody asked for that".into());
            }
        }
        Ok(())
    }

    fn serve(&mut self, request: &Request) -> Result<Result<Answer, Status>, String> {
        let refused = |code, reason: &str| Ok(Err(Status::failure(code, reason, "no")));
        let object = Object::new(
            json!({"metadata": {"name": request.name, "resourceVersion": "1"}, "spec": {}}),
        );
        match (request.kind.plural.as_str(), &request.body) {
            ("pods", _) => {}
            ("nodes", Body::Patch(_, patch)) => {
                merge(&mut self.node, patch);
                self.revision += 1;
                self.node["metadata"]["resourceVersion"] = json!(self.revision.to_string());
                return Ok(Ok(Answer::Object(Object::new(self.node.clone()))));
            }
            _ => return Ok(Ok(Answer::Object(object))),
        }
        if self.unlucky(20) {
            self.seen.failed_writes += 1;
            return refused(500, "InternalError");
        }
        let Some(mut pod) = self.pods.get(&request.key()).cloned() else {
            return Ok(Err(Status::not_found("pods", "", &request.name)));
        };
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        match (&request.verb, &request.body) {
            (Verb::Delete, _) => {
                self.note(format!("DELETE {uid}"));
                if !self.lives[&uid].is_gone() {
                    return Err(format!("{uid} is deleted while the engine has it"));
                }
                self.pods.remove(&request.key());
                self.tell(Change::Deleted, Object::new(pod));
                Ok(Ok(Answer::Object(object)))
            }
            (Verb::Patch, Body::Patch(_, patch)) => {
                merge(&mut pod, patch);
                self.note(format!("{uid} {}", pod["status"]["phase"]));
                let life = self.lives.get_mut(&uid).unwrap();
                life.status(&pod["status"], self.now)?;
                let stored = self.put(pod);
                if self.unlucky(10) {
                    self.seen.failed_writes += 1;
                    return refused(504, "Timeout");
                }
                Ok(Ok(Answer::Object(stored)))
            }
            other => Err(format!("an unexpected call: {other:?}")),
        }
    }
}

fn exited(id: ContainerId, exit_code: i32) -> RuntimeEvent {
    RuntimeEvent::Exited {
        id,
        exit_code,
        reason: String::new(),
        message: String::new(),
    }
}
