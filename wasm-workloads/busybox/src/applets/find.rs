//! `find`, `grep` and the part of `sed` that scripts use, with a small regular expression matcher.

use std::io::{self, Read, Write};

use super::{Options, complain, reason};
use crate::io::{Input, Streams};
use crate::shell::Shell;
use crate::shell::pattern;

/// Most steps of one match: a regular expression must not hold a container up.
const STEPS_MAX: usize = 1_000_000;

pub(crate) fn find(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let split = args.iter().skip(1).position(|arg| arg.starts_with('-')).map_or(args.len(), |i| i + 1);
    let (roots, tests) = (&args[1..split], &args[split..]);
    let roots = if roots.is_empty() { vec![".".to_owned()] } else { roots.to_vec() };
    let value = |flag: &str| tests.iter().position(|t| t == flag).and_then(|i| tests.get(i + 1));
    let name = value("-name").map(|name| pattern::unquoted(name));
    let depth_max = value("-maxdepth").and_then(|d| d.parse().ok()).unwrap_or(usize::MAX);
    let exec = tests.iter().position(|t| t == "-exec").map(|i| {
        tests[i + 1..].iter().take_while(|t| *t != ";" && *t != "+").cloned().collect::<Vec<_>>()
    });
    let mut status = 0;
    let mut waiting: Vec<(String, usize)> = roots.into_iter().rev().map(|root| (root, 0)).collect();
    while let Some((path, depth)) = waiting.pop() {
        let metadata = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                status = complain(io, "find", &format!("{path}: {}", reason(&error)))?;
                continue;
            }
        };
        let last: Vec<char> = path.rsplit('/').next().unwrap_or(&path).chars().collect();
        let kind_fits = match value("-type").map(String::as_str) {
            Some("d") => metadata.is_dir(),
            Some("f") => metadata.is_file(),
            Some("l") => metadata.is_symlink(),
            _ => true,
        };
        if kind_fits && name.as_ref().is_none_or(|name| pattern::matches(name, &last)) {
            match &exec {
                Some(command) => {
                    let command: Vec<String> = command.iter().map(|arg| arg.replace("{}", &path)).collect();
                    let _ = shell.call(&command, io);
                }
                None if tests.iter().any(|t| t == "-delete") => {
                    if metadata.is_dir() { std::fs::remove_dir(&path)? } else { std::fs::remove_file(&path)? }
                }
                None => io.output.line(&path)?,
            }
        }
        if metadata.is_dir() && depth < depth_max {
            let mut names: Vec<String> = std::fs::read_dir(&path)
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .collect();
            names.sort();
            let base = path.trim_end_matches('/');
            waiting.extend(names.iter().rev().map(|name| (format!("{base}/{name}"), depth + 1)));
        }
    }
    Ok(status)
}

pub(crate) fn grep(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "eAm");
    let mut operands = options.operands.clone();
    let text = match options.value('e') {
        Some(text) => text,
        None if operands.is_empty() => return complain(io, "grep", "missing pattern").map(|_| 2),
        None => operands.remove(0),
    };
    let fixed = options.has('F') || args[0].ends_with("fgrep");
    let fold = |text: &str| if options.has('i') { text.to_lowercase() } else { text.to_owned() };
    let regexes: Vec<Regex> = fold(text).lines().map(|text| Regex::parse(text, fixed)).collect();
    let several = operands.len() > 1 || options.has('r');
    let mut files: Vec<(String, Input)> = Vec::new();
    let mut status = 1;
    if operands.is_empty() {
        files.push(("(standard input)".to_owned(), io.input.clone()));
    }
    for name in operands {
        match std::fs::read(name) {
            Ok(bytes) => files.push((name.to_owned(), Input::bytes(bytes))),
            Err(error) if !options.has('s') => {
                complain(io, "grep", &format!("{name}: {}", reason(&error)))?;
                status = 2;
            }
            Err(_) => status = 2,
        }
    }
    let most = options.value('m').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    for (name, mut input) in files {
        let mut count = 0;
        let mut number = 0;
        while count < most {
            let line = input.line()?;
            if line.is_empty() {
                break;
            }
            number += 1;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\n');
            let found = regexes.iter().any(|regex| regex.find(&fold(line), options.has('w')).is_some());
            if found == options.has('v') {
                continue;
            }
            count += 1;
            status = if status == 2 { 2 } else { 0 };
            if options.has('q') {
                return Ok(0);
            }
            if options.has('c') || options.has('l') {
                continue;
            }
            let mut prefix = String::new();
            if several && !options.has('h') {
                prefix.push_str(&format!("{name}:"));
            }
            if options.has('n') {
                prefix.push_str(&format!("{number}:"));
            }
            if options.has('o') {
                let matched = regexes.iter().find_map(|r| r.find(line, false)).unwrap_or((0, 0));
                let chars: Vec<char> = line.chars().collect();
                io.output.line(&format!("{prefix}{}", chars[matched.0..matched.1].iter().collect::<String>()))?;
            } else {
                io.output.line(&format!("{prefix}{line}"))?;
            }
        }
        if options.has('l') && count > 0 {
            io.output.line(&name)?;
        } else if options.has('c') {
            let prefix = if several { format!("{name}:") } else { String::new() };
            io.output.line(&format!("{prefix}{count}"))?;
        }
    }
    Ok(status)
}

