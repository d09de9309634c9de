//! `test` and `[`.

use std::io;

use crate::io::Streams;
use crate::shell::Shell;

/// 0 true, 1 false, 2 for what is no expression.
pub(crate) fn test(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let mut words: Vec<&str> = args[1..].iter().map(String::as_str).collect();
    if args[0].ends_with('[') && words.pop() != Some("]") {
        io.error.line("[: missing ]")?;
        return Ok(2);
    }
    let mut parser = Parser { words: &words, at: 0 };
    match parser.or() {
        Some(result) if parser.at == words.len() => Ok(u8::from(!result)),
        None if words.is_empty() => Ok(1),
        _ => {
            io.error.line(&format!("{}: {}: unknown operand", args[0], words.get(parser.at).unwrap_or(&"")))?;
            Ok(2)
        }
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self, n: usize) -> Option<&'a str> {
        self.words.get(self.at + n).copied()
    }

    fn or(&mut self) -> Option<bool> {
        let mut result = self.and()?;
        while self.peek(0) == Some("-o") {
            self.at += 1;
            result |= self.and()?;
        }
        Some(result)
    }

    fn and(&mut self) -> Option<bool> {
        let mut result = self.primary()?;
        while self.peek(0) == Some("-a") {
            self.at += 1;
            result &= self.primary()?;
        }
        Some(result)
    }

    fn primary(&mut self) -> Option<bool> {
        let first = self.peek(0)?;
        if let (Some(op), Some(right)) = (self.peek(1), self.peek(2))
            && let Some(result) = binary(first, op, right)
        {
            self.at += 3;
            return Some(result);
        }
        if first == "!" {
            self.at += 1;
            return self.primary().map(|result| !result);
        }
        if first == "(" {
            self.at += 1;
            let result = self.or()?;
            self.at += 1;
            return (self.words.get(self.at - 1) == Some(&")")).then_some(result);
        }
        if let Some(operand) = self.peek(1)
            && let Some(result) = unary(first, operand)
        {
            self.at += 2;
            return Some(result);
        }
        self.at += 1;
        Some(!first.is_empty())
    }
}

fn binary(a: &str, op: &str, b: &str) -> Option<bool> {
    let number = |text: &str| text.trim().parse::<i64>().ok();
    Some(match op {
        "=" | "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        ">" => a > b,
        "-eq" => number(a)? == number(b)?,
        "-ne" => number(a)? != number(b)?,
        "-lt" => number(a)? < number(b)?,
        "-le" => number(a)? <= number(b)?,
        "-gt" => number(a)? > number(b)?,
        "-ge" => number(a)? >= number(b)?,
        "-nt" => modified(a) > modified(b),
        "-ot" => modified(a) < modified(b),
        _ => return None,
    })
}

fn modified(path: &str) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// WASI has no permission bits to look at, so it is tried.
fn readable(path: &str) -> bool {
    std::fs::File::open(path).is_ok()
}

/// A directory that may be written refuses to remove what is not there because it is not there.
fn writable(path: &str) -> bool {
    if std::fs::metadata(path).is_ok_and(|m| m.is_dir()) {
        let none = std::fs::remove_file(std::path::Path::new(path).join(".nothing-has-this-name"));
        return none.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    }
    std::fs::OpenOptions::new().append(true).open(path).is_ok()
}

/// What the shell would run or enter: a program of its own under any folder, a file with shell text, a directory.
fn runnable(path: &str) -> bool {
    let program = path.rsplit_once('/').is_some_and(|(folder, name)| folder.ends_with("bin") && super::find(name).is_some());
    program || readable(path)
}

fn unary(op: &str, operand: &str) -> Option<bool> {
    let metadata = || std::fs::metadata(operand);
    Some(match op {
        "-n" => !operand.is_empty(),
        "-z" => operand.is_empty(),
        "-e" => metadata().is_ok(),
        "-r" => readable(operand),
        "-w" => writable(operand),
        "-x" => runnable(operand),
        "-f" => metadata().is_ok_and(|m| m.is_file()),
        "-d" => metadata().is_ok_and(|m| m.is_dir()),
        "-s" => metadata().is_ok_and(|m| m.len() > 0),
        "-L" | "-h" => std::fs::symlink_metadata(operand).is_ok_and(|m| m.is_symlink()),
        "-t" => false,
        _ => return None,
    })
}
