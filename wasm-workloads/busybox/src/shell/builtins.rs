//! Commands that change the shell itself.

use super::{Flow, Shell};
use crate::applets;
use crate::io::Streams;

type Result<T> = std::result::Result<T, Flow>;

impl Shell {
    /// Runs a builtin; `None` when there is none of this name.
    pub(super) fn builtin(&mut self, name: &str, args: &[String], io: &Streams) -> Option<Result<u8>> {
        let number = |default: usize| args.get(1).and_then(|n| n.parse().ok()).unwrap_or(default).max(1);
        let status = || args.get(1).and_then(|n| n.parse::<i64>().ok()).map(|n| (n & 0xff) as u8);
        Some(match name {
            ":" => Ok(0),
            "exit" => Err(Flow::Exit(status().unwrap_or(self.status))),
            "return" => Err(Flow::Return(status().unwrap_or(self.status))),
            "break" => Err(Flow::Break(number(1))),
            "continue" => Err(Flow::Continue(number(1))),
            "cd" => Ok(self.change_directory(args, io)),
            "pwd" => Ok(self.print(io, &self.get("PWD").unwrap_or_default())),
            "export" | "readonly" => Ok(self.mark(name, &args[1..], io)),
            "local" => Ok(self.hide(&args[1..], io)),
            "unset" => {
                for name in args[1..].iter().filter(|arg| !arg.starts_with('-')) {
                    self.variables.remove(name);
                    self.functions.remove(name);
                }
                Ok(0)
            }
            "set" => Ok(self.set_options(&args[1..], io)),
            "shift" => {
                let n = number(1);
                if n > self.parameters.len() {
                    return Some(Ok(1));
                }
                self.parameters.drain(..n);
                Ok(0)
            }
            "read" => Ok(self.read_line(&args[1..], io)),
            "eval" => self.evaluate(&args[1..].join(" "), io),
            "exec" if args.len() > 1 => self.call(&args[1..], io).and_then(|status| Err(Flow::Exit(status))),
            "exec" => Ok(0),
            "." | "source" => self.source(args, io),
            "sh" | "ash" | "bash" => self.subshell(|shell| {
                let mut inner = Self::new();
                inner.variables.retain(|name, _| name == "IFS" || name == "PWD");
                inner.variables.extend(shell.variables.iter().filter(|(_, v)| v.exported).map(|(n, v)| (n.clone(), v.clone())));
                inner.depth = shell.depth;
                Ok(inner.nested(&args[1..], io))
            }),
            "command" | "type" | "which" => Ok(self.command(name, &args[1..], io)),
            "trap" => Ok(self.trap(&args[1..], io)),
            "wait" => self.wait(io),
            "kill" => self.kill(&args[1..], io),
            "jobs" => Ok(0),
            "ulimit" | "umask" | "alias" | "hash" => Ok(0),
            _ => return None,
        })
    }

