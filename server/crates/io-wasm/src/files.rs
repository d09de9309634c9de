//! A container's files: a small root of its own, the pod's volumes mounted into it, and the few files in `/etc` and
//! `/dev` that programs expect.
//!
//! Everything lives below the pod's folder: `rootfs/CONTAINER`, made anew for each run, and `volumes/NAME`, kept as
//! long as the pod. Guests reach nothing else: directories are opened once and paths resolved below them.

mod subpath;
pub(crate) mod usage;
pub(crate) mod volume;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use kubelet::runtime::{ContainerConfig, DnsConfig, Mount, Volume};

use subpath::Part;

/// Most bytes of a termination message: the kubelet's `MaxContainerTerminationMessageLength`.
const TERMINATION_MESSAGE_MAX: usize = 4096;
/// Where a program leaves its last words unless its container says otherwise.
const TERMINATION_LOG: &str = "dev/termination-log";
/// The cluster's DNS service.
const NAMESERVER: &str = "10.96.0.10";

/// A directory that a guest sees.
#[derive(Clone, Debug)]
pub(crate) struct Preopen {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) read_only: bool,
    /// Keeps `host` pointing at one directory, where that is one of `/proc/self/fd`.
    _open: Option<Arc<OwnedFd>>,
}

/// What the pod is called.
pub(crate) struct PodNames<'a> {
    pub(crate) name: &'a str,
    pub(crate) ip: Ipv4Addr,
    pub(crate) dns: &'a DnsConfig,
    pub(crate) hosts: &'a [(String, Vec<String>)],
}

/// A container's directories.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    termination_log: PathBuf,
    pub(crate) preopens: Vec<Preopen>,
}

impl Files {
    /// Lays out the files of one run of `container` below `pod`.
    pub(crate) fn prepare(
        pod: &Path,
        container: &str,
        config: &ContainerConfig,
        names: &PodNames<'_>,
    ) -> io::Result<Self> {
        let container = plain(container)?;
        let root = pod.join("rootfs").join(container);
        match std::fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for folder in ["tmp", "etc", "dev", "root", "var/log", "var/run"] {
            std::fs::create_dir_all(root.join(folder))?;
        }
        write_etc(&root, names)?;
        std::fs::create_dir_all(root.join(below(&config.working_dir)?))?;
        let termination_log = match config.termination_message_path.as_str() {
            "" => root.join(TERMINATION_LOG),
            path => root.join(below(path)?),
        };
        if let Some(parent) = termination_log.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&termination_log, "")?;
        let mut preopens = vec![Preopen {
            host: root.clone(),
            guest: "/".to_owned(),
            read_only: false,
            _open: None,
        }];
        for (i, mount) in config.mounts.iter().enumerate() {
            let copy = format!("{container}-{i}");
            preopens.extend(place(pod, &root, mount, copy)?);
        }
        Ok(Self {
            termination_log,
            preopens,
        })
    }

    /// The program's last words.
    pub(crate) fn termination_message(&self) -> String {
        let path = &self.termination_log;
        // A guest may have put a link there: only its own plain file is read.
        let plain = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        let bytes = if plain {
            std::fs::read(path).unwrap_or_default()
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

/// Puts a mount in its place; `None` for a single file, which needs no directory of its own.
fn place(pod: &Path, root: &Path, mount: &Mount, copy: String) -> io::Result<Option<Preopen>> {
    let at = below(&mount.path)?;
    if at.as_os_str().is_empty() {
        return Err(invalid(format!(
            "{}: a volume cannot be mounted over the root",
            mount.path
        )));
    }
    let preopen = |host, open| {
        // Listing the parent directory shows the mount point.
        std::fs::create_dir_all(root.join(&at))?;
        Ok(Some(Preopen {
            host,
            guest: format!("/{}", at.display()),
            read_only: mount.read_only,
            _open: open,
        }))
    };
    let folder = volume::prepare(&pod.join("volumes"), &mount.volume)?;
    if mount.sub_path.is_empty() {
        return preopen(folder, None);
    }
    let target = root.join(&at);
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match &mount.volume {
        Volume::Files { .. } => match subpath::copy(&mount.volume, &mount.sub_path, copy, &target)?
        {
            Some(part) => preopen(volume::prepare(&pod.join("parts"), &part)?, None),
            None => Ok(None),
        },
        Volume::EmptyDir { .. } => match subpath::mount(&folder, &mount.sub_path, &target)? {
            Part::Directory(host, open) => preopen(host, Some(open)),
            Part::File => Ok(None),
        },
    }
}

fn write_etc(root: &Path, names: &PodNames<'_>) -> io::Result<()> {
    let PodNames {
        name,
        ip,
        dns,
        hosts,
    } = names;
    let mut lines =
        format!("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{ip}\t{name}\n");
    for (address, names) in *hosts {
        lines.push_str(&format!("{address}\t{}\n", names.join("\t")));
    }
    for (file, text) in [
        ("etc/hostname", format!("{name}\n")),
        ("etc/hosts", lines),
        ("etc/resolv.conf", resolv_conf(dns)),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n".to_owned()),
        ("dev/null", String::new()),
    ] {
        std::fs::write(root.join(file), text)?;
    }
    Ok(())
}

fn resolv_conf(dns: &DnsConfig) -> String {
    let mut text = String::new();
    if !dns.searches.is_empty() {
        text.push_str(&format!("search {}\n", dns.searches.join(" ")));
    }
    let cluster = dns.cluster.then_some(NAMESERVER);
    for server in cluster
        .into_iter()
        .chain(dns.servers.iter().map(String::as_str))
    {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !dns.options.is_empty() {
        text.push_str(&format!("options {}\n", dns.options.join(" ")));
    }
    text
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

    #[test]
    fn resolv_conf_says_what_the_pod_wants() {
        let dns = |cluster, servers: &[&str], searches: &[&str], options: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
            DnsConfig {
                cluster,
                servers: owned(servers),
                searches: owned(searches),
                options: owned(options),
            }
        };
        for (dns, want) in [
            (dns(false, &[], &[], &[]), ""),
            (
                dns(true, &["1.1.1.1"], &["a.svc", "b"], &["ndots:5", "edns0"]),
                "search a.svc b\nnameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:5 edns0\n",
            ),
        ] {
            assert_eq!(resolv_conf(&dns), want);
        }
    }
}
