//! A TCP echo server for WASI preview 1, which can accept connections but not ask for a port: the container's declared
//! ports are open when the program starts, as files after its preopened directories (socket activation).
//!
//! It serves all its ports and connections at once, with the event loop that Rust programs on preview 1 have: mio's.
//! With `MODE=blocking` it serves one connection after another on its first port, with `std::net` alone.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::FromRawFd;

use mio::{Events, Interest, Poll, Token};

/// Files that are looked at for listeners.
const FILES: std::ops::Range<i32> = 3..64;
/// WASI's `filetype` of a TCP socket.
const SOCKET_STREAM: u8 = 6;

#[repr(C)]
struct FdStat {
    filetype: u8,
    flags: u16,
    rights_base: u64,
    rights_inheriting: u64,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_fdstat_get(fd: i32, stat: *mut FdStat) -> u16;
}

/// The ports that are open.
fn listeners() -> Vec<std::net::TcpListener> {
    let is_socket = |fd: &i32| {
        let mut stat = FdStat { filetype: 0, flags: 0, rights_base: 0, rights_inheriting: 0 };
        // SAFETY: `stat` has the layout of WASI's `fdstat` and lives through the call.
        unsafe { fd_fdstat_get(*fd, &mut stat) == 0 && stat.filetype == SOCKET_STREAM }
    };
    // SAFETY: the files are open, sockets, and nobody else's.
    FILES.filter(is_socket).map(|fd| unsafe { std::net::TcpListener::from_raw_fd(fd) }).collect()
}

fn main() -> io::Result<()> {
    let listeners = listeners();
    println!("{} ports are open", listeners.len());
    let blocking = std::env::var("MODE").is_ok_and(|mode| mode == "blocking");
    match listeners.first() {
        None => Err(io::Error::other("declare a containerPort")),
        Some(first) if blocking => serve_one_by_one(first),
        Some(_) => serve_all(listeners),
    }
}

fn serve_one_by_one(listener: &std::net::TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            let n = stream.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            stream.write_all(&buffer[..n])?;
            total += n;
        }
        stream.shutdown(std::net::Shutdown::Write)?;
        println!("sent {total} bytes");
    }
}

/// A connection and what was read and not yet sent back.
struct Echo {
    stream: mio::net::TcpStream,
    unsent: Vec<u8>,
    ended: bool,
    total: usize,
}

impl Echo {
    /// Moves what can be moved; whether it is over.
    fn step(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        loop {
            while !self.unsent.is_empty() {
                match self.stream.write(&self.unsent) {
                    Ok(n) => {
                        self.unsent.drain(..n);
                        self.total += n;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            if self.ended {
                return Ok(true);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(n) => self.unsent.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

fn serve_all(listeners: Vec<std::net::TcpListener>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listening = Vec::new();
    for (i, listener) in listeners.into_iter().enumerate() {
        listener.set_nonblocking(true)?;
        let mut listener = mio::net::TcpListener::from_std(listener);
        poll.registry().register(&mut listener, Token(i), Interest::READABLE)?;
        listening.push(listener);
    }
    let mut connections: HashMap<Token, Echo> = HashMap::new();
    let mut next = listening.len();
    let mut events = Events::with_capacity(64);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if let Some(listener) = listening.get(event.token().0) {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(next);
                    next += 1;
                    poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                    connections.insert(token, Echo { stream, unsent: Vec::new(), ended: false, total: 0 });
                }
                continue;
            }
            let Some(echo) = connections.get_mut(&event.token()) else { continue };
            match echo.step() {
                Ok(false) => {
                    // With nothing to send, being able to send is no news.
                    let interest = if echo.unsent.is_empty() { Interest::READABLE } else { Interest::WRITABLE };
                    poll.registry().reregister(&mut echo.stream, event.token(), interest)?;
                }
                over => {
                    poll.registry().deregister(&mut echo.stream)?;
                    match over {
                        Ok(_) => println!("sent {} bytes", echo.total),
                        Err(error) => eprintln!("{error}"),
                    }
                    connections.remove(&event.token());
                }
            }
        }
    }
}
