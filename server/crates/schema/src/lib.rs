//! What is known about the fields of every type, and everything that follows from it alone.
//!
//! One table (made at build time, see `build/`) says for each field its type, its protobuf number, how Go writes its
//! zero value and how patches merge it. Decoding of protobuf bodies, field checks, canonical form, strategic merge
//! patch, server-side apply and the OpenAPI documents are driven by it, and types that arrive at run time
//! (CustomResourceDefinitions) join the same table. Defaulting and validation of values are not here: they are rules
//! of single kinds and belong to the apiserver.

mod apply;
mod canonical;
mod check;
mod define;
mod duplicates;
mod go_text;
mod json_merge;
mod managed;
mod model;
mod openapi;
mod protobuf;
mod quantity;
mod set;
mod strategic;
mod table;
mod typed;
mod wire;

pub use apply::{ApplyError, Conflict};
pub use check::{Complaint, Problem};
pub use define::DefineError;
pub use duplicates::duplicate_fields;
pub use go_text::go_text;
pub use json_merge::json_merge;
pub use managed::{Writer, scale_managed_fields, scaled_managed_fields};
pub use model::Schema;
pub use openapi::{Document, OpenApi, Served, ServedSubresource};
pub use protobuf::ProtobufError;
pub use quantity::canonical_quantity;
pub use strategic::PatchError;
