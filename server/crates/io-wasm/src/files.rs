//! A container's files: a small root of its own, the pod's volumes mounted into it, and the few files in `/etc` and
//! `/dev` that programs expect.
//!
//! Everything lives below the pod's folder: `rootfs/CONTAINER`, made anew for each run, and `volumes/NAME`, kept as
//! long as the pod. Guests reach nothing else: directories are opened once and paths resolved below them.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};

use kubelet::runtime::{Mount, Volume};

use crate::image::store::write_whole;

/// Most bytes of a termination message: the kubelet's `MaxContainerTerminationMessageLength`.
const TERMINATION_MESSAGE_MAX: usize = 4096;
/// Where a program leaves its last words, inside the container.
const TERMINATION_LOG: &str = "dev/termination-log";
/// The cluster's DNS service.
const NAMESERVER: &str = "10.96.0.10";

/// A directory that a guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preopen {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) read_only: bool,
}

/// What the pod is called.
pub(crate) struct PodNames<'a> {
    pub(crate) name: &'a str,
    pub(crate) ip: Ipv4Addr,
    pub(crate) search: &'a [String],
}

/// A container's directories.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    root: PathBuf,
    pub(crate) preopens: Vec<Preopen>,
}

impl Files {
    /// Lays out the files of one run of `container` below `pod`.
    pub(crate) fn prepare(
        pod: &Path,
        container: &str,
        working_dir: &str,
        mounts: &[Mount],
        names: &PodNames<'_>,
    ) -> io::Result<Self> {
        let root = pod.join("rootfs").join(plain(container)?);
        match std::fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for folder in ["tmp", "etc", "dev", "root", "var/log", "var/run"] {
            std::fs::create_dir_all(root.join(folder))?;
        }
        write_etc(&root, names)?;
        std::fs::create_dir_all(root.join(below(working_dir)?))?;
        let mut preopens = vec![Preopen {
            host: root.clone(),
            guest: "/".to_owned(),
            read_only: false,
        }];
        for mount in mounts {
            let at = below(&mount.path)?;
            if at.as_os_str().is_empty() {
                return Err(invalid(format!(
                    "{}: a volume cannot be mounted over the root",
                    mount.path
                )));
            }
            // Listing the parent directory shows the mount point.
            std::fs::create_dir_all(root.join(&at))?;
            preopens.push(Preopen {
                host: volume(&pod.join("volumes"), &mount.volume)?,
                guest: format!("/{}", at.display()),
                read_only: mount.read_only,
            });
        }
        Ok(Self { root, preopens })
    }

    /// What the program wrote to `/dev/termination-log`.
    pub(crate) fn termination_message(&self) -> String {
        let path = self.root.join(TERMINATION_LOG);
        // A guest may have put a link there: only its own plain file is read.
        let plain = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let bytes = if plain {
            std::fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        let end = bytes.len().min(TERMINATION_MESSAGE_MAX);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// A name that is one part of a path.
pub(crate) fn plain(name: &str) -> io::Result<&str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) if !name.ends_with('/') => Ok(name),
        _ => Err(invalid(format!(
            "{name:?} cannot be the name of a directory"
        ))),
    }
}

/// A path inside the container, relative to its root.
fn below(path: &str) -> io::Result<PathBuf> {
    let mut out = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => out.push(part),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(invalid(format!("{path}: must not contain '..'"))),
        }
    }
    Ok(out)
}

fn write_etc(root: &Path, names: &PodNames<'_>) -> io::Result<()> {
    let PodNames { name, ip, search } = names;
    let search = search.join(" ");
    for (file, text) in [
        ("etc/hostname", format!("{name}\n")),
        (
            "etc/hosts",
            format!("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{ip}\t{name}\n"),
        ),
        (
            "etc/resolv.conf",
            format!("search {search}\nnameserver {NAMESERVER}\noptions ndots:5\n"),
        ),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n".to_owned()),
        ("dev/null", String::new()),
        (TERMINATION_LOG, String::new()),
    ] {
        std::fs::write(root.join(file), text)?;
    }
    Ok(())
}

/// The folder of a volume, filled where its content is given.
fn volume(volumes: &Path, volume: &Volume) -> io::Result<PathBuf> {
    match volume {
        Volume::EmptyDir { name } => {
            let folder = volumes.join(plain(name)?);
            std::fs::create_dir_all(&folder)?;
            Ok(folder)
        }
        Volume::Files { name, files } => {
            let folder = volumes.join(plain(name)?);
            std::fs::create_dir_all(&folder)?;
            let mut wanted = BTreeSet::new();
            for (path, content) in files {
                let relative = below(path)?;
                let target = folder.join(&relative);
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                if std::fs::read(&target).ok().as_deref() != Some(content) {
                    write_whole(&target, content)?;
                }
                wanted.insert(target);
            }
            remove_others(&folder, &wanted)?;
            Ok(folder)
        }
    }
}

/// Removes files that a ConfigMap or Secret no longer has.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_stay_inside() {
        for (name, ok) in [
            ("data", true),
            ("a.b", true),
            ("", false),
            ("..", false),
            ("a/b", false),
            ("/", false),
        ] {
            assert_eq!(plain(name).is_ok(), ok, "{name:?}");
        }
        for (path, inside) in [
            ("/data", Some("data")),
            ("/a/./b/", Some("a/b")),
            ("/", Some("")),
            ("", Some("")),
            ("/a/../b", None),
        ] {
            assert_eq!(below(path).ok(), inside.map(PathBuf::from), "{path:?}");
        }
    }
}
