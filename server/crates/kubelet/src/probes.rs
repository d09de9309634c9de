//! Probes of one running container: when to run them and what a row of results means.
//!
//! Rules: `prober.worker` of the kubelet. The engine runs the probe; nothing here knows how.

use serde_json::Value;
use shared::Millis;

use crate::runtime::{ProbeAction, ProbeKind};
use crate::spec::{ContainerSpec, HttpGet, ProbeSpec};

/// The probes of one run of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Probes {
    startup: Option<Probe>,
    liveness: Option<Probe>,
    readiness: Option<Probe>,
}

#[derive(Clone, Debug, PartialEq)]
struct Probe {
    spec: ProbeSpec,
    due: Millis,
    in_flight: bool,
    /// The judgement after thresholds: success or failure, `None` while a startup probe has none.
    result: Option<bool>,
    run: u32,
    last: Option<bool>,
    /// Set after a failure that restarts the container: nothing is probed until the next run.
    on_hold: bool,
}

/// What a probe's result leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing changes.
    Same,
    /// Readiness or having started changed.
    Changed,
    /// The container has to be restarted.
    Kill,
}

impl Probe {
    fn new(spec: &ProbeSpec, initial: Option<bool>, started: Millis) -> Self {
        Self {
            spec: spec.clone(),
            due: started.plus_secs(spec.initial_delay_seconds),
            in_flight: false,
            result: initial,
            run: 0,
            last: None,
            on_hold: false,
        }
    }

    fn period_ms(&self) -> u64 {
        self.spec.period_seconds.unwrap_or(10).max(1) * 1000
    }
}

impl Probes {
    /// The probes of a container that began to run at `started`. Liveness begins as good, readiness as bad.
    pub(crate) fn new(container: &ContainerSpec, started: Millis) -> Self {
        let make = |spec: &Option<ProbeSpec>, initial| {
            spec.as_ref().map(|s| Probe::new(s, initial, started))
        };
        Self {
            startup: make(&container.startup_probe, None),
            liveness: make(&container.liveness_probe, Some(true)),
            readiness: make(&container.readiness_probe, Some(false)),
        }
    }

    /// True once the startup probe succeeded, or at once without one.
    pub(crate) fn started(&self) -> bool {
        self.startup.as_ref().is_none_or(|p| p.result == Some(true))
    }

    /// True while the container may get traffic.
    pub(crate) fn ready(&self) -> bool {
        self.started()
            && self
                .readiness
                .as_ref()
                .is_none_or(|p| p.result == Some(true))
    }

    fn get(&mut self, kind: ProbeKind) -> Option<&mut Probe> {
        match kind {
            ProbeKind::Startup => self.startup.as_mut(),
            ProbeKind::Liveness => self.liveness.as_mut(),
            ProbeKind::Readiness => self.readiness.as_mut(),
        }
    }

