//! Source to tree: a lexer over bytes and a parser by precedence, bounded in depth.

use std::collections::BTreeSet;

use super::{MAX_DEPTH, MAX_SOURCE};

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Longer than any check needs to be.
    #[error("the expression is longer than {MAX_SOURCE} bytes")]
    TooLong,
    /// Nested deeper than any check needs to be.
    #[error("the expression nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Something unexpected.
    #[error("expected {wanted} at byte {at} of the expression")]
    Unexpected {
        /// What would have been right.
        wanted: &'static str,
        /// Where.
        at: usize,
    },
}

/// A macro over a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

/// A piece of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    List(Vec<Node>),
    Field(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    Has(Box<Node>, String),
    Call(String, Vec<Node>),
    Each(Macro, Box<Node>, String, Box<Node>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Two(Op, Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
}

impl Node {
    /// Names that no macro binds.
    pub(super) fn variables<'n>(&'n self, bound: &mut Vec<&'n str>, found: &mut BTreeSet<&'n str>) {
        match self {
            Self::Name(name) => {
                if !bound.contains(&name.as_str()) {
                    found.insert(name);
                }
            }
            Self::List(items) | Self::Call(_, items) => {
                for item in items {
                    item.variables(bound, found);
                }
            }
            Self::Field(of, _) | Self::Has(of, _) | Self::Not(of) | Self::Minus(of) => {
                of.variables(bound, found);
            }
            Self::Index(a, b) | Self::Two(_, a, b) => {
                a.variables(bound, found);
                b.variables(bound, found);
            }
            Self::If(a, b, c) => {
                for part in [a, b, c] {
                    part.variables(bound, found);
                }
            }
            Self::Each(_, list, name, body) => {
                list.variables(bound, found);
                bound.push(name);
                body.variables(bound, found);
                bound.pop();
            }
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_) => {}
        }
    }
}

/// Reads a whole expression.
pub(super) fn parse(source: &str) -> Result<Node, ParseError> {
    if source.len() > MAX_SOURCE {
        return Err(ParseError::TooLong);
    }
    let mut parser = Parser {
        text: source,
        at: 0,
        depth: 0,
    };
    let root = parser.ternary()?;
    parser.blank();
    if parser.at < source.len() {
        return Err(parser.wanted("an operator or the end"));
    }
    Ok(root)
}

struct Parser<'s> {
    text: &'s str,
    at: usize,
    depth: usize,
}

