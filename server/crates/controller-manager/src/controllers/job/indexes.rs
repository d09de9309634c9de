//! Sets of completion indexes as a Job's status writes them: `1,3-5,7`.

use std::collections::BTreeSet;
use std::fmt;

/// A set of indexes of a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(BTreeSet<i64>);

impl Indexes {
    /// Reads `1,3-5,7`, leaving out what is not below `limit` or not readable.
    pub(super) fn parse(text: &str, limit: i64) -> Self {
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
                set.extend(first.max(0)..=last.min(limit - 1));
            }
        }
        Self(set)
    }

    pub(super) fn insert(&mut self, index: i64) {
        self.0.insert(index);
    }

    pub(super) fn contains(&self, index: i64) -> bool {
        self.0.contains(&index)
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// How many of them are in the other set too.
    pub(super) fn common(&self, other: &Self) -> i64 {
        i64::try_from(self.0.intersection(&other.0).count()).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for index in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *index => *last = *index,
                _ => ranges.push((*index, *index)),
            }
        }
        let shown = ranges.into_iter().map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        });
        f.write_str(&shown.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::Indexes;

    #[test]
    fn sets_are_read_and_written_as_intervals() {
        for (text, want) in [
            ("", ""),
            ("3", "3"),
            ("0,1", "0,1"),
            ("1,3-5,7", "1,3-5,7"),
            ("5,4,3", "3-5"),
            ("8-20,x,-3", "8,9"),
        ] {
            assert_eq!(Indexes::parse(text, 10).to_string(), want, "{text}");
        }
    }
}
