//! Values as Go's `%v` prints them, which some of the original's messages quote.

use serde_json::Value;

/// `map[a:1 b:[x y]]`; keys come in order, as Go sorts them when it prints.
#[must_use]
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let all: Vec<String> = items.iter().map(go_text).collect();
            format!("[{}]", all.join(" "))
        }
        Value::Object(fields) => {
            let all: Vec<String> = fields
                .iter()
                .map(|(name, field)| format!("{name}:{}", go_text(field)))
                .collect();
            format!("map[{}]", all.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_read_as_go_prints_them() {
        let value = json!({"b": [1, "x", null], "a": {"c": true}});
        assert_eq!(go_text(&value), "map[a:map[c:true] b:[1 x <nil>]]");
    }
}