    /// `sh` called from a shell: as [`Shell::main`], with the caller's streams.
    fn nested(&mut self, args: &[String], io: &Streams) -> u8 {
        let text = match args {
            [flag, name, rest @ ..] if flag.starts_with('-') && flag.ends_with('o') => {
                self.options(true, flag.trim_start_matches('-'));
                if !self.option(true, name) {
                    self.complain(io, &format!("illegal option -o {name}"));
                    return 2;
                }
                return self.nested(rest, io);
            }
            [flag, text, rest @ ..] if flag.starts_with('-') && flag.ends_with('c') => {
                self.options(true, flag.trim_start_matches('-'));
                self.parameters = rest.iter().skip(1).cloned().collect();
                Ok(text.clone())
            }
            [file, rest @ ..] if !file.starts_with('-') => {
                self.parameters = rest.to_vec();
                std::fs::read_to_string(file)
            }
            _ => {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut io.input.clone(), &mut text).map(|_| text)
            }
        };
        match text {
            Ok(text) => {
                let status = self.run_text(&text, io);
                self.finish(status, io)
            }
            Err(error) => {
                self.complain(io, &applets::reason(&error));
                127
            }
        }
    }

    fn print(&self, io: &Streams, text: &str) -> u8 {
        u8::from(io.output.clone().line(text).is_err())
    }

    fn evaluate(&mut self, text: &str, io: &Streams) -> Result<u8> {
        match super::parser::parse(text) {
            Ok(program) => self.run(&program, io),
            Err(super::SyntaxError::Incomplete(error) | super::SyntaxError::Wrong(error)) => Err(self.fail(io, &error)),
        }
    }

    fn source(&mut self, args: &[String], io: &Streams) -> Result<u8> {
        let Some(file) = args.get(1) else { return Ok(2) };
        match std::fs::read_to_string(file) {
            Ok(text) => match self.evaluate(&text, io) {
                Err(Flow::Return(status)) => Ok(status),
                other => other,
            },
            Err(error) => Err(self.fail(io, &format!("can't open '{file}': {}", applets::reason(&error)))),
        }
    }

    fn change_directory(&mut self, args: &[String], io: &Streams) -> u8 {
        let to = match args.get(1).map(String::as_str) {
            None => self.get("HOME").unwrap_or_else(|| "/".to_owned()),
            Some("-") => self.get("OLDPWD").unwrap_or_else(|| "/".to_owned()),
            Some(to) => to.to_owned(),
        };
        let target = applets::resolve(&to);
        if !std::fs::metadata(&target).is_ok_and(|m| m.is_dir()) {
            self.complain(io, &format!("cd: can't cd to {to}: No such file or directory"));
            return 1;
        }
        match std::env::set_current_dir(&target) {
            Ok(()) => {
                let before = self.get("PWD").unwrap_or_default();
                self.set("OLDPWD", &before);
                self.set("PWD", &target);
                0
            }
            Err(error) => {
                self.complain(io, &format!("cd: can't cd to {to}: {}", applets::reason(&error)));
                1
            }
        }
    }

    fn mark(&mut self, how: &str, args: &[String], io: &Streams) -> u8 {
        for arg in args.iter().filter(|arg| *arg != "-p") {
            let (name, value) = arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
            if let Some(value) = value
                && !self.set(name, value)
            {
                self.complain(io, &format!("{name}: is read only"));
                return 1;
            }
            let variable = self.variables.entry(name.to_owned()).or_default();
            variable.exported |= how == "export";
            variable.read_only |= how == "readonly";
        }
        0
    }

    /// `local`: the variables are the function's own until it returns. One without a value is unset, as in ash.
    fn hide(&mut self, args: &[String], io: &Streams) -> u8 {
        let Some(hidden) = self.hidden.last_mut() else {
            self.complain(io, "local: not in a function");
            return 1;
        };
        for arg in args {
            let name = arg.split('=').next().unwrap_or(arg);
            let outer = self.variables.get(name).cloned();
            hidden.entry(name.to_owned()).or_insert(outer);
            if !arg.contains('=') {
                self.variables.remove(name);
            }
        }
        let given: Vec<String> = args.iter().filter(|arg| arg.contains('=')).cloned().collect();
        self.mark("local", &given, io)
    }

    /// `-e`, `-x`, `-u`, `-f`.
    pub(super) fn options(&mut self, on: bool, letters: &str) {
        for letter in letters.chars() {
            match letter {
                'e' => self.errexit = on,
                'x' => self.xtrace = on,
                'u' => self.nounset = on,
                'f' => self.noglob = on,
                _ => {}
            }
        }
    }

    /// An option by its name; whether there is one of this name.
    pub(super) fn option(&mut self, on: bool, name: &str) -> bool {
        match name {
            "errexit" => self.errexit = on,
            "xtrace" => self.xtrace = on,
            "nounset" => self.nounset = on,
            "noglob" => self.noglob = on,
            "pipefail" => self.pipefail = on,
            // Of an interactive shell, which has no history and no jobs to control here.
            "monitor" | "vi" | "emacs" | "notify" | "ignoreeof" => {}
            _ => return false,
        }
        true
    }

    fn set_options(&mut self, args: &[String], io: &Streams) -> u8 {
        if args.is_empty() {
            let lines: Vec<String> = self.variables.iter().map(|(name, v)| format!("{name}='{}'", v.value)).collect();
            return self.print(io, &lines.join("\n"));
        }
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match (arg.strip_prefix('-'), arg.strip_prefix('+')) {
                (Some("-"), _) => {
                    self.parameters = args.cloned().collect();
                    return 0;
                }
                (Some(letters), _) | (_, Some(letters)) => {
                    let on = arg.starts_with('-');
                    self.options(on, letters);
                    if letters.ends_with('o')
                        && let Some(name) = args.next()
                        && !self.option(on, name)
                    {
                        self.complain(io, &format!("set: illegal option -o {name}"));
                        return 2;
                    }
                }
                _ => {
                    self.parameters = std::iter::once(arg.clone()).chain(args.cloned()).collect();
                    return 0;
                }
            }
        }
        0
    }

    fn read_line(&mut self, args: &[String], io: &Streams) -> u8 {
        let raw = args.iter().any(|arg| arg == "-r");
        let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
        let Ok(line) = io.input.clone().line() else { return 1 };
        let ended = line.is_empty();
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let text = if raw { text.to_owned() } else { text.replace('\\', "") };
        let ifs = self.get("IFS").unwrap_or_default();
        let mut rest = text.trim_matches(|c: char| ifs.contains(c) && c.is_whitespace());
        for (i, name) in names.iter().enumerate() {
            let last = i + 1 == names.len();
            let value = match rest.find(|c| ifs.contains(c)).filter(|_| !last) {
                Some(at) => {
                    let (value, after) = rest.split_at(at);
                    rest = after[1..].trim_start_matches(|c: char| ifs.contains(c) && c.is_whitespace());
                    value
                }
                None => std::mem::take(&mut rest),
            };
            self.set(name, value);
        }
        if names.is_empty() {
            self.set("REPLY", &text);
        }
        u8::from(ended)
    }

    fn command(&mut self, how: &str, args: &[String], io: &Streams) -> u8 {
        let asked = how != "command" || args.first().is_some_and(|arg| arg == "-v" || arg == "-V");
        if !asked {
            return match self.call(args, io) {
                Ok(status) | Err(Flow::Exit(status) | Flow::Return(status) | Flow::Abort(status)) => status,
                Err(_) => 0,
            };
        }
        let mut status = 0;
        for name in args.iter().filter(|arg| !arg.starts_with('-')) {
            let known = self.functions.contains_key(name) || applets::find(name).is_some();
            let known = known || ["cd", "exit", "set", "read", "export", "sh", "eval"].contains(&name.as_str());
            if known {
                let path = if how == "command" || how == "which" { format!("/bin/{name}") } else { format!("{name} is /bin/{name}") };
                self.print(io, &path);
            } else {
                status = 127;
            }
        }
        status
    }
}
