//! The link codec: a scenario as a URL fragment that anybody can open, look at and apply.
//!
//! On the wire: `base64url(version byte, CRC-32 of the JSON, raw deflate of compact JSON)`. Raw deflate has no check
//! of its own, and a link that was damaged into a different valid document would be worse than one that fails.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::inflate::TINFLStatus;

use super::{FormatError, MAX_DECODED, MAX_ENCODED, Scenario};

/// What is written: 2 carries steps, checks and a timeline.
const VERSION: u8 = 2;
/// What is still read: 1 carried objects alone.
const VERSION_FIRST: u8 = 1;
const HEADER: usize = 5;

/// Why a scenario could not be written to a link.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The link would be longer than browsers and chats carry.
    #[error(
        "these objects make a link of {0} characters, and a link holds at most {MAX_ENCODED}; remove some or shorten their ConfigMaps"
    )]
    TooLong(usize),
    /// Something that must not travel.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The document could not be written.
    #[error("the scenario cannot be written as JSON: {0}")]
    Json(String),
}

/// Why a link could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing after `#s=`.
    #[error("the link holds no scenario: nothing follows #s=")]
    Empty,
    /// Longer than any link that this page writes.
    #[error("the link is {0} characters long, and a scenario link has at most {MAX_ENCODED}")]
    TooLong(usize),
    /// Characters that no link has, or an impossible length.
    #[error(
        "the link is damaged: it is not base64url; it was probably cut or changed when it was copied"
    )]
    NotBase64,
    /// Written by a newer page.
    #[error(
        "the link has format version {0} and this page reads versions up to {VERSION}; open it with a newer Glasshouse"
    )]
    Version(u8),
    /// The compressed part or its checksum does not hold.
    #[error(
        "the link is damaged: its contents do not match their checksum; it was probably cut or changed when it was copied"
    )]
    Damaged,
    /// Unfolds to more than a scenario may be.
    #[error("the link unfolds to more than {MAX_DECODED} bytes and was not read further")]
    TooBig,
    /// The document is not a scenario.
    #[error("the link does not hold a scenario: {0}")]
    NotAScenario(String),
    /// More than a link may hold, or what it may not do.
    #[error("the link was refused: {0}")]
    Format(#[from] FormatError),
}

impl Scenario {
    /// Writes the part of a link that follows `#s=`.
    ///
    /// # Errors
    /// When an object must not travel or the link would grow too long.
    pub fn encode(&self) -> Result<String, EncodeError> {
        self.validate()?;
        let json = serde_json::to_vec(self).map_err(|e| EncodeError::Json(e.to_string()))?;
        let mut bytes = vec![VERSION];
        bytes.extend(crc32(&json).to_be_bytes());
        bytes.extend(miniz_oxide::deflate::compress_to_vec(&json, 9));
        let link = URL_SAFE_NO_PAD.encode(bytes);
        if link.len() > MAX_ENCODED || json.len() > MAX_DECODED {
            return Err(EncodeError::TooLong(link.len()));
        }
        Ok(link)
    }

    /// Reads the part of a link that follows `#s=`. Unfolding stops at [`MAX_DECODED`].
    ///
    /// # Errors
    /// When the link is damaged, too long, too new, or holds what a link must not create.
    pub fn decode(link: &str) -> Result<Self, DecodeError> {
        let link = link.trim();
        if link.is_empty() {
            return Err(DecodeError::Empty);
        }
        if link.len() > MAX_ENCODED {
            return Err(DecodeError::TooLong(link.len()));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(link)
            .map_err(|_| DecodeError::NotBase64)?;
        match bytes.first() {
            Some(&(VERSION_FIRST..=VERSION)) => {}
            Some(&other) => return Err(DecodeError::Version(other)),
            None => return Err(DecodeError::Damaged),
        }
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(DecodeError::Damaged)?;
        let json =
            miniz_oxide::inflate::decompress_to_vec_with_limit(body, MAX_DECODED).map_err(|e| {
                match e.status {
                    TINFLStatus::HasMoreOutput => DecodeError::TooBig,
                    _ => DecodeError::Damaged,
                }
            })?;
        if header.get(1..) != Some(crc32(&json).to_be_bytes().as_slice()) {
            return Err(DecodeError::Damaged);
        }
        // A list would be read as the fields in their order.
        if json.first() != Some(&b'{') {
            return Err(DecodeError::NotAScenario("it is no JSON object".into()));
        }
        let scenario: Self =
            serde_json::from_slice(&json).map_err(|e| DecodeError::NotAScenario(e.to_string()))?;
        scenario.validate()?;
        Ok(scenario)
    }
}

/// CRC-32 as gzip has it (RFC 1952 section 8).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            (c >> 1) ^ (0xEDB8_8320 & (0u32.wrapping_sub(c & 1)))
        })
    })
}
