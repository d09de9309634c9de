//! An IPv4 packet on its way through a node.
//!
//! Inside a node packets carry no valid transport checksum, as between Linux veth devices (CHECKSUM_PARTIAL): they
//! never leave the process's memory. [`Packet::seal`] fills the checksums where a packet leaves for another node and
//! [`Packet::from_wire`] verifies them where one comes in. Fragments are refused: pods send with "don't fragment".

use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::wire::checksum;

use crate::counters::DropReason;
use crate::flow::{FiveTuple, Protocol};

/// Length of an IPv4 header without options, in bytes.
pub const IPV4_HEADER: usize = 20;
/// Length of a UDP header, in bytes.
pub const UDP_HEADER: usize = 8;
/// Length of a TCP header without options, in bytes.
pub const TCP_HEADER: usize = 20;
/// The largest packet, in bytes: what the IPv4 length field can say.
pub const PACKET_MAX: usize = 65_535;
/// The hop limit that stacks here send with (RFC 1700).
pub const TTL: u8 = 64;
/// IP protocol number of ICMP.
pub const ICMP: u8 = 1;

/// TCP flags (RFC 9293 section 3.1).
pub mod tcp_flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment field counts.
    pub const ACK: u8 = 0x10;
}

/// A checked IPv4 packet: header and, for TCP, UDP and ICMP, the transport header lie within the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    buf: Vec<u8>,
    /// Cut the TCP payload to this many bytes a segment before it leaves the node; 0 when it fits as it is.
    segment: u16,
    /// How many segments of the wire it stands for.
    joined: u16,
}

pub(crate) fn be16(buf: &[u8], at: usize) -> u16 {
    match buf.get(at..at + 2) {
        Some(&[a, b]) => u16::from_be_bytes([a, b]),
        _ => 0,
    }
}

