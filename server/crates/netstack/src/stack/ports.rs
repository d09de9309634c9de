//! Ephemeral ports, handed out in turn from a seeded start.

/// The range that Linux takes ephemeral ports from (`net.ipv4.ip_local_port_range`).
const FIRST: u16 = 32_768;
const LAST: u16 = 60_999;
const COUNT: u16 = LAST - FIRST + 1;

/// Ports to connect from. A port comes back only after all others, so that a late segment of an old connection does
/// not meet a new one.
#[derive(Debug)]
pub(crate) struct Ports {
    next: u16,
}

impl Ports {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            next: (seed % u64::from(COUNT)) as u16,
        }
    }

    /// The next port that is free; `None` when all are taken.
    pub(crate) fn take(&mut self, free: impl Fn(u16) -> bool) -> Option<u16> {
        for _ in 0..COUNT {
            let port = FIRST + self.next;
            self.next = (self.next + 1) % COUNT;
            if free(port) {
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_given_once_before_one_returns() {
        let mut ports = Ports::new(12_345);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..COUNT {
            assert!(seen.insert(ports.take(|p| !seen.contains(&p)).unwrap()));
        }
        assert_eq!((seen.first(), seen.last()), (Some(&FIRST), Some(&LAST)));
        assert_eq!(ports.take(|p| !seen.contains(&p)), None);
    }
}
