//! Image files: written whole beside the log, read a frame at a time.

use std::io::{self, BufReader, Read};

use store::frame::{FrameError, HEADER_LEN, Header};
use store::image::{Decoder, encode};
use store::{Snapshot, Store};

use crate::disk::{Disk, create_whole};

/// Ends the name of an image; before it stands the index of the last record it holds.
pub(crate) const SUFFIX: &str = ".image";

pub(crate) fn name(index: u64) -> String {
    format!("{index:020}{SUFFIX}")
}

/// Writes `snapshot` durably and returns the file's length in bytes. Slow: seconds for a gigabyte.
pub(crate) fn write(disk: &dyn Disk, snapshot: &Snapshot) -> io::Result<u64> {
    let mut offset = 0;
    create_whole(disk, &name(snapshot.index()), |file| {
        encode(snapshot, |part| -> Result<(), Failure> {
            file.write_at(offset, part)?;
            offset += part.len() as u64;
            Ok(())
        })
        .map_err(|Failure(error)| error)
    })?;
    Ok(offset)
}

struct Failure(io::Error);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        Self(io::Error::other(error))
    }
}

/// Reads an image and its length in bytes; the error says what is wrong and where.
pub(crate) fn read(disk: &dyn Disk, name: &str) -> Result<(Store, u64), String> {
    let mut file = BufReader::with_capacity(1 << 20, disk.open(name).map_err(|e| e.to_string())?);
    let mut decoder = Decoder::new();
    let mut offset = 0_u64;
    let mut head = [0; HEADER_LEN];
    let mut rest = Vec::new();
    while !decoder.is_complete() {
        let at = |what: &str| format!("at byte {offset}: {what}");
        file.read_exact(&mut head)
            .map_err(|error| at(&error.to_string()))?;
        let header = Header::parse(&head).ok_or_else(|| at("a header fails its checksum"))?;
        rest.resize(header.frame_len() - HEADER_LEN, 0);
        file.read_exact(&mut rest)
            .map_err(|error| at(&error.to_string()))?;
        let payload = header
            .payload(&rest)
            .ok_or_else(|| at("a frame's content fails its checksum"))?;
        decoder
            .push(payload)
            .map_err(|error| at(&error.to_string()))?;
        offset += header.frame_len() as u64;
    }
    Ok((decoder.finish().map_err(|error| error.to_string())?, offset))
}
