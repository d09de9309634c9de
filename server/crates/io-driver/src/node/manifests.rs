//! The directory of a node's static pods: read at start and every 20 s (`fileCheckFrequency`), handed on when it
//! changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use io_clock::Clock;
use serde_json::Value;
use tokio::sync::watch;

/// How often the directory is read.
const CHECK_MS: u64 = 20_000;
/// Most files that are read, in the order of their names.
const FILES_MAX: usize = 256;
/// A larger file is no manifest.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The manifests as they are now.
pub(super) type Manifests = Arc<Vec<Value>>;

/// Reads `directory` for ever.
pub(super) async fn follow(directory: PathBuf, clock: Clock, out: watch::Sender<Manifests>) {
    loop {
        let at = directory.clone();
        let reading = tokio::task::spawn_blocking(move || read(&at));
        match reading.await.map_err(io::Error::other).flatten() {
            Ok(manifests) => {
                out.send_if_modified(|known| {
                    let differs = **known != manifests;
                    *known = Arc::new(manifests);
                    differs
                });
            }
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "the static pods cannot be read");
            }
        }
        clock.sleep_ms(CHECK_MS).await;
    }
}

/// Every manifest of a directory; without the directory, none. A file that is no manifest is told of and left out.
fn read(directory: &Path) -> io::Result<Vec<Value>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let metadata = std::fs::metadata(entry.path());
        let fits = |m: &std::fs::Metadata| m.is_file() && m.len() <= FILE_BYTES_MAX;
        if !hidden && metadata.as_ref().is_ok_and(fits) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths.truncate(FILES_MAX);
    let mut manifests = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        match serde_saphyr::from_str::<Value>(&text) {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "not the manifest of a pod");
            }
        }
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_order_and_strangers_left_out() {
        let root =
            std::env::temp_dir().join(format!("glasshouse-manifests-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        assert_eq!(read(&root).unwrap(), Vec::<Value>::new());
        std::fs::create_dir_all(root.join("folder")).unwrap();
        for (file, text) in [
            ("b.json", "{\"kind\": \"Pod\", \"n\": 2}"),
            ("a.yaml", "kind: Pod\nn: 1\n"),
            (".swp", "kind: Pod"),
            ("bad.yaml", "{a: ["),
        ] {
            std::fs::write(root.join(file), text).unwrap();
        }
        let numbers: Vec<_> = read(&root)
            .unwrap()
            .iter()
            .map(|m| m["n"].clone())
            .collect();
        assert_eq!(numbers, [1, 2]);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
