//! Keys that stand twice in one JSON object, which a parsed value no longer shows.

use std::collections::BTreeSet;

/// An open object or list of the scan.
enum Frame {
    Object { seen: BTreeSet<String>, key: String },
    List { index: usize },
}

/// The complaints of strict decoding about keys that stand twice, `duplicate field "metadata.name"`, each once and in
/// the order found (KEP-2885). Expects JSON that parsed; says nothing about what follows an error.
#[must_use]
pub fn duplicate_fields(json: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut stack: Vec<Frame> = Vec::new();
    // Whether a string in this place is a key.
    let mut at_key = false;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' => {
                stack.push(Frame::Object {
                    seen: BTreeSet::new(),
                    key: String::new(),
                });
                at_key = true;
            }
            b'[' => {
                stack.push(Frame::List { index: 0 });
                at_key = false;
            }
            b'}' | b']' => {
                stack.pop();
                at_key = false;
            }
            b',' => match stack.last_mut() {
                Some(Frame::Object { .. }) => at_key = true,
                Some(Frame::List { index }) => *index += 1,
                None => {}
            },
            b'"' => {
                let end = end_of_string(json, at);
                if at_key {
                    let text = json
                        .get(at..=end)
                        .and_then(|s| serde_json::from_slice::<String>(s).ok());
                    note_key(&mut stack, text.unwrap_or_default(), &mut found);
                    at_key = false;
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The index of the closing quote.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => return at,
            _ => {}
        }
        at += 1;
    }
    json.len()
}

fn note_key(stack: &mut [Frame], name: String, found: &mut Vec<String>) {
    let Some(Frame::Object { seen, key }) = stack.last_mut() else {
        return;
    };
    let fresh = seen.insert(name.clone());
    *key = name;
    if !fresh {
        let text = format!("duplicate field \"{}\"", path(stack));
        if !found.contains(&text) {
            found.push(text);
        }
    }
}

fn path(stack: &[Frame]) -> String {
    let mut text = String::new();
    for frame in stack {
        match frame {
            Frame::Object { key, .. } if text.is_empty() => text.push_str(key),
            Frame::Object { key, .. } => text.extend([".", key]),
            Frame::List { index } => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_stand_twice_are_found() {
        for (json, want) in [
            (r#"{"a":1,"b":{"a":1}}"#, &[][..]),
            (
                r#"{"metadata":{"name":"x","name":"y","name":"z"}}"#,
                &["metadata.name"],
            ),
            (
                r#"{"spec":{"containers":[{"name":"a"},{"name":"c","name":"d"}]}}"#,
                &["spec.containers[1].name"],
            ),
            (r#"{"a":"a","b":["a","a",{"a":"a"}],"a":"\"a\":{"}"#, &["a"]),
            (r#"{"\u0061":1,"a":2}"#, &["a"]),
            (r#"{"a":{"x":1},"a":{"x":2,"x":3}}"#, &["a", "a.x"]),
            (r#"{"a":"{\"b\":1,\"b\":2}"}"#, &[]),
            ("[[", &[]),
            (r#"{"a"#, &[]),
            ("", &[]),
        ] {
            let want: Vec<String> = want
                .iter()
                .map(|p| format!("duplicate field \"{p}\""))
                .collect();
            assert_eq!(duplicate_fields(json.as_bytes()), want, "{json}");
        }
    }
}
