//! `nslookup`: asks a name server itself, where other programs leave it to the engine, so that what is shown is what
//! that server said.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, ResourceRecord, TYPE};

use super::{Options, complain};
use crate::io::Streams;
use crate::shell::Shell;

/// How long one question waits for its answer, and how often it is asked (resolv.conf(5)).
const PATIENCE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;
/// How often a socket without a timeout of its own is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Dots from which a name is first asked as it is, unless resolv.conf has `ndots`.
const NDOTS: usize = 1;

/// What `/etc/resolv.conf` says.
#[derive(Default)]
struct Config {
    server: Option<String>,
    search: Vec<String>,
    ndots: usize,
}

impl Config {
    fn parse(text: &str) -> Self {
        let mut config = Self { ndots: NDOTS, ..Self::default() };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if config.server.is_none() => config.server = words.next().map(str::to_owned),
                Some("search") => config.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let ndots = words.filter_map(|word| word.strip_prefix("ndots:")).filter_map(|n| n.parse().ok());
                    config.ndots = ndots.last().unwrap_or(config.ndots);
                }
                _ => {}
            }
        }
        config
    }

    /// The full names that a name may mean, in the order in which they are asked.
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(full) = name.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let first = name.matches('.').count() >= self.ndots;
        names.insert(if first { 0 } else { names.len() }, name.to_owned());
        names
    }
}

/// `nslookup [-type=TYPE] [-port=PORT] NAME [SERVER]`
pub(crate) fn nslookup(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let words: Vec<String> = args.iter().filter(|arg| !arg.contains('=')).cloned().collect();
    let options = Options::parse(&words, "");
    let given = |name: &str| args.iter().find_map(|arg| arg.trim_start_matches('-').strip_prefix(name)?.strip_prefix('='));
    let Some(name) = options.operands.first() else {
        return complain(io, "nslookup", "missing name");
    };
    let kind = match given("type").or(given("querytype")).unwrap_or("a").to_ascii_lowercase().as_str() {
        "a" => TYPE::A,
        "aaaa" => TYPE::AAAA,
        "cname" => TYPE::CNAME,
        "srv" => TYPE::SRV,
        other => return complain(io, "nslookup", &format!("invalid query type \"{other}\": a, aaaa, cname or srv")),
    };
    let port = given("port").and_then(|port| port.parse().ok()).unwrap_or(53);
    let config = Config::parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let Some(server) = options.operands.get(1).map(|server| (*server).to_owned()).or_else(|| config.server.clone()) else {
        return complain(io, "nslookup", "there is no nameserver in /etc/resolv.conf");
    };
    let Some(at) = (server.as_str(), port).to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        return complain(io, "nslookup", &format!("can't resolve the server's name '{server}'"));
    };
    io.output.line(&format!("Server:\t\t{server}\nAddress:\t{at}\n"))?;
    let mut verdict = RCODE::NameError;
    for full in config.candidates(name) {
        let Some(reply) = ask(at, &full, kind)? else {
            io.output.line(";; connection timed out; no servers could be reached")?;
            return Ok(1);
        };
        let Ok(packet) = Packet::parse(&reply) else {
            return complain(io, "nslookup", &format!("{server} answers with what is no DNS message"));
        };
        if packet.rcode() == RCODE::NoError && !packet.answers.is_empty() {
            for line in packet.answers.iter().filter_map(describe) {
                io.output.line(&line)?;
            }
            return Ok(0);
        }
        if packet.rcode() != RCODE::NameError {
            verdict = packet.rcode();
        }
    }
    let why = match verdict {
        RCODE::NoError => format!("*** Can't find {name}: No answer"),
        RCODE::NameError => format!("** server can't find {name}: NXDOMAIN"),
        RCODE::ServerFailure => format!("** server can't find {name}: SERVFAIL"),
        other => format!("** server can't find {name}: {other:?}"),
    };
    io.output.line(&why)?;
    Ok(1)
}

fn describe(record: &ResourceRecord<'_>) -> Option<String> {
    let name = &record.name;
    Some(match &record.rdata {
        RData::A(a) => format!("Name:\t{name}\nAddress: {}", std::net::Ipv4Addr::from(a.address)),
        RData::AAAA(a) => format!("Name:\t{name}\nAddress: {}", std::net::Ipv6Addr::from(a.address)),
        RData::CNAME(to) => format!("{name}\tcanonical name = {}", to.0),
        RData::SRV(srv) => format!("{name}\tservice = {} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
        _ => return None,
    })
}

/// The answer to one question over UDP; `None` when there is none.
fn ask(server: SocketAddr, name: &str, kind: TYPE) -> io::Result<Option<Vec<u8>>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_nonblocking(true)?;
    let id = socket.local_addr()?.port();
    let query = question(id, name, kind).map_err(|error| io::Error::other(format!("'{name}': {error}")))?;
    let mut buffer = [0; 4096];
    for _ in 0..ATTEMPTS {
        socket.send_to(&query, server)?;
        let sent = Instant::now();
        while sent.elapsed() < PATIENCE {
            match socket.recv_from(&mut buffer) {
                Ok((n, from)) if from == server && buffer[..n].starts_with(&id.to_be_bytes()) => {
                    return Ok(Some(buffer[..n].to_vec()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(LOOK),
                // Nobody listens there.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

fn question(id: u16, name: &str, kind: TYPE) -> simple_dns::Result<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(name)?, kind.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_resolv_conf_says() {
        let text = "search a.svc svc\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions edns0 ndots:2\n";
        let config = Config::parse(text);
        assert_eq!(config.server.as_deref(), Some("10.96.0.10"));
        for (name, expected) in [
            ("web", "web.a.svc web.svc web"),
            ("web.b.c", "web.b.c web.b.c.a.svc web.b.c.svc"),
            ("web.b.", "web.b"),
        ] {
            assert_eq!(config.candidates(name).join(" "), expected);
        }
    }

    /// A server for two questions: it knows `web`, and nothing else.
    fn server() -> (u16, std::thread::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            for _ in 0..2 {
                let (n, from) = socket.recv_from(&mut buffer).unwrap();
                let mut packet = Packet::parse(&buffer[..n]).unwrap().into_reply();
                let name = packet.questions[0].qname.clone();
                if name.to_string() == "web" {
                    let address = RData::A(std::net::Ipv4Addr::new(10, 96, 0, 7).into());
                    packet.answers.push(ResourceRecord::new(name, CLASS::IN, 5, address));
                } else {
                    *packet.rcode_mut() = RCODE::NameError;
                }
                socket.send_to(&packet.build_bytes_vec().unwrap(), from).unwrap();
            }
        });
        (port, serving)
    }

    #[test]
    fn the_server_that_is_shown_is_the_one_that_answers() {
        let (port, serving) = server();
        for (name, expected) in [("web.", "Name:\tweb\nAddress: 10.96.0.7\n"), ("none.", "** server can't find none.: NXDOMAIN\n")] {
            let (output, bytes) = crate::io::Output::pipe();
            let mut io = Streams { input: crate::io::Input::bytes(Vec::new()), error: output.clone(), output };
            let args = ["nslookup", &format!("-port={port}"), name, "127.0.0.1"].map(str::to_owned);
            nslookup(&mut Shell::new(), &args, &mut io).unwrap();
            let said = String::from_utf8(bytes.take()).unwrap();
            assert_eq!(said, format!("Server:\t\t127.0.0.1\nAddress:\t127.0.0.1:{port}\n\n{expected}"));
        }
        serving.join().unwrap();
    }
}
