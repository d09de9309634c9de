//! Log files of one run: `N.log` in use, `N.log.1` the newest rotated one, up to `N.log.4`.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::FILES_MAX;

/// Runs whose logs are kept besides the current one: `kubectl logs --previous` shows the last.
const RUNS_KEPT: u32 = 1;

/// The `n`th rotated file of `path`.
pub(super) fn rotated(path: &Path, n: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

/// Moves `path` aside, drops the oldest file, and begins anew.
pub(super) fn rotate(path: &Path) -> io::Result<File> {
    for n in (0..FILES_MAX - 1).rev() {
        let from = if n == 0 {
            path.to_owned()
        } else {
            rotated(path, n)
        };
        match std::fs::rename(&from, rotated(path, n + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// All files of one run, oldest first.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = (1..FILES_MAX)
        .rev()
        .map(|n| rotated(path, n))
        .filter(|file| file.exists())
        .collect();
    files.push(path.to_owned());
    files
}

/// The attempt that a file name such as `3.log` or `3.log.1` belongs to.
pub(super) fn attempt_of(name: &str) -> Option<u32> {
    let (attempt, rest) = name.split_once('.')?;
    (rest == "log" || rest.starts_with("log."))
        .then(|| attempt.parse().ok())
        .flatten()
}

/// Removes the logs of runs before the previous one.
pub(super) fn remove_old_runs(folder: &Path, attempt: u32) -> io::Result<()> {
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let old = attempt_of(&file.file_name().to_string_lossy())
            .is_some_and(|a| a.saturating_add(RUNS_KEPT) < attempt);
        if old {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
