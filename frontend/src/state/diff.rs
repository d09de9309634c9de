//! What differs between two texts, line by line, with a little of what stays around it.

use serde_json::Value;

/// Lines that one side may have; a longer text is compared by its beginning.
pub const MAX_LINES: usize = 2000;
/// Cells of the table that finds what two texts share; larger changes are shown as one that replaces the other.
const MAX_CELLS: usize = 16_000_000;
/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// In both.
    Same(String),
    /// Only in the second.
    Added(String),
    /// Only in the first.
    Removed(String),
    /// So many unchanged lines are left out here.
    Skipped(usize),
}

impl Line {
    /// The mark in front of the line, which tells what colour tells.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        match self {
            Self::Same(_) => " ",
            Self::Added(_) => "+",
            Self::Removed(_) => "-",
            Self::Skipped(_) => "⋯",
        }
    }
}

/// The lines of both texts in order. Equal texts give nothing.
#[must_use]
pub fn lines(before: &str, after: &str) -> Vec<Line> {
    let (a, b): (Vec<&str>, Vec<&str>) = (
        before.lines().take(MAX_LINES).collect(),
        after.lines().take(MAX_LINES).collect(),
    );
    if a == b {
        return Vec::new();
    }
    around_changes(whole(&a, &b))
}

/// Every line of both texts in order, the unchanged ones too.
#[must_use]
pub fn all(before: &str, after: &str) -> Vec<Line> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    whole(&a, &b)
}

/// An object without the book-keeping that hides what changed.
#[must_use]
pub fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = object.pointer_mut("/metadata");
    if let Some(metadata) = metadata.and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
    }
    object
}

/// The longest common subsequence between the equal beginning and the equal end, by its table of lengths.
fn whole(a: &[&str], b: &[&str]) -> Vec<Line> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a_rest, b_rest) = (
        a.get(head..).unwrap_or_default(),
        b.get(head..).unwrap_or_default(),
    );
    let tail = a_rest
        .iter()
        .rev()
        .zip(b_rest.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let a_mid = a_rest.get(..a_rest.len() - tail).unwrap_or_default();
    let b_mid = b_rest.get(..b_rest.len() - tail).unwrap_or_default();
    let same = |lines: &[&str]| {
        lines
            .iter()
            .map(|l| Line::Same((*l).to_owned()))
            .collect::<Vec<_>>()
    };
    let mut out = same(a.get(..head).unwrap_or_default());
    out.extend(middle(a_mid, b_mid));
    out.extend(same(a_rest.get(a_rest.len() - tail..).unwrap_or_default()));
    out
}

fn middle(a: &[&str], b: &[&str]) -> Vec<Line> {
    if a.len().max(b.len()) >= usize::from(u16::MAX) || a.len() * b.len() > MAX_CELLS {
        let gone = a.iter().map(|l| Line::Removed((*l).to_owned()));
        let come = b.iter().map(|l| Line::Added((*l).to_owned()));
        return gone.chain(come).collect();
    }
    let width = b.len() + 1;
    let mut length = vec![0u16; (a.len() + 1) * width];
    let at = |length: &[u16], i: usize, j: usize| length.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let best = if x == y {
                at(&length, i + 1, j + 1) + 1
            } else {
                at(&length, i + 1, j).max(at(&length, i, j + 1))
            };
            if let Some(cell) = length.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    loop {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => {
                out.push(Line::Same((*x).to_owned()));
                (i, j) = (i + 1, j + 1);
            }
            (Some(x), y) if y.is_none() || at(&length, i + 1, j) >= at(&length, i, j + 1) => {
                out.push(Line::Removed((*x).to_owned()));
                i += 1;
            }
            (_, Some(y)) => {
                out.push(Line::Added((*y).to_owned()));
                j += 1;
            }
            _ => return out,
        }
    }
}

/// Leaves out what is far from any change.
fn around_changes(all: Vec<Line>) -> Vec<Line> {
    let changed: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, l)| !matches!(l, Line::Same(_)))
        .map(|(i, _)| i)
        .collect();
    let near = |i: usize| {
        let next = changed.partition_point(|c| *c + CONTEXT < i);
        changed.get(next).is_some_and(|c| *c <= i + CONTEXT)
    };
    let (mut out, mut skipped) = (Vec::new(), 0);
    for (i, line) in all.into_iter().enumerate() {
        if near(i) {
            if skipped > 0 {
                out.push(Line::Skipped(std::mem::take(&mut skipped)));
            }
            out.push(line);
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        out.push(Line::Skipped(skipped));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, want: &str) {
        let got: Vec<String> = lines(before, after)
            .iter()
            .map(|l| match l {
                Line::Same(t) | Line::Added(t) | Line::Removed(t) => format!("{}{t}", l.mark()),
                Line::Skipped(n) => format!("⋯{n}"),
            })
            .collect();
        assert_eq!(got.join("\n"), want);
    }

    #[test]
    fn differences_are_short_and_complete() {
        check("a\nb\n", "a\nb\n", "");
        check("", "a\nb\n", "+a\n+b");
        check("a\nb", "", "-a\n-b");
        check("a\nb\nc", "a\nx\nc", " a\n-b\n+x\n c");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9",
            "1\n2\n3\n4\n5\n6\n7\n8\nten",
            "⋯5\n 6\n 7\n 8\n-9\n+ten",
        );
        check("k: 1\nl: 2", "k: 1\nj: 0\nl: 2", " k: 1\n+j: 0\n l: 2");
    }

    #[test]
    fn both_texts_can_be_read_from_it() {
        let texts = ["", "a", "a\nb\na", "b\na\nb\na", "x\ny", "a\nx\nb\ny"];
        for before in texts {
            for after in texts {
                let all = whole(
                    &before.lines().collect::<Vec<_>>(),
                    &after.lines().collect::<Vec<_>>(),
                );
                let side = |added: bool| {
                    let keep = |l: &Line| match l {
                        Line::Same(t) => Some(t.clone()),
                        Line::Added(t) if added => Some(t.clone()),
                        Line::Removed(t) if !added => Some(t.clone()),
                        _ => None,
                    };
                    all.iter().filter_map(keep).collect::<Vec<_>>().join("\n")
                };
                assert_eq!((side(false).as_str(), side(true).as_str()), (before, after));
            }
        }
    }
}
