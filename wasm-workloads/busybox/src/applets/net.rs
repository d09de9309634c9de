//! Programs that talk to other pods: `wget`, `nc`.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};

use super::{Options, complain, reason};
use crate::io::Streams;
use crate::shell::Shell;

/// Most redirects that `wget` follows.
const REDIRECTS_MAX: usize = 5;

/// An HTTP answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

pub(crate) fn wget(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "OTtU");
    let header = args.iter().position(|a| a == "--header").and_then(|i| args.get(i + 1)).map(String::as_str);
    let header = header.or_else(|| args.iter().find_map(|a| a.strip_prefix("--header=")));
    let post = args.iter().find_map(|a| a.strip_prefix("--post-data="));
    let Some(url) = options.operands.iter().find(|o| Some(**o) != header) else {
        return complain(io, "wget", "missing URL");
    };
    let spider = args.iter().any(|a| a == "--spider");
    let quiet = options.has('q');
    let mut url = (*url).to_owned();
    for _ in 0..REDIRECTS_MAX {
        let (host, port, path) = match split_url(&url) {
            Ok(parts) => parts,
            Err(text) => return complain(io, "wget", &text),
        };
        let address = match (host.as_str(), port).to_socket_addrs().ok().and_then(|mut a| a.next()) {
            Some(address) => address,
            None => return complain(io, "wget", &format!("bad address '{host}'")),
        };
        if !quiet {
            io.error.line(&format!("Connecting to {host}:{port} ({address})"))?;
        }
        let answer = match fetch(&address, &host, port, &path, header, post) {
            Ok(answer) => answer,
            Err(error) => return complain(io, "wget", &format!("can't connect to remote host ({}): {}", address.ip(), reason(&error))),
        };
        match (answer.status, answer.header("location")) {
            (300..=399, Some(location)) => {
                url = if location.contains("://") { location.to_owned() } else { format!("http://{host}:{port}{location}") };
            }
            (200..=299, _) => {
                return if spider { Ok(0) } else { save(&options, &path, &answer.body, quiet, io) };
            }
            _ => {
                let line = answer.head.lines().next().unwrap_or_default();
                return complain(io, "wget", &format!("server returned error: {line}"));
            }
        }
    }
    complain(io, "wget", "too many redirections")
}

fn split_url(url: &str) -> Result<(String, u16, String), String> {
    if url.starts_with("https://") {
        return Err(format!("{url}: https is not offered inside the cluster: use http"));
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(a, p)| (a, format!("/{p}")));
    let (host, port) = authority.split_once(':').map_or((authority, Ok(80)), |(h, p)| (h, p.parse()));
    let port = port.map_err(|_| format!("bad port in '{url}'"))?;
    Ok((host.to_owned(), port, path))
}

fn fetch(
    address: &std::net::SocketAddr,
    host: &str,
    port: u16,
    path: &str,
    header: Option<&str>,
    post: Option<&str>,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let method = if post.is_some() { "POST" } else { "GET" };
    let host = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
    let extra = header.map(|h| format!("{h}\r\n")).unwrap_or_default();
    let length = post.map(|p| format!("Content-Length: {}\r\n", p.len())).unwrap_or_default();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Wget\r\n{extra}{length}Connection: close\r\n\r\n{}", post.unwrap_or(""));
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
    let chunked = answer.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    let body = if chunked { unchunk(&answer.body) } else { answer.body.clone() };
    Ok(Answer { body, ..answer })
}

/// RFC 9112 section 7.1, without trailers.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or("0").trim(), 16).unwrap_or(0);
        match rest.get(end + 2..).and_then(|after| after.get(..size)) {
            Some(chunk) if size > 0 => out.extend_from_slice(chunk),
            _ => break,
        }
        rest = rest.get(end + 2 + size + 2..).unwrap_or_default();
    }
    out
}

fn save(options: &Options<'_>, path: &str, body: &[u8], quiet: bool, io: &mut Streams) -> io::Result<u8> {
    let default = path.split('?').next().and_then(|p| p.rsplit('/').next()).filter(|n| !n.is_empty()).unwrap_or("index.html");
    match options.value('O').unwrap_or(default) {
        "-" => io.output.write_all(body)?,
        file => {
            if !quiet {
                io.error.line(&format!("saving to '{file}'"))?;
            }
            if file != "/dev/null" {
                std::fs::write(file, body)?;
            }
        }
    }
    Ok(0)
}

/// `nc [-z] [-v] HOST PORT` and `nc -l -p PORT [-e PROG]`; one direction after the other, as there is one thread.
pub(crate) fn nc(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let exec = args.iter().position(|arg| arg == "-e").map(|i| args[i + 1..].to_vec());
    let own = &args[..args.iter().position(|arg| arg == "-e").unwrap_or(args.len())];
    let options = Options::parse(own, "pw");
    if options.has('l') {
        let port = options.value('p').or(options.operands.first().copied()).and_then(|p| p.parse::<u16>().ok());
        let Some(port) = port else { return complain(io, "nc", "missing port") };
        let listener = TcpListener::bind(("0.0.0.0", port))?;
        loop {
            let (stream, _) = listener.accept()?;
            talk(shell, stream, exec.as_deref(), io)?;
            if !options.has('k') && !args.iter().any(|arg| arg == "-lk" || arg == "-ll") {
                return Ok(0);
            }
        }
    }
    let [host, port] = options.operands.as_slice() else {
        return complain(io, "nc", "usage: nc HOST PORT | nc -l -p PORT");
    };
    let target = format!("{host}:{port}");
    match TcpStream::connect(&target) {
        Ok(stream) => {
            if options.has('v') {
                io.error.line(&format!("{host} ({}) open", stream.peer_addr()?))?;
            }
            if options.has('z') {
                return Ok(0);
            }
            talk(shell, stream, exec.as_deref(), io)?;
            Ok(0)
        }
        Err(error) => complain(io, "nc", &format!("{target}: {}", reason(&error))),
    }
}

/// Sends the standard input, then shows what comes back; or answers with a program's output.
fn talk(shell: &mut Shell, mut stream: TcpStream, exec: Option<&[String]>, io: &mut Streams) -> io::Result<()> {
    if let Some(command) = exec {
        let (output, bytes) = crate::io::Output::pipe();
        let inner = Streams { output, ..io.clone() };
        let _ = shell.call(command, &inner);
        stream.write_all(&bytes.borrow())?;
        return stream.shutdown(std::net::Shutdown::Write);
    }
    loop {
        let line = io.input.line()?;
        if line.is_empty() {
            break;
        }
        stream.write_all(&line)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        io.output.write_all(&buffer[..n])?;
    }
}
