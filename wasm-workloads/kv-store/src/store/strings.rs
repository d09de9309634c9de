//! Commands on strings and counters.

use super::{Answer, Bytes, NOT_AN_INTEGER, Reply, SYNTAX, Store, Value, WRONG_TYPE, arity, integer, slice, upper};

impl Store {
    pub(super) fn on_strings(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Option<Answer> {
        Some(match name {
            "GET" => arity(name, args.len() == 1).and_then(|()| self.get(&args[0], now_ms)),
            "SET" => self.set(args, now_ms),
            "SETEX" | "PSETEX" => self.set_expiring(name, args, now_ms),
            "SETNX" => arity(name, args.len() == 2).map(|()| {
                let free = self.live(&args[0], now_ms).is_none();
                if free {
                    self.put(&args[0], Value::Text(args[1].clone()));
                }
                Reply::flag(free)
            }),
            "GETSET" => arity(name, args.len() == 2).and_then(|()| {
                let before = self.get(&args[0], now_ms)?;
                self.put(&args[0], Value::Text(args[1].clone()));
                Ok(before)
            }),
            "GETDEL" => arity(name, args.len() == 1).and_then(|()| {
                let before = self.get(&args[0], now_ms)?;
                self.entries.remove(&args[0]);
                Ok(before)
            }),
            "MGET" => arity(name, !args.is_empty()).map(|()| {
                Reply::Array(args.iter().map(|key| self.get(key, now_ms).unwrap_or(Reply::Nil)).collect())
            }),
            "MSET" => arity(name, !args.is_empty() && args.len().is_multiple_of(2)).map(|()| {
                for pair in args.chunks(2) {
                    self.put(&pair[0], Value::Text(pair[1].clone()));
                }
                Reply::OK
            }),
            "APPEND" => arity(name, args.len() == 2).and_then(|()| {
                let text = self.text(&args[0], now_ms)?;
                text.extend(&args[1]);
                Ok(Reply::count(text.len()))
            }),
            "STRLEN" => arity(name, args.len() == 1).and_then(|()| {
                Ok(match self.get(&args[0], now_ms)? {
                    Reply::Bulk(text) => Reply::count(text.len()),
                    _ => Reply::Integer(0),
                })
            }),
            "GETRANGE" => self.get_range(args, now_ms),
            "INCR" => arity(name, args.len() == 1).and_then(|()| self.add(&args[0], 1, now_ms)),
            "DECR" => arity(name, args.len() == 1).and_then(|()| self.add(&args[0], -1, now_ms)),
            "INCRBY" | "DECRBY" => arity(name, args.len() == 2).and_then(|()| {
                let by = integer(&args[1])?;
                let by = if name == "INCRBY" { Some(by) } else { by.checked_neg() };
                self.add(&args[0], by.ok_or(NOT_AN_INTEGER)?, now_ms)
            }),
            _ => return None,
        })
    }

    fn get(&mut self, key: &[u8], now_ms: u64) -> Answer {
        match self.live(key, now_ms).map(|entry| &entry.value) {
            None => Ok(Reply::Nil),
            Some(Value::Text(text)) => Ok(Reply::Bulk(text.clone())),
            Some(_) => Err(WRONG_TYPE.to_owned()),
        }
    }

    /// The text of a key, made when there is none.
    fn text(&mut self, key: &[u8], now_ms: u64) -> Result<&mut Bytes, String> {
        if self.live(key, now_ms).is_none() {
            self.put(key, Value::Text(Vec::new()));
        }
        match self.live(key, now_ms).map(|entry| &mut entry.value) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(WRONG_TYPE.to_owned()),
        }
    }

    /// `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`.
    fn set(&mut self, args: &[Bytes], now_ms: u64) -> Answer {
        arity("SET", args.len() >= 2)?;
        let (mut expires_ms, mut keep, mut returns) = (None, false, false);
        let exists = self.live(&args[0], now_ms).is_some();
        let mut wanted = true;
        let mut options = args[2..].iter();
        while let Some(option) = options.next() {
            match upper(option).as_str() {
                "NX" => wanted &= !exists,
                "XX" => wanted &= exists,
                "GET" => returns = true,
                "KEEPTTL" => keep = true,
                unit @ ("EX" | "PX" | "EXAT" | "PXAT") => {
                    let number = integer(options.next().ok_or(SYNTAX)?)?;
                    let number = u64::try_from(number).ok().filter(|n| *n > 0);
                    let number = number.ok_or("ERR invalid expire time in 'set' command")?;
                    let ms = if unit.starts_with('P') { number } else { number.saturating_mul(1000) };
                    expires_ms = Some(if unit.ends_with("AT") { ms } else { now_ms.saturating_add(ms) });
                }
                _ => return Err(SYNTAX.to_owned()),
            }
        }
        let before = if returns { self.get(&args[0], now_ms)? } else { Reply::Nil };
        if !wanted {
            return Ok(before);
        }
        if keep {
            expires_ms = self.live(&args[0], now_ms).and_then(|entry| entry.expires_ms);
        }
        self.put(&args[0], Value::Text(args[1].clone()));
        if let Some(entry) = self.entries.get_mut(&args[0]) {
            entry.expires_ms = expires_ms;
        }
        Ok(if returns { before } else { Reply::OK })
    }

    fn set_expiring(&mut self, name: &str, args: &[Bytes], now_ms: u64) -> Answer {
        arity(name, args.len() == 3)?;
        let unit = if name == "SETEX" { "EX" } else { "PX" };
        self.set(&[args[0].clone(), args[2].clone(), unit.into(), args[1].clone()], now_ms)
    }

    fn get_range(&mut self, args: &[Bytes], now_ms: u64) -> Answer {
        arity("GETRANGE", args.len() == 3)?;
        let Reply::Bulk(text) = self.get(&args[0], now_ms)? else { return Ok(Reply::text("")) };
        Ok(Reply::Bulk(text[slice(text.len(), integer(&args[1])?, integer(&args[2])?)].to_vec()))
    }

    fn add(&mut self, key: &[u8], by: i64, now_ms: u64) -> Answer {
        let before = match self.get(key, now_ms)? {
            Reply::Bulk(text) => integer(&text)?,
            _ => 0,
        };
        let sum = before.checked_add(by).ok_or("ERR increment or decrement would overflow")?;
        *self.text(key, now_ms)? = sum.to_string().into_bytes();
        Ok(Reply::Integer(sum))
    }
}
