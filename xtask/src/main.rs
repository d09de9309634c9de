//! `cargo xtask`: everything a developer or CI does, with what it needs installed on the way.
//!
//! `run` starts a cluster, `test` runs all tests, `lint` the machine-checked rules, `bench` prints figures, `doctor`
//! tells what is there and what is missing. Nothing here knows Kubernetes: it builds, installs and starts.

mod bench;
mod bundle;
mod guests;
mod lint;
mod peers;
mod run;
mod steps;
mod test;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, runs, tests and measures Glasshouse"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds everything and starts a cluster with three nodes; what follows `--` goes to `glasshouse up`
    Run {
        /// Arguments for `glasshouse up`, such as `--nodes 5`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        up: Vec<String>,
    },
    /// Builds everything: guests, dashboard, server
    Build,
    /// Runs all tests: unit, simulation, client, browser
    Test {
        /// Only the tests that need no built product: pure crates and their shells
        #[arg(long)]
        unit: bool,
    },
    /// Checks format, lints, documentation and that pure crates build for wasm32
    Lint,
    /// Bundles the dashboard into `dist/`
    Bundle {
        /// Where the files go
        #[arg(long, default_value = "dist")]
        out: std::path::PathBuf,
        /// Skip optimisation: quicker to build, larger to load
        #[arg(long)]
        dev: bool,
    },
    /// Measures the product and prints a table and one JSON line a figure
    Bench {
        /// Only scenarios whose name contains this
        filter: Option<String>,
    },
    /// Tells which tools are there and installs what is missing
    Doctor,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run { up } => run::run(&up),
        Command::Build => run::build(&[]).map(drop),
        Command::Test { unit } => test::test(unit),
        Command::Lint => lint::lint(),
        Command::Bundle { out, dev } => {
            tools::rust_targets()?;
            bundle::bundle(
                &steps::root(),
                &steps::target_dir(),
                &steps::root().join(out),
                !dev,
            )
        }
        Command::Bench { filter } => bench::bench(filter.as_deref()),
        Command::Doctor => tools::doctor(),
    }
}
