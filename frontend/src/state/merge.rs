//! Two edits of one text put together, line by line: what only one side touched is taken, what both touched in different
//! ways is left in the text between marks, as `git merge` does.

use super::diff::{self, Line};

/// The marks around what both sides changed.
const MARKS: [&str; 3] = ["<<<<<<< yours", "=======", ">>>>>>> theirs"];

/// Both edits together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The text, with marks where it has conflicts.
    pub text: String,
    /// How many places both sides changed in different ways.
    pub conflicts: usize,
}

/// One line of the base with what a side made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Slot<'a> {
    /// Lines that the side put in front of it.
    before: Vec<&'a str>,
    /// Whether the side kept it.
    kept: bool,
}

impl Slot<'_> {
    /// Whether nothing happened here.
    fn calm(&self) -> bool {
        self.kept && self.before.is_empty()
    }
}

/// Merges what `yours` and `theirs` made of `base`.
#[must_use]
pub fn three_way(base: &str, yours: &str, theirs: &str) -> Merged {
    let lines: Vec<&str> = base.lines().collect();
    let (your_diff, their_diff) = (diff::all(base, yours), diff::all(base, theirs));
    let (ours, others) = (
        slots(&your_diff, lines.len()),
        slots(&their_diff, lines.len()),
    );
    let (mut out, mut conflicts, mut at) = (Vec::new(), 0, 0);
    while at <= lines.len() {
        let end = region(&ours, &others, at, lines.len());
        if end == at {
            // Nobody put anything in front of this line, and both kept it.
            out.extend(lines.get(at));
            at += 1;
            continue;
        }
        let old = lines.get(at..end.min(lines.len())).unwrap_or_default();
        let (a, b) = (side(&ours, &lines, at, end), side(&others, &lines, at, end));
        if a == b || b == old {
            out.extend(a);
        } else if a == old {
            out.extend(b);
        } else if let Some(both) = apart(&ours, &others, at, end) {
            out.extend(side(&both, &lines, at, end));
        } else {
            conflicts += 1;
            out.push(MARKS[0]);
            out.extend(a);
            out.push(MARKS[1]);
            out.extend(b);
            out.push(MARKS[2]);
        }
        at = end;
    }
    let mut text = out.join("\n");
    text.push('\n');
    Merged { text, conflicts }
}

/// Whether a text still has the marks of a conflict; the first of them, counted from 1.
#[must_use]
pub fn first_mark(text: &str) -> Option<usize> {
    let marked = text.lines().position(|l| MARKS.contains(&l));
    marked.map(|i| i + 1)
}

/// What a side did in front of each line of the base, and after the last.
fn slots(diff: &[Line], count: usize) -> Vec<Slot<'_>> {
    let mut all = vec![Slot::default(); count + 1];
    let (mut at, mut replaced) = (0, false);
    for line in diff {
        // What comes right after a removed line stands in its place, not in front of the next one.
        let to = at - usize::from(replaced && matches!(line, Line::Added(_)));
        let Some(slot) = all.get_mut(to) else { break };
        match line {
            Line::Added(text) => slot.before.push(text),
            Line::Same(_) => {
                slot.kept = true;
                (at, replaced) = (at + 1, false);
            }
            Line::Removed(_) => (at, replaced) = (at + 1, true),
            Line::Skipped(_) => {}
        }
    }
    if let Some(last) = all.last_mut() {
        last.kept = true;
    }
    all
}

