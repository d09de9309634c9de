//! What was measured, beside what the original does and what another cluster did in the same run.

use std::collections::BTreeMap;

use serde_json::json;

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// A rate.
    More,
    /// A time, a size.
    Less,
}

/// One measured value.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub scenario: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Which way it is better.
    pub better: Better,
    /// What kube-apiserver 1.36.2 with etcd 3.6 did on a machine of two cores.
    pub reference: Option<f64>,
}

impl Figure {
    /// A figure that is better when it is more.
    #[must_use]
    pub fn more(scenario: String, value: f64, unit: &'static str) -> Self {
        Self {
            scenario,
            value,
            unit,
            better: Better::More,
            reference: None,
        }
    }

    /// A figure that is better when it is less.
    #[must_use]
    pub fn less(scenario: String, value: f64, unit: &'static str) -> Self {
        Self {
            better: Better::Less,
            ..Self::more(scenario, value, unit)
        }
    }

    /// Looks up the original's figure by scenario.
    #[must_use]
    pub fn beside(mut self, references: &[(&str, f64)]) -> Self {
        let found = references.iter().find(|(name, _)| *name == self.scenario);
        self.reference = found.map(|(_, value)| *value);
        self
    }

    /// How many times better than `other`.
    fn ratio(&self, other: f64) -> f64 {
        match self.better {
            Better::More => self.value / other,
            Better::Less => other / self.value,
        }
    }
}

/// Prints the medians of several rounds, one line a figure, in the order of the first round. `peer` has the rounds of
/// the other cluster, taken in turn with ours; the ratio is then the median of the rounds' ratios.
#[expect(clippy::print_stdout, reason = "the figures are what a bench is for")]
pub fn report(own: &[Vec<Figure>], peer: &[Vec<Figure>]) {
    let of_peer = by_scenario(peer);
    let of_own = by_scenario(own);
    for figure in own.first().into_iter().flatten() {
        let mine = of_own
            .get(figure.scenario.as_str())
            .cloned()
            .unwrap_or_default();
        let value = median(mine.clone());
        let mut line = json!({
            "scenario": figure.scenario, "value": round(value), "unit": figure.unit,
        });
        let of = |v: f64| Figure {
            value: v,
            ..figure.clone()
        };
        if let Some(reference) = figure.reference {
            line["reference"] = round(reference).into();
            line["ratio"] = round(of(value).ratio(reference)).into();
        }
        if let Some(theirs) = of_peer.get(figure.scenario.as_str()) {
            let ratios = mine.iter().zip(theirs).map(|(m, t)| of(*m).ratio(*t));
            line["peer"] = round(median(theirs.clone())).into();
            line["peerRatio"] = round(median(ratios.collect())).into();
        }
        println!("{line}");
    }
}

fn by_scenario(rounds: &[Vec<Figure>]) -> BTreeMap<&str, Vec<f64>> {
    let mut found: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for figure in rounds.iter().flatten() {
        found
            .entry(&figure.scenario)
            .or_default()
            .push(figure.value);
    }
    found
}

fn median(mut values: Vec<f64>) -> f64 {
    crate::measure::percentile(&mut values, 0.5)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_is_above_one_whichever_way_it_is_counted() {
        let rate = Figure::more("create".into(), 600.0, "1/s").beside(&[("create", 200.0)]);
        let time = Figure::less("p99".into(), 10.0, "ms").beside(&[("create", 200.0)]);
        assert_eq!(rate.reference.map(|r| rate.ratio(r)), Some(3.0));
        assert_eq!((time.reference, time.ratio(40.0)), (None, 4.0));
    }
}
