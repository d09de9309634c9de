//! Tree to value, within a budget of steps.

use std::cell::Cell;
use std::cmp::Ordering;

use serde_json::Value;

use super::MAX_STEPS;
use super::parse::{Macro, Node, Op};
use super::value::Val;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A name that stands for nothing.
    #[error("there is no variable {0}")]
    NoVariable(String),
    /// A field that the object lacks.
    #[error("no such field: {0}")]
    NoField(String),
    /// An index outside the list.
    #[error("the list has no item {0}")]
    NoItem(i64),
    /// An operation that these types do not have.
    #[error("{operation} does not work on {on}")]
    Types {
        /// Operator or function.
        operation: String,
        /// The types.
        on: String,
    },
    /// A number that does not fit.
    #[error("the number is too large, or divided by zero")]
    Overflow,
    /// Too much work.
    #[error("the expression takes more than {MAX_STEPS} steps")]
    Budget,
}

type Result<'a> = std::result::Result<Val<'a>, EvalError>;

/// Evaluates a tree.
pub(super) fn evaluate<'a>(
    root: &'a Node,
    variable: &dyn Fn(&str) -> Option<Val<'a>>,
) -> Result<'a> {
    let machine = Machine {
        variable,
        left: Cell::new(MAX_STEPS),
    };
    machine.eval(root, &mut Vec::new())
}

struct Machine<'m, 'a> {
    variable: &'m dyn Fn(&str) -> Option<Val<'a>>,
    left: Cell<u32>,
}

/// Names that macros have bound, innermost last.
type Bound<'a> = Vec<(&'a str, Val<'a>)>;

