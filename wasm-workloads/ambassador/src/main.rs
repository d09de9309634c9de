//! An ambassador: the application talks to `localhost`, the ambassador knows where that leads.
//!
//! Environment: `LISTEN` (default `127.0.0.1:6379`), `TARGETS` (`HOST:PORT`, several separated by commas: each connection
//! goes to the next one that answers). Bytes pass both ways unchanged.

use std::process::ExitCode;
use std::rc::Rc;

use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};
use wstd::runtime::{block_on, spawn};

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let targets = targets(&variable("TARGETS").unwrap_or_default());
    if targets.is_empty() {
        eprintln!("TARGETS is not set: give HOST:PORT, several separated by commas");
        return ExitCode::FAILURE;
    }
    let listen = variable("LISTEN").unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    match block_on(serve(&listen, targets.into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{listen}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn targets(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|target| !target.is_empty()).map(str::to_owned).collect()
}

async fn serve(listen: &str, targets: Rc<[String]>) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("{listen} leads to {}", targets.join(", "));
    let mut incoming = listener.incoming();
    let mut turn = 0;
    while let Some(connection) = incoming.next().await {
        let Ok(client) = connection else { continue };
        let (targets, first) = (Rc::clone(&targets), turn);
        turn += 1;
        spawn(async move {
            match connect(&targets, first).await {
                Some((target, server)) => {
                    let (sent, received) = pass(&Rc::new(client), &Rc::new(server)).await;
                    println!("{target}: {sent} bytes there, {received} back");
                }
                None => eprintln!("no target answers"),
            }
        })
        .detach();
    }
    Ok(())
}

/// The first target that answers, beginning with the one whose turn it is.
async fn connect(targets: &[String], first: usize) -> Option<(&String, TcpStream)> {
    for i in 0..targets.len() {
        let target = &targets[(first + i) % targets.len()];
        match TcpStream::connect(target.as_str()).await {
            Ok(stream) => return Some((target, stream)),
            Err(error) => eprintln!("{target}: {error}"),
        }
    }
    None
}

/// Copies both ways until both sides have ended; how many bytes went each way.
async fn pass(client: &Rc<TcpStream>, server: &Rc<TcpStream>) -> (u64, u64) {
    let (from, to) = (Rc::clone(client), Rc::clone(server));
    let there = spawn(async move { copy(&from, &to).await });
    let back = copy(server, client).await;
    (there.await, back)
}

async fn copy(from: &TcpStream, to: &TcpStream) -> u64 {
    let mut total = 0;
    let mut buffer = vec![0; 64 * 1024];
    let (mut reader, mut writer) = (from, to);
    while let Ok(n) = reader.read(&mut buffer).await {
        if n == 0 || writer.write_all(&buffer[..n]).await.is_err() || writer.flush().await.is_err() {
            break;
        }
        total += n as u64;
    }
    // The end of the writing half tells the other side that nothing follows; that of the reading half would also cut off
    // what is still to come back.
    let (reading, writing) = to.split();
    std::mem::forget(reading);
    drop(writing);
    total
}

#[cfg(test)]
mod tests {
    use super::targets;

    #[test]
    fn targets_are_separated_by_commas() {
        assert_eq!(targets("a:1, b:2,,"), ["a:1", "b:2"]);
        assert!(targets(" , ").is_empty());
    }
}
