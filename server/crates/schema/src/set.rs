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

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    /// Whether the path that ends here is in the set.
    member: bool,
    below: Set,
}

/// `f:name`.
pub(crate) fn field_element(name: &str) -> String {
    format!("f:{name}")
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

    fn put(&mut self, element: &str, node: Node) {
        if node.member || !node.below.is_empty() {
            self.children.insert(element.to_owned(), node);
        }
    }

    /// All paths of either.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (element, node) in &other.children {
            let mine = all.children.entry(element.clone()).or_default();
            mine.member |= node.member;
            mine.below = mine.below.union(&node.below);
        }
        all
    }

    /// The paths of both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (element, mine) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                let below = mine.below.intersection(&theirs.below);
                both.put(
                    element,
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
    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (element, mine) in &self.children {
            let theirs = other.children.get(element);
            let below =
                theirs.map_or_else(|| mine.below.clone(), |t| mine.below.difference(&t.below));
            rest.put(
                element,
                Node {
                    member: mine.member && !theirs.is_some_and(|t| t.member),
                    below,
                },
            );
        }
        rest
    }

    /// The paths of `self` that neither are in `other` nor begin with one that is.
    pub(crate) fn recursive_difference(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (element, mine) in &self.children {
            match other.children.get(element) {
                Some(theirs) if theirs.member => {}
                Some(theirs) => {
                    let below = mine.below.recursive_difference(&theirs.below);
                    rest.put(
                        element,
                        Node {
                            member: mine.member,
                            below,
                        },
                    );
                }
                None => rest.put(element, mine.clone()),
            }
        }
        rest
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
            all.put(element, Node { member, below });
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
    pub(crate) fn to_fields(&self) -> Value {
        Value::Object(self.fields_map())
    }

    fn fields_map(&self) -> Map<String, Value> {
        let mut map = Map::new();
        for (element, node) in &self.children {
            let mut inner = node.below.fields_map();
            if node.member && !inner.is_empty() {
                inner.insert(".".into(), Value::Object(Map::new()));
            }
            map.insert(element.clone(), Value::Object(inner));
        }
        map
    }

    /// Reads `FieldsV1`; `None` when it is not of that form.
    pub(crate) fn from_fields(fields: &Value) -> Option<Self> {
        Self::read(fields, 0)
    }

    fn read(fields: &Value, depth: usize) -> Option<Self> {
        let map = fields.as_object().filter(|_| depth < MAX_DEPTH)?;
        let mut set = Self::default();
        for (element, inner) in map.iter().filter(|(e, _)| e.as_str() != ".") {
            let element = normal_element(element)?;
            let below = Self::read(inner, depth + 1)?;
            let member = below.is_empty() || inner.get(".").is_some();
            set.put(&element, Node { member, below });
        }
        Some(set)
    }
}

/// An element in its one spelling; keys and values may come with other spacing or order.
fn normal_element(element: &str) -> Option<String> {
    let (kind, rest) = element.split_once(':')?;
    match kind {
        "f" => Some(element.to_owned()),
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
        Set::from_fields(&fields).expect("FieldsV1")
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
            assert_eq!(set(fields.clone()).to_fields(), fields);
        }
        assert_eq!(
            set(json!({"k:{\"b\": 1, \"a\": 2}": {}})).to_fields(),
            json!({"k:{\"a\":2,\"b\":1}": {}})
        );
        for bad in [
            json!([]),
            json!({"x": {}}),
            json!({"f:a": 1}),
            json!({"k:[1]": {}}),
            json!({"i:x": {}}),
        ] {
            assert_eq!(Set::from_fields(&bad), None, "{bad}");
        }
    }

    #[test]
    fn sets_are_sets_of_members() {
        let a = set(json!({"f:x": {".": {}, "f:y": {}, "f:z": {}}, "f:w": {}}));
        let b = set(json!({"f:x": {"f:y": {}}, "f:v": {}}));
        assert_eq!(
            a.union(&b),
            set(json!({"f:x": {".": {}, "f:y": {}, "f:z": {}}, "f:w": {}, "f:v": {}}))
        );
        assert_eq!(a.intersection(&b), set(json!({"f:x": {"f:y": {}}})));
        assert_eq!(
            a.difference(&b),
            set(json!({"f:x": {".": {}, "f:z": {}}, "f:w": {}}))
        );
        assert_eq!(b.difference(&a), set(json!({"f:v": {}})));
        assert_eq!(
            a.recursive_difference(&set(json!({"f:x": {}}))),
            set(json!({"f:w": {}}))
        );
        assert_eq!(
            a.recursive_difference(&b),
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
