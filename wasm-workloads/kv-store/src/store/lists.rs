//! Commands on lists and sets.

use std::collections::{BTreeSet, VecDeque};

use super::{Answer, Bytes, Reply, Store, Value, WRONG_TYPE, arity, integer, slice};

impl Store {
    pub(super) fn on_lists(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Option<Answer> {
        let (least, most) = match name {
            "LPUSH" | "RPUSH" | "SADD" | "SREM" => (2, usize::MAX),
            "LPOP" | "RPOP" => (1, 2),
            "LLEN" | "SCARD" | "SMEMBERS" => (1, 1),
            "LINDEX" | "SISMEMBER" => (2, 2),
            "LRANGE" | "LTRIM" | "LREM" => (3, 3),
            _ => return None,
        };
        Some(arity(name, (least..=most).contains(&args.len())).and_then(|()| {
            if name.starts_with('S') {
                self.on_set(name, &args[0], &args[1..], now_ms)
            } else {
                self.on_list(name, &args[0], &args[1..], now_ms)
            }
        }))
    }

    fn on_list(&mut self, name: &str, key: &[u8], rest: &[Bytes], now_ms: u64) -> Answer {
        if name.ends_with("PUSH") && self.live(key, now_ms).is_none() {
            self.put(key, Value::List(VecDeque::new()));
        }
        let mut none = VecDeque::new();
        let list = match self.live(key, now_ms).map(|entry| &mut entry.value) {
            None => &mut none,
            Some(Value::List(list)) => list,
            Some(_) => return Err(WRONG_TYPE.to_owned()),
        };
        let reply = match name {
            "LPUSH" | "RPUSH" => {
                for item in rest {
                    if name == "LPUSH" { list.push_front(item.clone()) } else { list.push_back(item.clone()) }
                }
                Reply::count(list.len())
            }
            "LPOP" | "RPOP" => pop(list, name == "LPOP", rest.first())?,
            "LLEN" => Reply::count(list.len()),
            "LINDEX" => {
                let index = integer(&rest[0])?;
                let range = slice(list.len(), index, index);
                list.get(range.start).filter(|_| !range.is_empty()).map_or(Reply::Nil, |item| Reply::Bulk(item.clone()))
            }
            "LRANGE" => {
                let range = slice(list.len(), integer(&rest[0])?, integer(&rest[1])?);
                Reply::bulks(list.range(range).cloned())
            }
            "LTRIM" => {
                let range = slice(list.len(), integer(&rest[0])?, integer(&rest[1])?);
                *list = list.range(range).cloned().collect();
                Reply::OK
            }
            _ => remove(list, integer(&rest[0])?, &rest[1]),
        };
        if list.is_empty() {
            self.entries.remove(key);
        }
        Ok(reply)
    }

    fn on_set(&mut self, name: &str, key: &[u8], rest: &[Bytes], now_ms: u64) -> Answer {
        if name == "SADD" && self.live(key, now_ms).is_none() {
            self.put(key, Value::Set(BTreeSet::new()));
        }
        let mut none = BTreeSet::new();
        let set = match self.live(key, now_ms).map(|entry| &mut entry.value) {
            None => &mut none,
            Some(Value::Set(set)) => set,
            Some(_) => return Err(WRONG_TYPE.to_owned()),
        };
        let reply = match name {
            "SADD" => Reply::count(rest.iter().filter(|item| set.insert((*item).clone())).count()),
            "SREM" => Reply::count(rest.iter().filter(|item| set.remove(*item)).count()),
            "SCARD" => Reply::count(set.len()),
            "SISMEMBER" => Reply::flag(set.contains(&rest[0])),
            _ => Reply::Set(set.iter().cloned().map(Reply::Bulk).collect()),
        };
        if set.is_empty() {
            self.entries.remove(key);
        }
        Ok(reply)
    }
}

/// One item, or with a count up to so many as an array.
fn pop(list: &mut VecDeque<Bytes>, front: bool, count: Option<&Bytes>) -> Answer {
    let mut next = || if front { list.pop_front() } else { list.pop_back() };
    let Some(count) = count else { return Ok(next().map_or(Reply::Nil, Reply::Bulk)) };
    let count = usize::try_from(integer(count)?).map_err(|_| "ERR value is out of range, must be positive")?;
    let items: Vec<Bytes> = std::iter::from_fn(next).take(count).collect();
    Ok(if items.is_empty() && count > 0 { Reply::Nil } else { Reply::bulks(items) })
}

/// Removes items that are equal: the first so many, the last so many when negative, all when 0.
fn remove(list: &mut VecDeque<Bytes>, count: i64, item: &[u8]) -> Reply {
    let most = usize::try_from(count.unsigned_abs()).ok().filter(|n| *n > 0).unwrap_or(usize::MAX);
    let mut removed = 0;
    let mut keep = |other: &Bytes| {
        let goes = other == item && removed < most;
        removed += usize::from(goes);
        !goes
    };
    if count < 0 {
        let mut kept: Vec<Bytes> = list.drain(..).rev().filter(|other| keep(other)).collect();
        kept.reverse();
        *list = kept.into();
    } else {
        list.retain(|other| keep(other));
    }
    Reply::count(removed)
}
