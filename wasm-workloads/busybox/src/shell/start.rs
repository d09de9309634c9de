//! How a shell is started: with a text, a file, or what somebody types.

use std::io::{IsTerminal, Write};

use super::{Flow, Shell, SyntaxError, parser};
use crate::applets;
use crate::io::Streams;

impl Shell {
    /// `sh [-c TEXT [NAME [ARG...]] | FILE [ARG...]]`, or commands from the standard input.
    pub(crate) fn main(&mut self, args: &[String]) -> u8 {
        let mut args = args.iter();
        let mut command = false;
        let mut rest: Vec<String> = Vec::new();
        while let Some(arg) = args.next() {
            match arg.strip_prefix(['-', '+']) {
                Some(letters) if !letters.is_empty() && arg != "--" => {
                    command |= arg.starts_with('-') && letters.contains('c');
                    self.interactive |= letters.contains('i');
                    self.options(arg.starts_with('-'), letters);
                    if letters.ends_with('o')
                        && let Some(name) = args.next()
                        && !self.option(arg.starts_with('-'), name)
                    {
                        eprintln!("sh: illegal option -o {name}");
                        return 2;
                    }
                }
                _ => {
                    if arg != "--" {
                        rest.push(arg.clone());
                    }
                    rest.extend(args.by_ref().cloned());
                }
            }
        }
        let io = Streams::own();
        let text = if command {
            let Some(text) = rest.first().cloned() else {
                eprintln!("sh: -c requires an argument");
                return 2;
            };
            self.name = rest.get(1).cloned().unwrap_or_else(|| "sh".to_owned());
            self.parameters = rest.split_off(rest.len().min(2));
            text
        } else if let Some(file) = rest.first().cloned() {
            self.parameters = rest.split_off(1);
            self.name.clone_from(&file);
            match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => {
                    eprintln!("sh: can't open '{file}': {}", applets::reason(&error));
                    return 127;
                }
            }
        } else {
            let status = self.read_commands(io.clone());
            return self.finish(status, &io);
        };
        let status = self.run_text(&text, &io);
        self.finish(status, &io)
    }

    /// Runs a script as `sh -c` does, with other streams.
    #[cfg(test)]
    pub(crate) fn script_of_test(&mut self, text: &str, io: &Streams) -> u8 {
        let status = self.run_text(text, io);
        self.finish(status, io)
    }

    /// Runs a whole program text.
    pub(super) fn run_text(&mut self, text: &str, io: &Streams) -> u8 {
        match parser::parse(text) {
            Ok(program) => match self.run(&program, io) {
                Ok(status) | Err(Flow::Exit(status) | Flow::Return(status) | Flow::Abort(status)) => status,
                Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
            },
            Err(SyntaxError::Incomplete(error) | SyntaxError::Wrong(error)) => {
                self.complain(io, &error);
                2
            }
        }
    }

    /// Commands from the standard input, with prompts on a terminal.
    fn read_commands(&mut self, mut io: Streams) -> u8 {
        let prompting = self.interactive || std::io::stdin().is_terminal();
        self.interactive = prompting;
        let mut text = String::new();
        loop {
            if prompting {
                let prompt = if text.is_empty() { self.get("PS1").unwrap_or_else(|| "/ # ".to_owned()) } else { "> ".to_owned() };
                let _ = io.error.write_all(prompt.as_bytes());
            }
            let Ok(line) = io.input.line() else { return 1 };
            if line.is_empty() {
                if !text.is_empty() {
                    return self.run_text(&text, &io);
                }
                return self.status;
            }
            // A terminal in raw mode ends lines with a carriage return.
            text.push_str(&String::from_utf8_lossy(&line).replace('\r', "\n"));
            match parser::parse(&text) {
                Err(SyntaxError::Incomplete(_)) => continue,
                Err(SyntaxError::Wrong(error)) => {
                    self.complain(&io, &error);
                    self.status = 2;
                    if !prompting {
                        return 2;
                    }
                }
                Ok(program) => match self.run(&program, &io) {
                    Ok(status) | Err(Flow::Return(status)) => self.status = status,
                    Err(Flow::Exit(status)) => return status,
                    Err(Flow::Abort(status)) if !prompting => return status,
                    Err(Flow::Abort(status)) => self.status = status,
                    Err(_) => {}
                },
            }
            text.clear();
        }
    }

    pub(crate) fn flush(&mut self) {
        let _ = std::io::stdout().flush();
    }

    /// Runs one program by its arguments, as the component's own.
    pub(crate) fn run_program(&mut self, args: &[String]) -> u8 {
        let io = Streams::own();
        self.call(args, &io).unwrap_or_else(|flow| match flow {
            Flow::Exit(status) | Flow::Return(status) | Flow::Abort(status) => status,
            _ => 0,
        })
    }
}
