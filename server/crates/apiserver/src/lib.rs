//! kube-apiserver as functions: a request and a snapshot of the store in, an answer or a transaction out.
//!
//! [`ApiServer::handle`] decides about a [`client::Request`] over an immutable snapshot: authorization, admission,
//! defaults, validation, patches, subresources. It never writes; an [`Outcome::Commit`] is the caller's to commit, so
//! that requests run in parallel and only commits are serial. [`ApiServer::parse`], [`ApiServer::negotiate`] and
//! [`ApiServer::render`] are the edge to HTTP, still without any IO: which request a path and a query mean, and how
//! an answer reads in the representation that the client accepts.
//!
//! Reads no clock and no randomness: the time and a seed come with the [`Context`].

mod admission;
mod allocate;
mod answer;
mod authz;
mod body;
mod bootstrap;
mod component_status;
mod convert;
mod create;
mod decoded;
mod delete;
mod discovery;
mod errors;
mod frame;
mod glance;
mod health;
mod http;
mod initial;
mod item;
mod meta;
mod negotiate;
mod options;
mod patch;
mod proxy;
mod quota;
mod random;
mod read;
mod refuse;
mod registry;
mod render;
mod review;
mod scale;
mod scan;
mod schemas;
mod selection;
mod server;
mod strategy;
mod subresource;
mod table;
mod token;
mod update;
mod value;
mod watch;
mod yaml;

pub use admission::plugin_names;
pub use answer::{Answer, COMMIT_ATTEMPTS_MAX, Connect, Each, Listing, Outcome, Proposal};
pub use authz::{Attributes, Authorizer, Decision, Impersonation, Rules};
pub use bootstrap::{CA_DESCRIPTION, EVENT_TTL_MS};
pub use decoded::Decoded;
pub use frame::{WatchEncoder, WatchFrame, Word};
pub use health::Check;
pub use http::{HttpRequest, NonResource, Parsed};
pub use item::Item;
pub use negotiate::{Include, Representation};
pub use refuse::{MAX_BODY_BYTES, MAX_PATCH_OPS, too_large};
pub use registry::Registry;
pub use render::Response;
pub use selection::Selection;
pub use server::{ApiServer, Config, Context, Observer, Phase, User};
pub use token::{ISSUER, TokenError, TokenSigner};
pub use watch::{BOOKMARK_EVERY_S, Change, MIN_WATCH_TIMEOUT_S, WatchCursor, WatchPlan};