    /// Which probes are live now: startup alone until it succeeded, then the other two; on the way out readiness only.
    fn active(&self, stopping: bool) -> &'static [ProbeKind] {
        match (self.started(), stopping) {
            (false, true) => &[],
            (false, false) => &[ProbeKind::Startup],
            (true, true) => &[ProbeKind::Readiness],
            (true, false) => &[ProbeKind::Liveness, ProbeKind::Readiness],
        }
    }

    /// Takes the probes that are due: which, what to do, and how long it may take in milliseconds.
    pub(crate) fn take_due(
        &mut self,
        container: &ContainerSpec,
        stopping: bool,
        now: Millis,
    ) -> Vec<(ProbeKind, Result<ProbeAction, String>, u64)> {
        let mut due = Vec::new();
        for kind in self.active(stopping) {
            let Some(probe) = self.get(*kind) else {
                continue;
            };
            if probe.in_flight || probe.on_hold || probe.due > now {
                continue;
            }
            let period = probe.period_ms();
            let late = now.since(probe.due) / period;
            probe.due = probe.due.plus_ms((late + 1) * period);
            probe.in_flight = true;
            let timeout_ms = probe.spec.timeout_seconds.unwrap_or(1).max(1) * 1000;
            due.push((*kind, action(&probe.spec, container), timeout_ms));
        }
        due
    }

    /// When the next probe is due.
    pub(crate) fn wake(&self, stopping: bool) -> Option<Millis> {
        let at = |kind: &ProbeKind| {
            let probe = match kind {
                ProbeKind::Startup => &self.startup,
                ProbeKind::Liveness => &self.liveness,
                ProbeKind::Readiness => &self.readiness,
            };
            let probe = probe.as_ref().filter(|p| !p.in_flight && !p.on_hold)?;
            Some(probe.due)
        };
        self.active(stopping).iter().filter_map(at).min()
    }

    /// Takes in a result.
    pub(crate) fn result(&mut self, kind: ProbeKind, success: bool) -> Verdict {
        let (was_started, was_ready) = (self.started(), self.ready());
        let Some(probe) = self.get(kind).filter(|p| p.in_flight) else {
            return Verdict::Same;
        };
        probe.in_flight = false;
        if probe.last == Some(success) {
            probe.run = probe.run.saturating_add(1);
        } else {
            (probe.last, probe.run) = (Some(success), 1);
        }
        let threshold = if success {
            probe.spec.success_threshold.unwrap_or(1)
        } else {
            probe.spec.failure_threshold.unwrap_or(3)
        };
        if probe.run < threshold {
            return Verdict::Same;
        }
        probe.result = Some(success);
        if !success && kind != ProbeKind::Readiness {
            (probe.on_hold, probe.run) = (true, 0);
            return Verdict::Kill;
        }
        if (was_started, was_ready) == (self.started(), self.ready()) {
            Verdict::Same
        } else {
            Verdict::Changed
        }
    }

    /// The probe's own grace period for a kill, in milliseconds (KEP-2238).
    pub(crate) fn grace_ms(&self, kind: ProbeKind) -> Option<u64> {
        let probe = match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
            ProbeKind::Readiness => None,
        };
        let seconds = probe?.spec.termination_grace_period_seconds?;
        Some(seconds.saturating_mul(1000))
    }
}

fn port_of(port: &Value, container: &ContainerSpec) -> Result<u16, String> {
    let found = container.port(port);
    found.ok_or_else(|| format!("couldn't find port: {port}"))
}

/// An `httpGet` for the engine; in words why it cannot be sent.
pub(crate) fn http_get(get: &HttpGet, container: &ContainerSpec) -> Result<ProbeAction, String> {
    let path = match get.path.as_str() {
        "" => "/".into(),
        path => path.to_owned(),
    };
    let headers = get.http_headers.iter();
    Ok(ProbeAction::HttpGet {
        host: get.host.clone(),
        port: port_of(&get.port, container)?,
        tls: get.scheme.eq_ignore_ascii_case("https"),
        path,
        headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
    })
}

/// What the engine is to do; in words why it cannot.
fn action(spec: &ProbeSpec, container: &ContainerSpec) -> Result<ProbeAction, String> {
    if let Some(exec) = &spec.exec {
        let command = exec.command.clone();
        return Ok(ProbeAction::Exec { command });
    }
    if let Some(get) = &spec.http_get {
        return http_get(get, container);
    }
    if let Some(tcp) = &spec.tcp_socket {
        let port = port_of(&tcp.port, container)?;
        let host = tcp.host.clone();
        return Ok(ProbeAction::TcpSocket { host, port });
    }
    if let Some(grpc) = &spec.grpc {
        return Ok(ProbeAction::Grpc {
            port: grpc.port,
            service: grpc.service.clone(),
        });
    }
    Err("missing probe handler".into())
}

