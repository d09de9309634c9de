//! Finds the line of a YAML text that a complaint is about: by the field path that the API server names, or by the
//! line number that its YAML reader names.

use shared::Status;

/// A complaint beside a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The line, counted from 1; 0 when none could be told.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

/// What a refusal says about a text, by line.
#[must_use]
pub fn complaints(text: &str, status: &Status) -> Vec<Complaint> {
    let causes = status.details.iter().flat_map(|d| &d.causes);
    let mut found: Vec<Complaint> = causes
        .map(|cause| Complaint {
            line: line_of(text, &cause.field),
            text: if cause.field.is_empty() {
                cause.message.clone()
            } else {
                format!("{}: {}", cause.field, cause.message)
            },
        })
        .collect();
    if found.is_empty() {
        let field = quoted(&status.message, "field \"");
        let line = match field {
            Some(field) => line_of(text, field),
            None => number_after(&status.message, "line "),
        };
        found.push(Complaint {
            line,
            text: status.message.clone(),
        });
    }
    found.sort_by_key(|c| c.line);
    found
}

fn quoted<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split('"').next()
}

fn number_after(text: &str, before: &str) -> usize {
    let digits = text.split_once(before).map_or("", |(_, rest)| rest);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits.get(..end).and_then(|d| d.parse().ok()).unwrap_or(0)
}

/// The line, counted from 1, that holds a field such as `spec.containers[0].image`; of a missing field the line of
/// what should hold it. 0 when not even its first part is there.
#[must_use]
pub fn line_of(text: &str, path: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let (mut from, mut to, mut found, mut depth) = (0, lines.len(), 0, None);
    for part in parts(path) {
        let range = lines.get(from..to).unwrap_or_default();
        let hit = match &part {
            Part::Key(key) => find_key(range, key, depth),
            Part::Index(index) => find_item(range, *index),
        };
        let Some((offset, indent)) = hit else {
            return found;
        };
        let at = from + offset;
        found = at + 1;
        let is_item = matches!(part, Part::Index(_));
        // The block ends at the next line that is not deeper; a list's items may stand as deep as its key.
        let end = lines
            .iter()
            .enumerate()
            .skip(at + 1)
            .take(to.saturating_sub(at + 1));
        to = end
            .filter(|(_, l)| !l.trim().is_empty())
            .find(|(_, l)| {
                let own = indent_of(l);
                own < indent || (own == indent && (is_item || !l.trim_start().starts_with("- ")))
            })
            .map_or(to, |(i, _)| i);
        (from, depth) = if is_item {
            (at, Some(indent + 2))
        } else {
            (at + 1, None)
        };
    }
    found
}

enum Part {
    Key(String),
    Index(usize),
}

/// `a.b[0].c` and `a[key.with.dots]` by their parts.
fn parts(path: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']').unwrap_or((inner, ""));
            out.push(match inside.parse() {
                Ok(index) => Part::Index(index),
                Err(_) => Part::Key(inside.into()),
            });
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            out.push(Part::Key(key.into()));
            rest = after.strip_prefix('.').unwrap_or(after);
        }
    }
    out
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The line with a key at the shallowest depth of the range, or at the given one. `- key:` counts as two deeper.
fn find_key(lines: &[&str], key: &str, depth: Option<usize>) -> Option<(usize, usize)> {
    let own = |l: &&str| {
        let trimmed = l.trim_start();
        let dash = trimmed.starts_with("- ");
        indent_of(l) + if dash { 2 } else { 0 }
    };
    let level = depth.or_else(|| lines.iter().filter(|l| !l.trim().is_empty()).map(own).min())?;
    let is_key = |l: &&str| {
        let trimmed = l.trim_start();
        let trimmed = trimmed.strip_prefix("- ").unwrap_or(trimmed);
        let trimmed = trimmed.trim_matches(['"', '\'']);
        trimmed
            .strip_prefix(key)
            .is_some_and(|after| after.trim_start_matches(['"', '\'']).starts_with(':'))
    };
    let at = lines.iter().position(|l| own(l) == level && is_key(l))?;
    Some((at, level))
}

fn find_item(lines: &[&str], index: usize) -> Option<(usize, usize)> {
    let items = lines.iter().enumerate();
    let mut items = items.filter(|(_, l)| l.trim_start().starts_with('-'));
    let first = items.next()?;
    let level = indent_of(first.1);
    let mut all = std::iter::once(first).chain(items.filter(|(_, l)| indent_of(l) == level));
    all.nth(index).map(|(at, _)| (at, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: Web\n  labels:\n    app: x\nspec:\n  containers:\n  - name: a\n    image: i\n  - image: j\n    name: b\n    ports:\n    - containerPort: 99999\n  restartPolicy: Sometimes\n";

    #[test]
    fn fields_are_found_where_they_stand() {
        for (path, want) in [
            ("metadata.name", 4),
            ("metadata.labels[app]", 6),
            ("metadata.namespace", 3),
            ("spec.containers[0].image", 10),
            ("spec.containers[1].name", 12),
            ("spec.containers[1].ports[0].containerPort", 14),
            ("spec.containers[1].resources", 11),
            ("spec.containers[7]", 8),
            ("spec.restartPolicy", 15),
            ("status", 0),
            ("", 0),
        ] {
            assert_eq!(line_of(POD, path), want, "{path}");
        }
    }

    #[test]
    fn refusals_point_at_lines() {
        let status = |message: &str| Status::failure(400, "BadRequest", message);
        for (message, want) in [
            (
                "strict decoding error: unknown field \"spec.containers[0].imag\"",
                9,
            ),
            ("error converting YAML to JSON: yaml: line 7: bad indent", 7),
            ("something else", 0),
        ] {
            assert_eq!(complaints(POD, &status(message))[0].line, want, "{message}");
        }
        let cause = |field: &str| shared::status::Cause {
            message: "is wrong".into(),
            field: field.into(),
            ..Default::default()
        };
        let causes = vec![cause("spec.restartPolicy"), cause("metadata.name")];
        let found = complaints(POD, &Status::invalid("Pod", "", "Web", causes));
        let shown: Vec<String> = found
            .iter()
            .map(|c| format!("{} {}", c.line, c.text))
            .collect();
        assert_eq!(
            shown,
            [
                "4 metadata.name: is wrong",
                "15 spec.restartPolicy: is wrong"
            ]
        );
    }
}
