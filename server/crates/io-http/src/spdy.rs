//! SPDY/3.1 as `kubectl` still speaks it, on an upgraded connection and inside WebSockets: frames as pure functions.
//!
//! Source: SPDY Protocol Draft 3.1. Of it, what remote commands and port forwards use: streams with headers, data, half
//! closes, resets and pings. Flow control is left out, as its users do: they ignore windows, and rely on TCP's.

mod dictionary;
mod inflate;
pub(crate) mod session;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use inflate::{Inflater, Storer};

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;

const FLAG_FIN: u8 = 1;
/// Largest control frame: a header block of a few hundred bytes is usual.
const CONTROL_BYTES_MAX: usize = 64 * 1024;
/// Headers of one stream at most.
const HEADERS_MAX: usize = 64;
/// Data frames that are sent are cut to this.
pub(crate) const DATA_BYTES_MAX: usize = 64 * 1024;

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpdyError {
    /// Another version, or no SPDY at all.
    #[error("this is not SPDY/3")]
    Version,
    /// A control frame that is too long or too short.
    #[error("a SPDY control frame has a wrong length")]
    Length,
    /// A header block that does not unfold to headers.
    #[error("the headers of a SPDY stream cannot be read")]
    Headers,
}

/// Header names, in lower case, and values.
pub(crate) type Headers = Vec<(String, String)>;

/// What the other side sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Opens a stream.
    Open {
        /// The stream, odd for a client's.
        stream: u32,
        /// Its headers.
        headers: Headers,
        /// Nothing more will come on it.
        fin: bool,
    },
    /// Bytes of a stream. A long frame arrives in pieces.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes.
        data: Bytes,
        /// Nothing more will come on it.
        fin: bool,
    },
    /// Gives a stream up.
    Reset {
        /// The stream.
        stream: u32,
    },
    /// Wants the same number back.
    Ping(u32),
    /// The connection will end.
    GoAway,
}

/// Reads frames out of bytes.
pub(crate) struct Decoder {
    buffer: BytesMut,
    inflater: Inflater,
    /// The data frame that is being read: its stream, what is missing, whether it is the last.
    data: Option<(u32, usize, bool)>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            inflater: Inflater::new(),
            data: None,
        }
    }
}

impl Decoder {
    /// Takes bytes as they come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the connection is to be closed.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, SpdyError> {
        loop {
            if self.data.is_some() {
                return Ok(self.piece());
            }
            let Some((head, _)) = self.buffer.split_first_chunk::<8>() else {
                return Ok(None);
            };
            let flags = head[4];
            let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
            let word = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            if word >> 31 == 0 {
                self.buffer.advance(8);
                self.data = Some((word, length, flags & FLAG_FIN != 0));
                continue;
            }
            if word >> 16 & 0x7fff != u32::from(VERSION) {
                return Err(SpdyError::Version);
            }
            if length > CONTROL_BYTES_MAX {
                return Err(SpdyError::Length);
            }
            if self.buffer.len() < 8 + length {
                return Ok(None);
            }
            self.buffer.advance(8);
            let body = self.buffer.split_to(length).freeze();
            if let Some(frame) = self.control((word & 0xffff) as u16, flags, body)? {
                return Ok(Some(frame));
            }
        }
    }

    /// What is there of the data frame that is being read.
    fn piece(&mut self) -> Option<Frame> {
        let (stream, missing, fin) = self.data?;
        if missing > 0 && self.buffer.is_empty() {
            return None;
        }
        let data = self
            .buffer
            .split_to(missing.min(self.buffer.len()))
            .freeze();
        let missing = missing - data.len();
        self.data = (missing > 0).then_some((stream, missing, fin));
        Some(Frame::Data {
            stream,
            data,
            fin: fin && missing == 0,
        })
    }

    fn control(
        &mut self,
        kind: u16,
        flags: u8,
        mut body: Bytes,
    ) -> Result<Option<Frame>, SpdyError> {
        let mut number = |mask: u32| {
            (body.len() >= 4)
                .then(|| body.get_u32() & mask)
                .ok_or(SpdyError::Length)
        };
        Ok(match kind {
            SYN_STREAM => {
                let stream = number(0x7fff_ffff)?;
                number(0)?;
                if body.len() < 2 {
                    return Err(SpdyError::Length);
                }
                // Priority and slot mean nothing here.
                body.advance(2);
                let headers = read_headers(&self.inflater.block(&body)?)?;
                let fin = flags & FLAG_FIN != 0;
                Some(Frame::Open {
                    stream,
                    headers,
                    fin,
                })
            }
            RST_STREAM => Some(Frame::Reset {
                stream: number(0x7fff_ffff)?,
            }),
            PING => Some(Frame::Ping(number(u32::MAX)?)),
            GOAWAY => Some(Frame::GoAway),
            // A reply and later headers of a stream are not wanted, but they move the header stream on.
            SYN_REPLY | 8 => {
                number(0)?;
                self.inflater.block(&body)?;
                None
            }
            // Settings, window updates and what later versions may have.
            _ => None,
        })
    }
}

