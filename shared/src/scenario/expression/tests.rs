//! What the language says, what it refuses, and that nothing costs more than its budget.

use serde_json::{Value, json};

use super::*;

fn world() -> Value {
    json!({"pods": [
        {"metadata": {"name": "web", "labels": {"app": "web"}}, "status": {"phase": "Running", "restarts": 2}},
        {"metadata": {"name": "job"}, "status": {"phase": "Succeeded"}},
        {"metadata": {"name": "new"}}
    ], "n": 3, "x": 1.5, "t": "text"})
}

fn run(source: &str) -> String {
    let world = world();
    let expression = match Expression::parse(source) {
        Ok(e) => e,
        Err(e) => return format!("no expression: {e}"),
    };
    match expression.evaluate(&|name| world.get(name).map(Val::of)) {
        Ok(Val::Json(v)) => v.to_string(),
        Ok(v) => format!("{v:?}"),
        Err(e) => format!("error: {e}"),
    }
}

#[test]
fn expressions_mean_what_cel_says() {
    for (source, want) in [
        ("1 + 2 * 3", "Int(7)"),
        ("(1 + 2) * 3 - -1", "Int(10)"),
        ("7 / 2 == 3 && 7 % 2 == 1", "Bool(true)"),
        ("1.5 + 1.5 == 3", "Bool(true)"),
        ("n > 2 && n <= 3.0", "Bool(true)"),
        ("'a' + \"b\" == 'ab'", "Bool(true)"),
        (r#"'it\'s' == "it's""#, "Bool(true)"),
        ("size('é') + size(pods) + pods.size()", "Int(7)"),
        (
            "t.startsWith('te') && t.endsWith('xt') && t.contains('ex')",
            "Bool(true)",
        ),
        ("'b' in ['a', 'b'] && !('c' in ['a'])", "Bool(true)"),
        ("'app' in pods[0].metadata.labels", "Bool(true)"),
        ("pods[0].metadata.labels['app']", "Text(\"web\")"),
        ("n == 3 ? 'yes' : 'no'", "Text(\"yes\")"),
        ("null == null", "Bool(true)"),
        ("int('12') + int(3)", "Int(15)"),
        ("string(3) + string(true)", "Text(\"3true\")"),
        (
            "pods.exists(p, p.metadata.name == 'web' && p.status.phase == 'Running')",
            "Bool(true)",
        ),
        ("pods.exists(p, p.status.phase == 'Running')", "Bool(true)"),
        ("pods.all(p, has(p.status))", "Bool(false)"),
        ("pods.exists_one(p, has(p.metadata.labels))", "Bool(true)"),
        (
            "pods.filter(p, has(p.status)).map(p, p.metadata.name) == ['web', 'job']",
            "Bool(true)",
        ),
        ("[1, [2]] == [1, [2]] && [1] != [2]", "Bool(true)"),
        ("pods.all(p, p.status.phase == 'Running')", "Bool(false)"),
        ("inn == 1 || true", "Bool(true)"),
    ] {
        assert_eq!(run(source), want, "{source}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    for (source, want) in [
        ("", "no expression: expected a name at byte 0"),
        ("1 +", "no expression: expected a name at byte 3"),
        ("(1", "no expression: expected `)` at byte 2"),
        ("'a", "no expression: expected the closing quote"),
        (
            "1 2",
            "no expression: expected an operator or the end at byte 2",
        ),
        ("pods.exists(1, true)", "no expression: expected a name"),
        ("has(pods)", "no expression: expected `has(object.field)`"),
        (
            "99999999999999999999",
            "no expression: expected a number that fits",
        ),
        ("nobody", "error: there is no variable nobody"),
        ("pods[9]", "error: the list has no item 9"),
        ("pods[2].status", "error: no such field: status"),
        ("n.field", "error: a field does not work on int"),
        ("1 + 'a'", "error: add does not work on int and string"),
        ("1 / 0", "error: the number is too large"),
        ("9223372036854775807 + 1", "error: the number is too large"),
        (
            "matches(t, '.*')",
            "error: matches does not work on string and string",
        ),
        (
            "pods.all(p, p.status.phase != 'Failed')",
            "error: no such field: status",
        ),
    ] {
        let got = run(source);
        assert!(got.starts_with(want), "{source}: {got}");
    }
}

#[test]
fn nothing_costs_more_than_its_budget() {
    let deep = format!("{}1{}", "(".repeat(400), ")".repeat(400));
    for source in [
        deep,
        "!".repeat(900),
        "-".repeat(900),
        "1".to_owned() + &"+1".repeat(400),
    ] {
        assert_eq!(Expression::parse(&source), Err(ParseError::TooDeep));
    }
    assert_eq!(
        Expression::parse(&" ".repeat(1001)),
        Err(ParseError::TooLong)
    );
    let many = Value::from(vec![1; 2000]);
    let costly = Expression::parse("l.all(a, l.all(b, l.all(c, a + b + c > 0)))").unwrap();
    let got = costly.evaluate(&|_| Some(Val::of(&many)));
    assert_eq!(got, Err(EvalError::Budget));
    let hidden = Expression::parse("l.all(a, l.all(b, false) || l.all(c, true) || true)").unwrap();
    let big = Value::from(vec![1; 100_000]);
    assert_eq!(
        hidden.evaluate(&|_| Some(Val::of(&big))),
        Err(EvalError::Budget)
    );
}

#[test]
fn only_free_names_are_variables() {
    let e = Expression::parse("pods.exists(p, p.x == n) && nodes.size() > 0").unwrap();
    assert_eq!(
        e.variables().into_iter().collect::<Vec<_>>(),
        ["n", "nodes", "pods"]
    );
}
