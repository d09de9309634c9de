//! Sets of field paths, and their JSON form `FieldsV1`.
//!
//! The form is that of sigs.k8s.io/structured-merge-diff: `f:name` a field, `k:{...}` an item by its keys, `v:...` an
//! item by its value, `i:0` an item by its place, `.` the parent itself. Path elements are kept in exactly that
//! spelling, so that what is stored and what is compared cannot differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of paths, as a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Set {
    children: BTreeMap<String, Node>,
}

/// What is at and below one element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    /// Whether the path that ends here is in the set.
    pub(crate) member: bool,
    /// The paths that go on from here.
    pub(crate) below: Set,
}

impl Node {
    /// The path that ends here, and nothing below it.
    pub(crate) fn leaf() -> Self {
        Self {
            member: true,
            ..Self::default()
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

/// `f:name`.
pub(crate) fn field_element(name: &str) -> String {
    ["f:", name].concat()
}

/// The deepest path read from `fieldsV1`.
const MAX_DEPTH: usize = 150;

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Adds a path; the empty one is the whole object and never a member.
    pub(crate) fn insert(&mut self, path: &[String]) {
        if let Some((first, rest)) = path.split_first() {
            let node = self.children.entry(first.clone()).or_default();
            if rest.is_empty() {
                node.member = true;
            } else {
                node.below.insert(rest);
            }
        }
    }

    /// Whether the one-element path is a member.
    pub(crate) fn has(&self, element: &str) -> bool {
        self.children.get(element).is_some_and(|n| n.member)
    }

    /// The paths that begin with an element, without it.
    pub(crate) fn below(&self, element: &str) -> Option<&Self> {
        self.children
            .get(element)
            .map(|n| &n.below)
            .filter(|s| !s.is_empty())
    }

    /// Adds what is at and below an element that the set does not have yet.
    pub(crate) fn put(&mut self, element: String, node: Node) {
        if !node.is_empty() {
            self.children.insert(element, node);
        }
    }

    /// Adds what is at and below an element to what the set has there.
    pub(crate) fn merge(&mut self, element: String, node: Node) {
        let mine = self.children.entry(element).or_default();
        mine.member |= node.member;
        mine.below.add(&node.below);
    }

    /// Adds all paths of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        for (element, theirs) in &other.children {
            match self.children.get_mut(element) {
                Some(mine) => {
                    mine.member |= theirs.member;
                    mine.below.add(&theirs.below);
                }
                None => {
                    self.children.insert(element.clone(), theirs.clone());
                }
            }
        }
    }

    /// Takes away the paths of another set.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.take_away(other, |mine, theirs| {
            mine.member &= !theirs.member;
            mine.below.subtract(&theirs.below);
        });
    }

    /// Takes away the paths of another set and all that begin with one of them.
    pub(crate) fn subtract_recursively(&mut self, other: &Self) {
        self.take_away(other, |mine, theirs| {
            if theirs.member {
                *mine = Node::default();
            } else {
                mine.below.subtract_recursively(&theirs.below);
            }
        });
    }

    fn take_away(&mut self, other: &Self, take: impl Fn(&mut Node, &Node)) {
        for (element, theirs) in &other.children {
            if let Some(mine) = self.children.get_mut(element) {
                take(mine, theirs);
                if mine.is_empty() {
                    self.children.remove(element);
                }
            }
        }
    }

    /// All paths of either.
    pub(crate) fn union(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }

    /// The paths of both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (element, mine) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                let below = mine.below.intersection(&theirs.below);
                both.put(
                    element.clone(),
                    Node {
                        member: mine.member && theirs.member,
                        below,
                    },
                );
            }
        }
        both
    }

    /// The paths of `self` that are not in `other`.
    pub(crate) fn difference(mut self, other: &Self) -> Self {
        self.subtract(other);
        self
    }

    /// The paths of `self` that neither are in `other` nor begin with one that is.
    pub(crate) fn recursive_difference(mut self, other: &Self) -> Self {
        self.subtract_recursively(other);
        self
    }

    /// Marks as members the elements with paths below that `is_named` accepts, all the way down. `down` gives the
    /// context of a child.
    pub(crate) fn with_named<T: Copy>(
        &self,
        at: T,
        is_named: &impl Fn(T, &str) -> bool,
        down: &impl Fn(T, &str) -> T,
    ) -> Self {
        let mut all = Self::default();
        for (element, node) in &self.children {
            let below = node.below.with_named(down(at, element), is_named, down);
            let member = node.member || (!node.below.is_empty() && is_named(at, element));
            all.put(element.clone(), Node { member, below });
        }
        all
    }

    /// Every path, members of a level before those below it.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = self
            .children
            .iter()
            .filter(|(_, n)| n.member)
            .map(|(e, _)| vec![e.clone()])
            .collect();
        for (element, node) in &self.children {
            for path in node.below.paths() {
                let mut whole = vec![element.clone()];
                whole.extend(path);
                all.push(whole);
            }
        }
        all
    }

    /// `FieldsV1`.
    pub(crate) fn into_fields(self) -> Value {
        let fields = self.children.into_iter().map(|(element, node)| {
            let mut inner = node.below.into_fields();
            if let Value::Object(inner) = &mut inner
                && node.member
                && !inner.is_empty()
            {
                inner.insert(".".into(), Value::Object(Map::new()));
            }
            (element, inner)
        });
        Value::Object(fields.collect())
    }

    /// Reads `FieldsV1`; `None` when it is not of that form.
    pub(crate) fn from_fields(fields: Value) -> Option<Self> {
        Self::read(fields, 0)
    }

    fn read(fields: Value, depth: usize) -> Option<Self> {
        let Value::Object(map) = fields else {
            return None;
        };
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut set = Self::default();
        for (element, inner) in map {
            if element == "." {
                continue;
            }
            let element = normal_element(element)?;
            let is_named = inner.get(".").is_some();
            let below = Self::read(inner, depth + 1)?;
            let member = is_named || below.is_empty();
            set.put(element, Node { member, below });
        }
        Some(set)
    }
}

