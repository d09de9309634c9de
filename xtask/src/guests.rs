//! Builds the sample workloads: every member of `wasm-workloads/` becomes one `.wasm` file.
//!
//! A member's name says its target: `wasip1-*` are core modules for WASI preview 1, everything else is a component for
//! `wasm32-wasip2`. No binary is committed; cargo decides what is out of date.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Members whose names begin so are built for preview 1.
const PREVIEW1_PREFIX: &str = "wasip1-";

/// One sample workload, built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The member's name: the image is `glasshouse.dev/NAME:latest`.
    pub name: String,
    /// The `.wasm` file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Builds all workloads of `root/wasm-workloads` in release into `target_dir/guests` and copies them to
/// `out_dir/NAME.wasm`. A file that did not change keeps its modification time, so that whoever embeds it does not
/// compile again.
///
/// # Errors
/// When a workload does not compile, a target is not installed (the message says how to install it), or a file cannot
/// be written.
pub fn build(root: &Path, target_dir: &Path, out_dir: &Path) -> anyhow::Result<Vec<Guest>> {
    let workspace = root.join("wasm-workloads");
    let names = members(&workspace)?;
    let guests_dir = target_dir.join("guests");
    let (preview1, components): (Vec<&String>, Vec<&String>) = names
        .iter()
        .partition(|name| name.starts_with(PREVIEW1_PREFIX));
    for (target, names) in [("wasm32-wasip2", &components), ("wasm32-wasip1", &preview1)] {
        cargo_build(&workspace, &guests_dir, target, names)?;
    }
    std::fs::create_dir_all(out_dir)
        .with_context(|| format!("cannot create {}", out_dir.display()))?;
    names
        .iter()
        .map(|name| {
            let target = if name.starts_with(PREVIEW1_PREFIX) {
                "wasm32-wasip1"
            } else {
                "wasm32-wasip2"
            };
            let built = guests_dir
                .join(target)
                .join("release")
                .join(format!("{name}.wasm"));
            copy_if_changed(&built, &out_dir.join(format!("{name}.wasm")), name)
        })
        .collect()
}

/// Runs the workloads' own tests, on this machine.
///
/// # Errors
/// When one fails.
pub fn test(root: &Path, target_dir: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root.join("wasm-workloads"))
        .args(["test", "--locked", "--quiet"])
        .env("CARGO_TARGET_DIR", target_dir.join("guests"));
    let status = cargo.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("a workload's test fails: run cargo test in wasm-workloads");
    }
    Ok(())
}

/// The workspace's members: the folders that hold a manifest, sorted.
fn members(workspace: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace)
        .with_context(|| format!("cannot read {}", workspace.display()))?
    {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    if names.is_empty() {
        bail!("{} holds no workloads", workspace.display());
    }
    names.sort();
    Ok(names)
}

fn cargo_build(
    workspace: &Path,
    target_dir: &Path,
    target: &str,
    names: &[&String],
) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--target", target])
        .env("CARGO_TARGET_DIR", target_dir);
    // The caller's flags are for the host: they would make these builds differ, or fail.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    for name in names {
        cargo.args(["-p", name]);
    }
    let status = cargo.status().context("cannot start cargo")?;
    if !status.success() {
        bail!(
            "the workloads for {target} do not build; if the target is missing: rustup target add {target}"
        );
    }
    Ok(())
}

fn copy_if_changed(from: &Path, to: &Path, name: &str) -> anyhow::Result<Guest> {
    let bytes = std::fs::read(from)
        .with_context(|| format!("cargo built no {} for {name}", from.display()))?;
    if std::fs::read(to).ok().as_deref() != Some(&bytes) {
        let partial = to.with_extension("wasm.partial");
        std::fs::write(&partial, &bytes)
            .and_then(|()| std::fs::rename(&partial, to))
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(Guest {
        name: name.to_owned(),
        path: to.to_owned(),
        bytes: bytes.len() as u64,
    })
}
