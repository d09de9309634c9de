//! The data, and the commands on it. Pure: the time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::resp::Reply;

mod glob;
mod hashes;
mod keys;
mod lists;
mod strings;
#[cfg(test)]
mod tests;

/// A key or a value.
pub(crate) type Bytes = Vec<u8>;
/// A reply, or the text of an error.
type Answer = Result<Reply, String>;

/// What a key holds.
#[derive(Clone, Debug)]
enum Value {
    Text(Bytes),
    Hash(BTreeMap<Bytes, Bytes>),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    expires_ms: Option<u64>,
}

/// All keys, sorted.
#[derive(Debug, Default)]
pub(crate) struct Store {
    entries: BTreeMap<Bytes, Entry>,
}

/// Commands that change data: they go to the log.
const WRITES: [&str; 35] = [
    "APPEND", "DECR", "DECRBY", "DEL", "EXPIRE", "EXPIREAT", "FLUSHALL", "FLUSHDB", "GETDEL", "GETSET", "HDEL", "HINCRBY",
    "HMSET", "HSET", "HSETNX", "INCR", "INCRBY", "LPOP", "LPUSH", "LREM", "LTRIM", "MSET", "PERSIST", "PEXPIRE", "PEXPIREAT",
    "RENAME", "RPOP", "RPUSH", "SADD", "SET", "SETEX", "SETNX", "SREM", "UNLINK", "PSETEX",
];

/// Whether a command changes data.
pub(crate) fn is_write(name: &str) -> bool {
    WRITES.contains(&name)
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";

impl Store {
    /// Runs a command (its name in upper case, then its arguments); `None` when there is none of this name.
    pub(crate) fn execute(&mut self, name: &str, arguments: &[Bytes], now_ms: u64) -> Option<Reply> {
        let answer = self
            .on_keys(name, arguments, now_ms)
            .or_else(|| self.on_strings(name, arguments, now_ms))
            .or_else(|| self.on_hashes(name, arguments, now_ms))
            .or_else(|| self.on_lists(name, arguments, now_ms))?;
        Some(answer.unwrap_or_else(Reply::Error))
    }

    /// The entry of a key, unless it has expired.
    fn live(&mut self, key: &[u8], now_ms: u64) -> Option<&mut Entry> {
        let expired = self.entries.get(key)?.expires_ms.is_some_and(|at| at <= now_ms);
        if expired {
            self.entries.remove(key);
            return None;
        }
        self.entries.get_mut(key)
    }

    /// Removes what has expired.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        self.entries.retain(|_, entry| entry.expires_ms.is_none_or(|at| at > now_ms));
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many keys will expire.
    pub(crate) fn expiring(&self) -> usize {
        self.entries.values().filter(|entry| entry.expires_ms.is_some()).count()
    }

    fn put(&mut self, key: &[u8], value: Value) {
        self.entries.insert(key.to_vec(), Entry { value, expires_ms: None });
    }
}

fn arity(name: &str, good: bool) -> Result<(), String> {
    let text = || format!("ERR wrong number of arguments for '{}' command", name.to_lowercase());
    if good { Ok(()) } else { Err(text()) }
}

fn integer(bytes: &[u8]) -> Result<i64, String> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| NOT_AN_INTEGER.to_owned())
}

fn upper(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_uppercase()
}

/// The part of a list from `start` to `stop`, both included, negative ones counted from the end.
fn slice(length: usize, start: i64, stop: i64) -> std::ops::Range<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from_end = |n: i64| if n < 0 { n.saturating_add(length) } else { n };
    let start = from_end(start).clamp(0, length);
    let end = from_end(stop).saturating_add(1).clamp(start, length);
    usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)
}
