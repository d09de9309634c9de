//! `httpd`: serves the files of a directory, one connection after another.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::{Options, resolve};
use crate::io::Streams;
use crate::shell::Shell;

/// Most bytes of a request's head.
const HEAD_MAX: u64 = 16 * 1024;

/// `httpd [-f] [-p PORT] [-h DIR]`; it always stays in the foreground.
pub(crate) fn httpd(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "ph");
    let port = options.value('p').and_then(|p| p.rsplit(':').next()?.parse::<u16>().ok()).unwrap_or(80);
    let home = resolve(options.value('h').unwrap_or("."));
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    loop {
        let (stream, peer) = listener.accept()?;
        match serve(&stream, &home) {
            Ok(line) if options.has('v') => io.error.line(&format!("{peer}: {line}"))?,
            Ok(_) => {}
            Err(error) => io.error.line(&format!("{peer}: {error}"))?,
        }
    }
}

fn serve(stream: &TcpStream, home: &str) -> io::Result<String> {
    let mut reader = BufReader::new(stream.take(HEAD_MAX));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    let path = target.split('?').next().unwrap_or("/");
    let inside = resolve(&format!("/{path}"));
    let mut file = format!("{}{inside}", home.trim_end_matches('/'));
    if std::fs::metadata(&file).is_ok_and(|m| m.is_dir()) {
        file = format!("{}/index.html", file.trim_end_matches('/'));
    }
    let (status, body) = match (method, std::fs::read(&file)) {
        ("GET" | "HEAD", Ok(body)) => ("200 OK", body),
        ("GET" | "HEAD", Err(_)) => ("404 Not Found", b"The requested URL was not found\n".to_vec()),
        _ => ("501 Not Implemented", b"The requested method is not recognized\n".to_vec()),
    };
    let kind = match file.rsplit('.').next() {
        Some("html") => "text/html",
        Some("json") => "application/json",
        _ => "text/plain",
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    if method != "HEAD" {
        stream.write_all(&body)?;
    }
    Ok(format!("{} {status}", request.trim()))
}
