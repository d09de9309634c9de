//! Splits shell text into words and operators (POSIX.1-2024, Shell Command Language, 2.3).
//!
//! Quotes and `$` stay in the words as parts; they are worked out when a word is used.

use std::cell::RefCell;
use std::rc::Rc;

use super::ast::{Part, Word};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Word(Word),
    /// An operator, as written.
    Op(&'static str),
    /// The digit right before a redirection: `2>`.
    Io(u8),
    Newline,
    End,
}

/// Longest first.
const OPERATORS: [&str; 17] =
    ["<<-", "&&", "||", ";;", "<<", ">>", "<&", ">&", "<>", ">|", "&", "|", ";", "<", ">", "(", ")"];

/// Reads tokens from text.
pub(crate) struct Lexer {
    text: Vec<char>,
    at: usize,
    /// Here-documents whose body begins after the next line end.
    waiting: Vec<Here>,
}

/// A here-document that is still to be read.
struct Here {
    delimiter: String,
    strip: bool,
    expand: bool,
    body: Rc<RefCell<Word>>,
}

/// Why text is no shell program.
#[derive(Debug, PartialEq)]
pub(crate) enum SyntaxError {
    /// More text could complete it.
    Incomplete(String),
    /// It is wrong.
    Wrong(String),
}

type Result<T> = std::result::Result<T, SyntaxError>;

fn incomplete<T>(what: &str) -> Result<T> {
    Err(SyntaxError::Incomplete(format!("syntax error: unterminated {what}")))
}

