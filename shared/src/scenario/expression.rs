//! The language of checks: the part of CEL (github.com/google/cel-spec) that conditions over objects need, with a
//! budget that a hostile link cannot exceed.
//!
//! Literals, lists, `.field`, `[index]`, `in`, arithmetic, comparison, `&&` `||` `!`, `c ? a : b`, `has()`, `size()`,
//! `int()`, `string()`, `startsWith`, `endsWith`, `contains`, and the macros `all`, `exists`, `exists_one`, `filter`,
//! `map`. As in CEL, `&&` and `||` outlive an error on the side that does not decide. Not here: maps, regular
//! expressions, times.

mod eval;
mod parse;
mod value;

use serde::{Deserialize, Serialize};

pub use eval::EvalError;
use parse::Node;
pub use parse::ParseError;
pub use value::Val;

/// The longest source, in bytes.
pub const MAX_SOURCE: usize = 1000;
/// How deep parentheses, operators and macros may nest.
pub const MAX_DEPTH: usize = 32;
/// Evaluation steps before an expression is given up: some ten milliseconds.
pub const MAX_STEPS: u32 = 300_000;

/// A checked expression. Reads and writes as its source text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
    root: Node,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is too long, nests too deep, or is not in the language.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        Ok(Self {
            root: parse::parse(source)?,
            source: source.into(),
        })
    }

    /// What the author wrote.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables that it reads, such as `pods`, in alphabetical order.
    #[must_use]
    pub fn variables(&self) -> std::collections::BTreeSet<&str> {
        let mut found = std::collections::BTreeSet::new();
        self.root.variables(&mut Vec::new(), &mut found);
        found
    }

    /// Evaluates it; `variable` gives the value of a name, or nothing when there is none.
    ///
    /// # Errors
    /// When a field is missing, types do not fit, or the budget is used up.
    pub fn evaluate<'a>(
        &'a self,
        variable: &dyn Fn(&str) -> Option<Val<'a>>,
    ) -> Result<Val<'a>, EvalError> {
        eval::evaluate(&self.root, variable)
    }

    /// Whether it holds: an error or anything but `true` is no.
    #[must_use]
    pub fn holds<'a>(&'a self, variable: &dyn Fn(&str) -> Option<Val<'a>>) -> bool {
        matches!(self.evaluate(variable), Ok(Val::Bool(true)))
    }
}

impl TryFrom<String> for Expression {
    type Error = ParseError;

    fn try_from(source: String) -> Result<Self, ParseError> {
        Self::parse(&source)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.source
    }
}

#[cfg(test)]
mod tests;
