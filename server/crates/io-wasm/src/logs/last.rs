//! The end of a log, which stands in for a program's last words (`FallbackToLogsOnError`).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use kubelet::runtime::ContainerId;

use super::Logs;

/// The most that is taken: `MaxContainerTerminationMessageLogLength` and `...LogLines` of the kubelet.
const BYTES_MAX: usize = 2048;
const LINES_MAX: usize = 80;
/// Times, streams and tags come on top of what was written.
const READ_MAX: u64 = 64 * 1024;

impl Logs {
    /// The last lines of a run's log; empty when there is none.
    pub(crate) fn last_words(&self, id: &ContainerId) -> String {
        let path = self
            .folder(&id.pod, &id.container)
            .join(format!("{}.log", id.attempt));
        let read = || {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(READ_MAX)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = read().unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&bytes))
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log
        .lines()
        .filter_map(|line| line.splitn(4, ' ').nth(3))
        .collect();
    let first = lines.len().saturating_sub(LINES_MAX);
    let mut text: String = lines
        .iter()
        .skip(first)
        .map(|line| format!("{line}\n"))
        .collect();
    while text.len() > BYTES_MAX {
        let surplus = text.len() - BYTES_MAX;
        let cut = (surplus..=text.len()).find(|at| text.is_char_boundary(*at));
        text.drain(..cut.unwrap_or(text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_what_was_written() {
        let line = |text: &str| format!("2026-01-01T00:00:00Z stderr F {text}\n");
        assert_eq!(last_lines(&(line("one") + &line("two 2"))), "one\ntwo 2\n");
        let many: String = (0..100).map(|n| line(&n.to_string())).collect();
        assert_eq!(last_lines(&many).lines().next(), Some("20"));
        let wide = last_lines(&line(&"é".repeat(2000)));
        assert!(
            wide.len() <= BYTES_MAX && wide.ends_with("é\n"),
            "{}",
            wide.len()
        );
        assert_eq!(last_lines(""), "");
    }
}
