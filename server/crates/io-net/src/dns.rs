//! The cluster's DNS on every node: a server at the kube-dns address inside the node's network, and name lookup for
//! pods that ask the host instead.
//!
//! What exists is the zone's decision (behind [`Names`]); this is the message format and the transport.

mod message;
mod server;

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

pub use message::answer;
pub(crate) use server::serve;

/// The address of the kube-dns Service: the tenth of 10.96.0.0/12 (kubeadm).
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// Names with fewer dots are completed by the search domains first (kubelet's resolv.conf).
const NDOTS: usize = 5;
/// Aliases followed before a chain counts as a loop.
const ALIASES_MAX: usize = 8;

/// What is asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// An alias.
    Cname,
    /// Ports of a Service.
    Srv,
    /// The name of an address.
    Ptr,
    /// Anything else.
    Other,
}

/// A fact about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An address.
    A(Ipv4Addr),
    /// Another name for the same thing.
    Cname(String),
    /// A port of a Service.
    Srv {
        /// Lower ones first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// Where.
        target: String,
    },
    /// The name of an address.
    Ptr(String),
}

/// What the zone says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These facts, each with the name it is about when that is not the one asked for.
    Data(Vec<Data>),
    /// The name exists, but has nothing of that kind.
    Nothing,
    /// No such name (NXDOMAIN).
    NoName,
    /// A name of somebody else's zone.
    Foreign,
}

/// A zone.
pub trait Names: Debug + Send + Sync {
    /// Looks a complete name up, without its final dot and in lower case.
    fn lookup(&self, name: &str, kind: Kind) -> Found;

    /// The zone's own name, for its SOA.
    fn origin(&self) -> &str {
        "cluster.local"
    }
}

/// An empty zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn lookup(&self, _: &str, _: Kind) -> Found {
        Found::NoName
    }
}

/// The complete names to try for what a program asked for, in order (resolv.conf(5)).
#[must_use]
pub fn candidates(name: &str, search: &[String]) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    if let Some(complete) = name.strip_suffix('.') {
        return vec![complete.to_owned()];
    }
    let completed = search.iter().map(|domain| format!("{name}.{domain}"));
    if name.matches('.').count() >= NDOTS {
        std::iter::once(name.clone()).chain(completed).collect()
    } else {
        completed.chain(std::iter::once(name.clone())).collect()
    }
}

/// The addresses of a complete name, aliases followed; `None` when it does not exist.
fn addresses(zone: &dyn Names, name: &str) -> Option<Vec<IpAddr>> {
    let mut name = name.to_owned();
    for _ in 0..ALIASES_MAX {
        let Found::Data(data) = zone.lookup(&name, Kind::A) else {
            return None;
        };
        let found: Vec<_> = data
            .iter()
            .filter_map(|d| match d {
                Data::A(ip) => Some(IpAddr::V4(*ip)),
                _ => None,
            })
            .collect();
        if !found.is_empty() {
            return Some(found);
        }
        name = data.into_iter().find_map(|d| match d {
            Data::Cname(target) => Some(target.trim_end_matches('.').to_ascii_lowercase()),
            _ => None,
        })?;
    }
    None
}

/// The addresses of what a program asked for.
///
/// # Errors
/// `NotFound` when nothing of the name has an address.
pub(crate) fn resolve(zone: &dyn Names, name: &str, search: &[String]) -> io::Result<Vec<IpAddr>> {
    if let Ok(literal) = name.parse() {
        return Ok(vec![literal]);
    }
    if name.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    }
    candidates(name, search)
        .iter()
        .find_map(|candidate| addresses(zone, candidate))
        .ok_or_else(|| {
            let text = format!("no address for {name}: no such name in the cluster's zone");
            io::Error::new(io::ErrorKind::NotFound, text)
        })
}
