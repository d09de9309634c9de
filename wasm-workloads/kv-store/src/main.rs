//! A key-value database that speaks the Redis protocol, so that stock clients talk to it, and keeps its data in an
//! append-only file on a volume.
//!
//! `kv-store [--port N] [--dir DIR] [--requirepass PASSWORD]`, also by `PORT`, `DATA_DIR` and `REDIS_PASSWORD`. Without
//! a directory it takes `/data` or `/db` when one is mounted, and keeps everything in memory otherwise. A change is in
//! the file before it is answered: a crash of the container loses nothing, a power cut of the node may lose what the
//! operating system had not written yet.

mod cli;
mod log;
mod resp;
mod session;
mod store;

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};
use wstd::runtime::{block_on, spawn};

use log::Log;
use resp::{Parsed, Reply, parse};
use session::{Server, Session};

/// Connections at a time.
const CLIENTS_MAX: usize = 1000;
/// Most bytes of a request that has not come whole.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// How the image is started, and the programs in it.
#[used]
#[unsafe(link_section = "glasshouse:image")]
static IMAGE: [u8; IMAGE_TEXT.len()] = *IMAGE_TEXT;
const IMAGE_TEXT: &[u8; 79] = br#"{"cmd":["kv-store"],"applets":["kv-store","redis-server","redis-cli","valkey"]}"#;

/// The database and its log.
struct Database {
    server: Server,
    log: Option<Log>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let program = args.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    if program == "redis-cli" {
        return ExitCode::from(cli::main(&args[1..]));
    }
    match block_on(serve(&args[1..])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv-store: {error}");
            ExitCode::FAILURE
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A setting from the command line, else from the environment.
fn setting(args: &[String], flag: &str, variable: &str) -> Option<String> {
    let given = args.iter().position(|arg| arg == flag).and_then(|i| args.get(i + 1)).cloned();
    given.or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
}

fn open(args: &[String]) -> std::io::Result<Database> {
    // Kubernetes' service links may set REDIS_PORT=tcp://...: only a number counts.
    let port = setting(args, "--port", "PORT").and_then(|port| port.parse().ok()).unwrap_or(6379);
    let dir = setting(args, "--dir", "DATA_DIR")
        .or_else(|| ["/data", "/db"].into_iter().find(|dir| Path::new(dir).is_dir()).map(str::to_owned));
    let mut server = Server {
        password: setting(args, "--requirepass", "REDIS_PASSWORD"),
        port,
        dir,
        started_ms: now_ms(),
        ..Server::default()
    };
    let mut log = None;
    match server.dir.clone() {
        Some(dir) => {
            let (opened, replayed) = Log::open(Path::new(&dir), &mut server.store)?;
            println!("{} keys from {} changes in {dir}/{}", server.store.len(), replayed.commands, log::FILE);
            if replayed.torn > 0 {
                println!("dropped {} bytes at its end, which a crash had cut off", replayed.torn);
            }
            log = Some(opened);
        }
        None => println!("no volume at /data or /db: everything is kept in memory only"),
    }
    Ok(Database { server, log })
}

async fn serve(args: &[String]) -> std::io::Result<()> {
    let database = open(args)?;
    let port = database.server.port;
    let database = Rc::new(RefCell::new(database));
    let listener = TcpListener::bind(&format!("0.0.0.0:{port}")).await?;
    println!("Ready to accept connections on port {port}");
    let mut incoming = listener.incoming();
    while let Some(connection) = incoming.next().await {
        let stream = match connection {
            Ok(stream) => stream,
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                continue;
            }
        };
        if database.borrow().server.clients >= CLIENTS_MAX {
            continue;
        }
        let database = Rc::clone(&database);
        spawn(async move {
            database.borrow_mut().server.clients += 1;
            // A client that goes away in the middle is no event.
            let _ = converse(&stream, &database).await;
            database.borrow_mut().server.clients -= 1;
        })
        .detach();
    }
    Ok(())
}

async fn converse(stream: &TcpStream, database: &RefCell<Database>) -> std::io::Result<()> {
    let mut session = Session::default();
    let (mut reader, mut writer) = (stream, stream);
    let (mut waiting, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let n = reader.read(&mut buffer).await?;
        if n == 0 || waiting.len() + n > REQUEST_BYTES_MAX {
            return Ok(());
        }
        waiting.extend_from_slice(&buffer[..n]);
        let (out, taken) = database.borrow_mut().answer(&mut session, &waiting);
        waiting.drain(..taken);
        writer.write_all(&out).await?;
        writer.flush().await?;
        if session.quits {
            return Ok(());
        }
    }
}

impl Database {
    /// Answers all whole requests of a buffer; also says how much of it they were.
    fn answer(&mut self, session: &mut Session, waiting: &[u8]) -> (Vec<u8>, usize) {
        let (mut out, mut taken) = (Vec::new(), 0);
        while taken < waiting.len() && !session.quits {
            match parse(&waiting[taken..]) {
                Parsed::Incomplete => break,
                Parsed::Wrong(why) => {
                    Reply::Error(format!("ERR Protocol error: {why}")).encode(session.version, &mut out);
                    session.quits = true;
                }
                Parsed::Request(request, length) => {
                    taken += length;
                    if !request.is_empty() {
                        let reply = session.request(&mut self.server, request, now_ms());
                        reply.encode(session.version, &mut out);
                    }
                }
            }
        }
        let changes = std::mem::take(&mut self.server.unlogged);
        if let (false, Some(log)) = (changes.is_empty(), &mut self.log)
            && let Err(error) = log.append(&changes, now_ms())
        {
            // A change that cannot be kept must not be promised.
            eprintln!("the log cannot be written: {error}");
            out.clear();
            Reply::Error(format!("MISCONF the change cannot be kept: {error}")).encode(session.version, &mut out);
            session.quits = true;
        }
        (out, taken)
    }
}
