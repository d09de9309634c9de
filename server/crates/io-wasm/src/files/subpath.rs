//! Mounts of a part of a volume.
//!
//! Guests write into volumes, so a path in one may lead out through a link, even one that appears between a check and
//! its use. Directories are therefore opened step by step without following links, and the open directory itself is
//! what is mounted.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubelet::runtime::Volume;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::below;

/// What a sub-path turned out to be.
pub(crate) enum Part {
    /// A directory that is kept open, and the path by which it can be opened again.
    Directory(PathBuf, Arc<OwnedFd>),
    /// A file, which is in its place in the container now.
    File,
}

/// Finds `path` in the volume's `folder`; a file is linked to `target`. What does not exist becomes a directory.
pub(crate) fn mount(folder: &Path, path: &str, target: &Path) -> io::Result<Part> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let mut at = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
    let path = below(path)?;
    let names: Vec<&OsStr> = path.iter().collect();
    for (i, name) in names.iter().enumerate() {
        let kind = match rustix::fs::statat(&at, *name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(rustix::io::Errno::NOENT) => {
                rustix::fs::mkdirat(&at, *name, Mode::from_raw_mode(0o750))?;
                FileType::Directory
            }
            Err(error) => return Err(error.into()),
        };
        if kind == FileType::RegularFile && i + 1 == names.len() {
            rustix::fs::linkat(&at, *name, CWD, target, AtFlags::empty())?;
            return Ok(Part::File);
        }
        at = rustix::fs::openat(&at, *name, flags, Mode::empty())?;
    }
    let host = PathBuf::from(format!("/proc/self/fd/{}", at.as_raw_fd()));
    Ok(Part::Directory(host, Arc::new(at)))
}

/// The part of a file volume below `path`, as a volume of its own that does not change any more; `None` when `path` is
/// a file, which is written to `target`.
pub(crate) fn copy(
    volume: &Volume,
    path: &str,
    name: String,
    target: &Path,
) -> io::Result<Option<Volume>> {
    let Volume::Files { files, .. } = volume else {
        return Ok(None);
    };
    if let Some(content) = files.get(path) {
        std::fs::write(target, content)?;
        return Ok(None);
    }
    let prefix = format!("{path}/");
    let inside = files.iter().filter_map(|(path, content)| {
        Some((path.strip_prefix(&prefix)?.to_owned(), content.clone()))
    });
    let files = inside.collect();
    Ok(Some(Volume::Files { name, files }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_never_leads_out_of_its_volume() {
        let root = std::env::temp_dir().join(format!("glasshouse-subpath-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let volume = root.join("v");
        std::fs::create_dir_all(volume.join("dir")).unwrap();
        std::fs::write(volume.join("file"), "content").unwrap();
        std::os::unix::fs::symlink("/etc", volume.join("out")).unwrap();
        for (path, want) in [
            ("dir", "directory"),
            ("new/deep", "directory"),
            ("file", "file"),
            ("out", "error"),
            ("out/ssl", "error"),
            ("../v", "error"),
        ] {
            let target = root.join("target");
            let got = match mount(&volume, path, &target) {
                Ok(Part::Directory(host, _)) => {
                    assert!(std::fs::metadata(host).unwrap().is_dir());
                    "directory"
                }
                Ok(Part::File) => "file",
                Err(_) => "error",
            };
            assert_eq!(got, want, "{path}");
        }
        assert_eq!(std::fs::read(root.join("target")).unwrap(), b"content");
        assert!(volume.join("new/deep").is_dir());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
