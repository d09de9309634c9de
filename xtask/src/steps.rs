//! Steps with a name, a result and a duration, and the commands they run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The workspace's root: of the checkout that cargo runs this for, which may share its target directory with others.
pub(crate) fn root() -> PathBuf {
    let own =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own)
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// Where cargo builds: `CARGO_TARGET_DIR`, or `target` in the workspace.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The built server.
pub(crate) fn server_binary() -> PathBuf {
    target_dir().join("release").join("glasshouse")
}

/// A folder for tools that are built or fetched once per machine.
pub(crate) fn cache_dir() -> PathBuf {
    let home = || env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"));
    env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(|| root().join("target"))
        .join("glasshouse")
}

/// Runs one named step and prints how long it took.
#[expect(clippy::disallowed_methods, reason = "xtask measures its own steps")]
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("step failed: {name}"));
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!(
        "==> {name}: {verdict} in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    result
}

/// The packages that share one choice of features: all but the end-to-end tests, whose browser driver changes how
/// serde_json orders keys.
pub(crate) const PRODUCT: [&str; 3] = ["--workspace", "--exclude", "e2e"];

/// A cargo invocation in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Runs a command to its end; a failure names the command.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
