//! Builds the tree of a shell program (POSIX.1-2024, Shell Command Language, 2.10).

use std::rc::Rc;

use super::ast::{Command, Redirect, Redirected, Word};
use super::lexer::{Lexer, SyntaxError, Token};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Parses a whole text.
pub(crate) fn parse(text: &str) -> Result<Command> {
    let mut parser = Parser { lexer: Lexer::new(text), token: Token::Newline };
    parser.advance()?;
    let command = parser.list(&[])?;
    if parser.token != Token::End {
        return parser.unexpected();
    }
    Ok(command)
}

struct Parser {
    lexer: Lexer,
    token: Token,
}

impl Parser {
    fn advance(&mut self) -> Result<Token> {
        let next = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn unexpected<T>(&self) -> Result<T> {
        match &self.token {
            Token::End => Err(SyntaxError::Incomplete("syntax error: unexpected end of file".to_owned())),
            Token::Word(word) => {
                Err(SyntaxError::Wrong(format!("syntax error: unexpected word \"{}\"", word.plain())))
            }
            Token::Op(op) => Err(SyntaxError::Wrong(format!("syntax error: unexpected \"{op}\""))),
            Token::Io(_) => Err(SyntaxError::Wrong("syntax error: unexpected redirection".to_owned())),
            Token::Newline => Err(SyntaxError::Wrong("syntax error: unexpected newline".to_owned())),
        }
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Word(w) if w.bare() == Some(word))
    }

    fn at_op(&self, op: &str) -> bool {
        matches!(self.token, Token::Op(o) if o == op)
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if !self.at_word(word) {
            return self.unexpected();
        }
        self.advance().map(drop)
    }

    fn expect_op(&mut self, op: &str) -> Result<()> {
        if !self.at_op(op) {
            return self.unexpected();
        }
        self.advance().map(drop)
    }

    fn newlines(&mut self) -> Result<()> {
        while self.token == Token::Newline {
            self.advance()?;
        }
        Ok(())
    }

    /// Commands up to one of the reserved words in `ends` (not taken), `)`, `;;` or the end.
    fn list(&mut self, ends: &[&str]) -> Result<Command> {
        let mut commands = Vec::new();
        loop {
            while self.token == Token::Newline || self.at_op(";") {
                self.advance()?;
            }
            let done = self.token == Token::End
                || self.at_op(")")
                || self.at_op(";;")
                || ends.iter().any(|end| self.at_word(end));
            if done {
                break;
            }
            let command = self.and_or()?;
            if self.at_op("&") {
                self.advance()?;
                commands.push(Command::Background(Rc::new(command)));
                continue;
            }
            commands.push(command);
            let goes_on = self.token == Token::Newline || self.at_op(";");
            if !goes_on {
                break;
            }
        }
        Ok(match commands.len() {
            1 => commands.swap_remove(0),
            _ => Command::Sequence(commands),
        })
    }

    /// A list with at least one command.
    fn body(&mut self, ends: &[&str]) -> Result<Command> {
        let list = self.list(ends)?;
        if matches!(&list, Command::Sequence(commands) if commands.is_empty()) {
            return self.unexpected();
        }
        Ok(list)
    }