fn read_headers(mut plain: &[u8]) -> Result<Headers, SpdyError> {
    let number = |from: &mut &[u8]| {
        let (head, rest) = from.split_first_chunk::<4>().ok_or(SpdyError::Headers)?;
        *from = rest;
        Ok(u32::from_be_bytes(*head) as usize)
    };
    let count = number(&mut plain)?;
    if count > HEADERS_MAX {
        return Err(SpdyError::Headers);
    }
    let text = |from: &mut &[u8]| {
        let length = number(from)?;
        let (head, rest) = from.split_at_checked(length).ok_or(SpdyError::Headers)?;
        *from = rest;
        String::from_utf8(head.to_vec()).map_err(|_| SpdyError::Headers)
    };
    (0..count)
        .map(|_| Ok((text(&mut plain)?.to_ascii_lowercase(), text(&mut plain)?)))
        .collect()
}

/// Writes frames.
#[derive(Default)]
pub(crate) struct Encoder {
    storer: Storer,
}

impl Encoder {
    /// Accepts a stream.
    pub(crate) fn reply(&mut self, stream: u32, out: &mut BytesMut) {
        let block = self.storer.block(&0u32.to_be_bytes());
        control(SYN_REPLY, 4 + block.len(), out);
        out.put_u32(stream);
        out.put_slice(&block);
    }

    /// Bytes of a stream, and whether they are its last.
    pub(crate) fn data(stream: u32, data: &[u8], fin: bool, out: &mut BytesMut) {
        let mut pieces = data.chunks(DATA_BYTES_MAX).peekable();
        if pieces.peek().is_none() {
            head(stream, fin, 0, out);
        }
        while let Some(piece) = pieces.next() {
            head(stream, fin && pieces.peek().is_none(), piece.len(), out);
            out.put_slice(piece);
        }
    }

    /// Refuses a stream.
    pub(crate) fn reset(stream: u32, out: &mut BytesMut) {
        /// `REFUSED_STREAM`.
        const REFUSED: u32 = 3;
        control(RST_STREAM, 8, out);
        out.put_u32(stream);
        out.put_u32(REFUSED);
    }

    /// Answers a ping.
    pub(crate) fn ping(id: u32, out: &mut BytesMut) {
        control(PING, 4, out);
        out.put_u32(id);
    }
}

fn head(stream: u32, fin: bool, length: usize, out: &mut BytesMut) {
    out.put_u32(stream & 0x7fff_ffff);
    out.put_u32(u32::from(if fin { FLAG_FIN } else { 0 }) << 24 | length as u32);
}

fn control(kind: u16, length: usize, out: &mut BytesMut) {
    out.put_u16(0x8000 | VERSION);
    out.put_u16(kind);
    out.put_u32(length as u32);
}

#[cfg(test)]
mod tests;
