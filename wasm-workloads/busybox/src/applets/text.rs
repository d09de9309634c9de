//! Programs that read text and print text.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use super::{Options, complain, reason};
use crate::io::{Input, Output, Streams};
use crate::shell::Shell;

/// The inputs that operands name: files, `-` and none for the standard input. What cannot be opened is complained of
/// and counts as a failure.
fn inputs(program: &str, operands: &[&str], io: &mut Streams) -> io::Result<(Vec<(String, Input)>, u8)> {
    let mut opened = Vec::new();
    let mut status = 0;
    if operands.is_empty() {
        opened.push((String::new(), io.input.clone()));
    }
    for name in operands {
        let input = match *name {
            "-" => Ok(io.input.clone()),
            "/dev/null" => Ok(Input::bytes(Vec::new())),
            name => match std::fs::metadata(name) {
                Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
                Ok(_) => std::fs::File::open(name).map(Input::file),
                Err(error) => Err(error),
            },
        };
        match input {
            Ok(input) => opened.push(((*name).to_owned(), input)),
            Err(error) => status = complain(io, program, &format!("can't open '{name}': {}", reason(&error)))?,
        }
    }
    Ok((opened, status))
}

/// All lines of all inputs, without their ends.
fn lines(program: &str, operands: &[&str], io: &mut Streams) -> io::Result<(Vec<String>, u8)> {
    let (inputs, status) = inputs(program, operands, io)?;
    let mut lines = Vec::new();
    for (_, mut input) in inputs {
        let mut text = Vec::new();
        input.read_to_end(&mut text)?;
        lines.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
    }
    Ok((lines, status))
}

fn put(io: &mut Streams, lines: &[String]) -> io::Result<()> {
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    io.output.write_all(text.as_bytes())
}

pub(crate) fn echo(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let (mut newline, mut escapes) = (true, false);
    let mut rest = &args[1..];
    while let Some(flags) = rest.first().and_then(|arg| arg.strip_prefix('-')) {
        if flags.is_empty() || !flags.chars().all(|c| "neE".contains(c)) {
            break;
        }
        newline &= !flags.contains('n');
        escapes |= flags.contains('e');
        rest = &rest[1..];
    }
    let mut text = rest.join(" ");
    if escapes {
        let (unescaped, stop) = unescape(&text);
        text = unescaped;
        newline &= !stop;
    }
    if newline {
        text.push('\n');
    }
    io.output.write_all(text.as_bytes())?;
    Ok(0)
}

/// Backslash escapes; `\c` ends the output.
fn unescape(text: &str) -> (String, bool) {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\x07'),
            Some('e') => out.push('\x1b'),
            Some('\\') => out.push('\\'),
            Some('c') => return (out, true),
            Some('0'..='7') => {
                // The digit just taken is part of the number when it is not the leading 0.
                let mut code = 0;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)).filter(|_| code < 32) {
                    code = code * 8 + digit;
                    chars.next();
                }
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    (out, false)
}

pub(crate) fn printf(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let Some(format) = args.get(1) else {
        return complain(io, "printf", "missing format");
    };
    let mut rest = args[2..].iter();
    loop {
        let before = rest.len();
        let text = format_once(format, &mut rest);
        io.output.write_all(text.as_bytes())?;
        if rest.len() == 0 || rest.len() == before {
            return Ok(0);
        }
    }
}

fn format_once(format: &str, args: &mut std::slice::Iter<'_, String>) -> String {
    let (format, _) = unescape(format);
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(c) = chars.next_if(|c| "-0123456789.+ #".contains(*c)) {
            spec.push(c);
        }
        let Some(kind) = chars.next() else { break };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let arg = args.next().map_or("", String::as_str);
        let value = match kind {
            'd' | 'i' | 'u' => arg.trim().parse::<i64>().unwrap_or(0).to_string(),
            'x' => format!("{:x}", arg.trim().parse::<i64>().unwrap_or(0)),
            'o' => format!("{:o}", arg.trim().parse::<i64>().unwrap_or(0)),
            'c' => arg.chars().take(1).collect(),
            'b' => unescape(arg).0,
            'f' => {
                let precision = spec.split_once('.').and_then(|(_, p)| p.parse().ok()).unwrap_or(6);
                format!("{:.precision$}", arg.trim().parse::<f64>().unwrap_or(0.0))
            }
            _ => arg.to_owned(),
        };
        let width: usize = spec.trim_start_matches(['-', '0', '+', ' ']).split('.').next().and_then(|w| w.parse().ok()).unwrap_or(0);
        let width = width.min(4096);
        if spec.starts_with('-') {
            out.push_str(&format!("{value:<width$}"));
        } else if spec.starts_with('0') {
            out.push_str(&format!("{value:0>width$}"));
        } else {
            out.push_str(&format!("{value:>width$}"));
        }
    }
    out
}