/// `s/FROM/TO/g`, `/RE/d`, `/RE/p`, `Np`, with `-n` and `-i`.
pub(crate) fn sed(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "e");
    let mut operands = options.operands.clone();
    let script = match options.value('e') {
        Some(script) => script,
        None if operands.is_empty() => return complain(io, "sed", "missing script"),
        None => operands.remove(0),
    };
    let Some(commands) = script.split([';', '\n']).map(str::trim).filter(|c| !c.is_empty()).map(SedCommand::parse).collect::<Option<Vec<_>>>()
    else {
        return complain(io, "sed", &format!("unsupported command: {script}"));
    };
    let edit = |text: &str| {
        let mut out = String::new();
        for (i, line) in text.lines().enumerate() {
            let mut line = line.to_owned();
            let (mut deleted, mut extra) = (false, false);
            for command in &commands {
                command.apply(i + 1, &mut line, &mut deleted, &mut extra);
            }
            let copies = usize::from(!deleted && !options.has('n')) + usize::from(extra && !deleted);
            out.push_str(&format!("{line}\n").repeat(copies));
        }
        out
    };
    if operands.is_empty() {
        let mut text = String::new();
        io.input.read_to_string(&mut text)?;
        io.output.write_all(edit(&text).as_bytes())?;
    }
    for name in operands {
        let text = std::fs::read_to_string(name)?;
        if options.has('i') {
            std::fs::write(name, edit(&text))?;
        } else {
            io.output.write_all(edit(&text).as_bytes())?;
        }
    }
    Ok(0)
}

struct SedCommand {
    line: Option<usize>,
    address: Option<Regex>,
    action: SedAction,
}

enum SedAction {
    Substitute { from: Regex, to: String, all: bool },
    Delete,
    Print,
}

impl SedCommand {
    fn parse(text: &str) -> Option<Self> {
        let (mut line, mut address, mut rest) = (None, None, text);
        if let Some(after) = text.strip_prefix('/') {
            let (regex, after) = after.split_once('/')?;
            address = Some(Regex::parse(regex, false));
            rest = after;
        } else {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            if digits > 0 {
                line = text[..digits].parse().ok();
                rest = &text[digits..];
            }
        }
        let action = match rest.trim() {
            "d" => SedAction::Delete,
            "p" => SedAction::Print,
            rest => {
                let rest = rest.strip_prefix('s')?;
                let separator = rest.chars().next()?;
                let mut fields = rest[separator.len_utf8()..].split(separator);
                let (from, to, flags) = (fields.next()?, fields.next()?, fields.next()?);
                SedAction::Substitute { from: Regex::parse(from, false), to: to.to_owned(), all: flags.contains('g') }
            }
        };
        Some(Self { line, address, action })
    }

    fn apply(&self, number: usize, line: &mut String, deleted: &mut bool, extra: &mut bool) {
        let here = self.line.is_none_or(|n| n == number);
        if !here || self.address.as_ref().is_some_and(|regex| regex.find(line, false).is_none()) {
            return;
        }
        match &self.action {
            SedAction::Delete => *deleted = true,
            SedAction::Print => *extra = true,
            SedAction::Substitute { from, to, all } => {
                let mut out = String::new();
                let mut rest: Vec<char> = line.chars().collect();
                while let Some((start, end)) = from.find(&rest.iter().collect::<String>(), false) {
                    out.extend(&rest[..start]);
                    let matched: String = rest[start..end].iter().collect();
                    out.push_str(&to.replace('&', &matched));
                    if end == start {
                        out.extend(rest.get(end));
                    }
                    rest.drain(..(end + usize::from(end == start)).min(rest.len()));
                    if !*all || rest.is_empty() {
                        break;
                    }
                }
                out.extend(&rest);
                *line = out;
            }
        }
    }
}

