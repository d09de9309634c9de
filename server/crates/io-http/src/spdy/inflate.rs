//! Header blocks: zlib with the protocol's dictionary, one stream for all blocks of a connection.
//!
//! What is sent is stored, not compressed: a header of ours is a few bytes, and a stored block needs no state and no
//! dictionary (RFC 1950 lets a stream say so).

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::SpdyError;
use super::dictionary;

/// Deflate looks back so far.
const WINDOW: usize = 32 * 1024;
/// A header block may unfold to so much.
const BLOCK_BYTES_MAX: usize = 64 * 1024;
/// `FDICT` of RFC 1950, section 2.2.
const HAS_DICTIONARY: u8 = 0x20;

/// Unfolds the header blocks of one direction.
pub(super) struct Inflater {
    deflate: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    has_begun: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            deflate: Box::default(),
            window: vec![0; WINDOW],
            at: 0,
            has_begun: false,
        }
    }

    /// One header block, unfolded.
    pub(super) fn block(&mut self, block: &[u8]) -> Result<Vec<u8>, SpdyError> {
        let mut rest = if self.has_begun {
            block
        } else {
            self.begin(block)?
        };
        let mut out = Vec::new();
        loop {
            let (status, read, wrote) = decompress(
                &mut self.deflate,
                rest,
                &mut self.window,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            out.extend_from_slice(&self.window[self.at..self.at + wrote]);
            self.at = (self.at + wrote) % WINDOW;
            rest = &rest[read..];
            if out.len() > BLOCK_BYTES_MAX {
                return Err(SpdyError::Headers);
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput if rest.is_empty() => return Ok(out),
                _ => return Err(SpdyError::Headers),
            }
        }
    }

    /// Reads the stream's header and puts the dictionary into the window if it says so.
    fn begin<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], SpdyError> {
        let [method, flags, rest @ ..] = block else {
            return Err(SpdyError::Headers);
        };
        let is_zlib =
            method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31);
        if !is_zlib {
            return Err(SpdyError::Headers);
        }
        self.has_begun = true;
        if flags & HAS_DICTIONARY == 0 {
            return Ok(rest);
        }
        let (id, rest) = rest.split_first_chunk().ok_or(SpdyError::Headers)?;
        if u32::from_be_bytes(*id) != dictionary::ID {
            return Err(SpdyError::Headers);
        }
        let known = dictionary::bytes();
        self.window[..known.len()].copy_from_slice(&known);
        self.at = known.len();
        Ok(rest)
    }
}

/// Folds the header blocks of one direction, by storing them.
#[derive(Default)]
pub(super) struct Storer {
    has_begun: bool,
}

impl Storer {
    /// One block; `plain` is shorter than 64 KiB.
    pub(super) fn block(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(plain.len() + 12);
        if !std::mem::replace(&mut self.has_begun, true) {
            // Deflate, 32 KiB window, no dictionary.
            out.extend_from_slice(&[0x78, 0x01]);
        }
        let length = u16::try_from(plain.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(&plain[..usize::from(length)]);
        // An empty stored block: the mark of a flush, by which readers know that the block is whole.
        out.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
        out
    }
}
