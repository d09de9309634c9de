//! Objects as YAML, the way `kubectl get -o yaml` prints them. Writes only; the page sends JSON.

use std::fmt::Write as _;

use serde_json::Value;

/// The YAML of a JSON value, keys in alphabetical order, block style, ending in a newline.
#[must_use]
pub fn print(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(m) if !m.is_empty() => map(&mut out, m, 0, false),
        Value::Array(a) if !a.is_empty() => list(&mut out, a, 0),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// `inline_first`: the first key continues a `- ` that is already written.
fn map(out: &mut String, m: &serde_json::Map<String, Value>, depth: usize, inline_first: bool) {
    for (i, (key, value)) in m.iter().enumerate() {
        if i > 0 || !inline_first {
            indent(out, depth);
        }
        string(out, key);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                map(out, inner, depth + 1, false);
            }
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                list(out, inner, depth);
            }
            other => {
                out.push(' ');
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn list(out: &mut String, items: &[Value], depth: usize) {
    for item in items {
        indent(out, depth);
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => map(out, inner, depth + 1, true),
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                list(out, inner, depth + 1);
            }
            other => {
                scalar(out, other, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn scalar(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => {
            let _ = write!(out, "{n}");
        }
        Value::String(s) if is_block(s) => block(out, s, depth),
        Value::String(s) => string(out, s),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// Text of several lines reads best as a literal block, where it can be one without loss.
fn is_block(s: &str) -> bool {
    s.contains('\n')
        && !s.starts_with([' ', '\n', '\t'])
        && !s.contains(" \n")
        && s.chars()
            .all(|c| c == '\n' || c == '\t' || !needs_escape(c))
}

fn block(out: &mut String, s: &str, depth: usize) {
    let body = s.trim_end_matches('\n');
    out.push_str(match s.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    let kept = if s.len() - body.len() > 1 {
        &s[..s.len() - 1]
    } else {
        body
    };
    for line in kept.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
}

fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Plain where YAML 1.1 and 1.2 both read it back as this string, else quoted.
fn string(out: &mut String, s: &str) {
    if s.chars().any(needs_escape) {
        // JSON strings are YAML double-quoted strings (YAML 1.2 section 1.3); the rest is escaped beyond JSON's need.
        out.push('"');
        for c in s.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if needs_escape(c) => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => out.push(c),
            }
        }
        out.push('"');
    } else if is_plain(s) {
        out.push_str(s);
    } else {
        let _ = write!(out, "'{}'", s.replace('\'', "''"));
    }
}

fn is_plain(s: &str) -> bool {
    let word = s.to_ascii_lowercase();
    let reserved = matches!(
        word.as_str(),
        "" | "null" | "~" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "=" | "<<"
    );
    let first = s.chars().next().unwrap_or(' ');
    // Whatever begins like a number, a date or an indicator is quoted: cheaper than telling them apart.
    let safe_start = first.is_alphabetic() || matches!(first, '/' | '_' | '$' | '^' | '(');
    let number_like = word.starts_with(".inf") || word.starts_with(".nan");
    !reserved
        && !number_like
        && safe_start
        && !s.ends_with([' ', ':'])
        && !s.contains(": ")
        && !s.contains(" #")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_look_as_kubectl_prints_them() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "labels": {}, "annotations": {"note": "a: b"}},
            "spec": {"containers": [{"name": "c", "args": ["-v", "5", "yes"], "ports": []}], "x": [["a"], []]}});
        expect_test::expect![[r#"
            apiVersion: v1
            kind: Pod
            metadata:
              annotations:
                note: 'a: b'
              labels: {}
              name: web
            spec:
              containers:
              - args:
                - '-v'
                - '5'
                - 'yes'
                name: c
                ports: []
              x:
              - 
                - a
              - []
        "#]]
        .assert_eq(&print(&pod));
    }

    #[test]
    fn strings_read_back_as_strings() {
        for (text, want) in [
            ("web", "web"),
            ("", "''"),
            ("true", "'true'"),
            ("No", "'No'"),
            ("1.5", "'1.5'"),
            ("0x10", "'0x10'"),
            ("2026-11-23", "'2026-11-23'"),
            ("- x", "'- x'"),
            ("it's", "it's"),
            ("'q'", "'''q'''"),
            ("a #b", "'a #b'"),
            ("ends:", "'ends:'"),
            ("/bin/sh", "/bin/sh"),
            ("bell\u{7}", "\"bell\\u0007\""),
            ("\u{202e}x\"", "\"\\u202ex\\\"\""),
        ] {
            assert_eq!(print(&json!(text)), format!("{want}\n"));
        }
        assert_eq!(print(&json!({"k": "a\nb\n"})), "k: |\n  a\n  b\n");
        assert_eq!(print(&json!({"k": "a\nb"})), "k: |-\n  a\n  b\n");
        assert_eq!(print(&json!({"k": "a\n\n"})), "k: |+\n  a\n\n");
        assert_eq!(print(&json!({"k": " a\nb"})), "k: \" a\\nb\"\n");
    }
}
