//! Addresses for the pods of one node, as the CNI plugin `host-local` gives them out: round robin over the node's
//! range, the first host address kept for the bridge.
//!
//! Keeps nothing on disk: after a restart every sandbox is made anew, and [`Ipam::skip`] moves past what the API still
//! shows as in use.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::Prefix;

/// Gives each owner (a pod's uid) one address of the range.
#[derive(Clone, Debug)]
pub struct Ipam {
    range: Prefix,
    owners: BTreeMap<Ipv4Addr, String>,
    addresses: BTreeMap<String, Ipv4Addr>,
    last: u64,
}

/// Why no address was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    /// host-local's words.
    #[error(
        "failed to allocate for range 0: no IP addresses available in range set: {first}-{last}"
    )]
    Exhausted {
        /// First address that pods may have.
        first: Ipv4Addr,
        /// Last one.
        last: Ipv4Addr,
    },
    /// The range has no room for a gateway and a pod.
    #[error("network {0} too small to allocate from")]
    TooSmall(Prefix),
}

impl Ipam {
    /// An allocator over a node's pod range.
    ///
    /// # Errors
    /// When the range is smaller than a /30.
    pub fn new(range: Prefix) -> Result<Self, IpamError> {
        if range.length() > 30 {
            return Err(IpamError::TooSmall(range));
        }
        Ok(Self {
            range,
            owners: BTreeMap::new(),
            addresses: BTreeMap::new(),
            last: 1,
        })
    }

    /// The node's pod range.
    #[must_use]
    pub const fn range(&self) -> Prefix {
        self.range
    }

    /// The bridge's address: the first after the network's own.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.range.nth(1).unwrap_or(self.range.address())
    }

    /// The address of `owner`: the one it has, or the next free one after the last given out, so that an address is
    /// not used again before the range has been gone round.
    ///
    /// # Errors
    /// When every address is taken.
    pub fn allocate(&mut self, owner: &str) -> Result<Ipv4Addr, IpamError> {
        if let Some(address) = self.addresses.get(owner) {
            return Ok(*address);
        }
        let (first, last) = (2, self.range.size() - 2);
        let after = (self.last + 1)..=last;
        let free = after.chain(first..=self.last.min(last)).find_map(|offset| {
            let address = self.range.nth(offset)?;
            (!self.owners.contains_key(&address)).then_some((offset, address))
        });
        let Some((offset, address)) = free else {
            let at = |offset| self.range.nth(offset).unwrap_or(self.range.address());
            return Err(IpamError::Exhausted {
                first: at(first),
                last: at(last),
            });
        };
        self.last = offset;
        self.owners.insert(address, owner.into());
        self.addresses.insert(owner.into(), address);
        Ok(address)
    }

    /// Takes back the address of an owner that is gone.
    pub fn release(&mut self, owner: &str) -> Option<Ipv4Addr> {
        let address = self.addresses.remove(owner)?;
        self.owners.remove(&address);
        Some(address)
    }

    /// Goes on after `address`, if it is further on in the range: addresses that others may still believe in are used
    /// again last.
    pub fn skip(&mut self, address: Ipv4Addr) {
        if self.range.contains(address) {
            let offset = u64::from(address.to_bits() - self.range.address().to_bits());
            self.last = self.last.max(offset.min(self.range.size() - 2));
        }
    }

    /// How many addresses are given out.
    #[must_use]
    pub fn used(&self) -> usize {
        self.owners.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipam(range: &str) -> Ipam {
        Ipam::new(range.parse().unwrap()).unwrap()
    }

    #[test]
    fn addresses_go_round_and_the_gateway_is_kept() {
        let mut ipam = ipam("10.244.1.0/29");
        assert_eq!(ipam.gateway(), Ipv4Addr::new(10, 244, 1, 1));
        let given: Vec<_> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|o| ipam.allocate(o).unwrap().octets()[3])
            .collect();
        assert_eq!(given, [2, 3, 4, 5, 6]);
        assert_eq!(
            ipam.allocate("f").unwrap_err().to_string(),
            "failed to allocate for range 0: no IP addresses available in range set: 10.244.1.2-10.244.1.6"
        );
        assert_eq!(ipam.allocate("c").unwrap().octets()[3], 4);
        ipam.release("c");
        assert_eq!(ipam.allocate("g").unwrap().octets()[3], 4);
    }

    #[test]
    fn an_address_is_not_reused_before_the_range_wraps() {
        let mut ipam = ipam("10.244.1.0/29");
        for want in [2, 3, 4, 5, 6, 2, 3] {
            assert_eq!(ipam.allocate("x").unwrap().octets()[3], want);
            ipam.release("x");
        }
    }

    #[test]
    fn skipped_addresses_come_last() {
        let mut ipam = ipam("10.244.1.0/29");
        ipam.skip(Ipv4Addr::new(10, 244, 1, 4));
        ipam.skip(Ipv4Addr::new(10, 9, 9, 9));
        assert_eq!(ipam.allocate("x").unwrap().octets()[3], 5);
    }

    #[test]
    fn tiny_ranges_are_refused() {
        assert!(Ipam::new("10.0.0.0/31".parse().unwrap()).is_err());
        assert!(Ipam::new("10.0.0.0/30".parse().unwrap()).is_ok());
    }
}
