//! Shell patterns: `*`, `?`, `[a-z]`, `[!x]`; quoted characters stand for themselves.

/// A character and whether it was quoted.
pub(crate) type Char = (char, bool);

/// Quotes nothing.
pub(crate) fn unquoted(text: &str) -> Vec<Char> {
    text.chars().map(|c| (c, false)).collect()
}

/// Whether a name may be meant as a pattern.
pub(crate) fn is_pattern(pattern: &[Char]) -> bool {
    pattern.iter().any(|(c, quoted)| !quoted && "*?[".contains(*c))
}

/// Whether the whole text matches. Work is bounded by the product of both lengths.
pub(crate) fn matches(pattern: &[Char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match one(pattern, p, text[t]) {
            Some(Step::Star) => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(Step::To(next)) => {
                p = next;
                t += 1;
            }
            None => match star {
                Some((after, at)) => {
                    star = Some((after, at + 1));
                    p = after;
                    t = at + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == ('*', false))
}

enum Step {
    Star,
    To(usize),
}

/// How the pattern at `p` takes one character.
fn one(pattern: &[Char], p: usize, c: char) -> Option<Step> {
    match *pattern.get(p)? {
        ('*', false) => Some(Step::Star),
        ('?', false) => Some(Step::To(p + 1)),
        ('[', false) => match bracket(pattern, p + 1, c) {
            Some((true, next)) => Some(Step::To(next)),
            Some((false, _)) => None,
            None => (c == '[').then_some(Step::To(p + 1)),
        },
        (literal, _) => (literal == c).then_some(Step::To(p + 1)),
    }
}

/// Whether `c` is in the set that begins at `p`, and where the set ends; `None` when it never does.
fn bracket(pattern: &[Char], mut p: usize, c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(p), Some(('!' | '^', false)));
    if negated {
        p += 1;
    }
    let start = p;
    let mut found = false;
    loop {
        let (low, _) = *pattern.get(p)?;
        if low == ']' && p > start {
            return Some((found != negated, p + 1));
        }
        let range = matches!(pattern.get(p + 1), Some(('-', false)))
            && pattern.get(p + 2).is_some_and(|(high, _)| *high != ']');
        if range {
            let (high, _) = *pattern.get(p + 2)?;
            found |= (low..=high).contains(&c);
            p += 3;
        } else {
            found |= low == c;
            p += 1;
        }
    }
}

/// The files that a pattern names, sorted; none when there are none.
pub(crate) fn files(pattern: &[Char]) -> Vec<String> {
    let absolute = pattern.first() == Some(&('/', true)) || pattern.first() == Some(&('/', false));
    let parts: Vec<&[Char]> = pattern.split(|(c, _)| *c == '/').filter(|part| !part.is_empty()).collect();
    let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
    for (i, part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        let mut next = Vec::new();
        for base in &found {
            for name in names(base, part) {
                let path = format!("{base}{name}");
                if last {
                    next.push(path);
                } else if std::fs::metadata(&path).is_ok_and(|m| m.is_dir()) {
                    next.push(format!("{path}/"));
                }
            }
        }
        found = next;
    }
    found.sort();
    found
}

fn names(base: &str, part: &[Char]) -> Vec<String> {
    if !is_pattern(part) {
        let name: String = part.iter().map(|(c, _)| *c).collect();
        let there = std::fs::symlink_metadata(format!("{base}{name}")).is_ok();
        return if there { vec![name] } else { Vec::new() };
    }
    let hidden = part.first().is_some_and(|(c, _)| *c == '.');
    let Ok(entries) = std::fs::read_dir(if base.is_empty() { "." } else { base }) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| hidden || !name.starts_with('.'))
        .filter(|name| matches(part, &name.chars().collect::<Vec<_>>()))
        .collect()
}
