//! A UDP echo server on `wasi:sockets`, written against nothing but `std::net`: each datagram goes back to where it came
//! from. `PORT` (default 7) says where; a datagram `quit` ends it.

use std::net::UdpSocket;

/// Longest payload over IPv4.
const DATAGRAM_MAX: usize = 65_507;

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(7);
    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    println!("listening on {}", socket.local_addr()?);
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let (n, from) = socket.recv_from(&mut buffer)?;
        println!("{n} bytes from {from}");
        socket.send_to(&buffer[..n], from)?;
        if &buffer[..n] == b"quit" {
            return Ok(());
        }
    }
}
