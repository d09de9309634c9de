//! The protobuf side: field numbers and message types, read from the prost attributes in `k8s-pb`'s sources.

use std::collections::BTreeMap;
use std::path::Path;

/// One field of a message.
pub(crate) struct Field {
    /// prost's snake_case name without `r#`.
    pub(crate) name: String,
    /// The wire number.
    pub(crate) number: u32,
    /// The message's key (`api::core::v1::volumesource`) when the field is one message.
    pub(crate) message: Option<String>,
}

/// Fields by message key, see [`key`].
pub(crate) type Messages = BTreeMap<String, Vec<Field>>;

/// Reads every `mod.rs` below `source`.
pub(crate) fn read(source: &Path) -> Messages {
    let mut messages = Messages::new();
    folder(source, &mut Vec::new(), &mut messages);
    assert!(
        messages.contains_key(&key("api::core::v1::Pod")),
        "no messages found in {}",
        source.display()
    );
    messages
}

fn folder(path: &Path, modules: &mut Vec<String>, messages: &mut Messages) {
    let file = path.join("mod.rs");
    if let Ok(text) = std::fs::read_to_string(file) {
        source_file(&text, modules, messages);
    }
    let entries = std::fs::read_dir(path).expect("the sources are readable");
    for entry in entries {
        let entry = entry.expect("the sources are readable").path();
        if entry.is_dir() {
            let name = entry
                .file_name()
                .expect("has a name")
                .to_string_lossy()
                .into_owned();
            modules.push(name);
            folder(&entry, modules, messages);
            modules.pop();
        }
    }
}

fn source_file(text: &str, modules: &[String], messages: &mut Messages) {
    let code: String = text
        .lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .fold(String::new(), |all, line| all + line.trim() + " ");
    for (at, _) in code.match_indices("pub struct ") {
        let rest = &code[at + "pub struct ".len()..];
        let Some((name, body)) = rest.split_once('{') else {
            continue;
        };
        let name = name.trim();
        if name.is_empty() || !name.chars().all(char::is_alphanumeric) {
            continue;
        }
        let body = body.split_once('}').map_or(body, |(b, _)| b);
        let fields = body
            .split("#[prost(")
            .skip(1)
            .map(|f| field(f, modules))
            .collect();
        messages.insert(path_of(modules, name), fields);
    }
}

fn path_of(modules: &[String], name: &str) -> String {
    let mut all = modules.to_vec();
    all.push(name.to_owned());
    key(&all.join("::"))
}

/// The key of a message path: prost rewrites `HTTPGetAction` as `HttpGetAction`, so case says nothing.
pub(crate) fn key(path: &str) -> String {
    path.to_lowercase()
}

fn field(text: &str, modules: &[String]) -> Field {
    let (attribute, rest) = text.split_once(")]").expect("the attribute ends");
    let number = attribute
        .split("tag = \"")
        .nth(1)
        .and_then(|t| t.split('"').next())
        .and_then(|t| t.parse().ok())
        .expect("every field has a tag");
    let (_, declaration) = rest.split_once("pub ").expect("fields are public");
    let (name, ty) = declaration.split_once(':').expect("fields have a type");
    let single = attribute.starts_with("message, optional");
    Field {
        name: name.trim().trim_start_matches("r#").to_owned(),
        number,
        message: single.then(|| message_path(ty, modules)),
    }
}

/// The absolute path of the type inside `::core::option::Option<super::super::v1::X>`.
fn message_path(ty: &str, modules: &[String]) -> String {
    let inner = ty.rsplit('<').next().unwrap_or(ty);
    let inner: String = inner
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ':' | '_'))
        .collect();
    let mut base = modules.to_vec();
    let mut path = inner.as_str();
    while let Some(rest) = path.strip_prefix("super::") {
        base.pop();
        path = rest;
    }
    base.push(path.to_owned());
    key(&base.join("::"))
}
