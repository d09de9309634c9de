//! Cuts a large TCP packet into segments that fit the link (TCP segmentation offload in software).
//!
//! Stacks send up to 64 KiB at once; between pods of one node that arrives as it is, and only here, on the way to
//! another node, it is cut.

use crate::packet::{IPV4_HEADER, Packet, TCP_HEADER, be16, be32, put, tcp_flags};

/// The segments of a packet, sealed, in order; one when nothing has to be cut.
pub fn seal_segments(packet: Packet) -> impl Iterator<Item = Vec<u8>> {
    let plan = Plan::of(&packet);
    let count = plan.as_ref().map_or(1, |p| p.count);
    let mut whole = Some(packet);
    (0..count).filter_map(move |i| match &plan {
        None => whole.take().map(Packet::seal),
        Some(plan) => whole.as_ref().and_then(|p| plan.cut(p, i)),
    })
}

struct Plan {
    head: usize,
    size: usize,
    count: usize,
}

impl Plan {
    fn of(packet: &Packet) -> Option<Self> {
        let size = usize::from(packet.segment());
        let ip = packet.header_len();
        let tcp = usize::from(packet.bytes().get(ip + 12)? >> 4) * 4;
        let head = ip + tcp;
        let data = packet.len().checked_sub(head)?;
        let cut = size > 0 && packet.protocol() == 6 && ip >= IPV4_HEADER && tcp >= TCP_HEADER;
        (cut && data > size).then(|| Self {
            head,
            size,
            count: data.div_ceil(size),
        })
    }

    fn cut(&self, packet: &Packet, index: usize) -> Option<Vec<u8>> {
        let from = self.head + index * self.size;
        let to = (from + self.size).min(packet.len());
        let data = packet.bytes().get(from..to)?;
        let mut buf = Vec::with_capacity(self.head + data.len());
        buf.extend_from_slice(packet.bytes().get(..self.head)?);
        buf.extend_from_slice(data);
        let ip = packet.header_len();
        let total = buf.len() as u16;
        put(&mut buf, 2, &total.to_be_bytes());
        let ident = be16(&buf, 4).wrapping_add(index as u16);
        put(&mut buf, 4, &ident.to_be_bytes());
        let sequence = be32(&buf, ip + 4).wrapping_add((index * self.size) as u32);
        put(&mut buf, ip + 4, &sequence.to_be_bytes());
        if index + 1 < self.count
            && let Some(flags) = buf.get_mut(ip + 13)
        {
            *flags &= !(tcp_flags::FIN | tcp_flags::PSH);
        }
        Some(Packet::from_stack(buf, 0).seal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn tcp(data: &[u8], segment: u16) -> Packet {
        let mut payload = vec![0; 20];
        payload[7] = 100;
        payload[12] = 5 << 4;
        payload[13] = tcp_flags::ACK | tcp_flags::PSH | tcp_flags::FIN;
        payload.extend_from_slice(data);
        let address = |last| Ipv4Addr::new(10, 0, 0, last);
        let whole = Packet::build(address(1), address(2), 6, &payload);
        Packet::from_stack(whole.bytes().to_vec(), segment)
    }

    #[test]
    fn segments_carry_the_same_bytes_in_order() {
        for (len, size, want) in [
            (0, 100, 1),
            (100, 100, 1),
            (101, 100, 2),
            (60_000, 1410, 43),
            (5000, 0, 1),
        ] {
            let data: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let parts: Vec<Packet> = seal_segments(tcp(&data, size))
                .map(|b| Packet::from_wire(b).unwrap())
                .collect();
            assert_eq!(parts.len(), want, "{len} by {size}");
            let mut joined = Vec::new();
            for (i, part) in parts.iter().enumerate() {
                assert_eq!(be32(part.payload(), 4) as usize, 100 + joined.len());
                let last = i + 1 == parts.len();
                assert_eq!(part.tcp_flags() & tcp_flags::FIN != 0, last);
                joined.extend_from_slice(&part.payload()[20..]);
            }
            assert_eq!(joined, data);
        }
    }

    #[test]
    fn segments_that_came_in_order_are_joined_again() {
        let data: Vec<u8> = (0..60_000_u32).map(|i| (i % 251) as u8).collect();
        let parts: Vec<Packet> = seal_segments(tcp(&data, 1410))
            .map(|b| Packet::from_wire(b).unwrap())
            .collect();
        let mut first = parts[0].clone();
        assert!(!first.absorb(&parts[2]), "a gap");
        assert!(!first.absorb(&first.clone()), "a repetition");
        assert!(!first.absorb(&Packet::udp(
            "10.0.0.1:1".parse().unwrap(),
            "10.0.0.2:2".parse().unwrap(),
            b"x"
        )));
        let (last, middle) = parts[1..].split_last().unwrap();
        for part in middle {
            assert!(first.absorb(part));
        }
        assert!(!first.absorb(last), "a FIN comes alone");
        assert_eq!(
            first.payload()[20..],
            data[..data.len() - (last.len() - 40)]
        );
        assert!(Packet::parse(first.bytes().to_vec()).is_ok());
        assert!(!first.absorb(&parts[1]), "older data");
    }
}
