//! One rule: what becomes of a connection to one Service port.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddrV4;

use shared::exhibit::ServiceRule;

use crate::endpoints::Endpoint;

/// A transport protocol that Services know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The default.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// As objects name it; unset is TCP. SCTP is not carried.
    pub(crate) fn parse(name: Option<&str>) -> Option<Self> {
        match name.unwrap_or("TCP") {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            _ => None,
        }
    }
}

/// A new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Who opens it.
    pub source: SocketAddrV4,
    /// To which address.
    pub destination: SocketAddrV4,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to this endpoint.
    To(Endpoint),
    /// Nobody serves: refuse it, so that the client knows at once.
    Reject,
    /// Endpoints exist, but the traffic policy allows only local ones and there are none: drop it.
    Drop,
}

/// Which endpoints a rule may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Cluster,
    Local,
}

impl Policy {
    pub(crate) fn parse(text: &str) -> Self {
        if text == "Local" {
            Self::Local
        } else {
            Self::Cluster
        }
    }
}

/// The rule of one Service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `namespace/name:port`, for people.
    pub service: String,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) policy: Policy,
    pub(crate) is_sticky: bool,
}

impl Rule {
    /// The endpoints, in address order.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The rule as the dashboard shows it, for one of its addresses.
    pub(crate) fn shown(&self, protocol: Protocol, to: String) -> ServiceRule {
        let endpoints = self.endpoints.iter();
        ServiceRule {
            service: self.service.clone(),
            to,
            protocol: match protocol {
                Protocol::Tcp => "TCP".into(),
                Protocol::Udp => "UDP".into(),
            },
            local_only: self.policy == Policy::Local,
            sticky: self.is_sticky,
            endpoints: endpoints
                .map(|e| (e.address.to_string(), e.is_local))
                .collect(),
        }
    }

    /// Judges a connection. `seed` differs between nodes, so that they do not all choose alike.
    ///
    /// With `sessionAffinity: ClientIP` one client stays with one endpoint as long as that endpoint is there: the
    /// highest of a hash over client and endpoint wins (rendezvous hashing), which needs no table that ages.
    #[must_use]
    pub fn verdict(&self, flow: &Flow, seed: u64) -> Verdict {
        let local = || self.endpoints.iter().filter(|e| e.is_local);
        let chosen = match self.policy {
            Policy::Cluster if self.is_sticky => rendezvous(self.endpoints.iter(), flow, seed),
            Policy::Cluster => {
                let count = self.endpoints.len() as u64;
                (hash((flow, seed)).checked_rem(count)).and_then(|i| self.endpoints.get(i as usize))
            }
            Policy::Local if self.is_sticky => rendezvous(local(), flow, seed),
            Policy::Local => {
                let count = local().count() as u64;
                (hash((flow, seed)).checked_rem(count)).and_then(|i| local().nth(i as usize))
            }
        };
        match chosen {
            Some(endpoint) => Verdict::To(*endpoint),
            None if self.endpoints.is_empty() => Verdict::Reject,
            None => Verdict::Drop,
        }
    }
}

fn rendezvous<'a>(
    endpoints: impl Iterator<Item = &'a Endpoint>,
    flow: &Flow,
    seed: u64,
) -> Option<&'a Endpoint> {
    endpoints.max_by_key(|e| hash((flow.source.ip(), e.address, seed)))
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
