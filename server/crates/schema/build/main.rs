//! Builds the compact tables that the crate embeds: `types.tsv` (every type and field) and `texts.bin` (their
//! descriptions, deflated).
//!
//! Types come from `k8s-openapi`, protobuf field numbers from the prost attributes of `k8s-pb`, merge rules and
//! zero-value rules from the two tables of facts in `src/`. It reads nothing else and writes only to `OUT_DIR`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a build script reports by failing and talks to cargo by printing"
)]

mod json;
mod proto;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));
    for path in ["build", "src/merge-keys.tsv", "src/zero-values.tsv"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let types = json::collect();
    let messages = proto::read(&k8s_pb_source(&manifest, &out));
    let facts = table::Facts {
        merge: read(&manifest.join("src/merge-keys.tsv")),
        zeros: read(&manifest.join("src/zero-values.tsv")),
    };
    let (table, texts) = table::write(&types, &messages, &facts);
    std::fs::write(out.join("types.tsv"), table).expect("OUT_DIR is writable");
    let packed = miniz_oxide::deflate::compress_to_vec(texts.as_bytes(), 8);
    std::fs::write(out.join("texts.bin"), packed).expect("OUT_DIR is writable");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Where cargo unpacked the `k8s-pb` of the workspace's lock file.
///
/// Cargo tells a build script nothing of the kind, and `cargo metadata` of the whole workspace would want every
/// package of every platform. So it is asked about a package of one dependency, which is there by now.
fn k8s_pb_source(manifest: &Path, out: &Path) -> PathBuf {
    let probe = out.join("probe");
    std::fs::create_dir_all(probe.join("src")).expect("OUT_DIR is writable");
    std::fs::write(probe.join("src/lib.rs"), "").expect("OUT_DIR is writable");
    let toml = "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                [dependencies]\nk8s-pb = \"0.9\"\n";
    std::fs::write(probe.join("Cargo.toml"), toml).expect("OUT_DIR is writable");
    if let Some(lock) = manifest
        .ancestors()
        .map(|a| a.join("Cargo.lock"))
        .find(|l| l.is_file())
    {
        std::fs::copy(lock, probe.join("Cargo.lock")).expect("OUT_DIR is writable");
    }
    let cargo = std::env::var_os("CARGO").expect("set by cargo");
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version=1",
            "--offline",
            "--manifest-path",
        ])
        .arg(probe.join("Cargo.toml"))
        .current_dir(manifest)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages is a list");
    let package = packages
        .iter()
        .find(|p| p["name"] == "k8s-pb")
        .expect("k8s-pb is a build dependency");
    let manifest = package["manifest_path"].as_str().expect("a path");
    Path::new(manifest).with_file_name("src")
}