    fn and_or(&mut self) -> Result<Command> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let wants_success = match self.token {
                Token::Op("&&") => true,
                Token::Op("||") => false,
                _ => break,
            };
            self.advance()?;
            self.newlines()?;
            rest.push((wants_success, self.pipeline()?));
        }
        Ok(if rest.is_empty() { first } else { Command::AndOr { first: Box::new(first), rest } })
    }

    fn pipeline(&mut self) -> Result<Command> {
        let negated = self.at_word("!");
        if negated {
            self.advance()?;
        }
        let mut stages = vec![self.redirected()?];
        while self.at_op("|") {
            self.advance()?;
            self.newlines()?;
            stages.push(self.redirected()?);
        }
        Ok(Command::Pipeline { negated, stages })
    }

    fn redirected(&mut self) -> Result<Redirected> {
        let Token::Word(word) = &self.token else {
            if self.at_op("(") {
                self.advance()?;
                let inner = self.body(&[])?;
                self.expect_op(")")?;
                return self.with_redirects(Command::Subshell(Box::new(inner)));
            }
            return self.simple();
        };
        let compound = match word.bare() {
            Some("if") => self.if_command()?,
            Some("while" | "until") => self.loop_command()?,
            Some("for") => self.for_command()?,
            Some("case") => self.case_command()?,
            Some("{") => {
                self.advance()?;
                let inner = self.body(&["}"])?;
                self.expect_word("}")?;
                inner
            }
            Some("then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "}") => return self.unexpected(),
            _ => return self.simple(),
        };
        self.with_redirects(compound)
    }

    fn with_redirects(&mut self, command: Command) -> Result<Redirected> {
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        Ok(Redirected { command, redirects })
    }

    fn redirect(&mut self) -> Result<Option<Redirect>> {
        let fd = match self.token {
            Token::Io(fd) => {
                self.advance()?;
                Some(fd)
            }
            _ => None,
        };
        let op = match self.token {
            Token::Op(op @ ("<" | ">" | ">>" | "<<" | "<<-" | "<&" | ">&" | ">|" | "<>")) => op,
            _ if fd.is_some() => return self.unexpected(),
            _ => return Ok(None),
        };
        let fd = fd.unwrap_or(if op.starts_with('<') { 0 } else { 1 });
        // A here-document must be asked for before its line ends, so the word is read by hand.
        let Token::Word(target) = self.lexer.token()? else {
            return Err(SyntaxError::Wrong(format!("syntax error: \"{op}\" needs a word")));
        };
        let mut body = None;
        if op.starts_with("<<") {
            body = Some(self.lexer.here(&target, op == "<<-"));
        }
        self.token = self.lexer.token()?;
        Ok(Some(Redirect { fd, op, target, body }))
    }

    fn simple(&mut self) -> Result<Redirected> {
        let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            let Token::Word(word) = &self.token else { break };
            match assignment(word).filter(|_| words.is_empty()) {
                Some(assignment) => assignments.push(assignment),
                None => words.push(word.clone()),
            }
            self.advance()?;
            if words.len() == 1 && assignments.is_empty() && redirects.is_empty() && self.at_op("(") {
                return self.function(&words[0].plain());
            }
        }
        if assignments.is_empty() && words.is_empty() && redirects.is_empty() {
            return self.unexpected();
        }
        Ok(Redirected { command: Command::Simple { assignments, words }, redirects })
    }

    fn function(&mut self, name: &str) -> Result<Redirected> {
        self.expect_op("(")?;
        self.expect_op(")")?;
        self.newlines()?;
        let body = self.redirected()?;
        let command = Command::Function { name: name.to_owned(), body: Rc::new(body) };
        Ok(Redirected { command, redirects: Vec::new() })
    }

    fn if_command(&mut self) -> Result<Command> {
        let mut branches = Vec::new();
        loop {
            self.advance()?; // `if` or `elif`
            let condition = self.body(&["then"])?;
            self.expect_word("then")?;
            let body = self.body(&["elif", "else", "fi"])?;
            branches.push((condition, body));
            if !self.at_word("elif") {
                break;
            }
        }
        let mut otherwise = None;
        if self.at_word("else") {
            self.advance()?;
            otherwise = Some(Box::new(self.body(&["fi"])?));
        }
        self.expect_word("fi")?;
        Ok(Command::If { branches, otherwise })
    }

    fn loop_command(&mut self) -> Result<Command> {
        let until = self.at_word("until");
        self.advance()?;
        let condition = Box::new(self.body(&["do"])?);
        let body = Box::new(self.do_group()?);
        Ok(Command::Loop { until, condition, body })
    }

    fn do_group(&mut self) -> Result<Command> {
        self.expect_word("do")?;
        let body = self.body(&["done"])?;
        self.expect_word("done")?;
        Ok(body)
    }

    fn for_command(&mut self) -> Result<Command> {
        self.advance()?;
        let Token::Word(name) = &self.token else { return self.unexpected() };
        let name = name.plain();
        self.advance()?;
        self.newlines()?;
        let mut words = None;
        if self.at_word("in") {
            self.advance()?;
            let mut list = Vec::new();
            while let Token::Word(word) = &self.token {
                list.push(word.clone());
                self.advance()?;
            }
            words = Some(list);
        }
        while self.token == Token::Newline || self.at_op(";") {
            self.advance()?;
        }
        let body = Box::new(self.do_group()?);
        Ok(Command::For { name, words, body })
    }

    fn case_command(&mut self) -> Result<Command> {
        self.advance()?;
        let Token::Word(word) = self.advance()? else { return self.unexpected() };
        self.newlines()?;
        self.expect_word("in")?;
        self.newlines()?;
        let mut arms = Vec::new();
        while !self.at_word("esac") {
            if self.at_op("(") {
                self.advance()?;
            }
            let mut patterns = Vec::new();
            loop {
                let Token::Word(pattern) = &self.token else { return self.unexpected() };
                patterns.push(pattern.clone());
                self.advance()?;
                if !self.at_op("|") {
                    break;
                }
                self.advance()?;
            }
            self.expect_op(")")?;
            let body = self.list(&["esac"])?;
            arms.push((patterns, body));
            if self.at_op(";;") {
                self.advance()?;
            }
            self.newlines()?;
        }
        self.advance()?;
        Ok(Command::Case { word, arms })
    }
}

/// `NAME=value`.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let super::ast::Part::Text(text) = word.0.first()? else { return None };
    let (name, value) = text.split_once('=')?;
    let mut chars = name.chars();
    let valid = chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric());
    if !valid {
        return None;
    }
    let mut parts = word.0.clone();
    parts[0] = super::ast::Part::Text(value.to_owned());
    Some((name.to_owned(), Word(parts)))
}
