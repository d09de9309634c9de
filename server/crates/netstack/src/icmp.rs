//! The messages that say why not: ICMP (RFC 792) and TCP resets (RFC 9293 section 3.5.2); and echo.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::flow::{FiveTuple, Protocol};
use crate::packet::{ICMP, IPV4_HEADER, Packet, be16, be32, put, tcp_flags};

/// How much of the refused packet's payload an error quotes, in bytes (RFC 792 asks for 8).
const QUOTE: usize = 8;
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;

/// An ICMP error about a packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Type 3 code 0: no route.
    NetUnreachable,
    /// Type 3 code 1: nobody there.
    HostUnreachable,
    /// Type 3 code 3: no socket, or a rule that refuses.
    PortUnreachable,
    /// Type 3 code 13: a policy forbids it (RFC 1812).
    Prohibited,
    /// Type 11 code 0: no hop left.
    TimeExceeded,
}

impl Refusal {
    const fn type_code(self) -> (u8, u8) {
        match self {
            Self::NetUnreachable => (UNREACHABLE, 0),
            Self::HostUnreachable => (UNREACHABLE, 1),
            Self::PortUnreachable => (UNREACHABLE, 3),
            Self::Prohibited => (UNREACHABLE, 13),
            Self::TimeExceeded => (TIME_EXCEEDED, 0),
        }
    }

    const fn from_type_code(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (UNREACHABLE, 0) => Some(Self::NetUnreachable),
            (UNREACHABLE, 1) => Some(Self::HostUnreachable),
            (UNREACHABLE, 2 | 3) => Some(Self::PortUnreachable),
            (UNREACHABLE, 9 | 10 | 13) => Some(Self::Prohibited),
            (TIME_EXCEEDED, _) => Some(Self::TimeExceeded),
            _ => None,
        }
    }
}

/// Whether a packet may be answered with an error at all (RFC 1122 section 3.2.2: never an error about an error).
fn answerable(packet: &Packet) -> bool {
    let source = packet.source();
    if source.is_unspecified() || source.is_broadcast() || source.is_multicast() {
        return false;
    }
    packet.protocol() != ICMP
        || matches!(packet.payload().first(), Some(&ECHO_REQUEST | &ECHO_REPLY))
}

/// The ICMP error that tells the sender of `packet`; `None` when it must not be told.
#[must_use]
pub fn refuse(packet: &Packet, why: Refusal, from: Ipv4Addr) -> Option<Packet> {
    if !answerable(packet) {
        return None;
    }
    let (kind, code) = why.type_code();
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    let quoted = (packet.header_len() + QUOTE).min(packet.len());
    message.extend_from_slice(packet.bytes().get(..quoted)?);
    Some(Packet::build(from, packet.source(), ICMP, &message))
}

/// The error that `packet` carries and the conversation it is about, in the direction in which that was sent.
#[must_use]
pub fn refused(packet: &Packet) -> Option<(Refusal, FiveTuple)> {
    if packet.protocol() != ICMP {
        return None;
    }
    let message = packet.payload();
    let why = Refusal::from_type_code(*message.first()?, *message.get(1)?)?;
    let quoted = message.get(8..)?;
    let header = usize::from(quoted.first()? & 0x0f) * 4;
    if header < IPV4_HEADER || quoted.len() < header + 4 {
        return None;
    }
    let address = |at| Ipv4Addr::from(be32(quoted, at));
    let flow = FiveTuple {
        protocol: Protocol::from_number(*quoted.get(9)?)?,
        source: SocketAddrV4::new(address(12), be16(quoted, header)),
        destination: SocketAddrV4::new(address(16), be16(quoted, header + 2)),
    };
    Some((why, flow))
}

/// Writes `flow` over the quoted conversation of an ICMP error, so that its receiver recognises what it sent.
pub fn set_refused_flow(packet: &mut Packet, flow: &FiveTuple) {
    let Some(quoted) = packet.payload_mut().get_mut(8..) else {
        return;
    };
    let header = usize::from(quoted.first().copied().unwrap_or(0) & 0x0f) * 4;
    put(quoted, 12, &flow.source.ip().octets());
    put(quoted, 16, &flow.destination.ip().octets());
    put(quoted, header, &flow.source.port().to_be_bytes());
    put(quoted, header + 2, &flow.destination.port().to_be_bytes());
    let mut head: Vec<u8> = quoted.get(..header).unwrap_or_default().to_vec();
    put(&mut head, 10, &[0, 0]);
    let sum = !smoltcp::wire::checksum::data(&head);
    put(quoted, 10, &sum.to_be_bytes());
}

