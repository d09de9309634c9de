//! `&`, `wait`, `trap` and `kill`, as far as they go in a program with one thread and no signals.
//!
//! A background job runs when the shell waits for it, and before the shell ends: nothing runs at the same time. So
//! `sleep infinity & wait` does what it is meant to do, and a server begun with `&` blocks the first `wait`. Traps on
//! `EXIT` run at the end; those on signals run when the shell sends the signal to itself.

use std::rc::Rc;

use super::ast::Command;
use super::{Flow, Shell};
use crate::io::Streams;

type Result<T> = std::result::Result<T, Flow>;

/// Most jobs that wait to be run.
const JOBS_MAX: usize = 64;

/// Names and numbers of the signals that scripts name.
const SIGNALS: [(&str, u8); 9] =
    [("EXIT", 0), ("HUP", 1), ("INT", 2), ("QUIT", 3), ("KILL", 9), ("USR1", 10), ("USR2", 12), ("PIPE", 13), ("TERM", 15)];

/// `TERM`, `SIGTERM`, `15`.
fn signal(text: &str) -> Option<(&'static str, u8)> {
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNALS.into_iter().find(|(known, number)| *known == name || number.to_string() == name)
}

impl Shell {
    pub(super) fn begin_job(&mut self, command: &Rc<Command>, io: &Streams) -> Result<u8> {
        if self.jobs.len() >= JOBS_MAX {
            return Err(self.fail(io, "too many background jobs"));
        }
        self.jobs.push(Rc::clone(command));
        self.jobs_begun += 1;
        Ok(0)
    }

    /// Runs the jobs, one after another.
    pub(super) fn wait(&mut self, io: &Streams) -> Result<u8> {
        let mut status = 0;
        for job in std::mem::take(&mut self.jobs) {
            status = self.subshell(|shell| shell.run(&job, io))?;
        }
        Ok(status)
    }

    /// The end of the shell: its jobs, then what it was told to do at the end.
    pub(super) fn finish(&mut self, status: u8, io: &Streams) -> u8 {
        let _ = self.wait(io);
        let Some(text) = self.traps.remove("EXIT") else { return status };
        self.status = status;
        match super::parser::parse(&text).map(|program| self.run(&program, io)) {
            Ok(Err(Flow::Exit(status))) => status,
            _ => status,
        }
    }

    /// `trap [ACTION SIGNAL...]`; `-` takes an action back.
    pub(super) fn trap(&mut self, args: &[String], io: &Streams) -> u8 {
        let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
        let Some((action, signals)) = args.split_first() else {
            let lines = self.traps.iter().map(|(name, action)| format!("trap -- '{action}' {name}"));
            return lines.map(|line| u8::from(io.output.clone().line(&line).is_err())).max().unwrap_or(0);
        };
        let mut status = 0;
        for text in signals {
            match signal(text) {
                Some((name, _)) if action == "-" => {
                    self.traps.remove(name);
                }
                Some((name, _)) => {
                    self.traps.insert(name.to_owned(), action.clone());
                }
                None => {
                    self.complain(io, &format!("trap: {text}: invalid signal specification"));
                    status = 1;
                }
            }
        }
        status
    }

    /// `kill [-SIGNAL] PID...`: there is one process, the shell.
    pub(super) fn kill(&mut self, args: &[String], io: &Streams) -> Result<u8> {
        let (mut sent, mut pids) = (Some(("TERM", 15)), args);
        if let Some((first, rest)) = args.split_first()
            && let Some(text) = first.strip_prefix('-')
        {
            if text == "l" {
                let names: Vec<&str> = SIGNALS.iter().skip(1).map(|(name, _)| *name).collect();
                return Ok(u8::from(io.output.clone().line(&names.join(" ")).is_err()));
            }
            let (text, rest) = if text == "s" { (rest.first().map_or("", String::as_str), rest.get(1..).unwrap_or(&[])) } else { (text, rest) };
            (sent, pids) = (signal(text), rest);
        }
        let Some((name, number)) = sent else {
            self.complain(io, &format!("kill: bad signal name '{}'", args[0]));
            return Ok(1);
        };
        let mut status = 0;
        for pid in pids {
            if pid != "1" {
                self.complain(io, &format!("kill: can't kill pid {pid}: No such process"));
                status = 1;
            } else if number > 0 {
                self.signalled(name, number, io)?;
            }
        }
        Ok(status)
    }

    fn signalled(&mut self, name: &str, number: u8, io: &Streams) -> Result<()> {
        let Some(action) = self.traps.get(name).cloned().filter(|_| name != "KILL") else {
            return Err(Flow::Exit(128 + number));
        };
        match super::parser::parse(&action) {
            Ok(program) => self.run(&program, io).map(drop),
            Err(_) => Ok(()),
        }
    }
}
