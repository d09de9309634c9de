//! Bundles the dashboard the way trunk would, from the same index.html, with the locked wasm-bindgen as a library: no
//! tool to install, and its version cannot drift from the crate's.
//!
//! Understands the `data-trunk` assets that index.html uses (rust, css, icon, copy-dir, script) and refuses others. All
//! code goes into files, because the page is served with a policy that allows no inline script.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};
use wasm_bindgen_cli_support::Bindgen;

/// The version that the optimiser is taken in from npm.
const BINARYEN: &str = "binaryen@132.0.0";

/// Builds the dashboard and writes `out_dir` with index.html and content-hashed files. `release` uses the `web`
/// profile and wasm-opt where there is one; without it the dev profile, for a quick look.
///
/// # Errors
/// When cargo fails, wasm-bindgen refuses, a file is missing, or index.html uses an asset that this does not know.
pub fn bundle(root: &Path, target_dir: &Path, out_dir: &Path, release: bool) -> anyhow::Result<()> {
    let wasm = build(root, target_dir, release)?;
    // Written beside and swapped in at the end, so that a failed bundle leaves the old one whole.
    let fresh = out_dir.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("clearing {}", fresh.display()))?;
    }
    fs::create_dir_all(&fresh).with_context(|| format!("making {}", fresh.display()))?;
    let mut out = Out {
        dir: fresh.clone(),
        root: root.to_path_buf(),
    };
    let program = out.program(&wasm, target_dir, release)?;
    let html = fs::read_to_string(root.join("index.html")).context("reading index.html")?;
    let page = out.page(&html, &program)?;
    fs::write(fresh.join("index.html"), page).context("writing index.html")?;
    if out_dir.exists() {
        fs::remove_dir_all(out_dir).with_context(|| format!("clearing {}", out_dir.display()))?;
    }
    fs::rename(&fresh, out_dir)
        .with_context(|| format!("moving the bundle to {}", out_dir.display()))?;
    Ok(())
}

/// Runs cargo; answers the module's path.
fn build(root: &Path, target_dir: &Path, release: bool) -> anyhow::Result<PathBuf> {
    let profile = if release { "web" } else { "dev" };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target_dir)
        .args(["build", "-p", "frontend", "--bin", "frontend"])
        .args(["--target", "wasm32-unknown-unknown", "--profile", profile])
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "building the dashboard failed");
    let folder = if release { "web" } else { "debug" };
    Ok(target_dir
        .join("wasm32-unknown-unknown")
        .join(folder)
        .join("frontend.wasm"))
}

/// The names of the program's files in the bundle.
struct Program {
    boot: String,
    glue: String,
    wasm: String,
}

struct Out {
    dir: PathBuf,
    root: PathBuf,
}

impl Out {
    /// wasm-bindgen, wasm-opt, and the module that starts it all.
    fn program(
        &mut self,
        wasm: &Path,
        target_dir: &Path,
        release: bool,
    ) -> anyhow::Result<Program> {
        let work = target_dir.join("bundle");
        Bindgen::new()
            .input_path(wasm)
            .web(true)?
            .typescript(false)
            .remove_producers_section(release)
            .generate(&work)
            .context("wasm-bindgen")?;
        let module = work.join("frontend_bg.wasm");
        if release {
            optimise(&module)?;
        }
        let wasm = self.write("glasshouse", "wasm", &fs::read(&module)?)?;
        let snippets = work.join("snippets");
        ensure!(
            !snippets.exists(),
            "the dashboard has inline JavaScript snippets, which the bundle does not carry"
        );
        let glue = self.write("glasshouse", "js", &fs::read(work.join("frontend.js"))?)?;
        let start = format!(
            "import init from \"./{glue}\";\nawait init({{ module_or_path: new URL(\"./{wasm}\", import.meta.url) }});\n"
        );
        let boot = self.write("boot", "js", start.as_bytes())?;
        Ok(Program { boot, glue, wasm })
    }

    /// index.html with its `data-trunk` elements replaced by what they stand for.
    fn page(&mut self, html: &str, program: &Program) -> anyhow::Result<String> {
        let (mut page, mut styles) = (String::new(), String::new());
        // Folders first: style sheets name the files in them.
        let mut copied = BTreeMap::new();
        for element in elements(html).filter(|e| e.attribute("rel") == Some("copy-dir")) {
            self.copy_dir(element.href()?, &mut copied)?;
        }
        let mut at = 0;
        for element in elements(html) {
            page.push_str(html.get(at..element.start).unwrap_or_default());
            at = element.end;
            let replacement = match (element.name, element.attribute("rel")) {
                ("script", _) => {
                    let source = element
                        .attribute("src")
                        .context("a data-trunk script without src")?;
                    let name = self.copy(source)?;
                    format!("<script src=\"/{name}\"></script>")
                }
                (_, Some("icon")) => format!(
                    "<link rel=\"icon\" href=\"/{}\" />",
                    self.copy(element.href()?)?
                ),
                (_, Some("css")) => {
                    let path = self.root.join(element.href()?);
                    styles.push_str(
                        &fs::read_to_string(&path)
                            .with_context(|| format!("reading {}", path.display()))?,
                    );
                    styles.push('\n');
                    String::new()
                }
                (_, Some("copy-dir")) => String::new(),
                (_, Some("rust")) => start(program),
                (name, rel) => bail!(
                    "index.html has a data-trunk {name} with rel {rel:?}, which the bundle does not know"
                ),
            };
            page.push_str(&replacement);
        }
        page.push_str(html.get(at..).unwrap_or_default());
        for (from, to) in &copied {
            styles = styles.replace(&format!("/{from}"), &format!("/{to}"));
        }
        let sheet = self.write("style", "css", styles.as_bytes())?;
        // One sheet, before the program: the page is painted before it runs.
        let link = format!("<link rel=\"stylesheet\" href=\"/{sheet}\" />\n  </head>");
        ensure!(page.contains("</head>"), "index.html has no </head>");
        let page = page.replacen("</head>", &link, 1);
        Ok(page
            .lines()
            .filter(|l| !l.trim().is_empty())
            .fold(String::new(), |all, l| all + l + "\n"))
    }

