//! One object on its way out: the bytes it was stored as, and its parsed form once somebody needs it.
//!
//! Objects are stored without `metadata.resourceVersion`, because only the commit knows it. `kind`, `apiVersion` and
//! `metadata` come first in the stored bytes, so that the version is spliced in without parsing anything.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use shared::{Kind, Object, Revision, Status};

use crate::decoded::Decoded;
use crate::{convert, glance, scan};

const METADATA: &[u8] = b"\"metadata\":{";
/// The longest that a resourceVersion is with its name, in bytes.
const VERSION_BYTES: usize = 42;

/// An object of a known kind at a revision. Clones share the parsed form.
#[derive(Clone, Debug)]
pub struct Item {
    kind: &'static Kind,
    bytes: Bytes,
    revision: Revision,
    decoded: Arc<Decoded>,
}

impl Item {
    /// An object as the store holds it, last written by `revision`.
    #[must_use]
    pub fn stored(kind: &'static Kind, bytes: Bytes, revision: Revision) -> Self {
        Self::written(kind, bytes, revision, Arc::default())
    }

    /// A stored object whose parsed form may be at hand.
    pub(crate) fn written(
        kind: &'static Kind,
        bytes: Bytes,
        revision: Revision,
        decoded: Arc<Decoded>,
    ) -> Self {
        Self {
            kind,
            bytes,
            revision,
            decoded,
        }
    }

    /// An object that is no object of the store, such as a `Scale` or a review.
    pub(crate) fn made(kind: &'static Kind, value: Value) -> Self {
        let object = Object::new(value);
        let revision = object.revision();
        Self::written(kind, Bytes::new(), revision, Arc::new(object.into()))
    }

    /// The kind it was asked for as.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The revision that wrote it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The parsed object with its resourceVersion, parsed once.
    ///
    /// # Errors
    /// 500 when the stored bytes are no object: the store is damaged.
    pub fn object(&self) -> Result<&Object, Status> {
        self.decoded.whole(|| {
            let mut value = parse(&self.bytes)?;
            convert::from_storage(self.kind, &mut value);
            set_revision(&mut value, self.revision);
            Ok(Object::new(value))
        })
    }

    /// The parsed object as components keep it and people are shown it: without managed fields where they would have to
    /// be parsed. Parsed once.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn glance(&self) -> Result<&Object, Status> {
        if let Some(object) = self.decoded.ready() {
            return Ok(object);
        }
        if convert::is_converted(self.kind) {
            return self.object();
        }
        self.decoded.glance(|at_hand| {
            let mut value = match at_hand {
                Some(mut value) => {
                    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
                    {
                        metadata.remove("managedFields");
                    }
                    value
                }
                None => glance::parse(&self.bytes).map_err(damaged)?,
            };
            set_revision(&mut value, self.revision);
            Ok(Object::new(value))
        })
    }

    /// As [`Self::object`], not kept when it was not there: for passing over many once.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub(crate) fn passing(&self) -> Result<Object, Status> {
        match self.decoded.ready_whole() {
            Some(object) => Ok(object.clone()),
            None => self.alone().object().cloned(),
        }
    }

    /// As [`Self::glance`], not kept when it was not there: for passing over many once.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub(crate) fn passing_glance(&self) -> Result<Object, Status> {
        match self.decoded.ready() {
            Some(object) => Ok(object.clone()),
            None => self.alone().glance().cloned(),
        }
    }

    /// The same, with parsed forms of its own.
    fn alone(&self) -> Self {
        Self::stored(self.kind, self.bytes.clone(), self.revision)
    }

    /// Appends its metadata alone, as a `PartialObjectMetadata`.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub(crate) fn write_partial(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        let metadata = (!self.bytes.is_empty() && !convert::is_converted(self.kind))
            .then(|| scan::find(&self.bytes, "/metadata").ok().flatten())
            .flatten();
        let Some(rest) = metadata.and_then(|text| text.strip_prefix(b"{")) else {
            let partial = crate::render::partial(&self.passing()?);
            return serde_json::to_writer(out, &partial).map_err(Status::internal);
        };
        out.extend_from_slice(
            br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"#,
        );
        self.write_version(out)?;
        out.extend_from_slice(rest);
        out.push(b'}');
        Ok(())
    }

    /// Appends the JSON form with its resourceVersion.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        if self.bytes.is_empty() || convert::is_converted(self.kind) {
            let object = self.object()?;
            return serde_json::to_writer(out, object.value()).map_err(Status::internal);
        }
        let (head, tail) = self.around_version()?;
        out.reserve(self.room());
        out.extend_from_slice(head);
        self.write_version(out)?;
        out.extend_from_slice(tail);
        Ok(())
    }

    /// The stored text before and after the place of the resourceVersion.
    fn around_version(&self) -> Result<(&[u8], &[u8]), Status> {
        let at = splice_point(&self.bytes).ok_or_else(|| {
            Status::internal(format!("a stored {} has no metadata", self.kind.kind))
        })?;
        Ok(self.bytes.split_at(at))
    }

    fn write_version(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        write!(out, "\"resourceVersion\":\"{}\",", self.revision).map_err(Status::internal)
    }

    /// Bytes that the JSON form needs at most, when the object is stored as it is shown.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len() + VERSION_BYTES
    }

    /// Appends the form that it has among the items of a list: as [`Self::write_json`], without `kind` and
    /// `apiVersion`, which the list says for all of them.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn write_list_item(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        if self.bytes.is_empty() || convert::is_converted(self.kind) {
            let object = self.object()?;
            let mut first = true;
            out.push(b'{');
            for (name, field) in object.value().as_object().into_iter().flatten() {
                if !matches!(name.as_str(), "kind" | "apiVersion") {
                    entry(out, &mut first, name, field)?;
                }
            }
            out.push(b'}');
            return Ok(());
        }
        // Stored objects begin with both, so that leaving them out needs no parsing.
        let (_, tail) = self.around_version()?;
        out.push(b'{');
        out.extend_from_slice(METADATA);
        self.write_version(out)?;
        out.extend_from_slice(tail);
        Ok(())
    }

    /// One value of the object: from its parsed form where there is one, or else from its text alone. `pointer` may
    /// not lead into arrays.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub(crate) fn peek(&self, pointer: &str) -> Result<Option<Cow<'_, Value>>, Status> {
        if let Some(object) = self.decoded.ready() {
            return Ok(object.at(pointer).map(Cow::Borrowed));
        }
        let is_text = !self.bytes.is_empty() && !convert::is_converted(self.kind);
        if is_text && let Ok(found) = scan::find(&self.bytes, pointer) {
            let Some(text) = found else { return Ok(None) };
            let value = serde_json::from_slice(text).map_err(Status::internal)?;
            return Ok(Some(Cow::Owned(value)));
        }
        Ok(self.object()?.at(pointer).map(Cow::Borrowed))
    }

    /// The JSON form with its resourceVersion.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn json(&self) -> Result<Bytes, Status> {
        let mut out = Vec::new();
        self.write_json(&mut out)?;
        Ok(out.into())
    }

    /// The same stored object as another kind shows it.
    pub(crate) fn viewed_as(&self, kind: &'static Kind) -> Self {
        Self::stored(kind, self.bytes.clone(), self.revision)
    }

    /// The same object as of another revision: what a watch shows of an object that left its view.
    #[must_use]
    pub fn at(&self, revision: Revision) -> Self {
        Self::stored(self.kind, self.bytes.clone(), revision)
    }
}

