//! `cargo xtask run` and `build`: guests, dashboard, server, cluster.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{PRODUCT, cargo, execute, root, server_binary, step, target_dir};
use crate::{bundle, guests, tools};

/// Builds everything and answers the server's path. What else is built with it (`--tests`) shares its dependencies:
/// cargo chooses their features for all that one invocation selects.
pub(crate) fn build(also: &[&str]) -> Result<PathBuf> {
    tools::rust_targets()?;
    let (root, target) = (root(), target_dir());
    step("build sample workloads", || {
        guests::build(&root, &target, &target.join("workloads")).map(drop)
    })?;
    let dist = root.join("dist");
    step("bundle the dashboard", || {
        bundle::bundle(&root, &target, &dist, true)
    })?;
    step("build the server", || {
        execute(
            cargo(&["build", "--release", "--bin", "glasshouse"])
                .args(PRODUCT)
                .args(also)
                .env("GLASSHOUSE_DIST", &dist)
                .env("GLASSHOUSE_WORKLOADS", target.join("workloads")),
        )
    })?;
    Ok(server_binary())
}

/// Builds everything and starts a cluster; returns when it has been stopped.
pub(crate) fn run(up: &[String]) -> Result<()> {
    let server = build(&[])?;
    // Ctrl-C reaches the server too, which drains; waiting for it here keeps its last lines above the prompt.
    let status = Command::new(&server)
        .arg("up")
        .args(up)
        .status()
        .with_context(|| format!("cannot start {}", server.display()))?;
    std::process::exit(status.code().unwrap_or(0));
}