impl Lexer {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.chars().collect(), at: 0, waiting: Vec::new() }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, n: usize) -> Option<char> {
        self.text.get(self.at + n).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.peek_at(i) == Some(c))
    }

    /// Asks for the body of a here-document after this line.
    pub(crate) fn here(&mut self, delimiter: &Word, strip: bool) -> Rc<RefCell<Word>> {
        let expand = delimiter.0.iter().all(|part| matches!(part, Part::Text(_)));
        let body = Rc::default();
        self.waiting.push(Here { delimiter: delimiter.plain(), strip, expand, body: Rc::clone(&body) });
        body
    }

    pub(crate) fn token(&mut self) -> Result<Token> {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.peek_at(1) == Some('\n') => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        match self.peek() {
            None => return if self.waiting.is_empty() { Ok(Token::End) } else { incomplete("here-document") },
            Some('\n') => {
                self.at += 1;
                for here in std::mem::take(&mut self.waiting) {
                    let body = self.here_body(&here)?;
                    *here.body.borrow_mut() = body;
                }
                return Ok(Token::Newline);
            }
            _ => {}
        }
        if let (Some(digit), Some('<' | '>')) = (self.peek().and_then(|c| c.to_digit(10)), self.peek_at(1)) {
            self.at += 1;
            return Ok(Token::Io(digit as u8));
        }
        for op in OPERATORS {
            if self.starts_with(op) {
                self.at += op.len();
                return Ok(Token::Op(op));
            }
        }
        Ok(Token::Word(self.word()?))
    }

    fn here_body(&mut self, here: &Here) -> Result<Word> {
        let mut body = String::new();
        loop {
            if self.peek().is_none() {
                return incomplete("here-document");
            }
            let mut line = String::new();
            while let Some(c) = self.next() {
                if c == '\n' {
                    break;
                }
                line.push(c);
            }
            let line = if here.strip { line.trim_start_matches('\t') } else { &line };
            if line == here.delimiter {
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        if here.expand {
            let mut lexer = Self::new(&body);
            Ok(Word(vec![Part::Quoted(lexer.parts_until(None)?)]))
        } else {
            Ok(Word(vec![Part::Literal(body)]))
        }
    }

    fn word(&mut self) -> Result<Word> {
        let mut parts = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | '&' | '|' | ';' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    self.at += 1;
                    flush(&mut parts, &mut text);
                    let mut quoted = String::new();
                    loop {
                        match self.next() {
                            None => return incomplete("quoted string"),
                            Some('\'') => break,
                            Some(c) => quoted.push(c),
                        }
                    }
                    parts.push(Part::Literal(quoted));
                }
                '"' => {
                    self.at += 1;
                    flush(&mut parts, &mut text);
                    parts.push(Part::Quoted(self.parts_until(Some('"'))?));
                }
                '\\' => {
                    self.at += 1;
                    match self.next() {
                        None => return incomplete("escape"),
                        Some('\n') => {}
                        Some(c) => {
                            flush(&mut parts, &mut text);
                            parts.push(Part::Literal(c.to_string()));
                        }
                    }
                }
                '$' | '`' => match self.dollar()? {
                    Some(part) => {
                        flush(&mut parts, &mut text);
                        parts.push(part);
                    }
                    None => text.push('$'),
                },
                c => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
        flush(&mut parts, &mut text);
        Ok(Word(parts))
    }

    /// The inside of double quotes, up to `end`; or all of a here-document.
    fn parts_until(&mut self, end: Option<char>) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut text = String::new();
        loop {
            match self.peek() {
                None if end.is_none() => break,
                None => return incomplete("quoted string"),
                Some(c) if Some(c) == end => {
                    self.at += 1;
                    break;
                }
                Some('\\') => {
                    self.at += 1;
                    match self.next() {
                        None => text.push('\\'),
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '\\')) => text.push(c),
                        Some('"') if end.is_some() => text.push('"'),
                        Some(c) => {
                            text.push('\\');
                            text.push(c);
                        }
                    }
                }
                Some('$' | '`') => match self.dollar()? {
                    Some(part) => {
                        flush(&mut parts, &mut text);
                        parts.push(part);
                    }
                    None => text.push('$'),
                },
                Some(c) => {
                    self.at += 1;
                    text.push(c);
                }
            }
        }
        flush(&mut parts, &mut text);
        Ok(parts)
    }

    /// What begins with `$` or a backquote; `None` for a lone `$`.
    fn dollar(&mut self) -> Result<Option<Part>> {
        if self.next() == Some('`') {
            return self.backquoted().map(Some);
        }
        let part = match self.peek() {
            Some('(') if self.peek_at(1) == Some('(') => {
                self.at += 2;
                let inner = self.balanced()?;
                if self.next() != Some(')') {
                    return incomplete("arithmetic");
                }
                Part::Arithmetic(Self::new(&inner).parts_until(None)?)
            }
            Some('(') => {
                self.at += 1;
                Part::Command(self.balanced()?)
            }
            Some('{') => {
                self.at += 1;
                self.parameter()?
            }
            Some(c) if c == '_' || c.is_ascii_alphabetic() => Part::Variable(self.name()),
            Some(c) if c.is_ascii_digit() || "?#@*$!-".contains(c) => {
                self.at += 1;
                Part::Variable(c.to_string())
            }
            _ => return Ok(None),
        };
        Ok(Some(part))
    }

    fn backquoted(&mut self) -> Result<Part> {
        let mut inner = String::new();
        loop {
            match self.next() {
                None => return incomplete("command substitution"),
                Some('`') => return Ok(Part::Command(inner)),
                Some('\\') => match self.next() {
                    Some(c @ ('`' | '\\' | '$')) => inner.push(c),
                    Some(c) => {
                        inner.push('\\');
                        inner.push(c);
                    }
                    None => return incomplete("command substitution"),
                },
                Some(c) => inner.push(c),
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| *c == '_' || c.is_ascii_alphanumeric()) {
            name.push(c);
            self.at += 1;
        }
        name
    }

    /// `${NAME}`, `${#NAME}`, `${NAME:-word}` and its relatives.
    fn parameter(&mut self) -> Result<Part> {
        let length = self.peek() == Some('#') && self.peek_at(1) != Some('}');
        if length {
            self.at += 1;
        }
        let mut name = self.name();
        if name.is_empty()
            && let Some(c) = self.next()
        {
            name.push(c);
        }
        let mut op = String::new();
        if !length {
            for candidate in [":-", ":=", ":?", ":+", "%%", "##", "-", "=", "?", "+", "%", "#"] {
                if self.starts_with(candidate) {
                    op = candidate.to_owned();
                    self.at += candidate.len();
                    break;
                }
            }
        }
        let word = self.parts_until(Some('}'))?;
        match (length, op.is_empty(), word.is_empty()) {
            (true, _, true) => Ok(Part::Length(name)),
            (false, true, true) => Ok(Part::Variable(name)),
            (false, false, _) => Ok(Part::Parameter { name, op, word }),
            _ => Err(SyntaxError::Wrong("syntax error: bad substitution".to_owned())),
        }
    }

    /// Text up to the parenthesis that closes the one before it, quotes respected.
    fn balanced(&mut self) -> Result<String> {
        let mut inner = String::new();
        let mut depth = 1;
        let mut quote = None;
        loop {
            let Some(c) = self.next() else {
                return incomplete("command substitution");
            };
            match (quote, c) {
                (None, '(') => depth += 1,
                (None, ')') => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(inner);
                    }
                }
                (None, '\'' | '"') => quote = Some(c),
                (Some(q), c) if q == c => quote = None,
                (None | Some('"'), '\\') => {
                    inner.push(c);
                    let Some(next) = self.next() else {
                        return incomplete("command substitution");
                    };
                    inner.push(next);
                    continue;
                }
                _ => {}
            }
            inner.push(c);
        }
    }
}

fn flush(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}