/// The reset that answers a TCP segment for which there is no connection; `None` when the segment is a reset itself.
#[must_use]
pub fn reset(packet: &Packet) -> Option<Packet> {
    let flow = packet.flow().filter(|f| f.protocol == Protocol::Tcp)?;
    let flags = packet.tcp_flags();
    if flags & tcp_flags::RST != 0 {
        return None;
    }
    let segment = packet.payload();
    let (sequence, acknowledged) = (be32(segment, 4), be32(segment, 8));
    let data = segment.len() - usize::from(segment.get(12)? >> 4) * 4;
    let phantom = u32::from(flags & tcp_flags::SYN != 0) + u32::from(flags & tcp_flags::FIN != 0);
    let end = sequence.wrapping_add(data as u32).wrapping_add(phantom);
    let (seq, ack, flags) = if flags & tcp_flags::ACK != 0 {
        (acknowledged, 0, tcp_flags::RST)
    } else {
        (0, end, tcp_flags::RST | tcp_flags::ACK)
    };
    let mut header = Vec::with_capacity(20);
    header.extend_from_slice(&flow.destination.port().to_be_bytes());
    header.extend_from_slice(&flow.source.port().to_be_bytes());
    header.extend_from_slice(&seq.to_be_bytes());
    header.extend_from_slice(&ack.to_be_bytes());
    header.extend_from_slice(&[5 << 4, flags, 0, 0, 0, 0, 0, 0]);
    let (from, to) = (*flow.destination.ip(), *flow.source.ip());
    Some(Packet::build(from, to, 6, &header))
}

/// The answer to an echo request; `None` for anything else.
#[must_use]
pub fn echo_reply(packet: &Packet) -> Option<Packet> {
    if packet.protocol() != ICMP || packet.payload().first() != Some(&ECHO_REQUEST) {
        return None;
    }
    let mut message = packet.payload().to_vec();
    put(&mut message, 0, &[ECHO_REPLY, 0, 0, 0]);
    let (from, to) = (packet.destination(), packet.source());
    Some(Packet::build(from, to, ICMP, &message))
}

/// An echo request.
#[must_use]
pub fn echo_request(from: Ipv4Addr, to: Ipv4Addr, ident: u16, sequence: u16) -> Packet {
    let mut message = vec![ECHO_REQUEST, 0, 0, 0];
    message.extend_from_slice(&ident.to_be_bytes());
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend(0..48u8);
    Packet::build(from, to, ICMP, &message)
}

/// Identifier and sequence number of an echo reply.
#[must_use]
pub fn echo_replied(packet: &Packet) -> Option<(u16, u16)> {
    let message = packet.payload();
    (packet.protocol() == ICMP && message.first() == Some(&ECHO_REPLY))
        .then(|| (be16(message, 4), be16(message, 6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 244, 0, last), port)
    }

    #[test]
    fn an_error_names_the_conversation_it_is_about() {
        let sent = Packet::udp(at(2, 4000), at(3, 53), b"question");
        for why in [
            Refusal::NetUnreachable,
            Refusal::HostUnreachable,
            Refusal::PortUnreachable,
            Refusal::Prohibited,
            Refusal::TimeExceeded,
        ] {
            let error = refuse(&sent, why, Ipv4Addr::new(10, 244, 0, 1)).unwrap();
            let error = Packet::from_wire(error.seal()).unwrap();
            assert_eq!(error.destination(), sent.source());
            assert_eq!(refused(&error), Some((why, sent.flow().unwrap())));
            assert_eq!(
                refuse(&error, why, sent.source()),
                None,
                "no error about one"
            );
        }
    }

    #[test]
    fn a_quoted_conversation_can_be_translated() {
        let sent = Packet::udp(at(2, 4000), at(3, 53), b"question");
        let mut error = refuse(&sent, Refusal::PortUnreachable, *at(3, 0).ip()).unwrap();
        let mut flow = sent.flow().unwrap();
        flow.destination = "10.96.0.10:5353".parse().unwrap();
        set_refused_flow(&mut error, &flow);
        assert_eq!(refused(&error), Some((Refusal::PortUnreachable, flow)));
    }

    #[test]
    fn a_reset_is_never_answered_by_a_reset() {
        let mut segment = vec![0; 20];
        segment[..4].copy_from_slice(&[0x0f, 0xa0, 0, 80]);
        segment[7] = 41;
        segment[12] = 5 << 4;
        segment[13] = tcp_flags::SYN;
        let syn = Packet::build(*at(2, 0).ip(), *at(3, 0).ip(), 6, &segment);
        let rst = reset(&syn).unwrap();
        assert_eq!(rst.tcp_flags(), tcp_flags::RST | tcp_flags::ACK);
        assert_eq!(be32(rst.payload(), 8), 42, "acknowledges the SYN");
        assert_eq!(rst.flow(), syn.flow().map(FiveTuple::reversed));
        assert_eq!(reset(&rst), None);
    }

    #[test]
    fn echo_comes_back_as_it_was_sent() {
        let request = echo_request(*at(2, 0).ip(), *at(3, 0).ip(), 7, 9);
        let reply = Packet::from_wire(echo_reply(&request).unwrap().seal()).unwrap();
        assert_eq!(echo_replied(&reply), Some((7, 9)));
        assert_eq!(reply.payload()[8..], request.payload()[8..]);
        assert_eq!(echo_reply(&reply), None);
    }
}
