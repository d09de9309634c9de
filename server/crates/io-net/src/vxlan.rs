//! VXLAN frames (RFC 7348) around the pods' packets, as a Linux `vxlan` device sends and expects them.
//!
//! Pure functions over bytes. Tunnel ends know each other's Ethernet addresses from the node objects, as flannel's
//! do; ARP is answered for the benefit of devices that ask all the same.

use std::net::Ipv4Addr;

use crate::overlay::Mac;

/// VXLAN header and inner Ethernet header, in bytes.
pub const HEADER: usize = 8 + 14;
/// The flag that says that the VNI counts.
const FLAG_VNI: u8 = 0x08;
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const BROADCAST: Mac = [0xff; 6];

/// Appends the headers that go before a packet.
pub fn put_header(buf: &mut Vec<u8>, vni: u32, from: Mac, to: Mac) {
    put_ethernet(buf, vni, from, to, IPV4);
}

fn put_ethernet(buf: &mut Vec<u8>, vni: u32, from: Mac, to: Mac, kind: [u8; 2]) {
    let [_, a, b, c] = vni.to_be_bytes();
    buf.extend_from_slice(&[FLAG_VNI, 0, 0, 0, a, b, c, 0]);
    buf.extend_from_slice(&to);
    buf.extend_from_slice(&from);
    buf.extend_from_slice(&kind);
}

/// What a datagram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An IPv4 packet for the tunnel end `to`.
    Ipv4 {
        /// VXLAN network identifier.
        vni: u32,
        /// The Ethernet address it is for.
        to: Mac,
        /// The packet.
        packet: &'a [u8],
    },
    /// An ARP request.
    Arp {
        /// VXLAN network identifier.
        vni: u32,
        /// Who asks.
        from: Mac,
        /// Under which address.
        sender: Ipv4Addr,
        /// About which address.
        target: Ipv4Addr,
    },
}

/// Reads a datagram; `None` when it is not VXLAN or holds something else.
#[must_use]
pub fn decode(datagram: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = datagram.split_at_checked(8)?;
    let &[flags, _, _, _, a, b, c, _] = header.first_chunk::<8>()?;
    let (ethernet, payload) = rest.split_at_checked(14)?;
    if flags & FLAG_VNI == 0 {
        return None;
    }
    let vni = u32::from_be_bytes([0, a, b, c]);
    let to = *ethernet.first_chunk::<6>()?;
    match *ethernet.last_chunk::<2>()? {
        IPV4 => Some(Frame::Ipv4 {
            vni,
            to,
            packet: payload,
        }),
        ARP => decode_arp(vni, payload),
        _ => None,
    }
}

/// RFC 826: Ethernet, IPv4, request.
fn decode_arp(vni: u32, arp: &[u8]) -> Option<Frame<'_>> {
    let address = |at: usize| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = arp.get(at..at + 4)?.try_into().ok()?;
        Some(octets.into())
    };
    let request = arp.get(..8)? == [0, 1, 8, 0, 6, 4, 0, 1];
    let from = arp.get(8..14)?.try_into().ok()?;
    let (sender, target) = (address(14)?, address(24)?);
    request.then_some(Frame::Arp {
        vni,
        from,
        sender,
        target,
    })
}

/// The answer to an ARP request: `own` has the address that was asked about.
#[must_use]
pub fn arp_reply(vni: u32, own: Mac, target: Ipv4Addr, asker: Mac, sender: Ipv4Addr) -> Vec<u8> {
    let mut buf = Vec::with_capacity(HEADER + 28);
    put_ethernet(&mut buf, vni, own, asker, ARP);
    buf.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
    buf.extend_from_slice(&own);
    buf.extend_from_slice(&target.octets());
    buf.extend_from_slice(&asker);
    buf.extend_from_slice(&sender.octets());
    buf
}

/// Whether a tunnel end with the address `own` takes a frame for `to`.
#[must_use]
pub fn is_for(own: Mac, to: Mac) -> bool {
    to == own || to == BROADCAST
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = [2, 0, 0, 0, 0, 1];
    const B: Mac = [2, 0, 0, 0, 0, 2];

    #[test]
    fn a_frame_is_laid_out_as_the_rfc_says() {
        let mut buf = Vec::new();
        put_header(&mut buf, 0x01_0203, A, B);
        buf.extend_from_slice(b"packet");
        let head = [
            8, 0, 0, 0, 1, 2, 3, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0,
        ];
        assert_eq!(buf[..HEADER], head);
        let want = Frame::Ipv4 {
            vni: 0x01_0203,
            to: B,
            packet: b"packet",
        };
        assert_eq!(decode(&buf), Some(want));
        for len in 0..HEADER {
            assert_eq!(decode(&buf[..len]), None, "{len} bytes");
        }
        buf[0] = 0;
        assert_eq!(decode(&buf), None, "without the flag");
    }

    #[test]
    fn arp_is_answered_to_the_asker() {
        let (asker, target) = (Ipv4Addr::new(10, 244, 0, 0), Ipv4Addr::new(10, 244, 1, 0));
        let mut request = arp_reply(1, A, asker, BROADCAST, target);
        request[HEADER + 7] = 1;
        let want = Frame::Arp {
            vni: 1,
            from: A,
            sender: asker,
            target,
        };
        assert_eq!(decode(&request), Some(want));
        let reply = arp_reply(1, B, target, A, asker);
        assert_eq!(&reply[8..14], &A);
        assert_eq!(decode(&reply), None, "a reply is not a question");
    }
}
