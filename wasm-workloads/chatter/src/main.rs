//! One half of a pair that talks over `localhost`: containers of a pod share their network.
//!
//! Environment: `ROLE` (`asker` or `answerer`), `PORT` (default 4000), `COUNT` (questions; 0, the default, goes on for
//! ever), `INTERVAL_MS` (default 1000). The asker waits until somebody answers, and exits 0 after its last question.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let role = std::env::var("ROLE").unwrap_or_default();
    let (port, count, pause) = (number("PORT", 4000), number("COUNT", 0), Duration::from_millis(number("INTERVAL_MS", 1000)));
    let address = format!("127.0.0.1:{port}");
    let outcome = match role.as_str() {
        "asker" => ask(&address, count, pause),
        "answerer" => answer(&address),
        other => {
            eprintln!("ROLE is {other:?}: it must be asker or answerer");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn ask(address: &str, count: u64, pause: Duration) -> io::Result<()> {
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => println!("nobody answers yet ({error})"),
        }
        std::thread::sleep(pause);
    };
    let (mut answers, mut questions) = (BufReader::new(&stream), &stream);
    let mut asked = 0;
    while count == 0 || asked < count {
        asked += 1;
        writeln!(questions, "what is {asked} times {asked}?")?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        println!("asked {asked}, heard: {}", line.trim_end());
        std::thread::sleep(pause);
    }
    Ok(())
}

fn answer(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {address}");
    loop {
        let (stream, _) = listener.accept()?;
        let mut answers = &stream;
        for line in BufReader::new(&stream).lines() {
            let Ok(line) = line else { break };
            if writeln!(answers, "{}", reply(&line)).is_err() {
                break;
            }
            println!("answered: {line}");
        }
    }
}

fn reply(question: &str) -> String {
    let number = question.split(' ').find_map(|word| word.parse::<u64>().ok());
    number.map_or_else(|| "I do not understand".to_owned(), |n| n.saturating_mul(n).to_string())
}

#[cfg(test)]
mod tests {
    use super::reply;

    #[test]
    fn questions_have_answers() {
        assert_eq!(reply("what is 12 times 12?"), "144");
        assert_eq!(reply("why?"), "I do not understand");
    }
}
