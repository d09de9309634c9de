//! A shell and the usual small programs in one component, as busybox is: the first argument says which.
//!
//! There are no processes in WASI: the shell runs its programs inside itself, one after another. A pipeline runs from
//! left to right with each stage's whole output (at most [`io::PIPE_MAX`]) kept in between; a stage that says more is
//! ended as by a broken pipe. A job begun with `&` runs when the shell waits for it (`shell::jobs`).

mod applets;
mod io;
mod shell;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

/// How the image is started (see `image::config` of the container engine), and the programs in it.
#[used]
#[unsafe(link_section = "glasshouse:image")]
static IMAGE: [u8; applets::IMAGE.len()] = *applets::IMAGE;

fn main() -> ExitCode {
    if let Ok(dir) = std::env::var("PWD") {
        let _ = std::env::set_current_dir(dir);
    }
    let mut args: Vec<String> = std::env::args().collect();
    if let Some(first) = args.first_mut() {
        *first = first.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if args.first().is_some_and(|name| name == "busybox") && args.len() > 1 {
        args.remove(0);
    }
    let mut shell = shell::Shell::new();
    let status = match args.first().map(String::as_str) {
        Some("sh" | "ash" | "bash") => shell.main(&args[1..]),
        _ => shell.run_program(&args),
    };
    shell.flush();
    if status == 0 {
        return ExitCode::SUCCESS;
    }
    // `ExitCode` would become 1: only this function carries the number.
    wasip2::cli::exit::exit_with_code(status);
    ExitCode::FAILURE
}
