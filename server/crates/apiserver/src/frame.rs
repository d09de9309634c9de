//! The frames of watches: each is encoded once per representation, however many watch.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use schema::Schema;
use serde_json::{Value, json};
use shared::{KindRef, Millis, Object, Revision, Status};

use crate::item::Item;
use crate::negotiate::{Include, Representation};
use crate::render::{JSON, partial, table_of};
use crate::server::ApiServer;
use crate::watch::Change;

const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf;stream=watch";
/// In how many forms and with how many words one change can be told.
const FORMS: usize = 6;
const WORDS: usize = 3;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Created, or moved into view.
    Added,
    /// Changed.
    Modified,
    /// Gone, or moved out of view.
    Deleted,
    /// Nothing up to this revision that was not sent.
    Bookmark,
}

impl Word {
    /// As the wire has it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
        }
    }
}

/// The frames of one change that somebody has needed already, by form and word.
#[derive(Debug, Default)]
pub(crate) struct Frames([[OnceLock<Bytes>; WORDS]; FORMS]);

/// One frame of a watch, before it is encoded.
#[derive(Clone, Debug)]
pub struct WatchFrame {
    /// What happened.
    pub word: Word,
    /// The object; for a bookmark one with nothing but a resourceVersion.
    pub item: Item,
    shared: Option<Arc<Change>>,
}

impl WatchFrame {
    pub(crate) fn new(word: Word, item: Item, shared: Option<Arc<Change>>) -> Self {
        Self { word, item, shared }
    }

    /// The parsed object as [`Item::glance`] has it; shared by all watchers who see the change in the same way.
    ///
    /// # Errors
    /// 500 when the stored object is damaged.
    pub fn object(&self) -> Result<Object, Status> {
        self.item.glance().cloned()
    }

    /// The frame in one form, made by whoever needs it first of all watchers who see the change in the same way.
    fn once(
        &self,
        form: usize,
        make: impl FnOnce() -> Result<Bytes, Status>,
    ) -> Result<Bytes, Status> {
        let slot = self.shared.as_ref().and_then(|change| {
            let words = change.frames.0.get(form)?;
            words.get(self.word as usize)
        });
        let Some(slot) = slot else { return make() };
        if let Some(bytes) = slot.get() {
            return Ok(bytes.clone());
        }
        let bytes = make()?;
        Ok(slot.get_or_init(|| bytes).clone())
    }

    fn json(&self) -> Result<Bytes, Status> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(
            format!("{{\"type\":\"{}\",\"object\":", self.word.text()).as_bytes(),
        );
        self.item.write_json(&mut out)?;
        out.extend_from_slice(b"}\n");
        Ok(out.into())
    }
}

/// How frames are written.
#[derive(Clone)]
enum Form {
    Json,
    Partial,
    Table(Include),
    Protobuf(Arc<Schema>),
}

/// Encodes the frames of one watch; the first Table carries the columns.
#[derive(Clone)]
pub struct WatchEncoder {
    form: Form,
    has_sent_columns: bool,
}

impl ApiServer {
    /// An encoder for the watch of a kind. A kind without a protobuf form is told as JSON.
    #[must_use]
    pub fn watch_encoder(&self, representation: Representation, kind: &KindRef) -> WatchEncoder {
        let form = match (representation, self.registry.find(kind)) {
            (Representation::Protobuf, Some(row)) => {
                let empty = json!({"apiVersion": row.api_version(), "kind": row.kind});
                let has_form = self.schema.encode_protobuf(&empty).is_some();
                has_form.then(|| Form::Protobuf(Arc::clone(&self.schema)))
            }
            _ => None,
        };
        let encoder = WatchEncoder::new(representation);
        WatchEncoder {
            form: form.unwrap_or(encoder.form),
            ..encoder
        }
    }
}

impl WatchEncoder {
    /// An encoder for a representation in JSON.
    #[must_use]
    pub fn new(representation: Representation) -> Self {
        let form = match representation {
            Representation::Table(include) => Form::Table(include),
            Representation::Partial => Form::Partial,
            _ => Form::Json,
        };
        Self {
            form,
            has_sent_columns: false,
        }
    }