fn types(operation: &str, on: &[&Val<'_>]) -> EvalError {
    let on: Vec<&str> = on.iter().map(|v| v.type_name()).collect();
    EvalError::Types {
        operation: operation.into(),
        on: on.join(" and "),
    }
}

impl<'a> Machine<'_, 'a> {
    fn spend(&self, steps: usize) -> std::result::Result<(), EvalError> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        let left = self.left.get().checked_sub(steps);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(EvalError::Budget)
    }

    fn eval(&self, node: &'a Node, bound: &mut Bound<'a>) -> Result<'a> {
        self.spend(1)?;
        match node {
            Node::Null => Ok(Val::Null),
            Node::Bool(b) => Ok(Val::Bool(*b)),
            Node::Int(n) => Ok(Val::Int(*n)),
            Node::Float(n) => Ok(Val::Float(*n)),
            Node::Text(s) => Ok(Val::Text(s.as_str().into())),
            Node::Name(name) => self.name(name, bound),
            Node::List(items) => {
                let items: std::result::Result<_, _> =
                    items.iter().map(|i| self.eval(i, bound)).collect();
                Ok(Val::List(items?))
            }
            Node::Field(of, name) => {
                let of = self.eval(of, bound)?;
                field(&of, name)?.ok_or_else(|| EvalError::NoField(name.clone()))
            }
            Node::Has(of, name) => {
                let of = self.eval(of, bound)?;
                Ok(Val::Bool(field(&of, name)?.is_some()))
            }
            Node::Index(of, at) => {
                let (of, at) = (self.eval(of, bound)?, self.eval(at, bound)?);
                index(&of, &at)
            }
            Node::Call(name, arguments) => {
                let values: std::result::Result<Vec<_>, _> =
                    arguments.iter().map(|a| self.eval(a, bound)).collect();
                call(name, &values?)
            }
            Node::Each(each, list, name, body) => self.each(*each, list, name, body, bound),
            Node::Not(of) => match self.eval(of, bound)? {
                Val::Bool(b) => Ok(Val::Bool(!b)),
                other => Err(types("!", &[&other])),
            },
            Node::Minus(of) => match self.eval(of, bound)? {
                Val::Int(n) => n.checked_neg().map(Val::Int).ok_or(EvalError::Overflow),
                Val::Float(n) => Ok(Val::Float(-n)),
                other => Err(types("-", &[&other])),
            },
            Node::Two(op @ (Op::And | Op::Or), a, b) => self.logic(*op == Op::Or, a, b, bound),
            Node::Two(op, a, b) => {
                let (a, b) = (self.eval(a, bound)?, self.eval(b, bound)?);
                if *op == Op::In {
                    self.spend(b.items().map_or(0, |i| i.len()))?;
                }
                two(*op, &a, &b)
            }
            Node::If(condition, yes, no) => match self.eval(condition, bound)? {
                Val::Bool(true) => self.eval(yes, bound),
                Val::Bool(false) => self.eval(no, bound),
                other => Err(types("?:", &[&other])),
            },
        }
    }

    fn name(&self, name: &str, bound: &Bound<'a>) -> Result<'a> {
        if let Some((_, value)) = bound.iter().rev().find(|(n, _)| *n == name) {
            return Ok(value.clone());
        }
        let value = (self.variable)(name).ok_or_else(|| EvalError::NoVariable(name.into()))?;
        if let Val::List(items) = &value {
            self.spend(items.len())?;
        }
        Ok(value)
    }

    /// `||` with `decides` true, `&&` with false: whichever side equals it decides, whatever the other says.
    fn logic(&self, decides: bool, a: &'a Node, b: &'a Node, bound: &mut Bound<'a>) -> Result<'a> {
        let left = self.eval(a, bound);
        if left == Ok(Val::Bool(decides)) || left == Err(EvalError::Budget) {
            return left;
        }
        let right = self.eval(b, bound)?;
        match (left, right) {
            (_, Val::Bool(r)) if r == decides => Ok(Val::Bool(r)),
            (Ok(Val::Bool(_)), Val::Bool(r)) => Ok(Val::Bool(r)),
            (Ok(l), r) => Err(types(if decides { "||" } else { "&&" }, &[&l, &r])),
            (Err(error), _) => Err(error),
        }
    }

    fn each(
        &self,
        each: Macro,
        list: &'a Node,
        name: &'a str,
        body: &'a Node,
        bound: &mut Bound<'a>,
    ) -> Result<'a> {
        let list = self.eval(list, bound)?;
        let items = list.items().ok_or_else(|| types("a macro", &[&list]))?;
        self.spend(items.len())?;
        let (mut kept, mut yes, mut failed) = (Vec::new(), 0, None);
        for item in items {
            bound.push((name, item.clone()));
            let value = self.eval(body, bound);
            bound.pop();
            match (each, value) {
                (_, Err(EvalError::Budget)) => return Err(EvalError::Budget),
                (Macro::Map, Ok(value)) => kept.push(value),
                (Macro::All, Ok(Val::Bool(false))) => return Ok(Val::Bool(false)),
                (Macro::Exists, Ok(Val::Bool(true))) => return Ok(Val::Bool(true)),
                (_, Ok(Val::Bool(true))) => {
                    yes += 1;
                    kept.push(item);
                }
                (_, Ok(Val::Bool(false))) => {}
                (_, Ok(other)) => failed = Some(types("a macro's condition", &[&other])),
                (_, Err(error)) => failed = Some(error),
            }
        }
        match (failed, each) {
            (Some(error), _) => Err(error),
            (None, Macro::All) => Ok(Val::Bool(true)),
            (None, Macro::Exists) => Ok(Val::Bool(false)),
            (None, Macro::ExistsOne) => Ok(Val::Bool(yes == 1)),
            (None, Macro::Filter | Macro::Map) => Ok(Val::List(kept)),
        }
    }
}

fn field<'a>(of: &Val<'a>, name: &str) -> std::result::Result<Option<Val<'a>>, EvalError> {
    match of {
        Val::Json(Value::Object(map)) => Ok(map.get(name).map(Val::of)),
        other => Err(types("a field", &[other])),
    }
}

fn index<'a>(of: &Val<'a>, at: &Val<'a>) -> Result<'a> {
    match (of, at) {
        (Val::Json(Value::Object(_)), Val::Text(key)) => {
            field(of, key)?.ok_or_else(|| EvalError::NoField(key.to_string()))
        }
        (Val::Json(Value::Array(_)) | Val::List(_), Val::Int(n)) => {
            let items = of.items().unwrap_or_default();
            let place = usize::try_from(*n).ok();
            let item = place.and_then(|p| items.into_iter().nth(p));
            item.ok_or(EvalError::NoItem(*n))
        }
        _ => Err(types("[]", &[of, at])),
    }
}

