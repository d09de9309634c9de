//! A sidecar that ships a log: follows a file on a volume that it shares with the application, and passes each whole
//! line on.
//!
//! Environment: `FILE` (default `/var/log/app.log`), `TARGET` (`HOST:PORT` to send lines to; without one they go to the
//! own log), `LABEL` (put in front of each line), `INTERVAL_MS` (pause between two looks, default 200). A file that is
//! replaced or cut is read from its beginning again; a target that is away is tried again, and nothing is lost
//! meanwhile.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest line; a longer one is passed on in parts.
const LINE_MAX: usize = 256 * 1024;

/// A file that grows.
#[derive(Debug, Default)]
struct Follower {
    /// How far it has been read, in bytes.
    at: u64,
    /// A line that has not ended yet.
    partial: Vec<u8>,
}

impl Follower {
    /// The lines that were written since the last look, with their ends.
    fn look(&mut self, path: &str) -> io::Result<Vec<Vec<u8>>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < self.at {
            *self = Self::default();
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut new = Vec::new();
        self.at += file.read_to_end(&mut new)? as u64;
        Ok(self.take(&new))
    }

    fn take(&mut self, new: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in new.split_inclusive(|b| *b == b'\n') {
            self.partial.extend_from_slice(part);
            if part.ends_with(b"\n") || self.partial.len() >= LINE_MAX {
                lines.push(std::mem::take(&mut self.partial));
            }
        }
        lines
    }
}

fn main() -> io::Result<()> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let file = variable("FILE").unwrap_or_else(|| "/var/log/app.log".to_owned());
    let (target, label) = (variable("TARGET"), variable("LABEL").map(|label| format!("{label} ")).unwrap_or_default());
    let pause = Duration::from_millis(variable("INTERVAL_MS").and_then(|ms| ms.parse().ok()).unwrap_or(200));
    println!("shipping {file} to {}", target.as_deref().unwrap_or("the own log"));
    let mut follower = Follower::default();
    let mut connection = None;
    loop {
        for line in follower.look(&file)? {
            let line = [label.as_bytes(), &line].concat();
            match &target {
                Some(target) => ship(target, &mut connection, &line, pause),
                None => {
                    let mut out = io::stdout().lock();
                    out.write_all(&line)?;
                    out.flush()?;
                }
            }
        }
        std::thread::sleep(pause);
    }
}

/// Sends a line, however long it takes until somebody listens.
fn ship(target: &str, connection: &mut Option<TcpStream>, line: &[u8], pause: Duration) {
    let mut told = false;
    loop {
        let sent = match connection {
            Some(stream) => stream.write_all(line),
            None => match TcpStream::connect(target) {
                Ok(stream) => {
                    *connection = Some(stream);
                    continue;
                }
                Err(error) => Err(error),
            },
        };
        let Err(error) = sent else { return };
        *connection = None;
        if !told {
            eprintln!("{target}: {error}: trying again");
            told = true;
        }
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_passed_on() {
        let mut follower = Follower::default();
        assert_eq!(follower.take(b"one\ntw"), [b"one\n".to_vec()]);
        assert_eq!(follower.take(b""), Vec::<Vec<u8>>::new());
        assert_eq!(follower.take(b"o\n\n"), [b"two\n".to_vec(), b"\n".to_vec()]);
        assert_eq!(follower.take(&vec![b'x'; LINE_MAX]).len(), 1);
    }

    #[test]
    fn a_file_that_is_cut_is_read_again() {
        let path = std::env::temp_dir().join(format!("log-shipper-{}", std::process::id()));
        let name = path.to_string_lossy().into_owned();
        let mut follower = Follower::default();
        assert!(follower.look(&name).unwrap().is_empty(), "it may come later");
        std::fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(follower.look(&name).unwrap().len(), 2);
        assert!(follower.look(&name).unwrap().is_empty());
        std::fs::write(&path, "c\n").unwrap();
        assert_eq!(follower.look(&name).unwrap(), [b"c\n".to_vec()]);
        std::fs::remove_file(path).unwrap();
    }
}
