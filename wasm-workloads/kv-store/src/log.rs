//! The append-only log: every change as the request that made it, with the time in front as Redis 7 writes it
//! (`#TS:SECONDS`, here in milliseconds), so that what was to expire still does after a restart.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::resp::{Parsed, encode_request, parse};
use crate::store::{Bytes, Store};

/// The file in the data directory.
pub(crate) const FILE: &str = "appendonly.aof";

/// An open log.
pub(crate) struct Log {
    file: File,
}

/// What a log held.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Replayed {
    pub(crate) commands: usize,
    /// Bytes at the end that were cut off by a crash, and are dropped.
    pub(crate) torn: usize,
}

impl Log {
    /// Opens the log of a directory and brings the store to its state.
    pub(crate) fn open(dir: &Path, store: &mut Store) -> io::Result<(Self, Replayed)> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let replayed = replay(&bytes, store)?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        if replayed.torn > 0 {
            file.set_len((bytes.len() - replayed.torn) as u64)?;
        }
        Ok((Self { file }, replayed))
    }

    /// Adds changes.
    pub(crate) fn append(&mut self, changes: &[Vec<Bytes>], now_ms: u64) -> io::Result<()> {
        self.file.write_all(&encode(changes, now_ms))
    }
}

fn encode(changes: &[Vec<Bytes>], now_ms: u64) -> Vec<u8> {
    let mut out = format!("#TS:{now_ms}\r\n").into_bytes();
    changes.iter().for_each(|change| encode_request(change, &mut out));
    out
}

fn replay(bytes: &[u8], store: &mut Store) -> io::Result<Replayed> {
    let mut replayed = Replayed::default();
    let (mut at, mut now_ms) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b'#' {
            let Some(end) = bytes[at..].iter().position(|b| *b == b'\n') else { break };
            let line = String::from_utf8_lossy(&bytes[at..at + end]);
            now_ms = line.trim_end().strip_prefix("#TS:").and_then(|ms| ms.parse().ok()).unwrap_or(now_ms);
            at += end + 1;
            continue;
        }
        match parse(&bytes[at..]) {
            Parsed::Request(request, length) => {
                if let Some((name, arguments)) = request.split_first() {
                    store.execute(&String::from_utf8_lossy(name).to_uppercase(), arguments, now_ms);
                    replayed.commands += 1;
                }
                at += length;
            }
            Parsed::Incomplete => break,
            Parsed::Wrong(why) => {
                let why = format!("{FILE} is damaged at byte {at}: {why}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
    }
    replayed.torn = bytes.len() - at;
    Ok(replayed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Bytes> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_log_is_replayed_at_its_own_time() {
        let mut bytes = encode(&[words("SET a 1 PX 100"), words("SET b 1")], 1000);
        bytes.extend(encode(&[words("INCR b")], 1200));
        let whole = bytes.len();
        bytes.extend(&encode(&[words("SET c 1")], 1300)[..20]);
        let mut store = Store::default();
        let replayed = replay(&bytes, &mut store).unwrap();
        assert_eq!((replayed.commands, bytes.len() - replayed.torn), (3, whole + 10));
        assert!(format!("{:?}", store.execute("GET", &[b"b".to_vec()], 1200)).contains("50"), "b is 2");
        assert_eq!(store.execute("EXISTS", &[b"a".to_vec()], 1099), Some(crate::resp::Reply::Integer(1)));
        assert_eq!(store.execute("EXISTS", &[b"a".to_vec()], 1100), Some(crate::resp::Reply::Integer(0)));
        assert!(replay(b"*x\r\n", &mut store).is_err());
    }
}
