//! The device under smoltcp's interface: one packet in, a short queue out, all in memory.

use std::num::NonZeroUsize;

use smoltcp::phy::{
    ChecksumCapabilities, Device, DeviceCapabilities, Medium, PacketMeta, RxToken,
    SegmentationCapabilities, TxToken,
};
use smoltcp::time::Instant;

use crate::packet::{PACKET_MAX, Packet};

/// Packets that may wait here; the stack keeps the rest in its socket buffers.
const OUTGOING_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) incoming: Option<Packet>,
    pub(crate) outgoing: Vec<Packet>,
    pub(crate) mtu: usize,
}

impl Device for Wire {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let packet = self.incoming.take()?;
        Some((Incoming(packet), Outgoing::on(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        (self.outgoing.len() < OUTGOING_MAX).then(|| Outgoing::on(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities.checksum = ChecksumCapabilities::ignored();
        let mut segmentation = SegmentationCapabilities::default();
        segmentation.tcpv4 = NonZeroUsize::new(PACKET_MAX);
        capabilities.segmentation = segmentation;
        capabilities
    }
}

pub(crate) struct Incoming(Packet);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0.bytes())
    }
}

pub(crate) struct Outgoing<'a> {
    queue: &'a mut Vec<Packet>,
    segment: u16,
}

impl<'a> Outgoing<'a> {
    fn on(queue: &'a mut Vec<Packet>) -> Self {
        Self { queue, segment: 0 }
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut buf = vec![0; len];
        let result = f(&mut buf);
        self.queue.push(Packet::from_stack(buf, self.segment));
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment = meta.segmentation_offload_size.map_or(0, Into::into);
    }
}
