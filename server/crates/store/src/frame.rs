//! Frames: checked pieces of a file, and the judgement on one that is not whole.
//!
//! A frame is a header of 16 bytes (payload length, CRC-32 of the payload, CRC-32 of those eight bytes, a mark), the
//! payload, a closing mark of one byte, and zeros up to a multiple of 16, so that no header lies across two sectors. Its writer syncs the file after each frame before it writes the next, so
//! only the last frame of a file can be torn, and a tear shows: disks and kernels lose whole 512-byte sectors, which
//! then read as zeros or lie beyond the end of the file. A frame that is all there and still fails its checksum was
//! damaged later, and what it held may have been acknowledged: that is refused, never cut off.
//!
//! Limit: a damaged last frame whose values contain a sector of zeros is taken for a torn one.

/// Bytes before the payload.
pub const HEADER_LEN: usize = 16;
/// The largest payload in bytes.
pub const MAX_PAYLOAD: usize = 64 << 20;
/// What a disk writes or loses as a whole, at least.
const SECTOR: usize = 512;
/// Ends a header. Not UTF-8, so no JSON value can imitate it.
const MARK: [u8; 4] = [0xc5, 0x9d, 0xfe, 0xa7];
/// Ends a frame: not zero, so that a frame cut short in a zero-filled file shows.
const CLOSE: u8 = 0xc5;

/// What is at an offset of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A whole frame.
    Payload {
        /// Its content.
        payload: &'a [u8],
        /// The offset after it, where the next frame belongs.
        end: usize,
    },
    /// Nothing: the file ends or was never written from here.
    End,
}

/// Why there is no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The file's last frame was never completed: it is safe to forget.
    #[error("at byte {offset}: the last frame is torn")]
    Torn {
        /// Where it begins.
        offset: usize,
    },
    /// A frame was whole once and is damaged.
    #[error("at byte {offset}: the file is corrupt: {reason}")]
    Corrupt {
        /// Where the frame begins.
        offset: usize,
        /// How it shows.
        reason: &'static str,
    },
    /// The payload exceeds [`MAX_PAYLOAD`].
    #[error("a frame of {len} bytes cannot be written: the limit is {MAX_PAYLOAD} bytes")]
    TooLarge {
        /// The payload's length in bytes.
        len: usize,
    },
}

/// Appends one frame to `out`, its payload written by `fill`.
///
/// # Errors
/// [`FrameError::TooLarge`]; `out` is then as before.
pub fn write(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    fill(out);
    let payload = out.get(start + HEADER_LEN..).unwrap_or_default();
    let len = payload.len();
    if len > MAX_PAYLOAD {
        out.truncate(start);
        return Err(FrameError::TooLarge { len });
    }
    let header = header(len as u32, crc32fast::hash(payload));
    if let Some(place) = out.get_mut(start..start + HEADER_LEN) {
        place.copy_from_slice(&header);
    }
    out.push(CLOSE);
    out.resize(start + padded(out.len() - start), 0);
    Ok(())
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(HEADER_LEN)
}

fn header(len: u32, payload_crc: u32) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    let (numbers, mark) = bytes.split_at_mut(12);
    mark.copy_from_slice(&MARK);
    let (sums, check) = numbers.split_at_mut(8);
    let (a, b) = sums.split_at_mut(4);
    a.copy_from_slice(&len.to_le_bytes());
    b.copy_from_slice(&payload_crc.to_le_bytes());
    check.copy_from_slice(&crc32fast::hash(sums).to_le_bytes());
    bytes
}

/// A header that proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The payload's length in bytes.
    pub len: usize,
    crc: u32,
}

impl Header {
    /// Reads the 16 bytes before a payload; `None` when they are not a header.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (len, crc) = (word(0)?, word(4)?);
        let good =
            bytes.get(12..HEADER_LEN)? == MARK && bytes.get(..HEADER_LEN)? == header(len, crc);
        let len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= MAX_PAYLOAD)?;
        good.then_some(Self { len, crc })
    }

    /// The frame's length in bytes, all included.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        padded(HEADER_LEN + self.len + 1)
    }

    /// The payload in `rest`, the bytes after the header; `None` when it is not the one that was written.
    #[must_use]
    pub fn payload<'a>(&self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let payload = rest.get(..self.len)?;
        (rest.get(self.len) == Some(&CLOSE) && crc32fast::hash(payload) == self.crc)
            .then_some(payload)
    }
}

/// Reads the frame at `offset` of a whole `file`.
///
/// # Errors
/// [`FrameError::Torn`] or [`FrameError::Corrupt`], as the module says.
pub fn read(file: &[u8], offset: usize) -> Result<Next<'_>, FrameError> {
    let rest = file.get(offset..).unwrap_or_default();
    let Some(header) = Header::parse(rest) else {
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(Next::End);
        }
        let torn = rest
            .get(..HEADER_LEN)
            .is_none_or(|head| head.ends_with(&[0]));
        return Err(judge(
            file,
            offset,
            torn,
            "a frame's header fails its checksum",
        ));
    };
    let body = rest.get(HEADER_LEN..).unwrap_or_default();
    if let Some(payload) = header.payload(body) {
        return Ok(Next::Payload {
            payload,
            end: offset + header.frame_len(),
        });
    }
    let torn = body
        .get(..=header.len)
        .is_none_or(|body| body.ends_with(&[0]) || lost_sector(body, offset + HEADER_LEN));
    Err(judge(
        file,
        offset,
        torn,
        "a frame's content fails its checksum",
    ))
}

/// Whether a whole sector within `bytes`, which begin at `offset` of the file, is missing: reads as zeros.
fn lost_sector(bytes: &[u8], offset: usize) -> bool {
    let first = (SECTOR - offset % SECTOR) % SECTOR;
    let sectors = bytes.get(first..).unwrap_or_default();
    sectors
        .chunks_exact(SECTOR)
        .any(|sector| sector.iter().all(|byte| *byte == 0))
}

fn judge(file: &[u8], offset: usize, torn: bool, reason: &'static str) -> FrameError {
    if frame_follows(file, offset + HEADER_LEN) {
        let reason = "a frame is damaged and whole ones follow it";
        return FrameError::Corrupt { offset, reason };
    }
    if torn {
        FrameError::Torn { offset }
    } else {
        FrameError::Corrupt { offset, reason }
    }
}

/// Whether a whole frame begins at `offset` or later.
fn frame_follows(file: &[u8], offset: usize) -> bool {
    (offset..file.len()).step_by(HEADER_LEN).any(|at| {
        let rest = file.get(at..).unwrap_or_default();
        Header::parse(rest)
            .zip(rest.get(HEADER_LEN..))
            .is_some_and(|(header, body)| header.payload(body).is_some())
    })
}
