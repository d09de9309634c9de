//! Calls an HTTP server from several connections at once and says how it bore it.
//!
//! Environment: `TARGET` (`HOST:PORT/PATH`, needed), `CONCURRENCY` (callers, default 4, at most 256), `DURATION_S` (0, the
//! default, goes on for ever), `INTERVAL_MS` (pause of each caller between two calls, default 0). Prints one line a
//! second, and the sum at the end; exits 1 when no call succeeded.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use wstd::io::{AsyncRead, AsyncWrite};
use wstd::net::TcpStream;
use wstd::runtime::{block_on, spawn};
use wstd::time::Duration;

/// Most callers.
const CONCURRENCY_MAX: u64 = 256;
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What happened in a while.
#[derive(Debug, Default)]
struct Tally {
    /// How long each successful call took, in microseconds.
    took_us: Vec<u64>,
    failed: u64,
}

fn main() -> ExitCode {
    let Ok(target) = std::env::var("TARGET") else {
        eprintln!("TARGET is not set: give the address to call, such as web.default.svc:80/");
        return ExitCode::FAILURE;
    };
    if block_on(run(target)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

async fn run(target: String) -> bool {
    let callers = number("CONCURRENCY", 4).clamp(1, CONCURRENCY_MAX);
    let (seconds, pause_ms) = (number("DURATION_S", 0), number("INTERVAL_MS", 0));
    println!("{callers} callers of {target}");
    let tally = Rc::new(RefCell::new(Tally::default()));
    for _ in 0..callers {
        let (target, tally) = (target.clone(), Rc::clone(&tally));
        spawn(async move {
            loop {
                let begun = Instant::now();
                match call(&target).await {
                    Ok(200..=399) => {
                        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                        tally.borrow_mut().took_us.push(took);
                    }
                    _ => tally.borrow_mut().failed += 1,
                }
                // Also without a pause the others must have their turn.
                wstd::task::sleep(Duration::from_millis(pause_ms)).await;
            }
        })
        .detach();
    }
    let mut all = Tally::default();
    let mut passed = 0;
    while seconds == 0 || passed < seconds {
        wstd::task::sleep(Duration::from_secs(1)).await;
        passed += 1;
        let mut second = tally.take();
        println!("{}", describe(&mut second, 1));
        all.failed += second.failed;
        if seconds > 0 {
            all.took_us.append(&mut second.took_us);
        }
    }
    println!("in all: {}", describe(&mut all, seconds));
    let succeeded = !all.took_us.is_empty();
    // The callers never end: the program does.
    std::process::exit(if succeeded { 0 } else { 1 });
}

/// Calls a second, failures, and the times that half and 99 of 100 calls stay below.
fn describe(tally: &mut Tally, seconds: u64) -> String {
    tally.took_us.sort_unstable();
    let calls = tally.took_us.len() as u64;
    let percentile = |percent: usize| {
        let at = (tally.took_us.len() * percent / 100).min(tally.took_us.len().saturating_sub(1));
        tally.took_us.get(at).copied().unwrap_or(0) as f64 / 1000.0
    };
    format!(
        "{} calls/s, {} failed, p50 {:.2} ms, p99 {:.2} ms",
        calls / seconds.max(1),
        tally.failed,
        percentile(50),
        percentile(99)
    )
}

/// One call on a connection of its own; the status.
async fn call(target: &str) -> std::io::Result<u16> {
    let target = target.trim_start_matches("http://");
    let (address, path) = target.split_once('/').unwrap_or((target, ""));
    let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let stream = TcpStream::connect(address.as_str()).await?;
    let (mut reader, mut writer) = (&stream, &stream);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load-generator\r\nConnection: close\r\n\r\n");
    writer.write_all(request.as_bytes()).await?;
    writer.flush().await?;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let n = reader.read(&mut buffer).await?;
        if n == 0 || answer.len() > ANSWER_BYTES_MAX {
            return status(&answer).ok_or_else(|| std::io::ErrorKind::InvalidData.into());
        }
        answer.extend_from_slice(&buffer[..n]);
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|b| *b == b'\r').next()?;
    String::from_utf8_lossy(line).split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_while_is_described_in_numbers() {
        let mut tally = Tally { took_us: (1..=200).rev().map(|n| n * 100).collect(), failed: 3 };
        assert_eq!(describe(&mut tally, 2), "100 calls/s, 3 failed, p50 10.10 ms, p99 19.90 ms");
        assert_eq!(describe(&mut Tally::default(), 1), "0 calls/s, 0 failed, p50 0.00 ms, p99 0.00 ms");
    }

    #[test]
    fn the_status_is_in_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(204));
        assert_eq!(status(b""), None);
    }
}