    /// The `Content-Type` of the stream.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self.form {
            Form::Table(_) => TABLE,
            Form::Protobuf(_) => PROTOBUF,
            Form::Json | Form::Partial => JSON,
        }
    }

    /// Whether frames are binary, each behind its length, instead of lines of text.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        matches!(self.form, Form::Protobuf(_))
    }

    /// One frame: a line of JSON, or protobuf behind its length.
    ///
    /// # Errors
    /// 500 when the stored object is damaged.
    pub fn encode(&mut self, frame: &WatchFrame, now: Millis) -> Result<Bytes, Status> {
        match &self.form {
            Form::Json => frame.once(0, || frame.json()),
            Form::Protobuf(schema) => frame.once(1, || {
                let object = schema.encode_protobuf(frame.item.object()?.value());
                let object = object
                    .ok_or_else(|| Status::internal("an object of a watch has no protobuf form"))?;
                Ok(delimited(frame.word.text(), &object))
            }),
            Form::Partial => frame.once(2, || line(frame.word, &partial(frame.item.object()?))),
            Form::Table(include) => {
                let include = *include;
                let with_columns = !std::mem::replace(&mut self.has_sent_columns, true);
                if with_columns {
                    return row(frame, include, now, true);
                }
                frame.once(3 + include as usize, || row(frame, include, now, false))
            }
        }
    }

    /// The last frame of a watch that cannot go on.
    #[must_use]
    pub fn error(&self, status: &Status) -> Bytes {
        let status = json!(status);
        if let Form::Protobuf(schema) = &self.form
            && let Some(object) = schema.encode_protobuf(&status)
        {
            return delimited("ERROR", &object);
        }
        Bytes::from(format!("{}\n", json!({"type": "ERROR", "object": status})))
    }
}

/// A row of a table, as a line of JSON. Ages are of when the first watcher was told.
fn row(
    frame: &WatchFrame,
    include: Include,
    now: Millis,
    with_columns: bool,
) -> Result<Bytes, Status> {
    let items = if frame.word == Word::Bookmark {
        &[]
    } else {
        std::slice::from_ref(&frame.item)
    };
    let meta = version(frame.item.revision());
    let mut table = table_of(frame.item.kind(), items, include, now, meta, with_columns)?;
    if frame.word == Word::Bookmark {
        bookmark_row(&mut table, frame.item.object()?);
    }
    line(frame.word, &table)
}

fn line(word: Word, object: &Value) -> Result<Bytes, Status> {
    let mut out = Vec::with_capacity(1024);
    serde_json::to_writer(&mut out, &json!({"type": word.text(), "object": object}))
        .map_err(Status::internal)?;
    out.push(b'\n');
    Ok(out.into())
}

/// `meta.v1.WatchEvent` behind its length in four bytes, big end first
/// (`apimachinery/pkg/runtime/serializer/protobuf`, `LengthDelimitedFramer`): the type is field 1, the object is field
/// 2, a `RawExtension` whose field 1 has the object with its envelope.
fn delimited(word: &str, object: &[u8]) -> Bytes {
    let mut raw = Vec::with_capacity(object.len() + 8);
    field(&mut raw, 1, object);
    let mut event = Vec::with_capacity(raw.len() + 32);
    event.extend_from_slice(&[0; 4]);
    field(&mut event, 1, word.as_bytes());
    field(&mut event, 2, &raw);
    let length = u32::try_from(event.len() - 4).unwrap_or(u32::MAX);
    if let Some(head) = event.get_mut(..4) {
        head.copy_from_slice(&length.to_be_bytes());
    }
    event.into()
}

/// A field of bytes: its key, its length as varint, itself.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

fn version(revision: Revision) -> Value {
    json!({"resourceVersion": revision.to_string()})
}

/// A bookmark among tables is a row without cells, so that its annotations are seen.
fn bookmark_row(table: &mut Value, bookmark: &Object) {
    if let Some(rows) = table.get_mut("rows").and_then(Value::as_array_mut) {
        rows.push(json!({"cells": [], "object": partial(bookmark)}));
    }
}
