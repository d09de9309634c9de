//! Properties of strategic merge patch and of server-side apply, over generated pods.
//!
//! Every case follows from its seed, which a failure names. The pods have one field of each way to merge: structs,
//! maps, lists that are whole, lists by one key and by two, and sets.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test when what they need is not there"
)]

mod apply;
mod generate;
mod strategic;

/// How many cases each property is tried with.
const CASES: u64 = 400;

/// How a field merges: what the tests know of a pod, apart from the crate's own table.
#[derive(Clone, Copy)]
enum Shape {
    /// One value.
    Scalar(&'static [&'static str]),
    /// A list that is one value.
    Whole,
    /// A map of strings.
    Map,
    /// A map of strings that merges by patch, but is one value for apply.
    Selector,
    /// A set of strings.
    Set,
    /// A list of structs, told apart by the first field (and for apply by the second too).
    Keyed(&'static [&'static str], &'static [(&'static str, Shape)]),
    /// A struct.
    Struct(&'static [(&'static str, Shape)]),
}

const ENV: Shape = Shape::Keyed(&["name"], &[("value", Shape::Scalar(&["x", "y"]))]);
const PORTS: Shape = Shape::Keyed(
    &["containerPort", "protocol"],
    &[("name", Shape::Scalar(&["http", "grpc"]))],
);
const CONTAINERS: Shape = Shape::Keyed(
    &["name"],
    &[
        ("image", Shape::Scalar(&["i:1", "i:2"])),
        ("args", Shape::Whole),
        ("env", ENV),
        ("ports", PORTS),
        ("resources", Shape::Struct(&[("limits", Shape::Map)])),
    ],
);
const POD: Shape = Shape::Struct(&[
    (
        "metadata",
        Shape::Struct(&[
            ("labels", Shape::Map),
            ("annotations", Shape::Map),
            ("finalizers", Shape::Set),
        ]),
    ),
    (
        "spec",
        Shape::Struct(&[
            ("nodeName", Shape::Scalar(&["n1", "n2"])),
            ("nodeSelector", Shape::Selector),
            ("containers", CONTAINERS),
            ("dnsConfig", Shape::Struct(&[("nameservers", Shape::Whole)])),
        ]),
    ),
]);
