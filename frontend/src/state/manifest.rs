//! Pasted YAML, as far as the page must understand it: where one document ends, and which collection each belongs to.
//! The server reads the rest.

use shared::{kind, path};

use crate::backend::call::Call;

/// The most documents that are sent at once.
pub const MAX_DOCUMENTS: usize = 100;

/// Why a text cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Nothing in it.
    #[error("there is no document in this text")]
    Empty,
    /// More than one would want to send unseen.
    #[error("there are more than {MAX_DOCUMENTS} documents in this text")]
    TooMany,
    /// A document without a kind that the cluster serves.
    #[error(
        "document {number} at line {line}: the cluster serves no kind \"{kind}\" in \"{version}\""
    )]
    Kind {
        /// Counted from 1.
        number: usize,
        /// Its first line, counted from 1.
        line: usize,
        /// `kind`.
        kind: String,
        /// `apiVersion`.
        version: String,
    },
}

/// One creation for each document of a text.
///
/// # Errors
/// When there is none, or one of a kind that is not served.
pub fn calls(text: &str) -> Result<Vec<Call>, ManifestError> {
    let mut out = Vec::new();
    for (number, (line, document)) in (1..).zip(documents(text)) {
        let (version, name) = (top(&document, "apiVersion"), top(&document, "kind"));
        let row = kind::find_by_kind(&version, &name).ok_or(ManifestError::Kind {
            number,
            line,
            kind: name,
            version,
        })?;
        let namespace = match (row.namespaced, nested(&document, "metadata", "namespace")) {
            (false, _) => String::new(),
            (true, ns) if ns.is_empty() => "default".into(),
            (true, ns) => ns,
        };
        out.push(Call {
            method: "POST",
            path: path::collection(&row.reference(), &namespace),
            edited: Some(document),
            line: "kubectl create -f -".into(),
            ..Call::default()
        });
    }
    match out.len() {
        0 => Err(ManifestError::Empty),
        1..=MAX_DOCUMENTS => Ok(out),
        _ => Err(ManifestError::TooMany),
    }
}

/// Documents between `---` lines, each with its first line's number; empty ones are left out.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut out = vec![(1, String::new())];
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_end() == "---" {
            out.push((number + 1, String::new()));
        } else if let Some((_, document)) = out.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let is_content = |l: &str| !l.trim().is_empty() && !l.trim_start().starts_with('#');
    out.retain(|(_, d)| d.lines().any(is_content));
    out
}

/// The scalar of a top-level key.
fn top(document: &str, key: &str) -> String {
    let found = document.lines().find_map(|l| value(l, key));
    found.unwrap_or_default()
}

/// The scalar of a key inside a top-level map.
fn nested(document: &str, outer: &str, key: &str) -> String {
    let inside = document
        .lines()
        .skip_while(|l| value(l, outer).is_none())
        .skip(1)
        .take_while(|l| l.starts_with([' ', '#']) || l.is_empty());
    let first = inside.clone().find(|l| !l.trim().is_empty());
    let depth = first.map_or(0, |l| l.len() - l.trim_start().len());
    let found = inside
        .filter_map(|l| l.get(depth..))
        .find_map(|l| value(l, key));
    found.unwrap_or_default()
}

fn value(line: &str, key: &str) -> Option<String> {
    let rest = line.strip_prefix(key)?.strip_prefix(':')?;
    let rest = rest.split(" #").next().unwrap_or_default();
    Some(rest.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_go_to_their_collections() {
        let text = "# two\n---\napiVersion: v1\nkind: Pod # a pod\nmetadata:\n    labels:\n        namespace: no\n    namespace: \"shop\"\n---\nkind: Namespace\napiVersion: v1\nmetadata: {name: x}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  namespace: no\n";
        let paths: Vec<String> = calls(text).unwrap().into_iter().map(|c| c.path).collect();
        assert_eq!(
            paths,
            [
                "/api/v1/namespaces/shop/pods",
                "/api/v1/namespaces",
                "/apis/apps/v1/namespaces/default/deployments"
            ]
        );
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        for (text, want) in [
            ("", "there is no document"),
            ("---\n# nothing\n---\n", "there is no document"),
            (
                "a: b",
                "document 1 at line 1: the cluster serves no kind \"\"",
            ),
            (
                "---\nkind: Unicorn\napiVersion: v1",
                "document 1 at line 2: the cluster serves no kind \"Unicorn\" in \"v1\"",
            ),
        ] {
            let error = calls(text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
        let many = "---\nkind: Pod\napiVersion: v1\n".repeat(101);
        assert_eq!(calls(&many), Err(ManifestError::TooMany));
    }
}
