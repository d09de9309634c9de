//! Protobuf's wire format (<https://protobuf.dev/programming-guides/encoding>): reading fields and writing them.
//!
//! Knows nothing of messages. Groups (wire types 3 and 4) are refused: Kubernetes never writes them.

/// One field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Why bytes are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("unexpected end of the message")]
    Truncated,
    #[error("a varint is longer than ten bytes")]
    Varint,
    #[error("wire type {0} is not supported")]
    Type(u8),
    #[error("field number 0 is not allowed")]
    Number,
}

/// Reads the fields of one message in order.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field number and value, `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Number)?;
        if number == 0 {
            return Err(WireError::Number);
        }
        let value = match (tag & 7) as u8 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::Type(other)),
        };
        Ok(Some((number, value)))
    }

    /// A bare varint, as packed repeated fields hold them.
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let [byte] = self.array()?;
            // The tenth byte holds one bit; what is above it is cut off, as Go's decoder does.
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Varint)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// Writes one message.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// A writer that goes on behind what is there.
impl From<Vec<u8>> for Writer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }
}

impl Writer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A varint field, left out when zero as proto3 does.
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.always(field, value);
        }
    }

    /// A varint field, written even when zero as proto2 does.
    pub(crate) fn always(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    /// A field of 64 bits that holds a floating-point number.
    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.varint(u64::from(field) << 3 | 1);
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// A string or bytes field, left out when empty as proto3 does.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.message(field, value);
        }
    }

    /// A string field, left out when empty.
    pub(crate) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message field, written even when the message is empty.
    pub(crate) fn message(&mut self, field: u32, message: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(message.len() as u64);
        self.bytes.extend_from_slice(message);
    }

    /// A message field that `fill` writes.
    pub(crate) fn nested(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.varint(u64::from(field) << 3 | 2);
        let start = self.bytes.len();
        fill(self);
        // The length is known only now, and moves in front.
        let end = self.bytes.len();
        self.varint((end - start) as u64);
        let behind = self.bytes.len() - end;
        if let Some(message) = self.bytes.get_mut(start..) {
            message.rotate_right(behind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut w = Writer::default();
        w.number(1, 300);
        w.number(2, 0);
        w.text(3, "testing");
        w.nested(4, |m| m.number(1, u64::MAX));
        let bytes = w.into_bytes();
        let mut r = Reader::new(&bytes);
        assert_eq!(r.next(), Ok(Some((1, Wire::Varint(300)))));
        assert_eq!(r.next(), Ok(Some((3, Wire::Bytes(b"testing")))));
        let Ok(Some((4, Wire::Bytes(inner)))) = r.next() else {
            panic!("a message")
        };
        assert_eq!(
            Reader::new(inner).next(),
            Ok(Some((1, Wire::Varint(u64::MAX))))
        );
        assert_eq!(r.next(), Ok(None));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (bytes, error) in [
            (&b"\x08"[..], WireError::Truncated),
            (b"\x0a\x05ab", WireError::Truncated),
            (b"\x09\x00", WireError::Truncated),
            (b"\x0b", WireError::Type(3)),
            (b"\x00\x00", WireError::Number),
            (
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                WireError::Varint,
            ),
            (
                b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                WireError::Truncated,
            ),
        ] {
            assert_eq!(Reader::new(bytes).next(), Err(error), "{bytes:x?}");
        }
    }
}
