//! Programs of others that talk to the cluster: where they are and how they are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::Cluster;

/// Where `cargo xtask test` keeps the clients that it installs.
#[must_use]
pub fn tools() -> PathBuf {
    if let Some(dir) = env::var_os("GLASSHOUSE_TOOLS") {
        return PathBuf::from(dir);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        let home = env::var_os("HOME").unwrap_or_default();
        Path::new(&home).join(".cache")
    });
    cache.join("glasshouse/tools")
}

/// A tool by its path below [`tools`].
///
/// # Errors
/// When it is not installed.
pub fn tool(path: &str) -> Result<PathBuf> {
    let found = tools().join(path);
    if !found.exists() {
        bail!(
            "{} is missing; cargo xtask test installs it",
            found.display()
        );
    }
    Ok(found)
}

impl Cluster {
    /// A program with this cluster's kubeconfig and a home of its own.
    #[must_use]
    pub fn peer(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", &self.ready.kubeconfig)
            .env("HOME", self.data())
            .env("HELM_CACHE_HOME", self.data().join("helm"))
            .env("NODE_PATH", tools().join("node_modules"))
            .stdin(Stdio::null());
        command
    }

    /// Writes a file that a program is to read, into the cluster's own folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.data().join("peers").join(name);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Runs a command to its end; answers what it printed.
///
/// # Errors
/// When it fails, with all that it said.
pub fn finish(mut command: Command) -> Result<String> {
    let out = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        bail!(
            "{command:?}: {stdout}{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(stdout)
}
