//! One target: its corpus, and mutations of it.

use std::fs;
use std::path::Path;

/// Mutations tried of each target in an ordinary test run.
const ITERATIONS: usize = 3_000;

/// A change of some corpus entry: which one, where, what is put there, and how much of the end is lost.
type Change = (u16, Vec<(u16, u8, u8)>, u16);

/// Runs `target` on every entry of the corpus `name` and of `made`, then on mutations of them.
pub(crate) fn fuzz(
    name: &str,
    made: Vec<Vec<u8>>,
    target: impl Fn(&[u8]) + std::panic::RefUnwindSafe,
) {
    let mut corpus = kept(name);
    corpus.extend(made);
    assert!(!corpus.is_empty(), "nothing to begin with for {name}");
    for entry in &corpus {
        target(entry);
    }
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_type::<Change>()
        .for_each(|change| target(&mutated(&corpus, change)));
}

fn kept(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/decoders/corpus")
        .join(name);
    let Ok(files) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = files.filter_map(|f| Some(f.ok()?.path())).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a file of the corpus"))
        .collect()
}

fn mutated(corpus: &[Vec<u8>], (which, places, lost): &Change) -> Vec<u8> {
    let mut bytes = corpus[usize::from(*which) % corpus.len()].clone();
    for &(place, how, byte) in places.iter().take(8) {
        let at = usize::from(place) % (bytes.len() + 1);
        match how % 4 {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let copied = bytes.get(at..(at + usize::from(byte)).min(bytes.len()));
                let copied = copied.unwrap_or_default().to_vec();
                bytes.splice(at..at, copied);
            }
            _ if at < bytes.len() => bytes[at] = byte,
            _ => {}
        }
    }
    if lost % 4 == 0 {
        bytes.truncate(bytes.len() - usize::from(lost / 4) % (bytes.len() + 1));
    }
    bytes
}