/// The end of the stretch from `at` in which at least one side changed something: up to the first line that both kept
/// with nothing in front of it. `at` itself when nothing changed there; one past the end takes the last slot in.
fn region(a: &[Slot<'_>], b: &[Slot<'_>], at: usize, count: usize) -> usize {
    let calm = |i: usize| {
        let calm = |s: &[Slot<'_>]| s.get(i).is_some_and(Slot::calm);
        calm(a) && calm(b)
    };
    if at == count && calm(at) {
        return at;
    }
    (at..=count).find(|i| calm(*i)).unwrap_or(count + 1)
}

/// What both made of `at..end` where they do not meet: one only put lines in, and none where the other changed any.
/// The slots before `at` are empty. Members of a map stand next to each other, and both may be added to.
fn apart<'a>(a: &[Slot<'a>], b: &[Slot<'a>], at: usize, end: usize) -> Option<Vec<Slot<'a>>> {
    let (a, b) = (a.get(at..end)?, b.get(at..end)?);
    let keeps = |side: &[Slot<'_>]| side.iter().all(|s| s.kept);
    let one = a.iter().zip(b).map(|(a, b)| match (a.calm(), b.calm()) {
        (_, true) => Some(a),
        (true, _) => Some(b),
        _ => None,
    });
    let both: Option<Vec<Slot<'a>>> = one.map(|slot| slot.cloned()).collect();
    let before = std::iter::repeat_n(Slot::default(), at);
    both.filter(|_| keeps(a) || keeps(b))
        .map(|both| before.chain(both).collect())
}

/// A side's lines for the base's lines `at..end`.
fn side<'a>(slots: &[Slot<'a>], base: &[&'a str], at: usize, end: usize) -> Vec<&'a str> {
    let mut out = Vec::new();
    for i in at..end {
        if let Some(slot) = slots.get(i) {
            out.extend(&slot.before);
            if slot.kept {
                out.extend(base.get(i));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, yours: &str, theirs: &str, want: &str, conflicts: usize) {
        let lines = |t: &str| t.replace(' ', "\n");
        let got = three_way(&lines(base), &lines(yours), &lines(theirs));
        let shown = got
            .text
            .trim_end()
            .replace("<<<<<<< yours", "<")
            .replace("=======", "=");
        let shown = shown.replace(">>>>>>> theirs", ">").replace('\n', " ");
        assert_eq!(
            (shown.as_str(), got.conflicts),
            (want, conflicts),
            "{base} | {yours} | {theirs}"
        );
        assert_eq!(first_mark(&got.text).is_some(), conflicts > 0);
    }

    #[test]
    fn both_changes_are_kept_and_clashes_are_marked() {
        check("a b c", "a b c", "a b c", "a b c", 0);
        check("a b c", "x b c", "a b y", "x b y", 0);
        check("a b c", "a b c", "a b y", "a b y", 0);
        check("a b c", "a x c", "a b c", "a x c", 0);
        check("a b c", "a x c", "a x c", "a x c", 0);
        check("a b c", "a x c", "a y c", "a < x = y > c", 1);
        check("a b c", "a c", "a y c", "a < = y > c", 1);
        check("a b c", "a c", "a b c d", "a c d", 0);
        check("a b c", "0 a b c", "a b c d", "0 a b c d", 0);
        check("a b c", "a b c x", "a b c y", "a b c < x = y >", 1);
        check("a b c", "a b c x", "a b c x", "a b c x", 0);
        check("a b c d e", "a x c d e", "a b c y e", "a x c y e", 0);
        check("a b", "a", "b", "< a = b >", 1);
        check("a b c", "a x c", "a b y c", "a x y c", 0);
        check("a b c", "a y b c", "a b", "a y b", 0);
        check("", "x", "", "x", 0);
        check("", "x", "y", "< x = y >", 1);
    }

    #[test]
    fn what_one_side_alone_did_is_the_result() {
        let texts = ["", "a", "a\nb", "b\na\nb", "x\ny\na", "a\nb\nc\nd"];
        for base in texts {
            for side in texts {
                for got in [
                    three_way(base, side, base),
                    three_way(base, base, side),
                    three_way(base, side, side),
                ] {
                    assert_eq!(
                        (got.text.trim_end(), got.conflicts),
                        (side, 0),
                        "{base:?} {side:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn their_change_survives_and_the_version_is_theirs() {
        let base = "metadata:\n  resourceVersion: '5'\ndata:\n  a: one\n  b: two\n";
        let mine = "metadata:\n  resourceVersion: '5'\ndata:\n  a: mine\n  b: two\n";
        let theirs = "metadata:\n  resourceVersion: '9'\ndata:\n  a: one\n  b: two\n  c: theirs\n";
        let got = three_way(base, mine, theirs);
        assert_eq!(
            got.text,
            "metadata:\n  resourceVersion: '9'\ndata:\n  a: mine\n  b: two\n  c: theirs\n"
        );
    }
}