/// An element in its one spelling; keys and values may come with other spacing or order.
fn normal_element(element: String) -> Option<String> {
    let (kind, rest) = element.split_once(':')?;
    match kind {
        "f" => Some(element),
        "i" => rest.parse::<i64>().ok().map(|i| format!("i:{i}")),
        "v" => serde_json::from_str::<Value>(rest)
            .ok()
            .map(|v| format!("v:{v}")),
        "k" => serde_json::from_str::<Value>(rest)
            .ok()
            .filter(Value::is_object)
            .map(|v| format!("k:{v}")),
        _ => None,
    }
}

/// A path as messages print it: `.spec.containers[name="c"].image`.
pub(crate) fn display(path: &[String]) -> String {
    path.iter().map(|e| display_element(e)).collect()
}

fn display_element(element: &str) -> String {
    match element.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let all: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("[{}]", all.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        Some((_, index)) => format!("[{index}]"),
        None => element.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(fields: Value) -> Set {
        Set::from_fields(fields).expect("FieldsV1")
    }

    #[test]
    fn fields_survive_a_round_trip() {
        for fields in [
            json!({}),
            json!({"f:data": {"f:a": {}, "f:b": {}}}),
            json!({"f:data": {".": {}, "f:a": {}}}),
            json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"a/b\"": {}}}}),
            json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}}),
        ] {
            assert_eq!(set(fields.clone()).into_fields(), fields);
        }
        assert_eq!(
            set(json!({"k:{\"b\": 1, \"a\": 2}": {}})).into_fields(),
            json!({"k:{\"a\":2,\"b\":1}": {}})
        );
        for bad in [
            json!([]),
            json!({"x": {}}),
            json!({"f:a": 1}),
            json!({"k:[1]": {}}),
            json!({"i:x": {}}),
        ] {
            assert_eq!(Set::from_fields(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn sets_are_sets_of_members() {
        let a = set(json!({"f:x": {".": {}, "f:y": {}, "f:z": {}}, "f:w": {}}));
        let b = set(json!({"f:x": {"f:y": {}}, "f:v": {}}));
        assert_eq!(
            a.clone().union(&b),
            set(json!({"f:x": {".": {}, "f:y": {}, "f:z": {}}, "f:w": {}, "f:v": {}}))
        );
        assert_eq!(a.intersection(&b), set(json!({"f:x": {"f:y": {}}})));
        assert_eq!(
            a.clone().difference(&b),
            set(json!({"f:x": {".": {}, "f:z": {}}, "f:w": {}}))
        );
        assert_eq!(b.clone().difference(&a), set(json!({"f:v": {}})));
        assert_eq!(
            a.clone().recursive_difference(&set(json!({"f:x": {}}))),
            set(json!({"f:w": {}}))
        );
        assert_eq!(
            a.clone().recursive_difference(&b),
            set(json!({"f:x": {".": {}, "f:z": {}}, "f:w": {}}))
        );
    }

    #[test]
    fn paths_read_as_messages_print_them() {
        let all = set(
            json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}},
            "v:\"a\"": {}, "i:3": {}}}, "f:x": {}}),
        );
        let printed: Vec<String> = all.paths().iter().map(|p| display(p)).collect();
        assert_eq!(
            printed,
            [
                ".x",
                ".spec.ports[3]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[=\"a\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].name",
            ]
        );
    }
}
