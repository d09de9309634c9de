//! `cargo xtask test`: unit and simulation tests of every crate, then client and browser tests of the built product.

use anyhow::Result;

use crate::steps::{PRODUCT, cargo, execute, step, target_dir};
use crate::{guests, peers, run, tools};

/// Runs all tests; with `unit` only those that need no built server.
pub(crate) fn test(unit: bool) -> Result<()> {
    let workloads = target_dir().join("workloads");
    let server = run::build(&["--tests"])?;
    step("unit and simulation tests", || {
        execute(
            cargo(&["test", "--release"])
                .args(PRODUCT)
                .env("GLASSHOUSE_WORKLOADS", &workloads)
                .env("GLASSHOUSE_DIST", crate::steps::root().join("dist")),
        )
    })?;
    step("tests of the sample workloads", || {
        guests::test(&crate::steps::root(), &target_dir())
    })?;
    if unit {
        return Ok(());
    }
    tools::debian(
        &["chromium", "chromedriver"],
        &["chromium", "chromium-driver"],
    )?;
    tools::debian(&["curl"], &["curl"])?;
    let (kubectl, axe, peers) = (tools::kubectl()?, tools::axe()?, peers::install()?);
    step("client and browser tests", || {
        execute(
            cargo(&[
                "test",
                "--release",
                "--package",
                "e2e",
                "--features",
                "product",
                "--test",
                "product",
                "--",
                "--test-threads=2",
            ])
            .env("GLASSHOUSE", &server)
            .env("GLASSHOUSE_WORKLOADS", &workloads)
            .env("GLASSHOUSE_SCREENSHOTS", target_dir().join("screenshots"))
            .env("AXE", axe)
            .env("KUBECTL", kubectl)
            .env("GLASSHOUSE_TOOLS", peers),
        )
    })?;
    Ok(())
}