fn damaged(why: serde_json::Error) -> Status {
    Status::internal(format!("a stored object is damaged: {why}"))
}

/// Parses stored bytes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Status> {
    let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Status::internal(
            "a stored object is damaged: it is no JSON object",
        ))
    }
}

/// The bytes to store for an object: without `resourceVersion`, with `kind`, `apiVersion` and `metadata` first.
pub(crate) fn encode(kind: &Kind, value: &Value) -> Result<Bytes, Status> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(
        format!(
            "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{{",
            kind.kind,
            kind.api_version()
        )
        .as_bytes(),
    );
    let mut first = true;
    for (name, field) in value
        .get("metadata")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if name != "resourceVersion" {
            entry(&mut out, &mut first, name, field)?;
        }
    }
    if first {
        return Err(Status::internal(format!(
            "a {} without metadata cannot be stored",
            kind.kind
        )));
    }
    out.push(b'}');
    for (name, field) in value.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
            entry(&mut out, &mut first, name, field)?;
        }
    }
    out.push(b'}');
    // It is kept for as long as the object and its history are.
    out.shrink_to_fit();
    Ok(out.into())
}

fn entry(out: &mut Vec<u8>, first: &mut bool, name: &str, value: &Value) -> Result<(), Status> {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, name).map_err(Status::internal)?;
    out.push(b':');
    serde_json::to_writer(&mut *out, value).map_err(Status::internal)
}

/// Where the resourceVersion goes: right behind the brace that opens `metadata`.
fn splice_point(bytes: &[u8]) -> Option<usize> {
    let start = bytes
        .windows(METADATA.len())
        .take(512)
        .position(|w| w == METADATA)?;
    Some(start + METADATA.len())
}

/// Puts the resourceVersion into a parsed object.
pub(crate) fn set_revision(value: &mut Value, revision: Revision) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".into(), revision.to_string().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shared::kind;

    #[test]
    fn the_version_is_spliced_into_the_stored_bytes() {
        let pods = kind::find("", "v1", "pods").expect("a row");
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "resourceVersion": "9"}, "spec": {"x": [1]}});
        let bytes = encode(pods, &value).expect("encodes");
        assert!(!bytes.windows(15).any(|w| w == b"resourceVersion"));
        let item = Item::stored(pods, bytes, Revision(12));
        let text = String::from_utf8(item.json().expect("json").to_vec()).expect("utf-8");
        assert_eq!(
            text,
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"12","name":"a"},"spec":{"x":[1]}}"#
        );
        assert_eq!(item.object().expect("object").revision(), Revision(12));
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic() {
        let pods = kind::find("", "v1", "pods").expect("a row");
        for bytes in ["", "{", "[]", "{}", "null"] {
            let item = Item::stored(pods, Bytes::from_static(bytes.as_bytes()), Revision(1));
            let _ = (item.json(), item.object());
        }
        assert!(encode(pods, &json!({})).is_err());
    }
}
