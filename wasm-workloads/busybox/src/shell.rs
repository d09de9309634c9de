//! The shell: state, and running the tree.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::rc::Rc;

use crate::applets;
use crate::io::{Input, Output, Streams};

mod arith;
mod ast;
mod builtins;
mod jobs;
mod expand;
mod lexer;
mod parser;
mod start;
pub(crate) mod pattern;

use ast::{Command, Redirect, Redirected, Word};
use lexer::SyntaxError;

/// Deepest nesting of functions, substitutions and subshells: the component's stack is finite.
const DEPTH_MAX: usize = 60;

/// A jump out of what is being run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flow {
    Break(usize),
    Continue(usize),
    Return(u8),
    Exit(u8),
    /// An error that ends the shell unless somebody sits before it.
    Abort(u8),
}

type Result<T> = std::result::Result<T, Flow>;

/// A shell's state.
#[derive(Clone)]
pub(crate) struct Shell {
    variables: BTreeMap<String, Variable>,
    functions: BTreeMap<String, Rc<Redirected>>,
    pub(crate) parameters: Vec<String>,
    name: String,
    status: u8,
    depth: usize,
    /// What `local` hid, for each function that runs, innermost last.
    hidden: Vec<BTreeMap<String, Option<Variable>>>,
    errexit: bool,
    pipefail: bool,
    xtrace: bool,
    pub(crate) nounset: bool,
    pub(crate) noglob: bool,
    interactive: bool,
    /// Inside a condition, where `set -e` does not apply.
    tested: usize,
    /// What `trap` said is to be done, by the signal's name.
    traps: BTreeMap<String, String>,
    /// What was begun with `&` and runs when somebody waits for it.
    jobs: Vec<Rc<Command>>,
    jobs_begun: usize,
}

#[derive(Clone, Default)]
struct Variable {
    value: String,
    exported: bool,
    read_only: bool,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let variables = std::env::vars()
            .map(|(name, value)| (name, Variable { value, exported: true, read_only: false }))
            .collect();
        let mut shell = Self {
            variables,
            functions: BTreeMap::new(),
            parameters: Vec::new(),
            name: "sh".to_owned(),
            status: 0,
            depth: 0,
            hidden: Vec::new(),
            errexit: false,
            pipefail: false,
            xtrace: false,
            nounset: false,
            noglob: false,
            interactive: false,
            tested: 0,
            traps: BTreeMap::new(),
            jobs: Vec::new(),
            jobs_begun: 0,
        };
        shell.set("IFS", " \t\n");
        if let Ok(dir) = std::env::current_dir() {
            shell.set("PWD", &dir.to_string_lossy());
        }
        shell
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let number = name.parse::<usize>();
        match name {
            "?" => Some(self.status.to_string()),
            "#" => Some(self.parameters.len().to_string()),
            "$" => Some("1".to_owned()),
            "!" => (self.jobs_begun > 0).then(|| (self.jobs_begun + 1).to_string()),
            "0" => Some(self.name.clone()),
            "@" | "*" => Some(self.parameters.join(" ")),
            "-" => Some(if self.errexit { "e" } else { "" }.to_owned()),
            _ if number.is_ok() => self.parameters.get(number.unwrap_or(1) - 1).cloned(),
            _ => self.variables.get(name).map(|v| v.value.clone()),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        let variable = self.variables.entry(name.to_owned()).or_default();
        if !variable.read_only {
            value.clone_into(&mut variable.value);
        }
        !variable.read_only
    }

    /// Sets a variable that programs see.
    pub(crate) fn export(&mut self, name: &str, value: &str) {
        self.set(name, value);
        if let Some(variable) = self.variables.get_mut(name) {
            variable.exported = true;
        }
    }

    /// What programs see.
    pub(crate) fn exported(&self) -> Vec<(String, String)> {
        let exported = self.variables.iter().filter(|(_, v)| v.exported);
        exported.map(|(name, v)| (name.clone(), v.value.clone())).collect()
    }

    fn complain(&self, io: &Streams, text: &str) {
        let _ = io.error.clone().line(&format!("{}: {text}", self.name));
    }

