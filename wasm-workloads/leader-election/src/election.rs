//! The election itself, by the rules of client-go's leaderelection. Pure: the time is an argument.
//!
//! A candidate believes its own clock only: a lease has run out when it has not changed for its whole duration since the
//! candidate first saw it so, whatever its times say.

use serde_json::{Value, json};

/// What to do about the lease.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// There is none: make it.
    Create(Value),
    /// It is ours, or has run out: write it.
    Update(Value),
    /// Somebody else leads.
    Wait,
}

/// One candidate.
#[derive(Debug)]
pub(crate) struct Election {
    name: String,
    identity: String,
    duration_s: u64,
    /// The lease as it was seen last, and when it was first seen so.
    seen: Option<(Value, u64)>,
    leader: String,
    told: String,
}

impl Election {
    pub(crate) fn new(name: &str, identity: &str, duration_s: u64) -> Self {
        Self {
            name: name.to_owned(),
            identity: identity.to_owned(),
            duration_s,
            seen: None,
            leader: String::new(),
            told: String::new(),
        }
    }

    /// Looks at the lease as it is now.
    pub(crate) fn step(&mut self, lease: Option<&Value>, now_ms: u64) -> Step {
        let Some(lease) = lease else {
            return Step::Create(self.lease(&json!({"metadata": {"name": self.name}}), 0, now_ms, true));
        };
        let version = lease.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, now_ms));
        }
        let text = |path: &str| lease.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let holder = text("/spec/holderIdentity").to_owned();
        let since = self.seen.as_ref().map_or(now_ms, |(_, since)| *since);
        let duration_s = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(self.duration_s);
        let is_own = holder == self.identity;
        self.leader.clone_from(&holder);
        if !is_own && !holder.is_empty() && now_ms < since + duration_s * 1000 {
            return Step::Wait;
        }
        let transitions = lease.pointer("/spec/leaseTransitions").and_then(Value::as_u64).unwrap_or(0);
        Step::Update(self.lease(lease, transitions + u64::from(!is_own), now_ms, !is_own))
    }

    /// The lease with us as its holder; its version goes along, so that only one of several candidates can win.
    fn lease(&self, base: &Value, transitions: u64, now_ms: u64, acquired: bool) -> Value {
        let now = rfc3339(now_ms);
        let since = base.pointer("/spec/acquireTime").cloned().filter(|_| !acquired).unwrap_or_else(|| json!(now));
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": base.get("metadata"),
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.duration_s,
                "acquireTime": since,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        })
    }

    /// Our write was taken.
    pub(crate) fn won(&mut self, now_ms: u64) {
        self.leader.clone_from(&self.identity);
        if let Some((_, since)) = &mut self.seen {
            *since = now_ms;
        }
    }

    /// Our write came too late.
    pub(crate) fn lost(&mut self) {
        self.leader.clear();
    }

    /// A sentence when the leader has changed.
    pub(crate) fn news(&mut self) -> Option<String> {
        if self.leader == self.told || self.leader.is_empty() {
            return None;
        }
        self.told.clone_from(&self.leader);
        Some(if self.leader == self.identity {
            format!("{} leads", self.identity)
        } else {
            format!("{} follows {}", self.identity, self.leader)
        })
    }
}

/// A time as the API writes it, with microseconds.
fn rfc3339(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    // Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}000Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(step: Step, version: u64) -> Value {
        let (Step::Create(mut lease) | Step::Update(mut lease)) = step else { panic!("{step:?}") };
        lease["metadata"]["resourceVersion"] = json!(version.to_string());
        lease
    }

    #[test]
    fn one_leads_and_another_takes_over_when_it_is_silent() {
        let (mut a, mut b) = (Election::new("l", "a", 15), Election::new("l", "b", 15));
        let lease = stored(a.step(None, 1000), 1);
        a.won(1000);
        assert_eq!(a.news().as_deref(), Some("a leads"));
        assert_eq!(b.step(Some(&lease), 2000), Step::Wait);
        assert_eq!(b.news().as_deref(), Some("b follows a"));
        let lease = stored(a.step(Some(&lease), 10_000), 2);
        assert_eq!(lease["spec"]["acquireTime"], "1970-01-01T00:00:01.000000Z");
        assert_eq!(lease["spec"]["renewTime"], "1970-01-01T00:00:10.000000Z");
        // The renewal is seen late: the time counts from then on.
        assert_eq!(b.step(Some(&lease), 20_000), Step::Wait);
        assert_eq!(b.step(Some(&lease), 34_999), Step::Wait);
        let lease = stored(b.step(Some(&lease), 35_000), 3);
        b.won(35_000);
        assert_eq!((b.news().as_deref(), b.news()), (Some("b leads"), None));
        assert_eq!((&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]), (&json!("b"), &json!(1)));
        assert_eq!(a.step(Some(&lease), 36_000), Step::Wait);
        assert_eq!(a.news().as_deref(), Some("a follows b"));
    }

    #[test]
    fn a_lease_that_was_given_up_is_free() {
        let mut a = Election::new("l", "a", 15);
        let free = json!({"metadata": {"resourceVersion": "7"}, "spec": {"holderIdentity": ""}});
        assert!(matches!(a.step(Some(&free), 0), Step::Update(lease) if lease["metadata"]["resourceVersion"] == "7"));
        a.lost();
        assert_eq!(a.news(), None);
    }

    #[test]
    fn times_are_written_as_the_api_does() {
        assert_eq!(rfc3339(951_827_696_789), "2000-02-29T12:34:56.789000Z");
    }
}
