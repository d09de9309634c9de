//! Replays what was recorded from the original: `tests/data` has requests and answers, these tests compare.
//!
//! What cannot be the same from run to run (uids, times, versions, allocated addresses and ports) is normalised on
//! both sides. A difference that stays is a row of the file's list of known differences, with its reason; a row that
//! no longer happens fails the test too, so that the lists can only shrink.

mod access;
mod answers;
mod columns;
mod discovery;
mod negotiation;
mod rows;
mod samples;
mod watches;

use serde_json::Value;
use shared::Millis;

pub(crate) use discovery::NOT_SERVED;

/// One recorded exchange.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
    pub(crate) code: u16,
    /// Null when only the code was recorded.
    pub(crate) answer: Value,
    pub(crate) frames: Vec<Value>,
}

/// A difference that is known to remain: the case's title, how the difference begins, and why it is there.
pub(crate) type Known = (&'static str, &'static str, &'static str);

/// A cluster with one object of most kinds.
pub(crate) fn cluster() -> crate::harness::Cluster {
    answers::recorded_cluster()
}

/// All of them, file by file.
pub(crate) fn known_differences() -> Vec<Known> {
    [
        answers::DEFAULT_DIFFERENCES,
        answers::REFUSAL_DIFFERENCES,
        answers::PATCH_DIFFERENCES,
        answers::FRESH_DIFFERENCES,
        rows::POD_DIFFERENCES,
        rows::OTHER_DIFFERENCES,
        watches::DIFFERENCES,
        negotiation::DIFFERENCES,
        access::DIFFERENCES,
        samples::DIFFERENCES,
    ]
    .concat()
}

/// Reads a file of cases: `##` title, `>` request, `<` body, `=` status and answer, `*` one frame of a watch.
pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for line in text.lines() {
        let Some((mark, rest)) = line.split_once(' ') else {
            continue;
        };
        if mark == "##" {
            all.push(Case {
                title: rest.into(),
                ..Case::default()
            });
            continue;
        }
        let Some(case) = all.last_mut() else { continue };
        match mark {
            ">" => {
                let mut words = rest.splitn(3, ' ').map(str::to_owned);
                case.method = words.next().unwrap_or_default();
                case.url = words.next().unwrap_or_default();
                case.content_type = words.next().unwrap_or_default();
            }
            "<" => case.body = rest.into(),
            "=" => {
                let (code, answer) = rest.split_once(' ').unwrap_or((rest, "null"));
                case.code = code.parse().expect("a status");
                case.answer = serde_json::from_str(answer).expect("an answer");
            }
            "*" => case
                .frames
                .push(serde_json::from_str(rest).expect("a frame")),
            _ => panic!("{line}"),
        }
    }
    assert!(all.len() > 3, "a file of cases");
    all
}

/// Replaces what differs from run to run.
pub(crate) fn normalise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields
                .get("details")
                .is_some_and(|d| *d == Value::Object(serde_json::Map::new()))
            {
                fields.remove("details");
            }
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "resourceVersion" => *field = "RV".into(),
                    "nodePort" | "healthCheckNodePort" => *field = "PORT".into(),
                    "clusterIP" | "clusterIPs" if field != "None" && field[0] != "None" => {
                        *field = "IP".into();
                    }
                    _ => normalise(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::String(text) => {
            if Millis::parse_rfc3339(text).is_some() {
                *text = "TIME".into();
            } else if text.starts_with("kube-api-access-") {
                *text = "kube-api-access-SUFFIX".into();
            } else {
                *text = without_number(&without_uids(text), "in record (");
                *text = without_number(text, "current: ");
            }
        }
        _ => {}
    }
}

/// The text with `RV` for the number behind a word.
fn without_number(text: &str, word: &str) -> String {
    let Some((head, tail)) = text.split_once(word) else {
        return text.into();
    };
    let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{head}{word}RV{rest}")
}

/// The text with `UID` for everything that is formed like one.
pub(crate) fn without_uids(text: &str) -> String {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let shaped = rest.get(..36).is_some_and(|head| {
            let parts: Vec<&str> = head.split('-').collect();
            parts.len() == LENGTHS.len()
                && parts.iter().zip(LENGTHS).all(|(part, length)| {
                    part.len() == length && part.chars().all(|c| c.is_ascii_hexdigit())
                })
        });
        let taken = if shaped { 36 } else { first.len_utf8() };
        out.push_str(if shaped { "UID" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    out
}

/// Where two values differ, one line each.
pub(crate) fn differences(want: &Value, got: &Value, at: &str, out: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                let here = format!("{at}/{name}");
                match b.get(name) {
                    Some(other) => differences(value, other, &here, out),
                    None => out.push(format!("{here}: missing {value}")),
                }
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                out.push(format!("{at}/{name}: too much {value}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                differences(x, y, &format!("{at}/{i}"), out);
            }
        }
        _ if want == got => {}
        _ => out.push(format!("{at}: want {want}, got {got}")),
    }
}

/// Fails unless the differences are exactly those that are known.
pub(crate) fn judge(found: &[(String, String)], known: &[Known]) {
    let is_known = |(title, difference): &&(String, String)| {
        known
            .iter()
            .any(|(t, start, _)| t == title && difference.starts_with(start))
    };
    let new: Vec<String> = found
        .iter()
        .filter(|d| !is_known(d))
        .map(|(title, difference)| format!("{title}: {difference}"))
        .collect();
    let gone: Vec<&Known> = known
        .iter()
        .filter(|(t, start, _)| {
            !found
                .iter()
                .any(|(title, d)| t == title && d.starts_with(start))
        })
        .collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{} new differences:\n{}\nno longer there: {gone:#?}",
        new.len(),
        new.join("\n")
    );
}

#[test]
fn uids_in_a_text_are_found() {
    assert_eq!(
        without_uids("a=17d4bf7f-5a83-472d-9870-fc7f59bf4ed8,b=xé"),
        "a=UID,b=xé"
    );
}
