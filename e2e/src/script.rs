//! A file of commands with what they should print, and how to compare.
//!
//! `$` begins a command; `|` lines are its standard input; `!` lines are expected on standard error and make failure
//! expected; all others are expected on standard output. Runs of blanks count as one, `*` stands for any part of a
//! word, a line `...` for any lines, and `...` at the end of a line for the rest of it. `##` begins a comment. `? $` begins a command whose
//! answer is known to differ from the original's: it is run, but must not come out as expected, so that the list of
//! differences stays true.

use std::fmt::Write as _;

/// One command with what is expected of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// The line of the file, from 1.
    pub line: usize,
    /// What to run.
    pub command: String,
    /// What to feed it.
    pub input: String,
    /// What it should print.
    pub stdout: Vec<String>,
    /// What it should complain of; empty when it should succeed.
    pub stderr: Vec<String>,
    /// Known to differ.
    pub differs: bool,
}

/// Reads a file of cases.
#[must_use]
pub fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let command = line.strip_prefix("$ ");
        let different = line.strip_prefix("? $ ");
        if let Some(command) = command.or(different) {
            cases.push(Case {
                line: at + 1,
                command: command.to_owned(),
                differs: different.is_some(),
                ..Case::default()
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        match line.split_once(' ') {
            Some(("|", input)) => case.input += input,
            Some(("!", complaint)) => case.stderr.push(complaint.to_owned()),
            Some(("##", _)) => {}
            _ if line.trim().is_empty() => {}
            _ => case.stdout.push(line.to_owned()),
        }
    }
    cases
}

/// True when the text reads as expected; blank lines do not count.
#[must_use]
pub fn reads(expected: &[String], text: &str) -> bool {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    lines_match(&expected, &lines)
}

fn lines_match(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|skipped| {
            let left = lines.get(skipped..).unwrap_or_default();
            lines_match(rest, left)
        }),
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, left)| line_matches(first, line) && lines_match(rest, left)),
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut found = line.split_whitespace();
    for word in expected.split_whitespace() {
        if word == "..." {
            return true;
        }
        // `prefix...` ends the comparison within the word.
        if let Some(start) = word.strip_suffix("...") {
            return found
                .next()
                .is_some_and(|f| f.starts_with(start.trim_end_matches('*')));
        }
        if !found.next().is_some_and(|f| word_matches(word, f)) {
            return false;
        }
    }
    found.next().is_none()
}

/// `*` stands for any characters of a word.
fn word_matches(pattern: &str, word: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == word,
        Some((start, rest)) => word.strip_prefix(start).is_some_and(|left| {
            left.char_indices()
                .map(|(at, _)| at)
                .chain([left.len()])
                .any(|at| word_matches(rest, left.get(at..).unwrap_or_default()))
        }),
    }
}

/// How a case came out, `None` when as expected.
#[must_use]
pub fn difference(case: &Case, succeeded: bool, stdout: &str, stderr: &str) -> Option<String> {
    let wants_success = case.stderr.is_empty();
    let complaint_fits = wants_success || reads(&case.stderr, stderr);
    // What kubectl says about nothing to show goes to standard error, though it succeeds.
    let printed = reads(&case.stdout, stdout)
        || wants_success && reads(&case.stdout, &format!("{stdout}{stderr}"));
    let fits = succeeded == wants_success && printed && complaint_fits;
    if fits {
        return None;
    }
    let mut text = format!("line {}: kubectl {}\n", case.line, case.command);
    for (what, lines) in [
        ("expected", &case.stdout),
        ("expected complaint", &case.stderr),
    ] {
        for line in lines {
            let _ = writeln!(text, "  {what}: {line}");
        }
    }
    for (what, shown) in [("printed", stdout), ("complained", stderr)] {
        for line in shown.lines() {
            let _ = writeln!(text, "  {what}: {line}");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_compare_words_and_lines() {
        for (expected, text, want) in [
            (&["a * c"][..], "a   b c\n", true),
            (&["a * c"], "a b d", false),
            (&["web-*-* 1/1 *"], "web-5d97-abc 1/1 3s", true),
            (&["a ..."], "a b c", true),
            (&["a ..."], "b", false),
            (&["...", "last"], "one\ntwo\nlast\n", true),
            (&["...", "last"], "one\nlast\nmore", false),
            (&["first", "..."], "first\n\nx", true),
            (&["invalid: ..."], "invalid:", true),
            (&[], "", true),
            (&[], "x", false),
        ] {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(reads(&expected, text), want, "{expected:?} {text:?}");
        }
    }

    #[test]
    fn files_are_read_case_by_case() {
        let cases = parse("# about\n\n$ get x\n! no\n\n? $ apply -f -\n| {}\nmade\n\n## more\n");
        assert_eq!(cases.len(), 2);
        assert_eq!(
            (cases[0].command.as_str(), cases[0].stderr.len()),
            ("get x", 1)
        );
        assert_eq!((cases[1].input.as_str(), cases[1].differs), ("{}", true));
        assert_eq!(cases[1].stdout, ["made"]);
    }
}