    /// An error that ends a shell that is not interactive.
    pub(crate) fn fail(&mut self, io: &Streams, text: &str) -> Flow {
        self.complain(io, text);
        Flow::Abort(2)
    }

    fn enter(&mut self, io: &Streams) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fail(io, "nested too deeply"));
        }
        Ok(())
    }

    /// Runs a command; its status is `$?` afterwards.
    fn run(&mut self, command: &Command, io: &Streams) -> Result<u8> {
        self.enter(io)?;
        let status = self.run_inner(command, io);
        self.depth -= 1;
        let status = status?;
        self.status = status;
        Ok(status)
    }

    fn run_inner(&mut self, command: &Command, io: &Streams) -> Result<u8> {
        match command {
            Command::Simple { assignments, words } => self.simple(assignments, words, io),
            Command::Pipeline { negated, stages } => self.pipeline(*negated, stages, io),
            Command::AndOr { first, rest } => self.and_or(first, rest, io),
            Command::Sequence(commands) => {
                let mut status = 0;
                for command in commands {
                    status = self.run(command, io)?;
                }
                Ok(status)
            }
            Command::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.test(condition, io)? == 0 {
                        return self.run(body, io);
                    }
                }
                otherwise.as_ref().map_or(Ok(0), |body| self.run(body, io))
            }
            Command::Loop { until, condition, body } => self.repeat(*until, condition, body, io),
            Command::For { name, words, body } => self.for_each(name, words.as_deref(), body, io),
            Command::Case { word, arms } => {
                let text: Vec<char> = self.expand_one(&word.0, io)?.chars().collect();
                for (patterns, body) in arms {
                    for pattern in patterns {
                        let pattern = self.expand_pattern(&pattern.0, io)?;
                        if pattern::matches(&pattern, &text) {
                            return self.run(body, io);
                        }
                    }
                }
                Ok(0)
            }
            Command::Subshell(inner) => self.subshell(|shell| shell.run(inner, io)),
            Command::Background(inner) => self.begin_job(inner, io),
            Command::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
                Ok(0)
            }
        }
    }

    /// Runs on a copy of the state; only the status comes back.
    fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Result<u8>) -> Result<u8> {
        let directory = std::env::current_dir();
        let mut copy = self.clone();
        copy.traps.clear();
        copy.jobs.clear();
        let status = match run(&mut copy) {
            Ok(status) | Err(Flow::Exit(status) | Flow::Return(status) | Flow::Abort(status)) => status,
            Err(Flow::Break(_) | Flow::Continue(_)) => copy.status,
        };
        if let Ok(directory) = directory {
            let _ = std::env::set_current_dir(directory);
        }
        Ok(status)
    }

    fn test(&mut self, condition: &Command, io: &Streams) -> Result<u8> {
        self.tested += 1;
        let status = self.run(condition, io);
        self.tested -= 1;
        status
    }

    fn and_or(&mut self, first: &Command, rest: &[(bool, Command)], io: &Streams) -> Result<u8> {
        let mut status = self.test(first, io)?;
        for (i, (wants_success, command)) in rest.iter().enumerate() {
            if (status == 0) == *wants_success {
                let last = i + 1 == rest.len();
                status = if last { self.run(command, io)? } else { self.test(command, io)? };
            }
        }
        Ok(status)
    }

    fn pipeline(&mut self, negated: bool, stages: &[Redirected], io: &Streams) -> Result<u8> {
        let status = if let [only] = stages {
            if negated {
                self.tested += 1;
                let status = self.redirected(only, io);
                self.tested -= 1;
                status?
            } else {
                self.redirected(only, io)?
            }
        } else {
            let mut input = io.input.clone();
            let (mut status, mut failed) = (0, 0);
            for (i, stage) in stages.iter().enumerate() {
                let mut own = Streams { input, ..io.clone() };
                let last = i + 1 == stages.len();
                let (output, bytes) = Output::pipe();
                if !last {
                    own.output = output;
                }
                status = self.subshell(|shell| shell.redirected(stage, &own))?;
                if status != 0 {
                    failed = status;
                }
                input = Input::bytes(bytes.take());
            }
            if self.pipefail { failed } else { status }
        };
        if negated {
            return Ok(u8::from(status == 0));
        }
        if status != 0 && self.errexit && self.tested == 0 {
            return Err(Flow::Exit(status));
        }
        Ok(status)
    }

    fn repeat(&mut self, until: bool, condition: &Command, body: &Command, io: &Streams) -> Result<u8> {
        let mut status = 0;
        loop {
            let tested = match self.test(condition, io) {
                Err(flow) => match out_of_loop(flow)? {
                    true => return Ok(status),
                    false => continue,
                },
                Ok(tested) => tested,
            };
            if (tested == 0) == until {
                return Ok(status);
            }
            match self.run(body, io) {
                Ok(ran) => status = ran,
                Err(flow) => {
                    if out_of_loop(flow)? {
                        return Ok(0);
                    }
                }
            }
        }
    }

    fn for_each(&mut self, name: &str, words: Option<&[Word]>, body: &Command, io: &Streams) -> Result<u8> {
        let values = match words {
            Some(words) => self.expand_all(words, io)?,
            None => self.parameters.clone(),
        };
        let mut status = 0;
        for value in values {
            self.set(name, &value);
            match self.run(body, io) {
                Ok(ran) => status = ran,
                Err(flow) => {
                    if out_of_loop(flow)? {
                        return Ok(0);
                    }
                }
            }
        }
        Ok(status)
    }

    fn redirected(&mut self, command: &Redirected, io: &Streams) -> Result<u8> {
        if command.redirects.is_empty() {
            return self.run(&command.command, io);
        }
        let mut own = io.clone();
        for redirect in &command.redirects {
            if let Err(error) = self.redirect(redirect, &mut own)? {
                self.complain(io, &error);
                self.status = 1;
                return Ok(1);
            }
        }
        // `exec > file` keeps its redirections; nothing else does.
        self.run(&command.command, &own)
    }

    fn redirect(&mut self, redirect: &Redirect, io: &mut Streams) -> Result<std::result::Result<(), String>> {
        if let Some(body) = &redirect.body {
            let text = self.expand_one(&body.borrow().0.clone(), io)?;
            io.input = Input::bytes(text.into_bytes());
            return Ok(Ok(()));
        }
        let target = self.expand_one(&redirect.target.0, io)?;
        if redirect.op.ends_with('&') {
            let copy = match target.as_str() {
                "1" => io.output.clone(),
                "2" => io.error.clone(),
                "-" => Output::Null,
                "0" => return Ok(Ok(())),
                _ => return Ok(Err(format!("{target}: bad file descriptor"))),
            };
            match redirect.fd {
                1 => io.output = copy,
                2 => io.error = copy,
                _ => {}
            }
            return Ok(Ok(()));
        }
        if redirect.op == "<" {
            let opened = if target == "/dev/null" { Ok(Input::bytes(Vec::new())) } else { std::fs::File::open(&target).map(Input::file) };
            return Ok(match opened {
                Ok(input) => {
                    io.input = input;
                    Ok(())
                }
                Err(error) => Err(format!("can't open {target}: {}", applets::reason(&error))),
            });
        }
        let append = redirect.op == ">>";
        let opened = match target.as_str() {
            "/dev/null" => Ok(Output::Null),
            "/dev/stdout" => Ok(io.output.clone()),
            "/dev/stderr" => Ok(io.error.clone()),
            file => {
                let mut options = OpenOptions::new();
                options.create(true).append(append).write(true).truncate(!append);
                options.open(file).map(Output::file)
            }
        };
        Ok(match opened {
            Ok(output) => {
                match redirect.fd {
                    2 => io.error = output,
                    _ => io.output = output,
                }
                Ok(())
            }
            Err(error) => Err(format!("can't create {target}: {}", applets::reason(&error))),
        })
    }

    fn simple(&mut self, assignments: &[(String, Word)], words: &[Word], io: &Streams) -> Result<u8> {
        let args = self.expand_all(words, io)?;
        if args.is_empty() {
            // The status of `x=$(false)` is that of the substitution.
            self.status = 0;
            for (name, word) in assignments {
                let value = self.expand_one(&word.0, io)?;
                if !self.set(name, &value) {
                    return Err(self.fail(io, &format!("{name}: is read only")));
                }
            }
            return Ok(self.status);
        }
        if self.xtrace {
            let _ = io.error.clone().line(&format!("+ {}", args.join(" ")));
        }
        let mut before = Vec::new();
        for (name, word) in assignments {
            let value = self.expand_one(&word.0, io)?;
            before.push((name.clone(), self.variables.get(name).cloned()));
            self.export(name, &value);
        }
        let status = self.call(&args, io);
        for (name, variable) in before {
            self.restore(name, variable);
        }
        status
    }

    /// Gives a variable back what it was.
    fn restore(&mut self, name: String, before: Option<Variable>) {
        match before {
            Some(variable) => self.variables.insert(name, variable),
            None => self.variables.remove(&name),
        };
    }

    /// Runs a function, a builtin or a program.
    pub(crate) fn call(&mut self, args: &[String], io: &Streams) -> Result<u8> {
        let Some(name) = args.first() else { return Ok(0) };
        if let Some(body) = self.functions.get(name).cloned() {
            let outer = std::mem::replace(&mut self.parameters, args[1..].to_vec());
            self.hidden.push(BTreeMap::new());
            let status = self.redirected(&body, io);
            for (name, variable) in self.hidden.pop().unwrap_or_default() {
                self.restore(name, variable);
            }
            self.parameters = outer;
            return match status {
                Err(Flow::Return(status)) => Ok(status),
                status => status,
            };
        }
        if let Some(status) = self.builtin(name, args, io) {
            return status;
        }
        let plain = name.rsplit('/').next().unwrap_or(name);
        if let Some(applet) = applets::find(plain) {
            return self.applet(plain, applet, args, io);
        }
        if name.contains('/') && std::fs::metadata(name).is_ok_and(|m| m.is_file()) {
            return self.script(name, args, io);
        }
        let _ = io.error.clone().line(&format!("{}: {name}: not found", self.name));
        Ok(127)
    }

    fn applet(&mut self, name: &str, applet: applets::Applet, args: &[String], io: &Streams) -> Result<u8> {
        let mut io = io.clone();
        Ok(match applet(self, args, &mut io) {
            Ok(status) => status,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 141,
            Err(error) => {
                let _ = io.error.line(&format!("{name}: {}", applets::reason(&error)));
                1
            }
        })
    }

    /// A file with shell text runs in a subshell.
    fn script(&mut self, file: &str, args: &[String], io: &Streams) -> Result<u8> {
        let mut text = String::new();
        let read = std::fs::File::open(file).and_then(|mut f| f.read_to_string(&mut text));
        if let Err(error) = read {
            self.complain(io, &format!("{file}: {}", applets::reason(&error)));
            return Ok(126);
        }
        let (file, parameters) = (file.to_owned(), args[1..].to_vec());
        self.subshell(|shell| {
            shell.name = file;
            shell.parameters = parameters;
            Ok(shell.run_text(&text, io))
        })
    }

    /// The output of `$(...)` without its last line ends.
    pub(crate) fn substitute(&mut self, text: &str, io: &Streams) -> Result<String> {
        self.enter(io)?;
        let (output, bytes) = Output::pipe();
        let own = Streams { output, ..io.clone() };
        let status = self.subshell(|shell| Ok(shell.run_text(text, &own)));
        self.depth -= 1;
        self.status = status?;
        let text = String::from_utf8_lossy(&bytes.borrow()).into_owned();
        Ok(text.trim_end_matches('\n').to_owned())
    }
}

/// Whether a jump leaves this loop for good (`true`) or begins its next round; jumps of outer loops go on.
fn out_of_loop(flow: Flow) -> Result<bool> {
    match flow {
        Flow::Break(n) if n > 1 => Err(Flow::Break(n - 1)),
        Flow::Continue(n) if n > 1 => Err(Flow::Continue(n - 1)),
        Flow::Break(_) => Ok(true),
        Flow::Continue(_) => Ok(false),
        other => Err(other),
    }
}
