//! What the build embedded: the dashboard's files and the sample workloads.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
