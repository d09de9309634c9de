//! `cargo xtask bench`: runs the benches of the crates and of the built product.

use anyhow::Result;

use crate::run;
use crate::steps::{PRODUCT, cargo, execute, step};

/// Builds the product and prints every figure whose scenario contains `filter`.
pub(crate) fn bench(filter: Option<&str>) -> Result<()> {
    let server = run::build(&["--benches"])?;
    step("benches", || {
        for packages in [&PRODUCT[..], &["--package", "e2e"]] {
            let mut bench = cargo(&["bench", "--profile", "release", "--bench", "*"]);
            bench
                .args(packages)
                .env("GLASSHOUSE", &server)
                .env("GLASSHOUSE_BENCH", filter.unwrap_or_default());
            execute(&mut bench)?;
        }
        Ok(())
    })
}
