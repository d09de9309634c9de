//! What the user is told when everything is ready.

#![expect(clippy::print_stdout, reason = "this is the program's output")]

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Output;

/// Where the cluster is.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    pub(crate) ready: bool,
    pub(crate) api: String,
    pub(crate) dashboard: String,
    pub(crate) kubeconfig: PathBuf,
}

/// Prints it for people or for scripts.
pub(crate) fn announce(ready: &Ready, nodes: u16, took_ms: u64, output: Output) {
    match output {
        Output::Json => println!("{}", serde_json::json!(ready)),
        Output::Text => {
            println!("Glasshouse is ready: {nodes} nodes in {took_ms} ms");
            println!();
            println!("  dashboard   {}/", ready.dashboard);
            println!("  kubeconfig  {}", ready.kubeconfig.display());
            println!();
            println!(
                "  try         KUBECONFIG={} kubectl create deployment web --image=nginx --replicas=3",
                ready.kubeconfig.display()
            );
            println!();
            println!("Ctrl-C stops the cluster; the next start finds it as it was.");
        }
    }
}
