//! Turns words into arguments: parameters, commands, arithmetic, field splitting, patterns, quote removal
//! (POSIX.1-2024, Shell Command Language, 2.6).

use super::ast::{Part, Word};
use super::pattern::{self, Char};
use super::{Flow, Shell, arith};
use crate::io::Streams;

type Result<T> = std::result::Result<T, Flow>;

/// Fields under construction.
#[derive(Default)]
struct Fields {
    done: Vec<Vec<Char>>,
    current: Option<Vec<Char>>,
}

impl Fields {
    fn push(&mut self, text: &str, quoted: bool) {
        self.current.get_or_insert_default().extend(text.chars().map(|c| (c, quoted)));
    }

    fn cut(&mut self) {
        self.done.extend(self.current.take());
    }

    /// Text that is split where it is not quoted.
    fn push_split(&mut self, text: &str, ifs: &str) {
        for c in text.chars() {
            if ifs.contains(c) {
                if !c.is_whitespace() && self.current.is_none() {
                    self.current = Some(Vec::new());
                }
                self.cut();
            } else {
                self.current.get_or_insert_default().push((c, false));
            }
        }
    }
}

impl Shell {
    /// The arguments that words stand for.
    pub(crate) fn expand_all(&mut self, words: &[Word], io: &Streams) -> Result<Vec<String>> {
        let mut out = Vec::new();
        for word in words {
            let mut fields = Fields::default();
            self.expand_parts(&word.0, false, true, &mut fields, io)?;
            fields.cut();
            for field in fields.done {
                let found = if pattern::is_pattern(&field) && !self.noglob { pattern::files(&field) } else { Vec::new() };
                if found.is_empty() {
                    out.push(field.iter().map(|(c, _)| *c).collect());
                } else {
                    out.extend(found);
                }
            }
        }
        Ok(out)
    }

    /// One string, without splitting and patterns: assignments, redirections, `case`.
    pub(crate) fn expand_one(&mut self, parts: &[Part], io: &Streams) -> Result<String> {
        Ok(self.expand_pattern(parts, io)?.iter().map(|(c, _)| *c).collect())
    }

    /// As [`Self::expand_one`], knowing what was quoted.
    pub(crate) fn expand_pattern(&mut self, parts: &[Part], io: &Streams) -> Result<Vec<Char>> {
        let mut fields = Fields::default();
        self.expand_parts(parts, false, false, &mut fields, io)?;
        fields.cut();
        Ok(fields.done.join(&(' ', true)))
    }

    fn expand_parts(&mut self, parts: &[Part], quoted: bool, split: bool, out: &mut Fields, io: &Streams) -> Result<()> {
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) if i == 0 && !quoted && (text == "~" || text.starts_with("~/")) => {
                    let home = self.get("HOME").unwrap_or_default();
                    out.push(&home, true);
                    out.push(&text[1..], false);
                }
                Part::Text(text) => out.push(text, quoted),
                Part::Literal(text) => out.push(text, true),
                Part::Quoted(parts) => {
                    if !matches!(parts.as_slice(), [Part::Variable(name)] if name == "@") {
                        out.current.get_or_insert_default();
                    }
                    self.expand_parts(parts, true, split, out, io)?;
                }
                Part::Variable(name) if name == "@" && quoted => {
                    for (i, parameter) in self.parameters.clone().iter().enumerate() {
                        if i > 0 {
                            if split { out.cut() } else { out.push(" ", true) }
                        }
                        out.push(parameter, true);
                    }
                }
                other => {
                    let value = self.value(other, io)?;
                    if quoted || !split {
                        out.push(&value, quoted);
                    } else {
                        let ifs = self.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
                        out.push_split(&value, &ifs);
                    }
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, part: &Part, io: &Streams) -> Result<String> {
        match part {
            Part::Variable(name) => self.variable(name, io),
            Part::Length(name) => {
                let length = match name.as_str() {
                    "@" | "*" => self.parameters.len(),
                    name => self.variable(name, io)?.chars().count(),
                };
                Ok(length.to_string())
            }
            Part::Command(text) => self.substitute(text, io),
            Part::Arithmetic(parts) => {
                let text = self.expand_one(parts, io)?;
                let result = arith::evaluate(&text, &|name| self.get(name).unwrap_or_default());
                result.map(|n| n.to_string()).map_err(|error| self.fail(io, &error))
            }
            Part::Parameter { name, op, word } => self.parameter(name, op, word, io),
            Part::Text(_) | Part::Literal(_) | Part::Quoted(_) => Ok(String::new()),
        }
    }

    fn variable(&mut self, name: &str, io: &Streams) -> Result<String> {
        match self.get(name) {
            Some(value) => Ok(value),
            None if self.nounset && !"@*".contains(name) => {
                Err(self.fail(io, &format!("{name}: parameter not set")))
            }
            None => Ok(String::new()),
        }
    }

    fn parameter(&mut self, name: &str, op: &str, word: &[Part], io: &Streams) -> Result<String> {
        let value = self.get(name);
        let unset = value.as_ref().is_none_or(|value| op.starts_with(':') && value.is_empty());
        let value = value.unwrap_or_default();
        match op.trim_start_matches(':') {
            "-" if unset => self.expand_one(word, io),
            "=" if unset => {
                let value = self.expand_one(word, io)?;
                self.set(name, &value);
                Ok(value)
            }
            "?" if unset => {
                let text = self.expand_one(word, io)?;
                let text = if text.is_empty() { "parameter not set".to_owned() } else { text };
                Err(self.fail(io, &format!("{name}: {text}")))
            }
            "+" => if unset { Ok(String::new()) } else { self.expand_one(word, io) },
            "%" | "%%" | "#" | "##" => {
                let pattern = self.expand_pattern(word, io)?;
                Ok(cut(&value, op, &pattern))
            }
            _ => Ok(value),
        }
    }
}

/// Removes what matches from the beginning (`#`) or the end (`%`), as little as possible or (doubled) as much.
fn cut(value: &str, op: &str, pattern: &[Char]) -> String {
    let text: Vec<char> = value.chars().collect();
    let n = text.len();
    let greedy = op.len() == 2;
    let mut lengths: Vec<usize> = (0..=n).collect();
    if greedy {
        lengths.reverse();
    }
    for length in lengths {
        let (piece, rest) = if op.starts_with('#') {
            (&text[..length], &text[length..])
        } else {
            (&text[n - length..], &text[..n - length])
        };
        if pattern::matches(pattern, piece) {
            return rest.iter().collect();
        }
    }
    value.to_owned()
}
