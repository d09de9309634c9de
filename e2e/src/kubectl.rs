//! The stock kubectl.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::Cluster;

/// Longest wait for a condition: generous, because the machine may be busy; a condition that holds ends it at once.
const WAIT: &str = "--timeout=120s";

impl Cluster {
    fn kubectl_command(&self, line: &str) -> Command {
        let mut command = Command::new(env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command
            .env("KUBECONFIG", &self.ready.kubeconfig)
            .env("HOME", self.data())
            .args(words(line));
        command
    }

    /// Runs `LINE` with a kubectl of one's choice, and something on its standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn kubectl_output(
        &self,
        program: Option<&Path>,
        line: &str,
        input: &str,
    ) -> Result<Output> {
        let mut command = match program {
            Some(program) => {
                let mut command = self.peer(program);
                command.args(words(line));
                command
            }
            None => self.kubectl_command(line),
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl; KUBECTL names it")?;
        // A command that reads nothing may have ended by now: that its pipe is closed is no failure.
        let _ = child
            .stdin
            .take()
            .context("no stdin")?
            .write_all(input.as_bytes());
        Ok(child.wait_with_output()?)
    }

    /// Runs `kubectl LINE`; answers what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn kubectl(&self, line: &str) -> Result<String> {
        finish(line, self.kubectl_command(line).stdin(Stdio::null()))
    }

    /// Runs `kubectl LINE` with YAML on its standard input.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn kubectl_with(&self, line: &str, input: &str) -> Result<String> {
        let mut child = self
            .kubectl_command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        // Without the marker kubectl takes YAML in flow style, which begins with a brace, for JSON.
        let document = format!("---\n{input}");
        child
            .stdin
            .take()
            .context("no stdin")?
            .write_all(document.as_bytes())?;
        let out = child.wait_with_output()?;
        if !out.status.success() {
            bail!(
                "kubectl {line}: {}{}",
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs `kubectl LINE`, which must fail; answers what it complained of.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn kubectl_refused(&self, line: &str) -> Result<String> {
        match self.kubectl(line) {
            Ok(out) => bail!("kubectl {line} should have been refused but printed {out}"),
            Err(refusal) => Ok(refusal.to_string()),
        }
    }

    /// Waits for a condition with `kubectl wait`: `pod/web --for=condition=Ready`.
    ///
    /// # Errors
    /// When it does not come true, with the state of the pods and the events.
    pub fn wait(&self, what: &str) -> Result<()> {
        if let Err(error) = self.kubectl(&format!("wait {what} {WAIT}")) {
            let state = self.kubectl("get pods -A -o wide").unwrap_or_default();
            let events = self.kubectl("get events -A").unwrap_or_default();
            bail!("{error}\n{state}\n{events}\n{}", self.log());
        }
        Ok(())
    }
}

fn finish(line: &str, command: &mut Command) -> Result<String> {
    let out = command
        .output()
        .context("cannot start kubectl; KUBECTL names it")?;
    if !out.status.success() {
        bail!(
            "kubectl {line}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Splits a command line at spaces, keeping what stands in single quotes together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(
            words("get pods -o 'jsonpath={.a b}' x"),
            ["get", "pods", "-o", "jsonpath={.a b}", "x"]
        );
    }
}
