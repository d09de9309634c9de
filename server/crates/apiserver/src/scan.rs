//! Finds one value inside the text of a stored object without parsing the rest.
//!
//! Made for what the store holds: JSON that this server wrote. It is no validator: text of another shape makes it
//! answer that it does not know, and the caller parses the object after all.

use memchr::memchr2;

/// The text is not of the shape expected here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown;

/// The text of the value at a path of field names, as a JSON pointer whose names need no escaping; `None` when there
/// is no such field.
pub(crate) fn find<'a>(text: &'a [u8], pointer: &str) -> Result<Option<&'a [u8]>, Unknown> {
    let mut scanner = Scanner { text, at: 0 };
    let mut names = pointer.split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        if !scanner.enter(name.as_bytes())? {
            return Ok(None);
        }
        if names.peek().is_some() && scanner.peek() != Some(b'{') {
            return Ok(None);
        }
    }
    let start = scanner.at;
    scanner.skip()?;
    text.get(start..scanner.at).map(Some).ok_or(Unknown)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn byte(&self) -> Result<u8, Unknown> {
        self.text.get(self.at).copied().ok_or(Unknown)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Unknown> {
        if self.peek() != Some(wanted) {
            return Err(Unknown);
        }
        self.at += 1;
        Ok(())
    }

    /// Moves to the value of a field of the object that starts here.
    fn enter(&mut self, name: &[u8]) -> Result<bool, Unknown> {
        self.expect(b'{')?;
        loop {
            if self.peek() == Some(b'}') {
                return Ok(false);
            }
            let key = self.string()?;
            self.expect(b':')?;
            self.peek();
            if key == name {
                return Ok(true);
            }
            self.skip()?;
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.peek();
                }
                Some(b'}') => return Ok(false),
                _ => return Err(Unknown),
            }
        }
    }

    /// What stands between the quotes of the string that starts here, escapes as they are.
    fn string(&mut self) -> Result<&'a [u8], Unknown> {
        self.expect(b'"')?;
        let start = self.at;
        let rest = self.text.get(start..).ok_or(Unknown)?;
        let mut from = 0;
        loop {
            let found = memchr2(b'"', b'\\', rest.get(from..).ok_or(Unknown)?).ok_or(Unknown)?;
            let at = from + found;
            if rest.get(at) == Some(&b'"') {
                self.at = start + at + 1;
                return rest.get(..at).ok_or(Unknown);
            }
            from = at + 2;
        }
    }

    /// Moves behind the value that starts here.
    fn skip(&mut self) -> Result<(), Unknown> {
        match self.byte()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => {
                while let Some(byte) = self.text.get(self.at) {
                    if matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace() {
                        break;
                    }
                    self.at += 1;
                }
                Ok(())
            }
        }
    }

    fn skip_nested(&mut self) -> Result<(), Unknown> {
        let mut depth = 0_usize;
        loop {
            match self.byte()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(text: &str, pointer: &str, want: Result<Option<&str>, Unknown>) {
        let got = find(text.as_bytes(), pointer);
        let want = want.map(|found| found.map(str::as_bytes));
        assert_eq!(got, want, "{pointer} in {text}");
    }

    #[test]
    fn values_are_found_where_they_are() {
        let text =
            r#"{"a":{"x\"}":[1,{"b":"}]"}],"b" : { "c" : "d" },"n":-1.5e3,"t":true},"z":null}"#;
        check(text, "/a/b/c", Ok(Some(r#""d""#)));
        check(text, "/a/b", Ok(Some(r#"{ "c" : "d" }"#)));
        check(text, "/a/n", Ok(Some("-1.5e3")));
        check(text, "/a/t", Ok(Some("true")));
        check(text, "/z", Ok(Some("null")));
        check(text, "/z/y", Ok(None));
        check(text, "/a/c", Ok(None));
        check("{}", "/a", Ok(None));
        for damaged in [
            "",
            "[",
            "{\"a\"",
            "{\"a\":{\"b\":\"",
            "{\"b\":1 \"a\":2}",
            "{a}",
        ] {
            check(damaged, "/a/b", Err(Unknown));
        }
    }

    #[test]
    fn it_agrees_with_a_parser() {
        let value = json!({"kind": "Pod", "metadata": {"labels": {"a": "b\"\\", "é": "ü"}, "name": "p"},
            "spec": {"containers": [{"args": ["{", "]"]}], "hostNetwork": true, "nodeName": "n"}, "status": {}});
        let text = value.to_string();
        for pointer in [
            "/metadata/labels",
            "/metadata/name",
            "/spec/nodeName",
            "/spec/hostNetwork",
            "/status",
            "/status/phase",
            "/spec/containers/x",
            "/nope",
        ] {
            let found = find(text.as_bytes(), pointer).expect("well formed");
            let parsed = found.map(|t| serde_json::from_slice::<Value>(t).expect("a value"));
            assert_eq!(parsed.as_ref(), value.pointer(pointer), "{pointer}");
        }
    }
}
