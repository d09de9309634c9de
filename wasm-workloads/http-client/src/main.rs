//! Calls an HTTP server over plain TCP and prints what it says.
//!
//! Environment: `TARGET` (`HOST:PORT/PATH`, needed), `COUNT` (calls; 0, the default, calls for ever), `INTERVAL_MS`
//! (default 1000). Exits 1 when any of a counted number of calls failed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let Ok(target) = std::env::var("TARGET") else {
        eprintln!("TARGET is not set: give the address to call, such as web.default.svc:80/");
        return ExitCode::FAILURE;
    };
    let count = number("COUNT", 0);
    let interval = Duration::from_millis(number("INTERVAL_MS", 1000));
    let mut failures = 0;
    let mut calls = 0;
    loop {
        match call(&target) {
            Ok((status, body)) => println!("{status} {}", body.trim_end()),
            Err(error) => {
                failures += 1;
                eprintln!("{target}: {error}");
            }
        }
        calls += 1;
        if count > 0 && calls >= count {
            return if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        std::thread::sleep(interval);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn call(target: &str) -> std::io::Result<(u16, String)> {
    let target = target.trim_start_matches("http://");
    let (address, path) = target.split_once('/').unwrap_or((target, ""));
    let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let mut stream = TcpStream::connect(&address)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Ok((status, body))
}

/// RFC 9112 section 7.1, without trailers.
fn unchunk(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.split(';').next().unwrap_or("0").trim(), 16).unwrap_or(0);
        match after.get(..size) {
            Some(chunk) if size > 0 => out.push_str(chunk),
            _ => break,
        }
        rest = after.get(size + 2..).unwrap_or("");
    }
    out
}
