//! Label and field selectors: the query-string form and the `LabelSelector` of objects, one matcher for both.

use serde_json::Value;

use crate::Object;
use crate::name::{is_label_value, is_qualified_name};

/// A conjunction of requirements on labels. Empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// Why a selector could not be read, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse requirement: {0}")]
pub struct SelectorError(String);

impl Selector {
    /// Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h` (`k8s.io/apimachinery/pkg/labels`).
    ///
    /// # Errors
    /// When a requirement is not of one of these forms, or a key or value is not a legal label.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(SelectorError(
                    "found ',', expected: !, identifier, or 'end of string'".into(),
                ));
            }
            requirements.push(parse_requirement(part)?);
        }
        Ok(Self { requirements })
    }

    /// Reads a `metav1.LabelSelector` (`matchLabels` and `matchExpressions`). A missing selector matches nothing and
    /// an empty one everything, as the original has it.
    #[must_use]
    pub fn from_object(selector: Option<&Value>) -> Option<Self> {
        let selector = selector?.as_object()?;
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let mut requirements: Vec<Requirement> = selector
            .get("matchLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement {
                key: key.clone(),
                rule: Rule::In(vec![text(value)]),
            })
            .collect();
        for expression in selector
            .get("matchExpressions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let values: Vec<String> = expression
                .get("values")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(text)
                .collect();
            let rule = match expression.get("operator")?.as_str()? {
                "In" => Rule::In(values),
                "NotIn" => Rule::NotIn(values),
                "Exists" => Rule::Exists,
                "DoesNotExist" => Rule::DoesNotExist,
                _ => return None,
            };
            requirements.push(Requirement {
                key: text(expression.get("key")?),
                rule,
            });
        }
        Some(Self { requirements })
    }

    /// Reads a plain map of labels, such as `Service.spec.selector`. `None` when it is absent or empty.
    #[must_use]
    pub fn from_map(map: Option<&Value>) -> Option<Self> {
        let map = map?.as_object().filter(|m| !m.is_empty())?;
        let requirements = map
            .iter()
            .map(|(k, v)| Requirement {
                key: k.clone(),
                rule: Rule::In(vec![v.as_str().unwrap_or_default().to_owned()]),
            })
            .collect();
        Some(Self { requirements })
    }

    /// True when it has no requirement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Judges a `labels` map; `None` reads as no labels.
    #[must_use]
    pub fn matches(&self, labels: Option<&Value>) -> bool {
        self.requirements.iter().all(|r| {
            let value = labels.and_then(|l| l.get(&r.key)).and_then(Value::as_str);
            match (&r.rule, value) {
                (Rule::In(any), Some(v)) => any.iter().any(|a| a == v),
                (Rule::NotIn(none), Some(v)) => none.iter().all(|a| a != v),
                (Rule::NotIn(_) | Rule::DoesNotExist, None) | (Rule::Exists, Some(_)) => true,
                (Rule::In(_) | Rule::Exists, None) | (Rule::DoesNotExist, Some(_)) => false,
            }
        })
    }

    /// Judges an object by its `metadata.labels`.
    #[must_use]
    pub fn matches_object(&self, object: &Object) -> bool {
        self.is_empty() || self.matches(object.at("/metadata/labels"))
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(from..i).unwrap_or_default());
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

fn parse_requirement(part: &str) -> Result<Requirement, SelectorError> {
    let (key, rule) = if let Some(key) = part.strip_prefix('!') {
        (key, Rule::DoesNotExist)
    } else if let Some((key, value)) = part.split_once("!=") {
        (key, Rule::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Rule::In(vec![value.trim().to_owned()]))
    } else if let Some((head, values)) = part.strip_suffix(')').and_then(|p| p.split_once('(')) {
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        match head.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => (key, Rule::In(values)),
            Some((key, "notin")) => (key, Rule::NotIn(values)),
            _ => {
                return Err(SelectorError(format!(
                    "found '{part}', expected: in, notin, =, ==, !="
                )));
            }
        }
    } else {
        (part, Rule::Exists)
    };
    let key = key.trim();
    if key.starts_with('!') {
        return Err(SelectorError("found '!', expected: identifier".into()));
    }
    if !is_qualified_name(key) {
        return Err(SelectorError(format!(
            "<nil>: Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
        )));
    }
    if let Rule::In(values) | Rule::NotIn(values) = &rule
        && let Some(bad) = values.iter().find(|v| !is_label_value(v))
    {
        return Err(SelectorError(format!(
            "values[0][{key}]: Invalid value: \"{bad}\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
        )));
    }
    Ok(Requirement {
        key: key.to_owned(),
        rule,
    })
}

/// One term of a field selector, `metadata.name=x` or `status.phase!=Running`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// The field's path.
    pub field: String,
    /// The value compared with.
    pub value: String,
    /// True for `=`, false for `!=`.
    pub equal: bool,
}

/// Parses a field selector into its terms. Which fields a kind supports is the apiserver's business.
///
/// # Errors
/// When a term has no operator.
pub fn parse_fields(text: &str) -> Result<Vec<FieldTerm>, SelectorError> {
    let terms = text.split(',').map(str::trim).filter(|t| !t.is_empty());
    terms
        .map(|term| {
            let (field, value, equal) = if let Some((f, v)) = term.split_once("!=") {
                (f, v, false)
            } else if let Some((f, v)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (f, v, true)
            } else {
                return Err(SelectorError(format!(
                    "invalid selector: '{term}'; can't understand '{term}'"
                )));
            };
            Ok(FieldTerm {
                field: field.trim().into(),
                value: value.trim().into(),
                equal,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_as_documented() {
        let labels = json!({"app": "web", "tier": "front", "empty": ""});
        for (selector, want) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api)", true),
            ("app notin (web)", false),
            ("missing notin (web)", true),
            ("missing!=x", true),
            ("tier", true),
            ("!tier", false),
            ("!missing", true),
            ("empty=", true),
        ] {
            assert_eq!(
                Selector::parse(selector).map(|s| s.matches(Some(&labels))),
                Ok(want),
                "{selector}"
            );
        }
    }

    #[test]
    fn bad_selectors_are_refused() {
        for selector in ["a b", "a=b c", ",", "a in b", "=x", "a=b,,c=d"] {
            assert!(Selector::parse(selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn object_selectors_combine_labels_and_expressions() {
        let selector = json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]});
        let selector = Selector::from_object(Some(&selector)).unwrap_or_default();
        assert!(selector.matches(Some(&json!({"a": "1", "b": ""}))));
        assert!(!selector.matches(Some(&json!({"a": "1"}))));
        assert_eq!(Selector::from_object(None), None);
    }

    #[test]
    fn field_selectors_are_split_into_terms() {
        let terms = parse_fields("metadata.name=x,status.phase!=Running").unwrap_or_default();
        assert_eq!(terms.len(), 2);
        assert!(parse_fields("metadata.name").is_err());
    }
}
