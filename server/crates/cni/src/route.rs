//! Where a node sends the packets of the pod network.

use std::fmt;
use std::net::Ipv4Addr;

use client::Exhibit;
use shared::exhibit::RouteLine;

use crate::Prefix;

/// A line of a node's routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The addresses it is for.
    pub prefix: Prefix,
    /// Where they are.
    pub hop: Hop,
}

/// A node's routing table, to be shown.
pub(crate) struct Routes(pub(crate) Vec<Route>);

impl Exhibit for Routes {
    fn show(&self) -> serde_json::Value {
        let line = |r: &Route| RouteLine {
            prefix: r.prefix.to_string(),
            via: match r.hop {
                Hop::Local => "here".into(),
                Hop::Vxlan { vni, remote, .. } => format!("vxlan vni {vni} to {remote}"),
            },
        };
        let lines: Vec<RouteLine> = self.0.iter().map(line).collect();
        serde_json::to_value(lines).unwrap_or_default()
    }
}

/// The way to a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    /// The pods of this node.
    Local,
    /// Another node, by VXLAN (RFC 7348).
    Vxlan {
        /// VXLAN network identifier, 24 bits.
        vni: u32,
        /// The node's address on the underlay.
        remote: Ipv4Addr,
        /// The Ethernet address of its tunnel end.
        mac: Mac,
    },
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A locally administered unicast address made of a seed (IEEE 802 section 8.2).
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let [a, b, c, d, e, f, ..] = seed.to_le_bytes();
        Self([(a | 0x02) & 0xfe, b, c, d, e, f])
    }

    /// Reads `ea:6d:34:01:5c:09`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(|p| {
            (p.len() == 2)
                .then(|| u8::from_str_radix(p, 16).ok())
                .flatten()
        });
        let mut mac = [0; 6];
        for byte in &mut mac {
            *byte = parts.next()??;
        }
        parts.next().is_none().then_some(Self(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ethernet_addresses_are_read_back() {
        let mac = Mac::from_seed(0x0102_0304_0506);
        assert_eq!(Mac::parse(&mac.to_string()), Some(mac));
        assert_eq!(mac.0[0] & 0x03, 0x02);
        for bad in [
            "",
            "1:2:3:4:5:6",
            "00:00:00:00:00",
            "00:00:00:00:00:00:00",
            "zz:00:00:00:00:00",
        ] {
            assert_eq!(Mac::parse(bad), None, "{bad}");
        }
    }
}
