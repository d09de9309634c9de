//! The rules of the tree that no compiler checks: arrows between crates, size of files and functions, headers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file. A longer one is several ideas.
const FILE_LINES_MAX: usize = 600;
/// Longest function of the product: one screen. Tables of cases in tests may be longer.
const FUNCTION_LINES_MAX: usize = 75;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for top in [
        "shared",
        "server",
        "frontend",
        "e2e",
        "xtask",
        "wasm-workloads",
    ] {
        walk(&root().join(top), &mut files);
    }
    assert!(
        files.len() > 50,
        "found only {} sources: the test looks in the wrong place",
        files.len()
    );
    files
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn complain(about: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{about}:\n{}", complaints.join("\n"));
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

#[test]
fn every_source_says_what_it_is_for() {
    let silent = sources()
        .into_iter()
        .filter(|p| !fs::read_to_string(p).unwrap().starts_with("//!"));
    complain(
        "these files do not start with `//!`",
        &silent.map(|p| shown(&p)).collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_is_too_long() {
    let long = sources().into_iter().filter_map(|p| {
        let lines = fs::read_to_string(&p).unwrap().lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{} has {lines} lines", shown(&p)))
    });
    complain("split these files by idea", &long.collect::<Vec<_>>());
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    for path in sources().into_iter().filter(|p| !is_test(p)) {
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .split(
                "#[cfg(test)]
mod tests {",
            )
            .next()
            .unwrap_or_default();
        for (name, line, length) in functions(text) {
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{}:{line} {name} has {length} lines", shown(&path)));
            }
        }
    }
    complain("split these functions", &long);
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|c| c.as_os_str() == "tests")
}

/// Name, first line and length of each function of a formatted source: from its `fn` to the brace that closes it in
/// the same column.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(at) = code.find("fn ").filter(|at| {
            code[..*at]
                .split_whitespace()
                .all(|w| w.starts_with("pub") || ["const", "async", "unsafe"].contains(&w))
        }) else {
            continue;
        };
        let indent = line.len() - code.len();
        let close = format!("{}}}", " ".repeat(indent));
        // A declaration in a trait has no body.
        let declared = lines[i..]
            .iter()
            .find(|l| l.ends_with(['{', ';']))
            .is_some_and(|l| l.ends_with(';'));
        if declared {
            continue;
        }
        let end = lines[i..]
            .iter()
            .position(|l| *l == close || (l.starts_with(&close) && l.trim_end() == close));
        let name = code[at + 3..]
            .split(['(', '<'])
            .next()
            .unwrap_or_default()
            .to_owned();
        if let Some(length) = end {
            found.push((name, i + 1, length + 1));
        }
    }
    found
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let marks = ["TODO", "FIXME", "XXX"];
    let mut found = Vec::new();
    for path in sources().into_iter().filter(|p| !p.ends_with("tidy.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, l)| marks.iter().any(|m| l.contains(m)));
        found.extend(lines.map(|(i, l)| format!("{}:{} {}", shown(&path), i + 1, l.trim())));
    }
    complain("finish these, or write an issue", &found);
}

/// Dependencies of each workspace crate on other workspace crates and on outside crates.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let mut manifests = vec![
        root().join("shared"),
        root().join("server"),
        root().join("frontend"),
    ];
    manifests.extend(
        fs::read_dir(root().join("server/crates"))
            .unwrap()
            .map(|e| e.unwrap().path()),
    );
    manifests
        .into_iter()
        .map(|dir| {
            let text = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
            let manifest: toml::Table = text.parse().unwrap();
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            let table = manifest.get("dependencies").and_then(toml::Value::as_table);
            (
                name,
                table
                    .map(|t| t.keys().cloned().collect())
                    .unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn arrows_between_crates_point_one_way() {
    let all = dependencies();
    let rank = |name: &str| match name {
        "shared" => Some(0),
        "glasshouse" | "frontend" => Some(3),
        io if io.starts_with("io-") => Some(2),
        pure if all.contains_key(pure) => Some(1),
        _ => None,
    };
    let mut wrong = Vec::new();
    for (name, needs) in &all {
        for other in needs {
            if rank(other) > rank(name) {
                wrong.push(format!("{name} -> {other}"));
            }
            if name == "frontend" && rank(other).is_some_and(|r| r > 0) && other != "simulation" {
                wrong.push(format!(
                    "{name} -> {other}: the dashboard depends on shared only"
                ));
            }
        }
    }
    complain("these arrows point upwards", &wrong);
}

#[test]
fn pure_crates_bring_no_operating_system() {
    const IMPURE: [&str; 12] = [
        "tokio",
        "tokio-util",
        "axum",
        "hyper",
        "wasmtime",
        "rustls",
        "parking_lot",
        "getrandom",
        "rand",
        "tracing",
        "socket2",
        "rustix",
    ];
    let all = dependencies();
    let pure = all.iter().filter(|(name, _)| {
        !name.starts_with("io-") && *name != "glasshouse" && *name != "frontend"
    });
    let wrong = pure.flat_map(|(name, needs)| {
        needs
            .iter()
            .filter(|n| IMPURE.contains(&n.as_str()))
            .map(move |n| format!("{name} -> {n}"))
    });
    complain(
        "pure crates must not depend on these",
        &wrong.collect::<Vec<_>>(),
    );
}

#[test]
fn only_one_crate_knows_the_engine() {
    let all = dependencies();
    let knows = all
        .iter()
        .filter(|(_, needs)| needs.iter().any(|n| n.starts_with("wasmtime")))
        .map(|(name, _)| name);
    assert_eq!(knows.collect::<Vec<_>>(), ["io-wasm"]);
}