/// `Startup`, `Liveness`, `Readiness`: how events name a probe.
pub(crate) const fn word(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Liveness => "Liveness",
        ProbeKind::Readiness => "Readiness",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(probes: Value) -> ContainerSpec {
        serde_json::from_value(probes).unwrap()
    }

    /// Runs a container's probes for a while; `script` gives each probe's results, `+` success and `-` failure, the
    /// last one repeating.
    fn check(probes: Value, script: &[(ProbeKind, &str)], seconds: u64) -> String {
        let container = container(probes);
        let mut probes = Probes::new(&container, Millis(0));
        let mut next: Vec<_> = script
            .iter()
            .map(|(k, s)| (*k, s.chars().collect::<Vec<_>>(), 0))
            .collect();
        let mut log = Vec::new();
        for second in 0..=seconds {
            for (kind, ..) in probes.take_due(&container, false, Millis(second * 1000)) {
                let (_, results, at) = next.iter_mut().find(|(k, ..)| *k == kind).unwrap();
                let success = results[(*at).min(results.len() - 1)] == '+';
                *at += 1;
                let verdict = probes.result(kind, success);
                if verdict != Verdict::Same {
                    log.push(format!(
                        "{second}:{}{}{verdict:?}",
                        word(kind),
                        if success { "+" } else { "-" }
                    ));
                }
            }
        }
        log.push(format!(
            "started={} ready={}",
            probes.started(),
            probes.ready()
        ));
        log.join(" ")
    }

    #[test]
    fn results_count_against_thresholds() {
        let get = json!({"httpGet": {"port": 80}});
        let with = |extra: Value| {
            let mut probe = get.clone();
            probe
                .as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            probe
        };
        use ProbeKind::{Liveness, Readiness, Startup};
        for (probes, script, want) in [
            (json!({}), vec![], "started=true ready=true"),
            (
                json!({"readinessProbe": get}),
                vec![(Readiness, "-+")],
                "10:Readiness+Changed started=true ready=true",
            ),
            (
                json!({"readinessProbe": with(json!({"initialDelaySeconds": 5, "periodSeconds": 2}))}),
                vec![(Readiness, "+---+")],
                "5:Readiness+Changed 11:Readiness-Changed 13:Readiness+Changed started=true ready=true",
            ),
            (
                json!({"readinessProbe": with(json!({"successThreshold": 2}))}),
                vec![(Readiness, "+")],
                "10:Readiness+Changed started=true ready=true",
            ),
            (
                json!({"livenessProbe": get}),
                vec![(Liveness, "--+---")],
                "50:Liveness-Kill started=true ready=true",
            ),
            (
                json!({"livenessProbe": with(json!({"failureThreshold": 1}))}),
                vec![(Liveness, "-")],
                "0:Liveness-Kill started=true ready=true",
            ),
            (
                json!({"startupProbe": with(json!({"periodSeconds": 1})), "livenessProbe": get, "readinessProbe": get}),
                vec![(Startup, "--+"), (Liveness, "+"), (Readiness, "+")],
                "2:Startup+Changed 3:Readiness+Changed started=true ready=true",
            ),
            (
                json!({"startupProbe": with(json!({"periodSeconds": 1}))}),
                vec![(Startup, "-")],
                "2:Startup-Kill started=false ready=false",
            ),
        ] {
            assert_eq!(check(probes.clone(), &script, 60), want, "{probes}");
        }
    }

    #[test]
    fn actions_name_ports_and_paths() {
        let c = container(json!({"ports": [{"name": "web", "containerPort": 8080}]}));
        for (probe, want) in [
            (
                json!({"httpGet": {"port": "web"}}),
                "Ok(HttpGet { host: \"\", port: 8080, tls: false, path: \"/\", headers: [] })",
            ),
            (
                json!({"tcpSocket": {"port": 5, "host": "db"}}),
                "Ok(TcpSocket { host: \"db\", port: 5 })",
            ),
            (
                json!({"tcpSocket": {"port": "no"}}),
                "Err(\"couldn't find port: \\\"no\\\"\")",
            ),
            (
                json!({"grpc": {"port": 5}}),
                "Ok(Grpc { port: 5, service: \"\" })",
            ),
            (
                json!({"grpc": {"port": 5, "service": "x"}, "timeoutSeconds": 2}),
                "Ok(Grpc { port: 5, service: \"x\" })",
            ),
            (json!({}), "Err(\"missing probe handler\")"),
            (
                json!({"httpGet": {"port": 5, "scheme": "HTTPS", "host": "10.0.0.1", "httpHeaders": [{"name": "Host", "value": "a"}]}}),
                "Ok(HttpGet { host: \"10.0.0.1\", port: 5, tls: true, path: \"/\", headers: [(\"Host\", \"a\")] })",
            ),
            (
                json!({"exec": {"command": ["ls"]}}),
                "Ok(Exec { command: [\"ls\"] })",
            ),
        ] {
            let spec: ProbeSpec = serde_json::from_value(probe).unwrap();
            assert_eq!(format!("{:?}", action(&spec, &c)), want);
        }
    }

    #[test]
    fn missed_periods_are_not_caught_up() {
        let c =
            container(json!({"readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}));
        let mut probes = Probes::new(&c, Millis(0));
        assert_eq!(probes.take_due(&c, false, Millis(5500)).len(), 1);
        assert_eq!(probes.wake(false), None);
        probes.result(ProbeKind::Readiness, true);
        assert_eq!(probes.wake(false), Some(Millis(6000)));
        assert_eq!(probes.result(ProbeKind::Readiness, false), Verdict::Same);
    }
}