pub(crate) fn cat(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let (inputs, status) = inputs("cat", &options.operands, io)?;
    let mut number = 0;
    for (_, mut input) in inputs {
        if options.has('n') {
            loop {
                let line = input.line()?;
                if line.is_empty() {
                    break;
                }
                number += 1;
                io.output.write_all(format!("{number:6}\t").as_bytes())?;
                io.output.write_all(&line)?;
            }
        } else {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let n = input.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                io.output.write_all(&buffer[..n])?;
            }
        }
    }
    Ok(status)
}

/// `-n 5`, `-5`, `-n +3`: the number and whether it counts from the start.
fn count(args: &[String], options: &Options<'_>) -> (usize, bool) {
    let short = args.iter().skip(1).find_map(|arg| arg.strip_prefix('-').filter(|n| n.parse::<usize>().is_ok()));
    let text = options.value('n').or(short).unwrap_or("10");
    (text.trim_start_matches(['+', '-']).parse().unwrap_or(10), text.starts_with('+'))
}

pub(crate) fn head(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "nc");
    let (inputs, status) = inputs("head", &options.operands, io)?;
    let (count, _) = count(args, &options);
    for (_, mut input) in inputs {
        if let Some(bytes) = options.value('c').and_then(|n| n.parse().ok()) {
            io::copy(&mut input.take(bytes), &mut io.output)?;
            continue;
        }
        for _ in 0..count {
            let line = input.line()?;
            if line.is_empty() {
                break;
            }
            io.output.write_all(&line)?;
        }
    }
    Ok(status)
}

pub(crate) fn tail(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "nc");
    let (count, from_start) = count(args, &options);
    let (inputs, status) = inputs("tail", &options.operands, io)?;
    for (_, mut input) in inputs {
        let mut last = VecDeque::new();
        let mut number = 0;
        loop {
            let line = input.line()?;
            if line.is_empty() {
                break;
            }
            number += 1;
            if from_start {
                if number >= count {
                    io.output.write_all(&line)?;
                }
                continue;
            }
            last.push_back(line);
            if last.len() > count {
                last.pop_front();
            }
        }
        for line in last {
            io.output.write_all(&line)?;
        }
        // What is written later shows at the next look.
        while options.has('f') || options.has('F') {
            let line = input.line()?;
            if line.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(500));
            } else {
                io.output.write_all(&line)?;
            }
        }
    }
    Ok(status)
}

pub(crate) fn wc(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let (inputs, status) = inputs("wc", &options.operands, io)?;
    let several = inputs.len() > 1;
    let mut total = [0; 3];
    let show = |io: &mut Streams, counts: [usize; 3], name: &str| {
        let all = !"lwc".chars().any(|c| options.has(c));
        let wanted = "lwc".chars().zip(counts).filter(|(c, _)| all || options.has(*c));
        let columns: Vec<String> = wanted.map(|(_, n)| n.to_string()).collect();
        io.output.line(format!("{} {name}", columns.join(" ")).trim_end())
    };
    for (name, mut input) in inputs {
        let mut text = Vec::new();
        input.read_to_end(&mut text)?;
        let lines = text.iter().filter(|b| **b == b'\n').count();
        let counts = [lines, String::from_utf8_lossy(&text).split_whitespace().count(), text.len()];
        for (sum, n) in total.iter_mut().zip(counts) {
            *sum += n;
        }
        show(io, counts, &name)?;
    }
    if several {
        show(io, total, "total")?;
    }
    Ok(status)
}

pub(crate) fn sort(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "kt");
    let (mut lines, status) = lines("sort", &options.operands, io)?;
    let field = options.value('k').and_then(|k| k.split(['.', ',']).next()?.parse::<usize>().ok());
    let separator = options.value('t').and_then(|t| t.chars().next());
    let key = |line: &str| -> String {
        match (field, separator) {
            (None, _) => line.to_owned(),
            (Some(n), Some(c)) => line.split(c).skip(n - 1).collect::<Vec<_>>().join("\t"),
            (Some(n), None) => line.split_whitespace().skip(n - 1).collect::<Vec<_>>().join(" "),
        }
    };
    if options.has('n') {
        let number = |line: &str| {
            let text = key(line);
            let text = text.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '-' && c != '.').unwrap_or(text.len());
            text[..end].parse::<f64>().unwrap_or(0.0)
        };
        lines.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.cmp(b)));
    } else {
        lines.sort_by_key(|line| key(line));
    }
    if options.has('r') {
        lines.reverse();
    }
    if options.has('u') {
        lines.dedup();
    }
    put(io, &lines)?;
    Ok(status)
}

pub(crate) fn uniq(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let (lines, status) = lines("uniq", &options.operands, io)?;
    let mut groups: Vec<(usize, String)> = Vec::new();
    for line in lines {
        match groups.last_mut() {
            Some((n, last)) if *last == line => *n += 1,
            _ => groups.push((1, line)),
        }
    }
    for (n, line) in groups {
        if (options.has('d') && n == 1) || (options.has('u') && n > 1) {
            continue;
        }
        io.output.line(&if options.has('c') { format!("{n:7} {line}") } else { line })?;
    }
    Ok(status)
}

