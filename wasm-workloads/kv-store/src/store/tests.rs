//! Commands as scripts: what is asked, what is answered as `redis-cli` shows it.

use super::*;

/// Lines of `COMMAND => reply`; `+MS` lets time pass.
fn check(script: &str) {
    let mut store = Store::default();
    let mut now_ms = 1_000_000;
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(ms) = line.strip_prefix('+') {
            now_ms += ms.parse::<u64>().unwrap();
            continue;
        }
        let (command, expected) = line.split_once(" => ").unwrap();
        let words: Vec<Bytes> = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let reply = store.execute(&upper(&words[0]), &words[1..], now_ms).expect(line);
        assert_eq!(crate::cli::show(&reply, ""), expected.replace("; ", "\n"), "{line}");
    }
}

#[test]
fn strings_and_counters() {
    check(
        "GET a => (nil)
         SET a 1 => OK
         GET a => \"1\"
         INCR a => (integer) 2
         DECRBY a 5 => (integer) -3
         APPEND a x => (integer) 3
         INCR a => (error) ERR value is not an integer or out of range
         STRLEN a => (integer) 3
         GETRANGE a -2 -1 => \"3x\"
         SETNX a 9 => (integer) 0
         SET a 9 NX => (nil)
         SET b 9 XX => (nil)
         SET a 9 XX GET => \"-3x\"
         MSET x 1 y 2 => OK
         MGET x none y => 1) \"1\"; 2) (nil); 3) \"2\"
         GETSET x 5 => \"1\"
         GETDEL x => \"5\"
         GET x => (nil)
         SET n 9223372036854775807 => OK
         INCR n => (error) ERR increment or decrement would overflow
         SET a => (error) ERR wrong number of arguments for 'set' command
         SET a 1 BAD => (error) ERR syntax error",
    );
}

#[test]
fn keys_expire() {
    check(
        "SET a 1 EX 10 => OK
         TTL a => (integer) 10
         +9999
         PTTL a => (integer) 1
         GET a => \"1\"
         +1
         GET a => (nil)
         TTL a => (integer) -2
         SET b 1 => OK
         TTL b => (integer) -1
         EXPIRE b 100 => (integer) 1
         SET b 2 KEEPTTL => OK
         TTL b => (integer) 100
         PERSIST b => (integer) 1
         PERSIST b => (integer) 0
         EXPIRE b -1 => (integer) 1
         EXISTS b => (integer) 0
         EXPIRE none 1 => (integer) 0
         SETEX c 0 x => (error) ERR invalid expire time in 'set' command
         PSETEX c 5 x => OK
         DBSIZE => (integer) 1
         +5
         DBSIZE => (integer) 0",
    );
}

#[test]
fn keys_have_types_and_names() {
    check(
        "MSET user:1 a user:2 b other c => OK
         KEYS user:* => 1) \"user:1\"; 2) \"user:2\"
         SCAN 0 MATCH o* COUNT 10 => 1) \"0\"; 2) 1) \"other\"
         RENAME other mine => OK
         RENAME other mine => (error) ERR no such key
         EXISTS mine mine other => (integer) 2
         DEL mine other => (integer) 1
         TYPE user:1 => string
         RPUSH l 1 => (integer) 1
         TYPE l => list
         GET l => (error) WRONGTYPE Operation against a key holding the wrong kind of value
         HGET l f => (error) WRONGTYPE Operation against a key holding the wrong kind of value
         FLUSHALL => OK
         KEYS * => (empty array)",
    );
}

#[test]
fn hashes_lists_and_sets() {
    check(
        "HSET h b 2 a 1 => (integer) 2
         HSET h a 3 => (integer) 0
         HGETALL h => 1) \"a\"; 2) \"3\"; 3) \"b\"; 4) \"2\"
         HGET h none => (nil)
         HMGET h a none => 1) \"3\"; 2) (nil)
         HINCRBY h a 4 => (integer) 7
         HDEL h a b none => (integer) 2
         EXISTS h => (integer) 0
         HSET h a => (error) ERR wrong number of arguments for 'hset' command
         RPUSH l b c => (integer) 2
         LPUSH l a => (integer) 3
         LRANGE l 0 -1 => 1) \"a\"; 2) \"b\"; 3) \"c\"
         LRANGE l -2 99 => 1) \"b\"; 2) \"c\"
         LRANGE l 5 9 => (empty array)
         LINDEX l -1 => \"c\"
         LINDEX l 9 => (nil)
         RPOP l => \"c\"
         LPOP l 5 => 1) \"a\"; 2) \"b\"
         LPOP l => (nil)
         EXISTS l => (integer) 0
         RPUSH l a b a a => (integer) 4
         LREM l -2 a => (integer) 2
         LRANGE l 0 -1 => 1) \"a\"; 2) \"b\"
         LTRIM l 1 -1 => OK
         LLEN l => (integer) 1
         SADD s b a b => (integer) 2
         SMEMBERS s => 1) \"a\"; 2) \"b\"
         SISMEMBER s a => (integer) 1
         SREM s a b c => (integer) 2
         SCARD s => (integer) 0",
    );
}
