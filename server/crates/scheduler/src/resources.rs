//! Amounts of resources as the scheduler adds and compares them: millicores and whole units.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::quantity::Quantity;

/// What a container that requests no CPU counts for in scoring, in millicores
/// (`pkg/scheduler/util.DefaultMilliCPURequest`).
pub(crate) const ASSUMED_MILLI_CPU: i64 = 100;
/// What a container that requests no memory counts for in scoring, in bytes
/// (`pkg/scheduler/util.DefaultMemoryRequest`).
pub(crate) const ASSUMED_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Millicores.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Everything else, by name, in whole units.
    pub extended: BTreeMap<String, i64>,
}

impl Resources {
    /// Reads a `ResourceList`. Unreadable quantities count as zero: validation happened at the door. `pods` is not an
    /// amount that a pod requests and is left out.
    #[must_use]
    pub fn from_list(list: Option<&Value>) -> Self {
        let mut resources = Self::default();
        for (name, value) in list.and_then(Value::as_object).into_iter().flatten() {
            let amount = quantity(value);
            match name.as_str() {
                "cpu" => resources.milli_cpu = amount.as_millis(),
                "memory" => resources.memory = amount.as_units(),
                "ephemeral-storage" => resources.ephemeral_storage = amount.as_units(),
                "pods" => {}
                other => {
                    resources.extended.insert(other.into(), amount.as_units());
                }
            }
        }
        resources
    }

    /// Adds `other`, saturating.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes `other` away, saturating.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    /// Keeps the larger amount of each.
    pub fn raise_to(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, how: fn(i64, i64) -> i64) {
        self.milli_cpu = how(self.milli_cpu, other.milli_cpu);
        self.memory = how(self.memory, other.memory);
        self.ephemeral_storage = how(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.extended {
            let slot = self.extended.entry(name.clone()).or_default();
            *slot = how(*slot, *amount);
        }
    }

    /// True when nothing is asked for.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.extended.values().all(|a| *a == 0)
    }
}

/// A quantity written as a string or as a number.
pub(crate) fn quantity(value: &Value) -> Quantity {
    match value {
        Value::String(text) => Quantity::parse(text).unwrap_or_default(),
        other => Quantity::parse(&other.to_string()).unwrap_or_default(),
    }
}

/// What a pod requests: the sum of its containers or the largest init container beside the sidecars started before
/// it, whichever is more, plus overhead (`kubernetes.io/docs/concepts/workloads/pods/init-containers`, "Resource
/// sharing within containers"; KEP-753 for sidecars). Pod-level requests replace the sum (KEP-2837).
#[must_use]
pub fn pod_requests(spec: &Value) -> Resources {
    requests_with(spec, |container| {
        Resources::from_list(container.pointer("/resources/requests"))
    })
}

/// CPU and memory of [`pod_requests`] with the assumed amounts for containers that request none.
pub(crate) fn pod_requests_assumed(spec: &Value) -> (i64, i64) {
    let sum = requests_with(spec, |container| {
        let list = container.pointer("/resources/requests");
        let mut requests = Resources::from_list(list);
        let missing = |name: &str| list.and_then(|l| l.get(name)).is_none();
        if missing("cpu") {
            requests.milli_cpu = ASSUMED_MILLI_CPU;
        }
        if missing("memory") {
            requests.memory = ASSUMED_MEMORY;
        }
        requests
    });
    (sum.milli_cpu, sum.memory)
}

fn requests_with(spec: &Value, of: impl Fn(&Value) -> Resources) -> Resources {
    let containers = |field: &str| {
        spec.get(field)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let mut total = Resources::default();
    for container in containers("containers") {
        total.add(&of(container));
    }
    let (mut sidecars, mut init_peak) = (Resources::default(), Resources::default());
    for container in containers("initContainers") {
        let requests = of(container);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            total.add(&requests);
            sidecars.add(&requests);
            init_peak.raise_to(&sidecars);
        } else {
            let mut together = requests;
            together.add(&sidecars);
            init_peak.raise_to(&together);
        }
    }
    total.raise_to(&init_peak);
    if let Some(pod_level) = spec.pointer("/resources/requests") {
        let (stated, list) = (Resources::from_list(Some(pod_level)), pod_level.as_object());
        for name in list.into_iter().flat_map(|l| l.keys()) {
            match name.as_str() {
                "cpu" => total.milli_cpu = stated.milli_cpu,
                "memory" => total.memory = stated.memory,
                _ => {}
            }
        }
    }
    total.add(&Resources::from_list(spec.get("overhead")));
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    #[test]
    fn a_pod_requests_the_larger_of_its_containers_and_its_init_containers() {
        let sidecar =
            |cpu: &str| json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
        for (spec, cpu, memory) in [
            (json!({}), 0, 0),
            (
                json!({"containers": [container("1", "1Ki"), container("500m", "1Ki")]}),
                1500,
                2048,
            ),
            (
                json!({"containers": [container("1", "4Ki")], "initContainers": [container("2", "1Ki")]}),
                2000,
                4096,
            ),
            (
                json!({"containers": [container("1", "0")], "initContainers": [sidecar("1"), container("2", "0")]}),
                3000,
                0,
            ),
            (
                json!({"containers": [container("1", "0")], "initContainers": [container("2", "0"), sidecar("500m")]}),
                2000,
                0,
            ),
            (
                json!({"containers": [container("1", "0")], "overhead": {"cpu": "250m"}}),
                1250,
                0,
            ),
            (
                json!({"containers": [container("1", "1Ki")], "resources": {"requests": {"cpu": "3"}}}),
                3000,
                1024,
            ),
        ] {
            let got = pod_requests(&spec);
            assert_eq!((got.milli_cpu, got.memory), (cpu, memory), "{spec}");
        }
    }

    #[test]
    fn containers_without_requests_count_for_something_in_scores() {
        let spec = json!({"containers": [{}, container("1", "0")]});
        assert_eq!(
            pod_requests_assumed(&spec),
            (1000 + ASSUMED_MILLI_CPU, ASSUMED_MEMORY)
        );
        assert!(pod_requests(&json!({"containers": [{}]})).is_zero());
    }

    #[test]
    fn extended_resources_are_counted_by_name() {
        let list = json!({"x.example/gpu": "2", "cpu": 1, "pods": "110"});
        let got = Resources::from_list(Some(&list));
        assert_eq!(got.extended.get("x.example/gpu"), Some(&2));
        assert_eq!((got.milli_cpu, got.extended.len()), (1000, 1));
    }
}
