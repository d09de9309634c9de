//! IPv4 prefixes in CIDR notation: parsing, membership, canonical form (RFC 4632).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network, its host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: Ipv4Addr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR address: {0}")]
pub struct PrefixError(String);

impl Prefix {
    /// The network of `length` bits that `address` is in; lengths above 32 count as 32.
    #[must_use]
    pub fn new(address: Ipv4Addr, length: u8) -> Self {
        let length = length.min(32);
        let address = Ipv4Addr::from_bits(address.to_bits() & mask(length));
        Self { address, length }
    }

    /// The first address.
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// How many leading bits are fixed, 0 to 32.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// True when `address` is in it.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.length) == self.address.to_bits()
    }

    /// The address `offset` after the first; `None` when that is past the end.
    #[must_use]
    pub fn nth(self, offset: u64) -> Option<Ipv4Addr> {
        let bits = u32::try_from(offset)
            .ok()
            .filter(|_| offset < self.size())?;
        self.address
            .to_bits()
            .checked_add(bits)
            .map(Ipv4Addr::from_bits)
    }

    /// How many addresses it holds, network and broadcast address included.
    #[must_use]
    pub const fn size(self) -> u64 {
        1 << (32 - self.length)
    }

    /// The netmask: `255.255.255.0` for a /24.
    #[must_use]
    pub const fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.length))
    }
}

const fn mask(length: u8) -> u32 {
    match length {
        0 => 0,
        length => u32::MAX << (32 - length as u32),
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let parsed = || {
            let (address, length) = text.split_once('/')?;
            let length = length.parse().ok().filter(|l| *l <= 32)?;
            Some(Self::new(address.parse().ok()?, length))
        };
        parsed().ok_or_else(|| PrefixError(text.into()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_and_canonical() {
        for (text, want) in [
            ("10.244.1.0/24", Some("10.244.1.0/24")),
            ("10.244.1.7/24", Some("10.244.1.0/24")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("1.2.3.4/32", Some("1.2.3.4/32")),
            ("1.2.3.4/33", None),
            ("1.2.3.4", None),
            ("1.2.3/8", None),
            ("", None),
        ] {
            let got = text.parse::<Prefix>().ok().map(|p| p.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn membership_ends_at_the_border() {
        let prefix = Prefix::new(Ipv4Addr::new(10, 244, 1, 0), 24);
        assert!(prefix.contains(Ipv4Addr::new(10, 244, 1, 255)));
        assert!(!prefix.contains(Ipv4Addr::new(10, 244, 2, 0)));
        assert_eq!(prefix.nth(255), Some(Ipv4Addr::new(10, 244, 1, 255)));
        assert_eq!(prefix.nth(256), None);
        assert!(Prefix::new(Ipv4Addr::UNSPECIFIED, 0).contains(Ipv4Addr::BROADCAST));
    }
}
