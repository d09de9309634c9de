//! Values: what CEL computes with, borrowed from JSON where they come from there.

use serde_json::Value;

/// A value while an expression is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum Val<'a> {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(std::borrow::Cow<'a, str>),
    /// A list that was computed.
    List(Vec<Val<'a>>),
    /// A list or map as it stands in an object.
    Json(&'a Value),
}

impl<'a> Val<'a> {
    /// A JSON value; scalars become values of their own.
    #[must_use]
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => match n.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => Self::Text(s.as_str().into()),
            Value::Array(_) | Value::Object(_) => Self::Json(value),
        }
    }

    /// The name of its type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "double",
            Self::Text(_) => "string",
            Self::List(_) | Self::Json(Value::Array(_)) => "list",
            Self::Json(_) => "map",
        }
    }

    /// Equality across representations: a list is a list whether it was computed or not.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => (*a as f64) == *b,
            (Self::Json(a), Self::Json(b)) => a == b,
            _ => match (self.items(), other.items()) {
                (Some(a), Some(b)) => {
                    a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.same(y))
                }
                (None, None) => self == other,
                _ => false,
            },
        }
    }

    /// The items of a list, or the keys of a map, as CEL's macros walk them.
    pub(super) fn items(&self) -> Option<Vec<Val<'a>>> {
        match self {
            Self::List(items) => Some(items.clone()),
            Self::Json(Value::Array(items)) => Some(items.iter().map(Val::of).collect()),
            Self::Json(Value::Object(map)) => {
                Some(map.keys().map(|k| Val::Text(k.as_str().into())).collect())
            }
            _ => None,
        }
    }
}
