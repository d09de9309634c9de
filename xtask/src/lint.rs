//! `cargo xtask lint`: the rules that machines check.

use anyhow::Result;

use crate::steps::{cargo, execute, step};
use crate::tools;

/// Crates that must build where there is no operating system.
const PURE: [&str; 13] = [
    "shared",
    "store",
    "schema",
    "client",
    "apiserver",
    "scheduler",
    "controller-manager",
    "cloud-controller-manager",
    "kubelet",
    "kube-proxy",
    "cni",
    "netstack",
    "simulation",
];

/// Checks format, lints, documentation and purity.
pub(crate) fn lint() -> Result<()> {
    tools::rust_targets()?;
    step("format", || {
        execute(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    step("clippy", || {
        execute(&mut cargo(&[
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--features",
            "e2e/product",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("pure crates on wasm32", || {
        let mut check = cargo(&["check", "--target", "wasm32-unknown-unknown"]);
        execute(
            PURE.iter()
                .fold(&mut check, |c, name| c.args(["--package", name])),
        )
    })?;
    step("documentation", || {
        execute(
            cargo(&["doc", "--release", "--workspace", "--no-deps", "--lib"]).env(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            ),
        )
    })
}
