//! Routes: prefixes to next hops, by longest prefix.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 prefix, its host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: u32,
    len: u8,
}

const fn mask(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len) }
}

impl Prefix {
    /// The prefix of this length that holds `address`; lengths over 32 count as 32.
    #[must_use]
    pub fn new(address: Ipv4Addr, len: u8) -> Self {
        let len = len.min(32);
        Self {
            address: address.to_bits() & mask(len),
            len,
        }
    }

    /// The first address.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address)
    }

    /// The number of fixed bits.
    #[must_use]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Whether it holds every address.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Whether it holds `address`.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.len) == self.address
    }

    /// The `n`th address of the prefix, counted from 0; `None` past its end.
    #[must_use]
    pub fn nth(self, n: u32) -> Option<Ipv4Addr> {
        let address = Ipv4Addr::from_bits(self.address.checked_add(n)?);
        self.contains(address).then_some(address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.len)
    }
}

/// Text that is not `ADDRESS/LENGTH`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IPv4 prefix such as 10.244.1.0/24")]
pub struct PrefixError(pub String);

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let wrong = || PrefixError(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(wrong)?;
        let address = address.parse().map_err(|_| wrong())?;
        let len = len
            .parse()
            .ok()
            .filter(|len| *len <= 32)
            .ok_or_else(wrong)?;
        Ok(Self::new(address, len))
    }
}

/// Names a link to other nodes; what it does to packets is the shell's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The pods of this node; an address without a pod is unreachable.
    Local,
    /// Another node, over this link.
    Link(LinkId),
    /// Nowhere: the sender is told.
    Unreachable,
}

/// A line of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The addresses it is for.
    pub prefix: Prefix,
    /// Where they are.
    pub next: Next,
}

/// A routing table. A lookup costs one step for each prefix length in use.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// By length, longest first when read from the back.
    by_len: BTreeMap<u8, BTreeMap<u32, Next>>,
}

impl RouteTable {
    /// A table of these routes; of two with the same prefix the later one counts.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut table = Self::default();
        for route in routes {
            table
                .by_len
                .entry(route.prefix.len)
                .or_default()
                .insert(route.prefix.address, route.next);
        }
        table
    }

    /// The next hop of the longest prefix that holds `address`.
    #[must_use]
    pub fn lookup(&self, address: Ipv4Addr) -> Option<Next> {
        let bits = address.to_bits();
        self.by_len
            .iter()
            .rev()
            .find_map(|(len, table)| table.get(&(bits & mask(*len))).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let route = |prefix: &str, link| Route {
            prefix: prefix.parse().unwrap(),
            next: Next::Link(LinkId(link)),
        };
        let table = RouteTable::new([
            route("10.244.0.0/16", 1),
            route("10.244.1.0/24", 2),
            route("10.244.1.7/32", 3),
            route("192.168.0.0/31", 4),
        ]);
        for (address, want) in [
            ("10.244.2.1", Some(1)),
            ("10.244.1.1", Some(2)),
            ("10.244.1.7", Some(3)),
            ("192.168.0.1", Some(4)),
            ("192.168.0.2", None),
            ("0.0.0.0", None),
        ] {
            let found = table.lookup(address.parse().unwrap());
            assert_eq!(found, want.map(|l| Next::Link(LinkId(l))), "{address}");
        }
        let all = RouteTable::new([route("0.0.0.0/0", 9)]);
        assert_eq!(all.lookup(Ipv4Addr::BROADCAST), Some(Next::Link(LinkId(9))));
    }

    #[test]
    fn prefixes_read_and_count() {
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
        let p: Prefix = "10.244.1.9/24".parse().unwrap();
        assert_eq!(p.to_string(), "10.244.1.0/24");
        assert_eq!(p.nth(1), Some(Ipv4Addr::new(10, 244, 1, 1)));
        assert_eq!(p.nth(256), None);
    }
}
