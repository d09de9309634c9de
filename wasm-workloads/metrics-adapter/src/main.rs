//! An adapter: asks the database beside it for its state in its own words (`INFO`), and answers `GET /metrics` in the
//! Prometheus text format.
//!
//! Environment: `SOURCE` (`HOST:PORT` of a database that speaks the Redis protocol, default `127.0.0.1:6379`), `PORT`
//! (default 9121, as redis_exporter's), `PREFIX` (of the metrics' names, default `redis`).

use std::fmt::Write;
use std::rc::Rc;

use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};
use wstd::runtime::{block_on, spawn};

/// Longest answer of the source, and longest request.
const BYTES_MAX: usize = 256 * 1024;

fn main() -> std::io::Result<()> {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (source, prefix) = (variable("SOURCE", "127.0.0.1:6379"), variable("PREFIX", "redis"));
    let port = variable("PORT", "9121");
    block_on(serve(&port, Rc::from(source), Rc::from(prefix)))
}

async fn serve(port: &str, source: Rc<str>, prefix: Rc<str>) -> std::io::Result<()> {
    let listener = TcpListener::bind(&format!("0.0.0.0:{port}")).await?;
    println!("metrics of {source} on port {port}");
    let mut incoming = listener.incoming();
    while let Some(connection) = incoming.next().await {
        let Ok(stream) = connection else { continue };
        let (source, prefix) = (Rc::clone(&source), Rc::clone(&prefix));
        spawn(async move {
            if let Err(error) = answer(&stream, &source, &prefix).await {
                eprintln!("{error}");
            }
        })
        .detach();
    }
    Ok(())
}

async fn answer(stream: &TcpStream, source: &str, prefix: &str) -> std::io::Result<()> {
    let request = read_until(stream, |bytes| bytes.windows(4).any(|w| w == b"\r\n\r\n")).await?;
    let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, body) = match path.split('?').next() {
        Some("/metrics") => {
            let info = info(source).await;
            if let Err(error) = &info {
                eprintln!("{source}: {error}");
            }
            ("200 OK", metrics(info.ok().as_deref(), prefix))
        }
        Some("/healthz") => ("200 OK", "ok\n".to_owned()),
        _ => ("404 Not Found", "see /metrics\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut writer = stream;
    writer.write_all((head + &body).as_bytes()).await?;
    writer.flush().await
}

/// Reads until what is there is enough, or there is no more.
async fn read_until(stream: &TcpStream, enough: impl Fn(&[u8]) -> bool) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    let mut reader = stream;
    while !enough(&bytes) && bytes.len() < BYTES_MAX {
        let n = reader.read(&mut buffer).await?;
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..n]);
    }
    Ok(bytes)
}

async fn info(source: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(source).await?;
    let mut writer = &stream;
    writer.write_all(b"*1\r\n$4\r\nINFO\r\n").await?;
    writer.flush().await?;
    let bytes = read_until(&stream, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let length = text.strip_prefix('$').and_then(|rest| rest.split_once("\r\n"));
        length.is_some_and(|(n, body)| n.parse().is_ok_and(|n: usize| body.len() >= n + 2)) || text.starts_with('-')
    })
    .await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Every number of `INFO` as a gauge; `db0:keys=2,expires=1` becomes one metric per number, labelled with the database.
fn metrics(info: Option<&str>, prefix: &str) -> String {
    let mut out = format!("# TYPE {prefix}_up gauge\n{prefix}_up {}\n", u8::from(info.is_some()));
    for line in info.unwrap_or_default().lines() {
        let Some((name, value)) = line.trim_end().split_once(':') else { continue };
        if value.parse::<f64>().is_ok_and(f64::is_finite) {
            let _ = writeln!(out, "# TYPE {prefix}_{name} gauge\n{prefix}_{name} {value}");
            continue;
        }
        let pairs = value.split(',').filter_map(|pair| pair.split_once('='));
        for (key, number) in pairs.filter(|(_, number)| number.parse::<f64>().is_ok()) {
            let _ = writeln!(out, "# TYPE {prefix}_db_{key} gauge\n{prefix}_db_{key}{{db=\"{name}\"}} {number}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::metrics;

    #[test]
    fn numbers_become_metrics() {
        let info = "$99\r\n# Server\r\nredis_version:7.0.0\r\nuptime_in_seconds:12\r\n\r\n# Keyspace\r\ndb0:keys=2,expires=1\r\n";
        assert_eq!(
            metrics(Some(info), "redis"),
            "# TYPE redis_up gauge\nredis_up 1\n# TYPE redis_uptime_in_seconds gauge\nredis_uptime_in_seconds 12\n\
             # TYPE redis_db_keys gauge\nredis_db_keys{db=\"db0\"} 2\n# TYPE redis_db_expires gauge\nredis_db_expires{db=\"db0\"} 1\n"
        );
        assert_eq!(metrics(None, "x"), "# TYPE x_up gauge\nx_up 0\n");
    }
}
