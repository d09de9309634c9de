//! A cluster of the test's own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What `glasshouse up --output json` prints when everything is ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// `https://127.0.0.1:PORT`.
    pub api: String,
    /// `http://127.0.0.1:PORT`.
    pub dashboard: String,
    /// The admin kubeconfig.
    pub kubeconfig: PathBuf,
}

/// A running cluster; dropped, it is drained and its data removed.
#[derive(Debug)]
pub struct Cluster {
    child: Child,
    data: PathBuf,
    nodes: u16,
    /// Where it is.
    pub ready: Ready,
}

impl Cluster {
    /// Starts a cluster with so many nodes and waits until it says that it is ready.
    ///
    /// # Errors
    /// When the binary cannot be started or ends before it is ready.
    pub fn start(nodes: u16) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let data = env::temp_dir().join(format!("glasshouse-e2e-{}-{number}", std::process::id()));
        Self::open(data, nodes)
    }

    fn open(data: PathBuf, nodes: u16) -> Result<Self> {
        let server = env::var_os("GLASSHOUSE")
            .context("GLASSHOUSE names the built server; run cargo xtask test")?;
        let log = data.with_extension("log");
        let mut child = Command::new(server)
            .args([
                "up",
                "--api-port",
                "0",
                "--dashboard-port",
                "0",
                "--output",
                "json",
                "--nodes",
            ])
            .arg(nodes.to_string())
            .arg("--data-dir")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::options().create(true).append(true).open(&log)?)
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str::<Ready>(&line) else {
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "the server was not ready; it said {line:?} and logged:\n{}",
                fs::read_to_string(&log)?
            );
        };
        Ok(Self {
            child,
            data,
            nodes,
            ready,
        })
    }

    /// Kills the process without warning (`kill -9`) and starts it again on the same data.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn crash_and_restart(mut self) -> Result<Self> {
        self.child.kill()?;
        self.child.wait()?;
        let (data, nodes) = (std::mem::take(&mut self.data), self.nodes);
        drop(self);
        Self::open(data, nodes)
    }

    /// Asks the process to end (`SIGTERM`) and answers whether it drained well.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn terminate(&mut self) -> Result<bool> {
        let pid = self.child.id().to_string();
        if let Some(ended) = self.child.try_wait()? {
            return Ok(ended.success());
        }
        let told = Command::new("kill").args(["-TERM", &pid]).status()?;
        if !told.success() {
            bail!("cannot signal process {pid}");
        }
        Ok(self.child.wait()?.success())
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the cluster keeps its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.with_extension("log")).unwrap_or_default()
    }

    /// The dashboard's token, as its page carries it.
    ///
    /// # Errors
    /// When the page cannot be fetched or carries none.
    pub fn token(&self) -> Result<String> {
        let page = curl(&[&format!("{}/", self.ready.dashboard)])?;
        let after = page
            .split("name=\"glasshouse-token\" content=\"")
            .nth(1)
            .context("the page carries no token")?;
        Ok(after.split('"').next().unwrap_or_default().to_owned())
    }

    /// Posts JSON to the dashboard's own API.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn post(&self, path: &str, body: &str) -> Result<String> {
        let (url, bearer) = (
            format!("{}{path}", self.ready.dashboard),
            format!("Authorization: Bearer {}", self.token()?),
        );
        curl(&[
            "-f",
            "-X",
            "POST",
            "-H",
            &bearer,
            "-H",
            "Content-Type: application/json",
            "-d",
            body,
            &url,
        ])
    }
}

/// Runs curl and answers what it received.
///
/// # Errors
/// When curl fails.
pub fn curl(arguments: &[&str]) -> Result<String> {
    let out = Command::new("curl")
        .args(["-sS", "--max-time", "30"])
        .args(arguments)
        .output()
        .context("cannot start curl")?;
    if !out.status.success() {
        bail!(
            "curl {arguments:?}: {}{}",
            String::from_utf8_lossy(&out.stderr),
            String::from_utf8_lossy(&out.stdout)
        );
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

impl Drop for Cluster {
    #[expect(
        clippy::print_stderr,
        reason = "a failed test shows what the server logged"
    )]
    fn drop(&mut self) {
        if self.data.as_os_str().is_empty() {
            return;
        }
        let _ = self.terminate();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server logged:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.data);
        let _ = fs::remove_file(self.data.with_extension("log"));
    }
}
