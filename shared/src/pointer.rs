//! JSON pointers (RFC 6901) without allocation: they are followed several times a request.

use serde_json::Value;

/// The value at a pointer such as `/spec/nodeName`, as [`Value::pointer`] finds it; `None` when there is none.
#[must_use]
pub fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    if pointer.is_empty() {
        return Some(value);
    }
    let mut tokens = pointer.strip_prefix('/')?.split('/');
    tokens.try_fold(value, |value, token| match value {
        Value::Object(fields) => fields.get(token),
        Value::Array(items) => items.get(index(token)?),
        _ => None,
    })
}

/// Section 4: an index has no sign and no leading zeros.
fn index(token: &str) -> Option<usize> {
    let is_plain = !token.starts_with('+') && (token == "0" || !token.starts_with('0'));
    token.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pointer_finds_what_the_library_finds() {
        let value =
            json!({"a": {"b": [1, {"c": 2}], "": 3, "x/y": 4, "m~n": 5}, "": {"": 6}, "0": 7});
        for pointer in [
            "",
            "/",
            "//",
            "a",
            "/a",
            "/a/",
            "/a/b",
            "/a/b/0",
            "/a/b/1/c",
            "/a/b/2",
            "/a/b/-",
            "/a/b/01",
            "/a/b/+1",
            "/a/b/1/c/d",
            "/a/x~1y",
            "/a/m~0n",
            "/0",
            "/a/b/",
            "/none/b",
        ] {
            assert_eq!(at(&value, pointer), value.pointer(pointer), "{pointer:?}");
        }
    }
}
