//! Whole-cluster runs.

mod determinism;
mod scripts;
mod seeds;