pub(crate) fn be32(buf: &[u8], at: usize) -> u32 {
    match buf.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

pub(crate) fn put(buf: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = buf.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn transport_fits(protocol: u8, payload: &[u8]) -> bool {
    match protocol {
        6 => {
            let header = usize::from(payload.get(12).copied().unwrap_or(0) >> 4) * 4;
            header >= TCP_HEADER && header <= payload.len()
        }
        17 => {
            let length = usize::from(be16(payload, 4));
            length >= UDP_HEADER && length <= payload.len()
        }
        ICMP => payload.len() >= 8,
        _ => true,
    }
}

impl Packet {
    /// Takes a packet that a stack of this node made, or the inner packet of a tunnel without its checksums.
    ///
    /// # Errors
    /// The reason to drop it when it is not a whole, unfragmented IPv4 packet.
    pub fn parse(mut buf: Vec<u8>) -> Result<Self, DropReason> {
        let version_ihl = buf.first().copied().unwrap_or(0);
        let header = usize::from(version_ihl & 0x0f) * 4;
        let total = usize::from(be16(&buf, 2));
        if version_ihl >> 4 != 4 || header < IPV4_HEADER || total < header || total > buf.len() {
            return Err(DropReason::Malformed);
        }
        buf.truncate(total);
        if be16(&buf, 6) & 0x3fff != 0 {
            return Err(DropReason::Fragment);
        }
        let protocol = buf.get(9).copied().unwrap_or(0);
        if !transport_fits(protocol, buf.get(header..).unwrap_or_default()) {
            return Err(DropReason::Malformed);
        }
        Ok(Self {
            buf,
            segment: 0,
            joined: 1,
        })
    }

    /// Takes a packet from another node and verifies its checksums (RFC 791, RFC 9293, RFC 768, RFC 792).
    ///
    /// # Errors
    /// As [`Packet::parse`], and `BadChecksum`.
    pub fn from_wire(buf: Vec<u8>) -> Result<Self, DropReason> {
        let packet = Self::parse(buf)?;
        let header = packet.buf.get(..packet.header_len()).unwrap_or_default();
        let payload = packet.payload();
        let good = checksum::data(header) == 0xffff
            && match packet.protocol() {
                6 => packet.transport_is_good(payload, be16(payload, 16)),
                // A zero checksum means that the sender made none.
                17 => {
                    let datagram = payload.get(..usize::from(be16(payload, 4)));
                    let sum = be16(payload, 6);
                    sum == 0 || packet.transport_is_good(datagram.unwrap_or_default(), sum)
                }
                ICMP => checksum::data(payload) == 0xffff,
                _ => true,
            };
        if good {
            Ok(packet)
        } else {
            Err(DropReason::BadChecksum)
        }
    }

    /// A packet made by a stack here: `buf` is checked by construction.
    pub(crate) fn from_stack(buf: Vec<u8>, segment: u16) -> Self {
        Self {
            buf,
            segment,
            joined: 1,
        }
    }

    /// An IPv4 packet around a transport header and payload.
    #[must_use]
    pub fn build(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Self {
        let total = (IPV4_HEADER + payload.len()).min(PACKET_MAX);
        let mut buf = Vec::with_capacity(total);
        buf.extend_from_slice(&[0x45, 0]);
        buf.extend_from_slice(&(total as u16).to_be_bytes());
        buf.extend_from_slice(&[0, 0, 0x40, 0, TTL, protocol, 0, 0]);
        buf.extend_from_slice(&source.octets());
        buf.extend_from_slice(&destination.octets());
        buf.extend(payload.iter().take(total - IPV4_HEADER));
        Self {
            buf,
            segment: 0,
            joined: 1,
        }
    }

    /// A UDP datagram.
    #[must_use]
    pub fn udp(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Self {
        let mut payload = Vec::with_capacity(UDP_HEADER + data.len());
        payload.extend_from_slice(&source.port().to_be_bytes());
        payload.extend_from_slice(&destination.port().to_be_bytes());
        payload.extend_from_slice(&((UDP_HEADER + data.len()) as u16).to_be_bytes());
        payload.extend_from_slice(&[0, 0]);
        payload.extend_from_slice(data);
        Self::build(*source.ip(), *destination.ip(), 17, &payload)
    }

    /// The whole packet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Length of the whole packet in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Never true: a packet has at least its header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Payload bytes a TCP segment may have when this packet is cut, 0 when it need not be.
    #[must_use]
    pub fn segment(&self) -> u16 {
        self.segment
    }

    /// How many segments of the wire it stands for.
    #[must_use]
    pub(crate) fn joined(&self) -> u16 {
        self.joined
    }

    /// Length of the IPv4 header.
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.buf.first().copied().unwrap_or(0) & 0x0f) * 4
    }

    /// What follows the IPv4 header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.buf.get(self.header_len()..).unwrap_or_default()
    }

    /// The data of a UDP datagram.
    #[must_use]
    pub fn udp_data(&self) -> &[u8] {
        let payload = self.payload();
        payload
            .get(UDP_HEADER..usize::from(be16(payload, 4)))
            .unwrap_or_default()
    }

    /// Source address.
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from(be32(&self.buf, 12))
    }

    /// Destination address.
    #[must_use]
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(be32(&self.buf, 16))
    }

    /// IP protocol number.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.buf.get(9).copied().unwrap_or(0)
    }

    /// Hops it may still take.
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.buf.get(8).copied().unwrap_or(0)
    }

    /// Takes one hop; false when none is left.
    #[must_use]
    pub fn hop(&mut self) -> bool {
        match self.buf.get_mut(8) {
            Some(ttl) if *ttl > 1 => {
                *ttl -= 1;
                true
            }
            _ => false,
        }
    }

    /// TCP flags, 0 for anything else.
    #[must_use]
    pub fn tcp_flags(&self) -> u8 {
        if self.protocol() == 6 {
            self.payload().get(13).copied().unwrap_or(0)
        } else {
            0
        }
    }

    /// Which conversation it belongs to; `None` when its protocol has no ports.
    #[must_use]
    pub fn flow(&self) -> Option<FiveTuple> {
        let payload = self.payload();
        Some(FiveTuple {
            protocol: Protocol::from_number(self.protocol())?,
            source: SocketAddrV4::new(self.source(), be16(payload, 0)),
            destination: SocketAddrV4::new(self.destination(), be16(payload, 2)),
        })
    }

    /// Writes the addresses and ports of `flow` into the packet.
    pub fn set_flow(&mut self, flow: &FiveTuple) {
        let at = self.header_len();
        put(&mut self.buf, 12, &flow.source.ip().octets());
        put(&mut self.buf, 16, &flow.destination.ip().octets());
        put(&mut self.buf, at, &flow.source.port().to_be_bytes());
        put(
            &mut self.buf,
            at + 2,
            &flow.destination.port().to_be_bytes(),
        );
    }

    /// Writes addresses only, for packets without ports.
    pub fn set_addresses(&mut self, source: Ipv4Addr, destination: Ipv4Addr) {
        put(&mut self.buf, 12, &source.octets());
        put(&mut self.buf, 16, &destination.octets());
    }

    pub(crate) fn payload_mut(&mut self) -> &mut [u8] {
        let at = self.header_len();
        self.buf.get_mut(at..).unwrap_or_default()
    }

    /// Appends the TCP segment that follows this one in the same stream (receive coalescing, as Linux' GRO does it):
    /// same conversation, acknowledgment, window and options, next sequence number, nothing but data. False leaves
    /// both as they were.
    pub(crate) fn absorb(&mut self, next: &Self) -> bool {
        const PLAIN: u8 = tcp_flags::ACK | tcp_flags::PSH;
        let (Some(own_head), Some(head)) = (self.tcp_head(), next.tcp_head()) else {
            return false;
        };
        let (own, other) = (self.payload(), next.payload());
        let data = next.len() - head;
        let plain = self.tcp_flags() == tcp_flags::ACK && next.tcp_flags() & !PLAIN == 0;
        let follows = be32(own, 4).wrapping_add((self.len() - own_head) as u32) == be32(other, 4);
        // Ports; acknowledgment and data offset; window; options.
        let same = own_head == head
            && self.buf.get(12..20) == next.buf.get(12..20)
            && [0..4, 8..13, 14..16, 20..head - self.header_len()]
                .into_iter()
                .all(|range| own.get(range.clone()) == other.get(range));
        if !(plain && follows && same && data > 0 && self.len() > own_head)
            || self.len() + data > PACKET_MAX
        {
            return false;
        }
        self.joined = self.joined.saturating_add(next.joined);
        self.buf
            .extend_from_slice(next.buf.get(head..).unwrap_or_default());
        let total = self.buf.len() as u16;
        put(&mut self.buf, 2, &total.to_be_bytes());
        let flags = next.tcp_flags();
        let at = self.header_len() + 13;
        put(&mut self.buf, at, &[flags]);
        true
    }

    /// Length of the IPv4 and TCP headers together; `None` for anything but TCP.
    fn tcp_head(&self) -> Option<usize> {
        let ip = self.header_len();
        let tcp = usize::from(self.buf.get(ip + 12)? >> 4) * 4;
        (self.protocol() == 6 && tcp >= TCP_HEADER).then_some(ip + tcp)
    }

    /// The sum of the pseudo-header for `len` bytes of transport header and data.
    fn pseudo_sum(&self, len: usize) -> u16 {
        let mut head = [0; 12];
        put(&mut head, 0, self.buf.get(12..20).unwrap_or(&[0; 8]));
        put(&mut head, 8, &u16::from(self.protocol()).to_be_bytes());
        put(&mut head, 10, &(len as u16).to_be_bytes());
        checksum::data(&head)
    }

    fn transport_sum(&self, segment: &[u8]) -> u16 {
        checksum::combine(&[self.pseudo_sum(segment.len()), checksum::data(segment)])
    }

    /// Whether the checksum that a segment carries is right, or is the pseudo-header's alone: so a Linux vxlan device
    /// leaves it for the network card, and between namespaces of one machine (veth) there is no card to fill it.
    fn transport_is_good(&self, segment: &[u8], carried: u16) -> bool {
        self.transport_sum(segment) == 0xffff || carried == self.pseudo_sum(segment.len())
    }

    /// Fills every checksum, for a packet that leaves the node, and gives its bytes.
    #[must_use]
    pub fn seal(mut self) -> Vec<u8> {
        let at = self.header_len();
        put(&mut self.buf, 10, &[0, 0]);
        let sum = !checksum::data(self.buf.get(..at).unwrap_or_default());
        put(&mut self.buf, 10, &sum.to_be_bytes());
        let place = match self.protocol() {
            6 => 16,
            17 => 6,
            ICMP => 2,
            _ => return self.buf,
        };
        put(&mut self.buf, at + place, &[0, 0]);
        let sum = match self.protocol() {
            ICMP => !checksum::data(self.payload()),
            _ => !self.transport_sum(self.payload()),
        };
        // UDP says "no checksum" with 0 and so sends a computed 0 as all ones (RFC 768).
        let sum = if sum == 0 && self.protocol() == 17 {
            0xffff
        } else {
            sum
        };
        put(&mut self.buf, at + place, &sum.to_be_bytes());
        self.buf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 244, 0, last), port)
    }

    #[test]
    fn a_sealed_packet_is_accepted_and_a_changed_one_is_not() {
        for data in [&b""[..], b"x", b"hello", &[0xff; 1400]] {
            let packet = Packet::udp(a(2, 1000), a(3, 53), data);
            let flow = packet.flow();
            let sealed = packet.seal();
            let back = Packet::from_wire(sealed.clone()).unwrap();
            assert_eq!((back.flow(), back.udp_data()), (flow, data));
            for at in [8, 12, 19, sealed.len() - 1] {
                let mut bad = sealed.clone();
                bad[at] ^= 0x10;
                assert!(Packet::from_wire(bad).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_checksum_left_to_the_network_card_is_accepted() {
        let mut sealed = Packet::udp(a(2, 1000), a(3, 53), b"data").seal();
        let packet = Packet::parse(sealed.clone()).unwrap();
        let partial = packet.pseudo_sum(packet.payload().len());
        sealed[26..28].copy_from_slice(&partial.to_be_bytes());
        assert!(Packet::from_wire(sealed.clone()).is_ok());
        sealed[27] ^= 1;
        assert_eq!(Packet::from_wire(sealed), Err(DropReason::BadChecksum));
    }

    #[test]
    fn what_is_not_a_whole_packet_is_refused() {
        let good = Packet::udp(a(2, 1), a(3, 2), b"data").seal();
        let change = |at: usize, to: u8| {
            let mut buf = good.clone();
            buf[at] = to;
            buf
        };
        for (what, buf, why) in [
            ("empty", vec![], DropReason::Malformed),
            ("cut", good[..25].to_vec(), DropReason::Malformed),
            ("version 6", change(0, 0x65), DropReason::Malformed),
            ("short header", change(0, 0x44), DropReason::Malformed),
            ("udp length", change(25, 200), DropReason::Malformed),
            ("more fragments", change(6, 0x20), DropReason::Fragment),
            ("fragment", change(7, 1), DropReason::Fragment),
            ("ttl changed", change(8, 1), DropReason::BadChecksum),
        ] {
            assert_eq!(Packet::from_wire(buf), Err(why), "{what}");
        }
    }
}