    fn copy(&mut self, path: &str) -> anyhow::Result<String> {
        let from = self.root.join(path);
        let bytes = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
        let name = |p: Option<&std::ffi::OsStr>| {
            p.map(|s| s.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        self.write(&name(from.file_stem()), &name(from.extension()), &bytes)
    }

    /// Copies a folder's files under hashed names and notes `folder/name -> folder/hashed` for style sheets.
    fn copy_dir(
        &mut self,
        path: &str,
        copied: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let from = self.root.join(path);
        let folder = from
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        fs::create_dir_all(self.dir.join(&folder))?;
        for entry in fs::read_dir(&from).with_context(|| format!("reading {}", from.display()))? {
            let file = entry?.path();
            let name = |p: Option<&std::ffi::OsStr>| {
                p.map(|s| s.to_string_lossy().into_owned())
                    .unwrap_or_default()
            };
            let (stem, extension) = (name(file.file_stem()), name(file.extension()));
            let hashed = self.write(&format!("{folder}/{stem}"), &extension, &fs::read(&file)?)?;
            copied.insert(format!("{folder}/{stem}.{extension}"), hashed);
        }
        Ok(())
    }

    /// Writes a file under a name with its content's hash; answers the name.
    fn write(&mut self, stem: &str, extension: &str, bytes: &[u8]) -> anyhow::Result<String> {
        let hash: String = Sha256::digest(bytes)
            .iter()
            .take(6)
            .map(|b| format!("{b:02x}"))
            .collect();
        let name = format!("{stem}-{hash}.{extension}");
        fs::write(self.dir.join(&name), bytes).with_context(|| format!("writing {name}"))?;
        Ok(name)
    }
}

fn start(program: &Program) -> String {
    let Program { boot, glue, wasm } = program;
    format!(
        "<link rel=\"modulepreload\" href=\"/{glue}\" />\n    \
         <link rel=\"preload\" href=\"/{wasm}\" as=\"fetch\" type=\"application/wasm\" crossorigin />\n    \
         <script type=\"module\" src=\"/{boot}\"></script>"
    )
}

/// Makes the module smaller where wasm-opt is at hand: on the PATH, or through npm. Without either it says so and the
/// bundle is larger.
#[allow(clippy::print_stderr, reason = "a note to whoever runs the command")]
fn optimise(module: &Path) -> anyhow::Result<()> {
    let out = module.with_extension("small");
    let attempts: [(&str, &[&str]); 2] = [
        ("wasm-opt", &[]),
        ("npx", &["--yes", "--package", BINARYEN, "wasm-opt"]),
    ];
    for (program, before) in attempts {
        let run = Command::new(program)
            .args(before)
            .arg(module)
            .args(["-Oz", "-o"])
            .arg(&out)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if run.is_ok_and(|s| s.success()) {
            return fs::rename(&out, module).context("taking the optimised module");
        }
    }
    eprintln!(
        "note: wasm-opt was skipped (neither wasm-opt nor npm could run it); the dashboard is larger"
    );
    Ok(())
}

/// One element with `data-trunk`.
struct Element<'a> {
    name: &'a str,
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Element<'a> {
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let at = self.text.find(&format!(" {name}=\""))? + name.len() + 3;
        self.text.get(at..)?.split('"').next()
    }

    fn href(&self) -> anyhow::Result<&'a str> {
        self.attribute("href")
            .context("a data-trunk link without href")
    }
}

/// The `data-trunk` elements in order. A script's end tag belongs to it.
fn elements(html: &str) -> impl Iterator<Item = Element<'_>> {
    html.match_indices(" data-trunk")
        .filter_map(move |(at, _)| {
            let start = html.get(..at)?.rfind('<')?;
            let mut end = at + html.get(at..)?.find('>')? + 1;
            let name = html.get(start + 1..at)?;
            if name == "script" {
                end += html.get(end..)?.find("</script>")? + "</script>".len();
            }
            let text = html.get(start..end)?;
            Some(Element {
                name,
                text,
                start,
                end,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_with_their_attributes() {
        let html = r#"<head><link data-trunk rel="css" href="a.css" /><p>x</p><script data-trunk src="b.js"></script></head>"#;
        let found: Vec<_> = elements(html)
            .map(|e| {
                format!(
                    "{} {:?} {:?} {}",
                    e.name,
                    e.attribute("href"),
                    e.attribute("src"),
                    e.text.len()
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                r#"link Some("a.css") None 42"#,
                r#"script None Some("b.js") 39"#
            ]
        );
    }
}
