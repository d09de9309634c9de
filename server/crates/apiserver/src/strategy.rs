//! What a kind does beyond the generic registry: defaults, what the server fills in, and its own rules.
//!
//! A kind without a row here is served with metadata rules and schema checks only.

mod admission;
mod autoscaler;
mod cluster;
mod config;
mod container;
mod device;
mod endpoints;
mod event;
mod extension;
mod flow;
mod limits;
mod more_rows;
mod network;
mod persistent;
mod pod;
mod pod_check;
mod pod_update;
mod rbac;
mod rows;
mod service;
mod signing;
mod status;
mod storage;
mod volume;
mod workload;

pub(crate) use pod::qos_class;
use serde_json::Value;
use shared::name::dns_subdomain;
use shared::{Kind, Millis};

use crate::errors::Errors;
use crate::server::Context;
use crate::value::Fields;

/// When `metadata.generation` grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The kind has none.
    None,
    /// With the spec.
    Spec,
    /// With the spec or the annotations (Deployments).
    SpecAndAnnotations,
    /// With everything but metadata; labels count.
    Everything,
}

impl Generation {
    /// True when objects of the kind have a generation.
    pub(crate) fn is_kept(self) -> bool {
        self != Self::None
    }
}

/// What a kind does beyond the generic registry.
pub(crate) struct Strategy {
    /// When the generation grows.
    pub(crate) generation: Generation,
    /// What is wrong with a name.
    pub(crate) check_name: fn(&str) -> Option<String>,
    /// Fills in defaults.
    pub(crate) defaults: fn(&mut Value),
    /// Sets what a new object starts with.
    pub(crate) prepare_create: fn(&mut Value, Millis),
    /// Carries over what an update does not change.
    pub(crate) prepare_update: fn(&mut Value, &Value),
    /// The same for an update of the status.
    pub(crate) prepare_status: fn(&mut Value, &Value, Millis),
    /// Checks an object.
    pub(crate) validate: fn(&Value, &mut Errors),
    /// Checks what holds for new objects only, after `validate`.
    pub(crate) validate_new: fn(&Value, &mut Errors),
    /// Checks a new state of an object against the old one.
    pub(crate) validate_update: ValidateUpdate,
    /// Whether a delete answers with the object instead of a `Status`.
    pub(crate) returns_deleted: bool,
    /// Whether an update of a missing object creates it.
    pub(crate) create_on_update: bool,
    /// Whether an update must say which version it is about (`AllowUnconditionalUpdate` is false).
    pub(crate) requires_version: bool,
    /// Whether labels stay as they are when the status is updated.
    pub(crate) status_keeps_labels: bool,
    /// Whether a new object may come with a status (Nodes register with theirs).
    pub(crate) keeps_status_on_create: bool,
    /// Fills in what a new object says about who created it and about other objects.
    pub(crate) fill_in: fn(&mut Value, &Context<'_>),
    /// What replaces `validate_update` for some subresources.
    pub(crate) validate_parts: &'static [(&'static str, ValidateUpdate)],
}

/// Checks a new state of an object against the old one.
pub(crate) type ValidateUpdate = fn(&Value, &Value, &mut Errors);

const BASE: Strategy = Strategy {
    generation: Generation::None,
    check_name: dns_subdomain,
    defaults: |_| {},
    prepare_create: |_, _| {},
    prepare_update: |_, _| {},
    prepare_status: |_, _, _| {},
    validate: |_, _| {},
    validate_new: |_, _| {},
    validate_update: |_, _, _| {},
    returns_deleted: false,
    create_on_update: false,
    requires_version: false,
    status_keeps_labels: false,
    keeps_status_on_create: false,
    fill_in: |_, _| {},
    validate_parts: &[],
};
static OTHERS: Strategy = BASE;

/// The strategy of a kind. A version that is not the preferred one has a row of its own.
pub(crate) fn of(kind: &Kind) -> &'static Strategy {
    let is_of =
        |group: &str| group == kind.group || (!kind.is_preferred() && group == kind.api_version());
    let rows = rows::RUNNING
        .iter()
        .chain(more_rows::ABOUT)
        .filter(|(_, plural, _)| *plural == kind.plural);
    rows.filter(|(group, ..)| is_of(group))
        .max_by_key(|(group, ..)| group.contains('/'))
        .map_or(&OTHERS, |(.., strategy)| strategy)
}

/// New objects start with an empty status, whatever was sent.
fn reset_status(value: &mut Value, _now: Millis) {
    set_status(value, Fields::new());
}

fn set_status(value: &mut Value, status: Fields) {
    crate::value::as_object(value).insert("status".into(), Value::Object(status));
}

/// The amount that a quantity field holds; `None` for none and for what is no quantity.
fn quantity(value: Option<&Value>) -> Option<shared::quantity::Quantity> {
    use shared::quantity::Quantity;
    let value = value?;
    match value.as_i64() {
        Some(units) => Some(Quantity::units(units)),
        None => value.as_str().and_then(Quantity::parse),
    }
}
