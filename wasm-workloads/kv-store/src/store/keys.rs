//! Commands on keys of any type: existence, expiry, names.

use super::{Answer, Bytes, Reply, Store, Value, arity, glob, integer, upper};

impl Store {
    pub(super) fn on_keys(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Option<Answer> {
        Some(match name {
            "DEL" | "UNLINK" => self.delete(name, args, now_ms),
            "EXISTS" => arity(name, !args.is_empty())
                .map(|()| Reply::count(args.iter().filter(|key| self.live(key, now_ms).is_some()).count())),
            "TYPE" => arity(name, args.len() == 1).map(|()| Reply::Status(self.kind(&args[0], now_ms))),
            "KEYS" => arity(name, args.len() == 1).map(|()| Reply::bulks(self.names(&args[0], now_ms))),
            "SCAN" => self.scan(args, now_ms),
            "DBSIZE" => {
                self.sweep(now_ms);
                Ok(Reply::count(self.len()))
            }
            "FLUSHALL" | "FLUSHDB" => {
                self.entries.clear();
                Ok(Reply::OK)
            }
            "RENAME" => self.rename(args, now_ms),
            "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" => self.expire(name, args, now_ms),
            "TTL" | "PTTL" => self.time_to_live(name, args, now_ms),
            "PERSIST" => arity(name, args.len() == 1).map(|()| {
                let entry = self.live(&args[0], now_ms);
                Reply::flag(entry.is_some_and(|entry| entry.expires_ms.take().is_some()))
            }),
            _ => return None,
        })
    }

    fn delete(&mut self, name: &str, keys: &[Bytes], now_ms: u64) -> Answer {
        arity(name, !keys.is_empty())?;
        let mut deleted = 0;
        for key in keys {
            deleted += usize::from(self.live(key, now_ms).is_some());
            self.entries.remove(key);
        }
        Ok(Reply::count(deleted))
    }

    fn kind(&mut self, key: &[u8], now_ms: u64) -> &'static str {
        match self.live(key, now_ms).map(|entry| &entry.value) {
            None => "none",
            Some(Value::Text(_)) => "string",
            Some(Value::Hash(_)) => "hash",
            Some(Value::List(_)) => "list",
            Some(Value::Set(_)) => "set",
        }
    }

    fn names(&mut self, pattern: &[u8], now_ms: u64) -> Vec<Bytes> {
        self.sweep(now_ms);
        let fitting = self.entries.keys().filter(|key| glob::matches(pattern, key));
        fitting.cloned().collect()
    }

    /// Everything in one step: the cursor that comes back is always 0.
    fn scan(&mut self, args: &[Bytes], now_ms: u64) -> Answer {
        arity("SCAN", !args.is_empty())?;
        let option = |wanted: &str| args[1..].chunks(2).find(|pair| upper(&pair[0]) == wanted).and_then(|pair| pair.get(1));
        let pattern = option("MATCH").cloned().unwrap_or_else(|| b"*".to_vec());
        Ok(Reply::Array(vec![Reply::text("0"), Reply::bulks(self.names(&pattern, now_ms))]))
    }

    fn rename(&mut self, args: &[Bytes], now_ms: u64) -> Answer {
        arity("RENAME", args.len() == 2)?;
        self.live(&args[0], now_ms).ok_or("ERR no such key")?;
        if let Some(entry) = self.entries.remove(&args[0]) {
            self.entries.insert(args[1].clone(), entry);
        }
        Ok(Reply::OK)
    }

    fn expire(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Answer {
        arity(name, args.len() == 2)?;
        let number = integer(&args[1])?;
        let ms = if name.starts_with('P') { number } else { number.saturating_mul(1000) };
        let at = if name.ends_with("AT") { ms } else { ms.saturating_add(i64::try_from(now_ms).unwrap_or(i64::MAX)) };
        let at = u64::try_from(at).unwrap_or(0);
        let Some(entry) = self.live(&args[0], now_ms) else { return Ok(Reply::Integer(0)) };
        entry.expires_ms = Some(at);
        if at <= now_ms {
            self.entries.remove(&args[0]);
        }
        Ok(Reply::Integer(1))
    }

    fn time_to_live(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Answer {
        arity(name, args.len() == 1)?;
        let ms = match self.live(&args[0], now_ms).map(|entry| entry.expires_ms) {
            None => return Ok(Reply::Integer(-2)),
            Some(None) => return Ok(Reply::Integer(-1)),
            Some(Some(at)) => i64::try_from(at.saturating_sub(now_ms)).unwrap_or(i64::MAX),
        };
        // Rounded to the nearest second, as Redis does.
        Ok(Reply::Integer(if name == "PTTL" { ms } else { ms.saturating_add(500) / 1000 }))
    }
}