pub(crate) fn tr(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let set = |i: usize| options.operands.get(i).map(|text| char_set(text)).unwrap_or_default();
    let (from, to) = (set(0), set(1));
    let within = |c: char| from.contains(&c) != options.has('c');
    let mut text = Vec::new();
    io.input.read_to_end(&mut text)?;
    let mut out = String::new();
    for c in String::from_utf8_lossy(&text).chars() {
        if options.has('d') && within(c) {
            continue;
        }
        let mapped = match from.iter().position(|f| *f == c) {
            Some(i) if !to.is_empty() && !options.has('d') && !options.has('c') => to[i.min(to.len() - 1)],
            None if options.has('c') && !to.is_empty() => to[to.len() - 1],
            _ => c,
        };
        let squeezed = if to.is_empty() { within(mapped) } else { to.contains(&mapped) };
        if options.has('s') && squeezed && out.ends_with(mapped) {
            continue;
        }
        out.push(mapped);
    }
    io.output.write_all(out.as_bytes())?;
    Ok(0)
}

/// `a-z`, `[:upper:]`, `\n`.
fn char_set(text: &str) -> Vec<char> {
    let class: Option<fn(&char) -> bool> = match text {
        "[:upper:]" => Some(char::is_ascii_uppercase),
        "[:lower:]" => Some(char::is_ascii_lowercase),
        "[:digit:]" => Some(char::is_ascii_digit),
        "[:alpha:]" => Some(char::is_ascii_alphabetic),
        "[:alnum:]" => Some(char::is_ascii_alphanumeric),
        "[:space:]" => Some(char::is_ascii_whitespace),
        _ => None,
    };
    if let Some(class) = class {
        return (0..=127_u8).map(char::from).filter(class).collect();
    }
    let chars: Vec<char> = unescape(text).0.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match (chars.get(i + 1), chars.get(i + 2)) {
            (Some('-'), Some(end)) => {
                out.extend(chars[i]..=*end);
                i += 3;
            }
            _ => {
                out.push(chars[i]);
                i += 1;
            }
        }
    }
    out
}

pub(crate) fn cut(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "dfc");
    let (lines, status) = lines("cut", &options.operands, io)?;
    let delimiter = options.value('d').and_then(|d| d.chars().next()).unwrap_or('\t');
    let ranges: Vec<(usize, usize)> = options
        .value('f')
        .or_else(|| options.value('c'))
        .unwrap_or("1")
        .split(',')
        .map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            (from.parse().unwrap_or(1), to.parse().unwrap_or(usize::MAX))
        })
        .collect();
    let wanted = |i: usize| ranges.iter().any(|(from, to)| (*from..=*to).contains(&(i + 1)));
    for line in lines {
        let cut = if options.value('c').is_some() {
            line.chars().enumerate().filter(|(i, _)| wanted(*i)).map(|(_, c)| c).collect()
        } else if line.contains(delimiter) {
            let fields = line.split(delimiter).enumerate().filter(|(i, _)| wanted(*i));
            fields.map(|(_, field)| field).collect::<Vec<_>>().join(&delimiter.to_string())
        } else {
            line
        };
        io.output.line(&cut)?;
    }
    Ok(status)
}

pub(crate) fn tac(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let (mut lines, status) = lines("tac", &options.operands, io)?;
    lines.reverse();
    put(io, &lines)?;
    Ok(status)
}

pub(crate) fn rev(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let (lines, status) = lines("rev", &options.operands, io)?;
    let reversed: Vec<String> = lines.iter().map(|line| line.chars().rev().collect()).collect();
    put(io, &reversed)?;
    Ok(status)
}

pub(crate) fn tee(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let mut outputs = vec![io.output.clone()];
    for name in &options.operands {
        let mut file = std::fs::OpenOptions::new();
        let append = options.has('a');
        outputs.push(Output::file(file.create(true).write(true).append(append).truncate(!append).open(name)?));
    }
    loop {
        let line = io.input.line()?;
        if line.is_empty() {
            return Ok(0);
        }
        for output in &mut outputs {
            output.write_all(&line)?;
        }
    }
}

pub(crate) fn seq(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let numbers: Vec<i64> = args[1..].iter().filter_map(|n| n.parse().ok()).collect();
    let (from, step, to) = match numbers.as_slice() {
        [to] => (1, 1, *to),
        [from, to] => (*from, 1, *to),
        [from, step, to] if *step != 0 => (*from, *step, *to),
        _ => return complain(io, "seq", "usage: seq [FIRST [INC]] LAST"),
    };
    let mut n = from;
    while (step > 0 && n <= to) || (step < 0 && n >= to) {
        io.output.line(&n.to_string())?;
        n += step;
    }
    Ok(0)
}

pub(crate) fn yes(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let text = if args.len() > 1 { args[1..].join(" ") } else { "y".to_owned() };
    loop {
        io.output.line(&text)?;
    }
}
