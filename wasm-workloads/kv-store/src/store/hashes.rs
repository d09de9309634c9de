//! Commands on hashes: fields and values below one key.

use std::collections::BTreeMap;

use super::{Answer, Bytes, Reply, Store, Value, WRONG_TYPE, arity, integer};

type Hash = BTreeMap<Bytes, Bytes>;

impl Store {
    pub(super) fn on_hashes(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Option<Answer> {
        let least = match name {
            "HGETALL" | "HKEYS" | "HVALS" | "HLEN" => 1,
            "HGET" | "HDEL" | "HEXISTS" | "HMGET" => 2,
            "HSET" | "HMSET" | "HSETNX" | "HINCRBY" => 3,
            _ => return None,
        };
        let good = args.len() >= least && (!matches!(name, "HSET" | "HMSET") || args.len() % 2 == 1);
        Some(arity(name, good).and_then(|()| self.on_hash(name, args, now_ms)))
    }

    fn on_hash(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Answer {
        let (key, rest) = (&args[0], &args[1..]);
        if matches!(name, "HSET" | "HMSET" | "HSETNX" | "HINCRBY") && self.live(key, now_ms).is_none() {
            self.put(key, Value::Hash(Hash::new()));
        }
        let mut none = Hash::new();
        let hash = match self.live(key, now_ms).map(|entry| &mut entry.value) {
            None => &mut none,
            Some(Value::Hash(hash)) => hash,
            Some(_) => return Err(WRONG_TYPE.to_owned()),
        };
        let reply = match name {
            "HGETALL" => Reply::map(hash.clone()),
            "HKEYS" => Reply::bulks(hash.keys().cloned()),
            "HVALS" => Reply::bulks(hash.values().cloned()),
            "HLEN" => Reply::count(hash.len()),
            "HGET" => hash.get(&rest[0]).map_or(Reply::Nil, |value| Reply::Bulk(value.clone())),
            "HMGET" => {
                let values = rest.iter().map(|field| hash.get(field).map_or(Reply::Nil, |v| Reply::Bulk(v.clone())));
                Reply::Array(values.collect())
            }
            "HEXISTS" => Reply::flag(hash.contains_key(&rest[0])),
            "HDEL" => Reply::count(rest.iter().filter(|field| hash.remove(*field).is_some()).count()),
            "HSETNX" => {
                let free = !hash.contains_key(&rest[0]);
                if free {
                    hash.insert(rest[0].clone(), rest[1].clone());
                }
                Reply::flag(free)
            }
            "HINCRBY" => {
                let before = hash.get(&rest[0]).map_or(Ok(0), |value| integer(value))?;
                let sum = before.checked_add(integer(&rest[1])?).ok_or("ERR increment or decrement would overflow")?;
                hash.insert(rest[0].clone(), sum.to_string().into_bytes());
                Reply::Integer(sum)
            }
            _ => {
                let pairs = rest.chunks(2);
                let new = pairs.filter(|pair| hash.insert(pair[0].clone(), pair[1].clone()).is_none()).count();
                if name == "HMSET" { Reply::OK } else { Reply::count(new) }
            }
        };
        if hash.is_empty() {
            self.entries.remove(key);
        }
        Ok(reply)
    }
}
