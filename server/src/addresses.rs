//! The nodes' addresses on this machine.
//!
//! Linux answers on the whole of 127.0.0.0/8, so every node gets a loopback address of its own: real sockets, no
//! privileges. Each data directory draws a /24 of its own, so that two clusters on one machine do not meet.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use cloud_controller_manager::LocalCloud;

/// The last byte of the first node's address.
const FIRST: u16 = 11;
/// The last byte of the first load balancer's address.
const BALANCERS_FIRST: u8 = 240;

/// The addresses of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    network: (u8, u8),
}

impl Addresses {
    /// The addresses kept in `dir`, or new ones drawn by `seed`.
    pub(crate) fn open(dir: &Path, seed: u64) -> Result<Self> {
        let path = dir.join("node-network");
        if let Ok(text) = fs::read_to_string(&path) {
            return Self::parse(&text).with_context(|| {
                format!(
                    "{} does not hold a network such as 127.18.52.0/24",
                    path.display()
                )
            });
        }
        let drawn = Self::draw(seed);
        let (a, b) = drawn.network;
        fs::write(&path, format!("127.{a}.{b}.0/24\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(drawn)
    }

    /// 127.0.x.x is left to others: too many programs use it.
    fn draw(seed: u64) -> Self {
        Self {
            network: ((seed % 254 + 1) as u8, (seed / 254 % 256) as u8),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let network: Ipv4Addr = text.trim().strip_suffix("/24")?.parse().ok()?;
        let [127, a, b, 0] = network.octets() else {
            return None;
        };
        Some(Self { network: (a, b) })
    }

    /// The modelled cloud that these nodes are machines of: two zones, and ten addresses for load balancers.
    pub(crate) fn cloud(self) -> LocalCloud {
        let balancer = |last| Ipv4Addr::new(127, self.network.0, self.network.1, last).to_string();
        LocalCloud {
            region: "local".into(),
            zones: vec!["a".into(), "b".into()],
            addresses: (BALANCERS_FIRST..BALANCERS_FIRST + 10)
                .map(balancer)
                .collect(),
            ..LocalCloud::default()
        }
    }

    /// The address of the node with this number, counted from 1; at most 200 of them.
    pub(crate) fn node(self, number: u16) -> Ipv4Addr {
        let last = FIRST + number.clamp(1, 200) - 1;
        Ipv4Addr::new(127, self.network.0, self.network.1, last as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_back_as_written() {
        for seed in [0, 1, 253, 254, u64::MAX] {
            let drawn = Addresses::draw(seed);
            let (a, b) = drawn.network;
            assert_ne!(a, 0);
            assert_eq!(
                Addresses::parse(&format!("127.{a}.{b}.0/24\n")),
                Some(drawn)
            );
            assert!(drawn.node(200).is_loopback());
        }
        assert_eq!(Addresses::parse("10.0.0.0/24"), None);
    }
}
