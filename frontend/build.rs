//! Turns the scenarios of the repository into one JSON document for the page, which thereby needs no YAML parser.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Value, json};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folder = root.join("../scenarios");
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("scenarios.json");
    let written = library(&folder).and_then(|text| {
        fs::write(&out, text).map_err(|e| format!("cannot write {}: {e}", out.display()))
    });
    if let Err(error) = written {
        println!("cargo::error={error}");
    }
}

/// `[["a-pod-is-born", {...}], ...]` in the order of the file `ORDER`.
fn library(folder: &Path) -> Result<String, String> {
    let read = |path: PathBuf| {
        fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
    };
    let mut all = Vec::new();
    for name in read(folder.join("ORDER"))?.lines() {
        let text = read(folder.join(format!("{name}.yaml")))?;
        let value: Value =
            serde_saphyr::from_str(&text).map_err(|e| format!("{name}.yaml: {e}"))?;
        all.push(json!([name, value]));
    }
    Ok(Value::from(all).to_string())
}