fn call<'a>(name: &str, values: &[Val<'a>]) -> Result<'a> {
    match (name, values) {
        ("size", [Val::Text(s)]) => whole(s.chars().count()),
        ("size", [list]) => match list.items() {
            Some(items) => whole(items.len()),
            None => Err(types("size", &[list])),
        },
        ("startsWith", [Val::Text(s), Val::Text(t)]) => Ok(Val::Bool(s.starts_with(t.as_ref()))),
        ("endsWith", [Val::Text(s), Val::Text(t)]) => Ok(Val::Bool(s.ends_with(t.as_ref()))),
        ("contains", [Val::Text(s), Val::Text(t)]) => Ok(Val::Bool(s.contains(t.as_ref()))),
        ("int", [Val::Int(n)]) => Ok(Val::Int(*n)),
        ("int", [Val::Text(s)]) => s.parse().map(Val::Int).map_err(|_| EvalError::Overflow),
        ("string", [Val::Text(s)]) => Ok(Val::Text(s.clone())),
        ("string", [Val::Int(n)]) => Ok(Val::Text(n.to_string().into())),
        ("string", [Val::Bool(b)]) => Ok(Val::Text(b.to_string().into())),
        _ => Err(types(name, &values.iter().collect::<Vec<_>>())),
    }
}

fn whole<'a>(n: usize) -> Result<'a> {
    i64::try_from(n)
        .map(Val::Int)
        .map_err(|_| EvalError::Overflow)
}

fn two<'a>(op: Op, a: &Val<'a>, b: &Val<'a>) -> Result<'a> {
    let wrong = || types(&format!("{op:?}").to_lowercase(), &[a, b]);
    match op {
        Op::Eq => Ok(Val::Bool(a.same(b))),
        Op::Ne => Ok(Val::Bool(!a.same(b))),
        Op::In => {
            let items = b.items().ok_or_else(wrong)?;
            Ok(Val::Bool(items.iter().any(|i| i.same(a))))
        }
        Op::Lt | Op::Le | Op::Gt | Op::Ge => {
            let order = compare(a, b).ok_or_else(wrong)?;
            Ok(Val::Bool(match op {
                Op::Lt => order == Ordering::Less,
                Op::Le => order != Ordering::Greater,
                Op::Gt => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        _ => match (a, b) {
            (Val::Int(x), Val::Int(y)) => {
                integer(op, *x, *y).map(Val::Int).ok_or(EvalError::Overflow)
            }
            (Val::Float(x), Val::Float(y)) => float(op, *x, *y).map(Val::Float).ok_or_else(wrong),
            (Val::Text(x), Val::Text(y)) if op == Op::Add => {
                Ok(Val::Text(format!("{x}{y}").into()))
            }
            _ => Err(wrong()),
        },
    }
}

fn compare(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    match (a, b) {
        (Val::Int(x), Val::Int(y)) => Some(x.cmp(y)),
        (Val::Float(x), Val::Float(y)) => x.partial_cmp(y),
        (Val::Int(x), Val::Float(y)) => (*x as f64).partial_cmp(y),
        (Val::Float(x), Val::Int(y)) => x.partial_cmp(&(*y as f64)),
        (Val::Text(x), Val::Text(y)) => Some(x.cmp(y)),
        _ => None,
    }
}

fn integer(op: Op, x: i64, y: i64) -> Option<i64> {
    match op {
        Op::Add => x.checked_add(y),
        Op::Sub => x.checked_sub(y),
        Op::Mul => x.checked_mul(y),
        Op::Div => x.checked_div(y),
        _ => x.checked_rem(y),
    }
}

fn float(op: Op, x: f64, y: f64) -> Option<f64> {
    match op {
        Op::Add => Some(x + y),
        Op::Sub => Some(x - y),
        Op::Mul => Some(x * y),
        Op::Div => Some(x / y),
        _ => None,
    }
}
