//! What a pod's folders hold, in bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Deepest nesting that is walked: guests could go deeper, but not in a path that anybody can use.
const DEPTH_MAX: usize = 64;

/// Bytes in the files below a folder. Links are not followed; what vanishes meanwhile counts as nothing.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let mut total = 0_u64;
    let mut folders: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), 0)];
    while let Some((next, depth)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(next) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_file() {
                total = total.saturating_add(metadata.len());
            } else if metadata.is_dir() && depth < DEPTH_MAX {
                folders.push((entry.path(), depth + 1));
            }
        }
    }
    total
}

/// Bytes below each folder in a folder, by name.
pub(crate) fn bytes_of_each(folder: &Path) -> BTreeMap<String, u64> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .map(|(name, path)| (name, bytes_below(&path)))
        .collect()
}