/// Operators from loosest to tightest; a longer sign comes before its prefix.
const LEVELS: [&[(&str, Op)]; 5] = [
    &[("||", Op::Or)],
    &[("&&", Op::And)],
    &[
        ("==", Op::Eq),
        ("!=", Op::Ne),
        ("<=", Op::Le),
        (">=", Op::Ge),
        ("<", Op::Lt),
        (">", Op::Gt),
        ("in", Op::In),
    ],
    &[("+", Op::Add), ("-", Op::Sub)],
    &[("*", Op::Mul), ("/", Op::Div), ("%", Op::Rem)],
];

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn wanted(&self, wanted: &'static str) -> ParseError {
        ParseError::Unexpected {
            wanted,
            at: self.at,
        }
    }

    /// Takes a sign; `in` must end there.
    fn takes(&mut self, sign: &str) -> bool {
        self.blank();
        let Some(after) = self.rest().strip_prefix(sign) else {
            return false;
        };
        if sign == "in" && after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return false;
        }
        self.at += sign.len();
        true
    }

    fn must(&mut self, sign: &str, wanted: &'static str) -> Result<(), ParseError> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(self.wanted(wanted))
        }
    }

    fn ternary(&mut self) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        let condition = self.level(0)?;
        let whole = if self.takes("?") {
            let yes = self.ternary()?;
            self.must(":", "`:`")?;
            let no = self.ternary()?;
            Node::If(Box::new(condition), Box::new(yes), Box::new(no))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn level(&mut self, level: usize) -> Result<Node, ParseError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        let mut count = 0;
        while let Some((_, op)) = operators.iter().find(|(sign, _)| self.takes(sign)) {
            count += 1;
            if count > MAX_DEPTH {
                return Err(ParseError::TooDeep);
            }
            let right = self.level(level + 1)?;
            left = Node::Two(*op, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, ParseError> {
        self.blank();
        let (not, minus) = (
            self.rest().starts_with('!') && !self.rest().starts_with("!="),
            self.rest().starts_with('-'),
        );
        if !not && !minus {
            return self.member();
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        let of = Box::new(self.unary()?);
        self.depth -= 1;
        Ok(if not { Node::Not(of) } else { Node::Minus(of) })
    }

    fn member(&mut self) -> Result<Node, ParseError> {
        let mut whole = self.primary()?;
        let mut count = 0;
        loop {
            count += 1;
            if count > MAX_DEPTH {
                return Err(ParseError::TooDeep);
            }
            if self.takes(".") {
                let name = self.name()?;
                whole = if self.takes("(") {
                    self.method(whole, name)?
                } else {
                    Node::Field(Box::new(whole), name)
                };
            } else if self.takes("[") {
                let index = self.ternary()?;
                self.must("]", "`]`")?;
                whole = Node::Index(Box::new(whole), Box::new(index));
            } else {
                return Ok(whole);
            }
        }
    }

    /// After `of.name(`: a macro binds a name, everything else is a function with `of` in front.
    fn method(&mut self, of: Node, name: String) -> Result<Node, ParseError> {
        let each = match name.as_str() {
            "all" => Macro::All,
            "exists" => Macro::Exists,
            "exists_one" => Macro::ExistsOne,
            "filter" => Macro::Filter,
            "map" => Macro::Map,
            _ => {
                let mut arguments = vec![of];
                arguments.extend(self.list(")")?);
                return Ok(Node::Call(name, arguments));
            }
        };
        let bound = self.name()?;
        self.must(",", "`,` and the macro's condition")?;
        let body = self.ternary()?;
        self.must(")", "`)`")?;
        Ok(Node::Each(each, Box::new(of), bound, Box::new(body)))
    }

    /// Expressions up to a closing sign.
    fn list(&mut self, close: &'static str) -> Result<Vec<Node>, ParseError> {
        let mut items = Vec::new();
        while !self.takes(close) {
            if !items.is_empty() {
                self.must(",", "`,` or the closing bracket")?;
            }
            items.push(self.ternary()?);
        }
        Ok(items)
    }

    fn name(&mut self) -> Result<String, ParseError> {
        self.blank();
        let rest = self.rest();
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default().to_owned();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.wanted("a name"));
        }
        self.at += length;
        Ok(name)
    }

    fn primary(&mut self) -> Result<Node, ParseError> {
        self.blank();
        match self.rest().chars().next() {
            Some('(') => {
                self.at += 1;
                let inner = self.ternary()?;
                self.must(")", "`)`")?;
                Ok(inner)
            }
            Some('[') => {
                self.at += 1;
                Ok(Node::List(self.list("]")?))
            }
            Some(quote @ ('"' | '\'')) => self.text(quote),
            Some('0'..='9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Node, ParseError> {
        let name = self.name()?;
        if !self.takes("(") {
            return Ok(match name.as_str() {
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "null" => Node::Null,
                _ => Node::Name(name),
            });
        }
        let arguments = self.list(")")?;
        if name != "has" {
            return Ok(Node::Call(name, arguments));
        }
        match <[Node; 1]>::try_from(arguments) {
            Ok([Node::Field(of, field)]) => Ok(Node::Has(of, field)),
            _ => Err(self.wanted("`has(object.field)`")),
        }
    }

    fn number(&mut self) -> Result<Node, ParseError> {
        let rest = self.rest();
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let fraction = rest.get(digits..).and_then(|r| r.strip_prefix('.'));
        let fraction = fraction.map_or(0, |r| {
            r.find(|c: char| !c.is_ascii_digit()).unwrap_or(r.len())
        });
        let length = if fraction > 0 {
            digits + 1 + fraction
        } else {
            digits
        };
        let text = rest.get(..length).unwrap_or_default();
        let node = if fraction > 0 {
            text.parse().map(Node::Float).ok()
        } else {
            text.parse().map(Node::Int).ok()
        };
        let node = node.ok_or_else(|| self.wanted("a number that fits"))?;
        self.at += length;
        Ok(node)
    }

    fn text(&mut self, quote: char) -> Result<Node, ParseError> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        let end = loop {
            match chars.next() {
                Some((at, c)) if c == quote => break at,
                Some((_, '\\')) => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, c @ ('\\' | '"' | '\''))) => out.push(c),
                    _ => return Err(self.wanted("one of the escapes \\n \\t \\\\ \\\" \\'")),
                },
                Some((_, c)) => out.push(c),
                None => return Err(self.wanted("the closing quote")),
            }
        };
        self.at += end + 1;
        Ok(Node::Text(out))
    }
}
