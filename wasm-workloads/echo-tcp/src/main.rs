//! A TCP echo server on `wasi:sockets`, written against nothing but `std::net`.
//!
//! Serves one connection after another, because a component has one thread. `PORT` (default 7) says where.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(7);
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept()?;
        println!("accepted {peer}");
        match echo(stream) {
            Ok(bytes) => println!("{peer} sent {bytes} bytes"),
            Err(error) => eprintln!("{peer}: {error}"),
        }
    }
}

fn echo(mut stream: TcpStream) -> std::io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(total);
        }
        stream.write_all(&buffer[..n])?;
        total += n as u64;
    }
}
