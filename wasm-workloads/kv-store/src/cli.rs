//! `redis-cli`: sends one command and shows the reply as the real one does.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::resp::{Reply, encode_request};

/// `redis-cli [-h HOST] [-p PORT] [-a PASSWORD] COMMAND...`
pub(crate) fn main(args: &[String]) -> u8 {
    let (mut host, mut port, mut password) = ("127.0.0.1", "6379", None);
    let mut args = args.iter().map(String::as_str).peekable();
    while let Some(flag) = args.next_if(|arg| arg.starts_with('-')) {
        match flag {
            "-h" => host = args.next().unwrap_or(host),
            "-p" => port = args.next().unwrap_or(port),
            "-a" => password = args.next(),
            _ => {}
        }
    }
    let command: Vec<Vec<u8>> = args.map(|arg| arg.as_bytes().to_vec()).collect();
    if command.is_empty() {
        eprintln!("usage: redis-cli [-h HOST] [-p PORT] [-a PASSWORD] COMMAND [ARGUMENT...]");
        return 1;
    }
    let target = format!("{host}:{port}");
    match ask(&target, password, &command) {
        Ok(reply) => {
            println!("{}", show(&reply, ""));
            u8::from(matches!(reply, Reply::Error(_)))
        }
        Err(error) => {
            eprintln!("Could not connect to Redis at {target}: {error}");
            1
        }
    }
}

fn ask(target: &str, password: Option<&str>, command: &[Vec<u8>]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(target)?;
    let mut request = Vec::new();
    if let Some(password) = password {
        encode_request(&[b"AUTH".to_vec(), password.as_bytes().to_vec()], &mut request);
    }
    encode_request(command, &mut request);
    stream.write_all(&request)?;
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let mut at = 0;
        let first = reply(&bytes, &mut at);
        let answer = if password.is_some() { first.and_then(|_| reply(&bytes, &mut at)) } else { first };
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(&buffer[..n]);
    }
}

/// A whole reply; the status texts of a server are kept as bulks of their own words.
fn reply(bytes: &[u8], at: &mut usize) -> Option<Reply> {
    let rest = bytes.get(*at..)?;
    let end = rest.iter().position(|b| *b == b'\n')?;
    let line = String::from_utf8_lossy(&rest[1..end]).trim_end().to_owned();
    let kind = rest[0];
    *at += end + 1;
    Some(match kind {
        b'+' => match line.as_str() {
            "OK" => Reply::OK,
            "PONG" => Reply::Status("PONG"),
            "QUEUED" => Reply::Status("QUEUED"),
            other => Reply::text(other),
        },
        b'-' => Reply::Error(line),
        b':' => Reply::Integer(line.parse().unwrap_or(0)),
        b'$' => match line.parse::<usize>() {
            Err(_) => Reply::Nil,
            Ok(length) => {
                let bulk = bytes.get(*at..*at + length + 2)?;
                *at += length + 2;
                Reply::Bulk(bulk[..length].to_vec())
            }
        },
        _ => {
            let count = line.parse::<usize>().unwrap_or(0);
            let items: Option<Vec<Reply>> = (0..count).map(|_| reply(bytes, at)).collect();
            Reply::Array(items?)
        }
    })
}

/// A reply for people.
pub(crate) fn show(reply: &Reply, indent: &str) -> String {
    match reply {
        Reply::Status(text) => (*text).to_owned(),
        Reply::Error(text) => format!("(error) {text}"),
        Reply::Integer(n) => format!("(integer) {n}"),
        Reply::Nil => "(nil)".to_owned(),
        Reply::Bulk(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Reply::Map(pairs) => {
            let flat = pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
            show(&Reply::Array(flat.collect()), indent)
        }
        Reply::Array(items) | Reply::Set(items) if items.is_empty() => "(empty array)".to_owned(),
        Reply::Array(items) | Reply::Set(items) => {
            let inner = format!("{indent}   ");
            let lines = items.iter().enumerate().map(|(i, item)| format!("{}) {}", i + 1, show(item, &inner)));
            lines.collect::<Vec<_>>().join(&format!("\n{indent}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Version;

    #[test]
    fn replies_are_read_as_they_were_written() {
        let written = Reply::Array(vec![Reply::OK, Reply::Nil, Reply::Integer(7), Reply::text("a\r\nb"), Reply::Array(vec![])]);
        let mut bytes = Vec::new();
        written.encode(Version::Two, &mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(reply(&bytes[..end], &mut 0), None, "{end}");
        }
        assert_eq!(reply(&bytes, &mut 0), Some(written));
    }
}
