//! `glasshouse scenario list | run | check | export`: lessons from the shell, each in a cluster of its own.

#![expect(clippy::print_stdout, reason = "this is the program's output")]

mod library;
mod play;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use shared::scenario::Scenario;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Up;
use crate::control_plane::ControlPlane;
use play::Player;

/// Reads, runs and checks scenarios
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// List the scenarios that come with Glasshouse
    List,
    /// Start a cluster as the scenario wants it and print the address that opens its guide
    Run(Run),
    /// Play every action in a fresh cluster and wait for every check; fails when one does not come true
    Check(Check),
    /// Print the scenario as a link that any Glasshouse dashboard opens
    Export(Export),
}

/// Which scenario, and what its cluster is like.
#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    /// A YAML file, or the name of a scenario from `glasshouse scenario list`
    #[arg(value_name = "FILE")]
    file: String,

    #[command(flatten)]
    up: Up,
}

/// Which scenario to check.
#[derive(Clone, Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    run: Run,

    /// How long each step may take, in seconds of real time
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Which scenario to export.
#[derive(Clone, Debug, Args)]
pub(crate) struct Export {
    /// A YAML file, or the name of a scenario from `glasshouse scenario list`
    #[arg(value_name = "FILE")]
    file: String,

    /// The dashboard that the link is for
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7080/")]
    dashboard: String,
}

impl ScenarioCommand {
    /// What is logged while it runs.
    pub(crate) fn log(&self) -> &str {
        match self {
            Self::Run(run) => &run.up.log,
            Self::Check(check) => &check.run.up.log,
            Self::List | Self::Export(_) => "warn",
        }
    }
}

/// Runs the subcommand.
pub(crate) async fn scenario(command: ScenarioCommand) -> Result<()> {
    match command {
        ScenarioCommand::List => {
            for (name, text) in library::ALL {
                println!("{name:24} {}", library::parse(text)?.title);
            }
            Ok(())
        }
        ScenarioCommand::Export(export) => {
            println!(
                "{}",
                link(&export.dashboard, &library::open(&export.file)?)?
            );
            Ok(())
        }
        ScenarioCommand::Run(run) => run_one(run).await,
        ScenarioCommand::Check(check) => check_one(check).await,
    }
}

fn link(dashboard: &str, scenario: &Scenario) -> Result<String> {
    let code = scenario.encode()?;
    Ok(format!("{}/#s={code}", dashboard.trim_end_matches('/')))
}

async fn run_one(run: Run) -> Result<()> {
    let scenario = library::open(&run.file)?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let (cluster, place) = start(run.up, &scenario).await?;
    println!("{}", scenario.title);
    println!();
    println!("  guide       {}", link(&cluster.dashboard_url, &scenario)?);
    println!("  kubeconfig  {}", cluster.kubeconfig.display());
    println!();
    println!("Ctrl-C ends the cluster.");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    cluster.drain().await;
    place.remove();
    Ok(())
}

async fn check_one(check: Check) -> Result<()> {
    let scenario = library::open(&check.run.file)?;
    let (cluster, place) = start(check.run.up, &scenario).await?;
    let player = Player::new(&cluster, &scenario, check.timeout);
    let outcome = player.play(|line| println!("{line}")).await;
    cluster.drain().await;
    place.remove();
    let failed = outcome?;
    if failed > 0 {
        bail!(
            "{failed} of the checks of \"{}\" did not come true",
            scenario.title
        );
    }
    Ok(())
}

/// Where a scenario's cluster keeps its data: with nothing said, a place that is removed afterwards.
struct Place(Option<PathBuf>);

impl Place {
    fn remove(self) {
        if let Some(dir) = self.0
            && let Err(error) = std::fs::remove_dir_all(&dir)
        {
            tracing::warn!(%error, dir = %dir.display(), "cannot remove the scenario's data");
        }
    }
}

/// A cluster with as many nodes as the scenario asks for.
async fn start(mut up: Up, scenario: &Scenario) -> Result<(ControlPlane, Place)> {
    if scenario.nodes > 0 {
        up.nodes = u16::try_from(scenario.nodes)?;
    }
    let mut place = Place(None);
    if up.data_dir == Path::new(crate::config::DATA_DIR) {
        let drawn = getrandom::u64().context("the system gives no random numbers")?;
        up.data_dir = std::env::temp_dir().join(format!("glasshouse-scenario-{drawn:016x}"));
        place.0 = Some(up.data_dir.clone());
        // Beside another cluster on this machine.
        up.api_port = 0;
        up.dashboard_port = 0;
    }
    let cluster = ControlPlane::start(&up).await?;
    cluster.until_ready(up.nodes).await?;
    Ok((cluster, place))
}
