//! The folders of a pod's volumes, below `volumes/NAME`.
//!
//! A file volume is laid out as the original's `AtomicWriter` does it: its files are in a folder of their own, `..data`
//! points at it, and every name at the top points into `..data`. New content is written beside the old one and takes
//! its place in one rename, so that a guest reads either all of the old or all of the new.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kubelet::runtime::Volume;
use parking_lot::Mutex;

use super::{below, plain};

/// Points at the folder with the present content.
const DATA: &str = "..data";
/// One volume is written at a time: a container may start while new content comes.
static WRITING: Mutex<()> = Mutex::new(());

/// Makes a volume's folder, filled where its content is given.
pub(crate) fn prepare(volumes: &Path, volume: &Volume) -> io::Result<PathBuf> {
    let folder = volumes.join(plain(volume.name())?);
    std::fs::create_dir_all(&folder)?;
    if let Volume::Files { files, .. } = volume {
        let _writing = WRITING.lock();
        write(&folder, files)?;
    }
    Ok(folder)
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let old = std::fs::read_link(folder.join(DATA)).ok();
    if let Some(old) = &old
        && holds(&folder.join(old), files)?
    {
        return Ok(());
    }
    let fresh = (0_u64..)
        .map(|n| format!("..{n}"))
        .find(|name| !folder.join(name).exists())
        .unwrap_or_default();
    for (path, content) in files {
        let target = folder.join(&fresh).join(below(path)?);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(target, content)?;
    }
    std::fs::create_dir_all(folder.join(&fresh))?;
    let next = folder.join("..data_tmp");
    remove(&next)?;
    symlink(&fresh, &next)?;
    std::fs::rename(&next, folder.join(DATA))?;
    link_names(folder, files)?;
    match old {
        Some(old) => std::fs::remove_dir_all(folder.join(old)),
        None => Ok(()),
    }
}

/// True when a folder holds these files and no others.
fn holds(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<bool> {
    let mut count = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(next) else {
            return Ok(false);
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                count += 1;
            }
        }
    }
    let same = |(path, content): (&String, &Vec<u8>)| {
        let there = below(path).and_then(|path| std::fs::read(folder.join(path)));
        there.is_ok_and(|there| there == *content)
    };
    Ok(count == files.len() && files.iter().all(same))
}

/// Every name at the top, and no other, points into the data.
fn link_names(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let mut wanted = BTreeSet::new();
    for path in files.keys() {
        let path = below(path)?;
        wanted.extend(path.iter().next().map(std::ffi::OsStr::to_owned));
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let own = name.to_string_lossy().starts_with("..");
        if !own && !wanted.remove(&name) {
            remove(&entry.path())?;
        }
    }
    for name in wanted {
        symlink(Path::new(DATA).join(&name), folder.join(&name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(files: &[(&str, &str)]) -> Volume {
        let file = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
        Volume::Files {
            name: "v".into(),
            files: files.iter().map(file).collect(),
        }
    }

    /// `path=content` of everything that a guest sees.
    fn seen(folder: &Path, names: &[&str]) -> String {
        let read = |name: &&str| {
            let text = std::fs::read_to_string(folder.join(name));
            format!("{name}={}", text.unwrap_or_else(|_| "-".into()))
        };
        names.iter().map(read).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn content_changes_as_a_whole() {
        let root = std::env::temp_dir().join(format!("glasshouse-volume-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let names = ["a", "b", "d/c"];
        for (files, want) in [
            (vec![("a", "1"), ("d/c", "2")], "a=1 b=- d/c=2"),
            (vec![("a", "1"), ("d/c", "2")], "a=1 b=- d/c=2"),
            (vec![("a", "3"), ("b", "4")], "a=3 b=4 d/c=-"),
            (vec![], "a=- b=- d/c=-"),
        ] {
            let folder = prepare(&root, &volume(&files)).unwrap();
            assert_eq!(seen(&folder, &names), want);
            let kept = std::fs::read_dir(&folder).unwrap().count();
            let tops: BTreeSet<_> = files.iter().map(|(p, _)| p.split('/').next()).collect();
            assert_eq!(kept, tops.len() + 2, "old content is gone");
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
