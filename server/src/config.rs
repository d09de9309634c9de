//! The command line: what people and scripts rely on.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use io_wasm::{CompileJob, CompileLimits};

use crate::scenario::ScenarioCommand;

/// Where a cluster keeps everything when nothing is said.
pub(crate) const DATA_DIR: &str = "glasshouse-data";

/// A Kubernetes you can see through, running WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "glasshouse", version, about, long_about = None)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Work(Work),
    /// Compile what comes in on the standard input, under limits: what a cluster starts for each image
    #[command(hide = true)]
    Compile(Compile),
}

/// What people ask for.
#[derive(Debug, Subcommand)]
pub(crate) enum Work {
    /// Start a cluster: control plane, nodes and dashboard in one process
    Up(Up),
    /// Lessons and bug reports as files: list, run, check, export
    #[command(subcommand)]
    Scenario(ScenarioCommand),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Compile {
    /// It is a component, not a core module
    #[arg(long)]
    component: bool,

    /// Where the machine code goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Address space that may be used, in bytes
    #[arg(long, value_name = "BYTES")]
    memory: u64,

    /// Processor time that may be used, in seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: u64,
}

impl From<Compile> for CompileJob {
    fn from(compile: Compile) -> Self {
        Self {
            component: compile.component,
            output: compile.output,
            limits: CompileLimits {
                memory_bytes: compile.memory,
                cpu_seconds: compile.seconds,
            },
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Up {
    /// Where everything is kept: the store, certificates, images, logs. A second start finds the cluster as it was
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,

    /// How many nodes run in this process (1 to 200)
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) nodes: u16,

    /// Port of the Kubernetes API (HTTPS); 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 6443)]
    pub(crate) api_port: u16,

    /// Address that the Kubernetes API listens on. Wider than loopback is safe: it always needs TLS and a credential
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) api_address: IpAddr,

    /// Who may come with a static bearer token: a file with lines of `token,user,uid,"group1,group2"`, as
    /// kube-apiserver reads it. Without it, DATA/pki/tokens.csv, which holds a token of the admin
    #[arg(long, value_name = "FILE")]
    pub(crate) token_auth_file: Option<PathBuf>,

    /// Port of the dashboard (HTTP, on loopback only); 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 7080)]
    pub(crate) dashboard_port: u16,

    /// Address that the dashboard listens on; loopback only, because it has no TLS and no login
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = loopback)]
    pub(crate) dashboard_address: IpAddr,

    /// How pods of different nodes reach each other
    #[arg(long, value_enum, default_value_t = Network::Flannel)]
    pub(crate) network: Network,

    /// What is printed when everything is ready: text for people, one line of JSON for scripts. Logs go to stderr
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,

    /// What is logged: error, warn, info, debug, trace, or a filter such as `info,kubelet=debug`
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "warn",
        env = "GLASSHOUSE_LOG"
    )]
    pub(crate) log: String,
}

/// The network plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// One subnet per node, VXLAN tunnels (RFC 7348) between them
    Flannel,
}

impl Network {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Flannel => "flannel",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A few lines for people
    Text,
    /// One line: {"ready":true,"api":...,"dashboard":...,"kubeconfig":...}
    Json,
}

fn loopback(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| format!("{text} is not an IP address"))?;
    if address.is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "the dashboard has no TLS and no login, so it listens on loopback only, not on {address}; forward its port \
         through ssh instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_what_scripts_rely_on() {
        for (line, good) in [
            ("glasshouse up", true),
            (
                "glasshouse up --data-dir d --nodes 3 --api-port 0 --dashboard-port 0 --network flannel --output json",
                true,
            ),
            ("glasshouse up --nodes 0", false),
            ("glasshouse up --network carrier-pigeon", false),
            ("glasshouse up --dashboard-address 0.0.0.0", false),
            ("glasshouse up --dashboard-address ::1", true),
            ("glasshouse", false),
            ("glasshouse scenario list", true),
            (
                "glasshouse scenario run lesson.yaml --dashboard-port 0",
                true,
            ),
            ("glasshouse scenario check a-node-dies --timeout 90", true),
            ("glasshouse scenario export lesson.yaml", true),
            ("glasshouse scenario check", false),
            (
                "glasshouse compile --component --output f --memory 1 --seconds 1",
                true,
            ),
        ] {
            assert_eq!(
                Arguments::try_parse_from(line.split(' ')).is_ok(),
                good,
                "{line}"
            );
        }
    }
}
