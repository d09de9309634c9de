//! The scenarios that come with Glasshouse, and those in files.

use std::fs;

use anyhow::{Context, Result, ensure};
use shared::scenario::{MAX_DECODED, Scenario};

macro_rules! scenarios {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../scenarios/", $name, ".yaml")))),+]
    };
}

/// Names and texts, in the order in which they walk the architecture.
pub(super) const ALL: &[(&str, &str)] = scenarios![
    "a-pod-is-born",
    "the-scheduler-says-no",
    "two-writers",
    "self-healing",
    "rolling-update",
    "init-container",
    "one-ip-two-containers",
    "outside-to-container",
    "limits-that-bite",
    "a-node-dies",
];

/// Reads a scenario by its name, or from a file.
pub(super) fn open(name: &str) -> Result<Scenario> {
    if let Some((_, text)) = ALL.iter().find(|(known, _)| *known == name) {
        return parse(text).with_context(|| format!("the scenario {name}"));
    }
    let size = fs::metadata(name)
        .with_context(|| format!("{name} is neither a file nor in `glasshouse scenario list`"))?
        .len();
    ensure!(
        size <= MAX_DECODED as u64,
        "{name} has {size} bytes, and a scenario has at most {MAX_DECODED}"
    );
    let text = fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
    parse(&text).with_context(|| name.to_owned())
}

/// Reads a scenario's YAML.
pub(super) fn parse(text: &str) -> Result<Scenario> {
    // By way of JSON, so that a file and a link are read by the same rules.
    let value: serde_json::Value = serde_saphyr::from_str(text)?;
    let scenario: Scenario = serde_json::from_value(value)?;
    scenario.validate()?;
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_good_and_travels_in_a_link() {
        let order: Vec<&str> = include_str!("../../../scenarios/ORDER").lines().collect();
        assert_eq!(ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>(), order);
        assert!(order.len() >= 10);
        for (name, text) in ALL {
            let scenario = parse(text).unwrap_or_else(|e| panic!("{name}: {e:#}"));
            assert!(
                !scenario.title.is_empty() && !scenario.summary.is_empty(),
                "{name}"
            );
            assert!(
                scenario.steps.iter().all(|s| !s.checks.is_empty()),
                "{name}"
            );
            let link = scenario.encode().unwrap();
            assert!(link.len() < 4000, "{name}: {} characters", link.len());
            assert_eq!(Scenario::decode(&link).unwrap(), scenario, "{name}");
        }
    }

    #[test]
    fn what_is_no_scenario_is_explained() {
        for (text, want) in [
            ("title: [", "line"),
            ("titel: x", "unknown field `titel`"),
            (
                "steps: [{title: t, checks: [{name: one, expression: 'pods.('}]}]",
                "expected a name",
            ),
            (
                "objects: [{apiVersion: v1, kind: Secret, metadata: {name: s}}]",
                "cannot travel",
            ),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(format!("{:#}", open("no-such-file").unwrap_err()).contains("scenario list"));
    }
}
