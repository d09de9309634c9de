//! Scenarios: a lesson or a bug report as data. Objects to begin with, steps to read, actions to try, checks that turn
//! green, and a timeline of faults. A user can write one as YAML, open one from a link, and run one from the shell.
//!
//! Holds the format, its limits, the link codec and the checks' expressions. It applies nothing and fetches nothing:
//! whoever opens a scenario shows it first and sends each object through the API like any other client.

mod deed;
pub mod expression;
mod link;
mod object;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Object;
pub use deed::{Deed, DeedError, Target};
pub use expression::Expression;
pub use link::{DecodeError, EncodeError};
pub use object::{ObjectError, clean, is_system_namespace};

/// The longest link that is written or read, in characters after `#s=`.
pub const MAX_ENCODED: usize = 64 * 1024;
/// The largest document that a link may unfold to, in bytes.
pub const MAX_DECODED: usize = 1024 * 1024;
/// The most objects that a scenario may hold.
pub const MAX_OBJECTS: usize = 500;
/// The most nodes that a scenario may ask for.
pub const MAX_NODES: usize = 200;
/// The most steps of a scenario, and the most moments of its timeline.
pub const MAX_STEPS: usize = 40;
/// The most actions, and the most checks, of one step; the most deeds of one action.
pub const MAX_PER_STEP: usize = 12;
/// The longest text of a step, in bytes.
pub const MAX_TEXT: usize = 10_000;

/// A scenario as its author wrote it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// One line; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What one learns, in a sentence or two.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// How many nodes the cluster has: whoever opens it is warned when the present one has fewer.
    #[serde(default)]
    pub nodes: usize,
    /// Labels and taints that nodes get at the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// The objects at the beginning, in the order in which they are created, free of what a server fills in. A Pod
    /// with `spec.nodeName` is placed there.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// What one reads and does, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What happens by itself, counted on the cluster clock from the opening.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Moment>,
}

/// What is special about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// Labels to add.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
    /// Taints, as in a Node's `spec.taints`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Value>,
}

/// One page of the lesson.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Its heading.
    pub title: String,
    /// Markdown: paragraphs, lists, emphasis, code. Nothing in it is fetched or run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the reader may press instead of doing it by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// What must be true at the end of the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What to look at, by its plural, namespace and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Target>,
}

/// Something to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// The words on its button.
    pub label: String,
    /// What it sends, in order.
    #[serde(rename = "do")]
    pub deeds: Vec<Deed>,
    /// The HTTP status with which the last deed is meant to be refused: 409 where a conflict is the lesson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u16>,
}

/// Something that must come true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// What it says, in words.
    pub name: String,
    /// CEL over the live objects: `pods.exists(p, p.metadata.name == "web")`.
    pub expression: Expression,
    /// Help for whoever is stuck.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// Something that happens by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moment {
    /// Seconds of the cluster clock after the opening.
    pub after_seconds: u32,
    /// What happens, in words.
    pub label: String,
    /// What is sent, in order.
    #[serde(rename = "do")]
    pub deeds: Vec<Deed>,
}

/// Why a document is no scenario, although its fields are right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// More of something than a scenario may hold.
    #[error("{found} {what} are more than the {most} that a scenario may hold")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A text that no screen would show.
    #[error("the text of step {0} is longer than {MAX_TEXT} bytes")]
    LongText(usize),
    /// An object that must not travel.
    #[error("{0}")]
    Object(#[from] ObjectError),
    /// A deed that a scenario must not do.
    #[error("{0}")]
    Deed(#[from] DeedError),
}

impl Scenario {
    /// Judges what the fields' types cannot: numbers, kinds, namespaces, names.
    ///
    /// # Errors
    /// The first thing that a scenario must not hold.
    pub fn validate(&self) -> Result<(), FormatError> {
        at_most("nodes", self.nodes, MAX_NODES)?;
        at_most("places", self.places.len(), MAX_NODES)?;
        at_most("objects", self.objects.len(), MAX_OBJECTS)?;
        at_most("steps", self.steps.len(), MAX_STEPS)?;
        at_most("moments", self.timeline.len(), MAX_STEPS)?;
        self.objects.iter().try_for_each(object::check)?;
        for (number, step) in (1..).zip(&self.steps) {
            at_most("actions of a step", step.actions.len(), MAX_PER_STEP)?;
            at_most("checks of a step", step.checks.len(), MAX_PER_STEP)?;
            if step.text.len() > MAX_TEXT {
                return Err(FormatError::LongText(number));
            }
        }
        let actions = self.steps.iter().flat_map(|s| &s.actions).map(|a| &a.deeds);
        for deeds in actions.chain(self.timeline.iter().map(|m| &m.deeds)) {
            at_most("deeds of an action", deeds.len(), MAX_PER_STEP)?;
            deeds.iter().try_for_each(Deed::validate)?;
        }
        Ok(())
    }
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), FormatError> {
    if found > most {
        return Err(FormatError::TooMany { what, found, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
