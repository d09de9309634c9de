//! `ping` without ICMP: a component has TCP and UDP sockets only, so it asks for a TCP connection to a port where
//! nobody listens. A refusal is an answer of the host, as an echo reply would be.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::{Options, complain, reason};
use crate::io::Streams;
use crate::shell::Shell;

/// The port that is asked: echo's, where nobody listens.
const PORT: u16 = 7;

/// `ping [-c COUNT] [-i SECS] [-q] HOST`; how long an answer may take is the network's affair.
pub(crate) fn ping(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "ciWwsI");
    let Some(host) = options.operands.first() else {
        return complain(io, "ping", "missing host");
    };
    let Some(address) = (*host, PORT).to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        return complain(io, "ping", &format!("bad address '{host}'"));
    };
    let seconds = |letter: char| options.value(letter).and_then(|text| text.parse().ok()).map(Duration::from_secs_f64);
    let count = options.value('c').and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
    let interval = seconds('i').unwrap_or(Duration::from_secs(1));
    io.output.line(&format!("PING {host} ({}): TCP to port {PORT}, as a component has no ICMP", address.ip()))?;
    let mut times = Vec::new();
    let mut sent = 0;
    while sent < count {
        if sent > 0 {
            std::thread::sleep(interval);
        }
        match once(address) {
            Ok(time) => {
                let ms = time.as_secs_f64() * 1000.0;
                if !options.has('q') {
                    io.output.line(&format!("answer from {}: seq={sent} time={ms:.3} ms", address.ip()))?;
                }
                times.push(ms);
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => {
                complain(io, "ping", &format!("{}: {}", address.ip(), reason(&error)))?;
            }
        }
        sent += 1;
    }
    io.output.line(&summary(host, sent, &times))?;
    Ok(u8::from(times.is_empty()))
}

/// The time until the host accepts or refuses.
fn once(address: SocketAddr) -> io::Result<Duration> {
    let begun = Instant::now();
    match TcpStream::connect(address) {
        Ok(_) => Ok(begun.elapsed()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(begun.elapsed()),
        Err(error) => Err(error),
    }
}

fn summary(host: &str, sent: usize, times: &[f64]) -> String {
    let lost = (sent - times.len()) * 100 / sent.max(1);
    let mut text =
        format!("\n--- {host} ping statistics ---\n{sent} packets transmitted, {} packets received, {lost}% packet loss", times.len());
    if !times.is_empty() {
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        let most = times.iter().copied().fold(0.0, f64::max);
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        text.push_str(&format!("\nround-trip min/avg/max = {least:.3}/{mean:.3}/{most:.3} ms"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_summary_counts_what_came_back() {
        assert_eq!(
            summary("web", 4, &[1.0, 3.0]),
            "\n--- web ping statistics ---\n4 packets transmitted, 2 packets received, 50% packet loss\nround-trip min/avg/max = 1.000/2.000/3.000 ms"
        );
        assert!(summary("web", 1, &[]).ends_with("1 packets transmitted, 0 packets received, 100% packet loss"));
    }
}
