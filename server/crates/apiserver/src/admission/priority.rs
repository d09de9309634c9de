//! Priority: a pod's priority comes from its class (`kubernetes.io/docs/concepts/scheduling-eviction`).

use serde_json::Value;
use shared::Status;

use super::Attempt;
use crate::value::{default_text, field, flag, int, object, text};

const PREFIX: &str = "/registry/priorityclasses/";

pub(super) fn admit(attempt: &Attempt<'_, '_>, value: &mut Value) -> Result<(), Status> {
    if !attempt.creates("pods") {
        return Ok(());
    }
    let asked = text(value, "/spec/priorityClassName").to_owned();
    let class = if asked.is_empty() {
        attempt
            .all(PREFIX)?
            .into_iter()
            .find(|class| flag(class, "/globalDefault"))
    } else {
        let found = attempt.stored(&format!("{PREFIX}{asked}"))?;
        Some(found.ok_or_else(|| {
            attempt.forbidden(
                value,
                &format!("no PriorityClass with name {asked} was found"),
            )
        })?)
    };
    let priority = class.as_ref().and_then(|c| int(c, "/value")).unwrap_or(0);
    if let Some(sent) = int(value, "/spec/priority").filter(|sent| *sent != priority) {
        let why = format!(
            "the integer value of priority ({sent}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        );
        return Err(attempt.forbidden(value, &why));
    }
    let policy = class.as_ref().map_or("", |c| field(c, "preemptionPolicy"));
    let policy = if policy.is_empty() {
        "PreemptLowerPriority"
    } else {
        policy
    };
    let spec = object(value, "spec");
    spec.insert("priority".into(), priority.into());
    default_text(spec, "preemptionPolicy", policy);
    if let Some(name) = class.as_ref().map(|c| text(c, "/metadata/name")) {
        default_text(spec, "priorityClassName", name);
    }
    Ok(())
}
