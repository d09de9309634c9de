//! Embeds the bundled dashboard and the sample workloads into the binary.
//!
//! `GLASSHOUSE_DIST` and `GLASSHOUSE_WORKLOADS` name the folders; without them the binary is built without, and says
//! so when the dashboard is opened.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut code = String::new();
    table(&mut code, "DIST", "GLASSHOUSE_DIST", |_| true);
    table(&mut code, "WORKLOADS", "GLASSHOUSE_WORKLOADS", |name| {
        name.ends_with(".wasm")
    });
    let path = out.join("embedded.rs");
    if let Err(error) = fs::write(&path, code) {
        println!("cargo::error=cannot write {}: {error}", path.display());
    }
}

fn table(code: &mut String, name: &str, variable: &str, wanted: impl Fn(&str) -> bool) {
    println!("cargo::rerun-if-env-changed={variable}");
    let mut files = Vec::new();
    if let Some(dir) = env::var_os(variable).map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", dir.display());
        collect(&dir, &dir, &mut files);
    }
    files.sort();
    let _ = writeln!(code, "pub(crate) static {name}: &[(&str, &[u8])] = &[");
    for (relative, path) in files.iter().filter(|(relative, _)| wanted(relative)) {
        let _ = writeln!(code, "    ({relative:?}, include_bytes!({path:?})),");
    }
    let _ = writeln!(code, "];");
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.push((relative.to_string_lossy().replace('\\', "/"), path.clone()));
        }
    }
}