/// A regular expression: `.`, `[...]`, `*`, `+`, `?`, `^`, `$`, `|`, without groups.
struct Regex {
    alternatives: Vec<Vec<(Unit, Repeat)>>,
    fixed: Option<Vec<char>>,
}

enum Unit {
    Any,
    Set(Vec<pattern::Char>),
    Literal(char),
    Start,
    End,
}

#[derive(Clone, Copy, PartialEq)]
enum Repeat {
    Once,
    Any,
    Some,
    Maybe,
}

impl Regex {
    fn parse(text: &str, fixed: bool) -> Self {
        if fixed {
            return Self { alternatives: Vec::new(), fixed: Some(text.chars().collect()) };
        }
        let text = text.replace("\\|", "|").replace("\\+", "+").replace("\\?", "?");
        Self { alternatives: text.split('|').map(Self::sequence).collect(), fixed: None }
    }

    fn sequence(text: &str) -> Vec<(Unit, Repeat)> {
        let chars: Vec<char> = text.chars().collect();
        let mut units = Vec::new();
        let mut i = 0;
        while i < chars.len() {
            let unit = match chars[i] {
                '.' => Unit::Any,
                '^' if i == 0 => Unit::Start,
                '$' if i + 1 == chars.len() => Unit::End,
                '[' => {
                    let end = chars.iter().skip(i + 2).position(|c| *c == ']').map(|n| n + i + 2);
                    match end {
                        Some(end) => {
                            let set = chars[i..=end].iter().map(|c| (*c, false)).collect();
                            i = end;
                            Unit::Set(set)
                        }
                        None => Unit::Literal('['),
                    }
                }
                '\\' if i + 1 < chars.len() => {
                    i += 1;
                    Unit::Literal(chars[i])
                }
                c => Unit::Literal(c),
            };
            let repeat = match chars.get(i + 1) {
                Some('*') => Repeat::Any,
                Some('+') => Repeat::Some,
                Some('?') => Repeat::Maybe,
                _ => Repeat::Once,
            };
            i += 1 + usize::from(repeat != Repeat::Once);
            units.push((unit, repeat));
        }
        units
    }

    /// The first match as a range of characters; `word`: not inside a longer word.
    fn find(&self, text: &str, word: bool) -> Option<(usize, usize)> {
        let chars: Vec<char> = text.chars().collect();
        let mut steps = 0;
        let part_of_word = |i: Option<&char>| i.is_some_and(|c| c.is_alphanumeric() || *c == '_');
        for start in 0..=chars.len() {
            let ends = match &self.fixed {
                Some(fixed) => vec![chars[start..].starts_with(fixed).then_some(start + fixed.len())],
                None => self.alternatives.iter().map(|units| matched(units, &chars, start, &mut steps)).collect(),
            };
            if let Some(end) = ends.into_iter().flatten().max() {
                let inside = (start > 0 && part_of_word(chars.get(start - 1))) || part_of_word(chars.get(end));
                if !word || !inside {
                    return Some((start, end));
                }
            }
        }
        None
    }
}

fn matched(units: &[(Unit, Repeat)], text: &[char], at: usize, steps: &mut usize) -> Option<usize> {
    *steps += 1;
    if *steps > STEPS_MAX {
        return None;
    }
    let Some(((unit, repeat), rest)) = units.split_first() else { return Some(at) };
    match unit {
        Unit::Start => return if at == 0 { matched(rest, text, at, steps) } else { None },
        Unit::End => return if at == text.len() { matched(rest, text, at, steps) } else { None },
        _ => {}
    }
    let fits = |i: usize| {
        text.get(i).is_some_and(|c| match unit {
            Unit::Any => true,
            Unit::Set(set) => pattern::matches(set, &[*c]),
            Unit::Literal(literal) => literal == c,
            Unit::Start | Unit::End => false,
        })
    };
    let (least, most) = match repeat {
        Repeat::Once => (1, 1),
        Repeat::Any => (0, usize::MAX),
        Repeat::Some => (1, usize::MAX),
        Repeat::Maybe => (0, 1),
    };
    let mut n = 0;
    while n < most && fits(at + n) {
        n += 1;
    }
    while n >= least {
        if let Some(end) = matched(rest, text, at + n, steps) {
            return Some(end);
        }
        if n == 0 {
            break;
        }
        n -= 1;
    }
    None
}
