//! A shell program as a tree.

/// A piece of a word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// Unquoted text: may hold patterns.
    Text(String),
    /// Quoted text: taken as it is.
    Literal(String),
    /// Double quotes.
    Quoted(Vec<Part>),
    /// `$NAME`, `${NAME}`, `$?`.
    Variable(String),
    /// `${#NAME}`.
    Length(String),
    /// `${NAME:-word}` and its relatives.
    Parameter { name: String, op: String, word: Vec<Part> },
    /// `$(...)`.
    Command(String),
    /// `$((...))`.
    Arithmetic(Vec<Part>),
}

/// A word before expansion.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Word(pub(crate) Vec<Part>);

impl Word {
    /// The word when nothing in it is quoted or expanded: reserved words are found so.
    pub(crate) fn bare(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Its text with quotes removed and nothing expanded.
    pub(crate) fn plain(&self) -> String {
        fn add(out: &mut String, parts: &[Part]) {
            for part in parts {
                match part {
                    Part::Text(text) | Part::Literal(text) => out.push_str(text),
                    Part::Quoted(parts) => add(out, parts),
                    _ => {}
                }
            }
        }
        let mut out = String::new();
        add(&mut out, &self.0);
        out
    }
}

/// A redirection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Redirect {
    pub(crate) fd: u8,
    pub(crate) op: &'static str,
    pub(crate) target: Word,
    /// A here-document's body, filled in when its lines are read.
    pub(crate) body: Option<std::rc::Rc<std::cell::RefCell<Word>>>,
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Simple { assignments: Vec<(String, Word)>, words: Vec<Word> },
    Pipeline { negated: bool, stages: Vec<Redirected> },
    /// `a && b || c`: the first, then each with whether it wants success.
    AndOr { first: Box<Command>, rest: Vec<(bool, Command)> },
    Sequence(Vec<Command>),
    If { branches: Vec<(Command, Command)>, otherwise: Option<Box<Command>> },
    Loop { until: bool, condition: Box<Command>, body: Box<Command> },
    For { name: String, words: Option<Vec<Word>>, body: Box<Command> },
    Case { word: Word, arms: Vec<(Vec<Word>, Command)> },
    Subshell(Box<Command>),
    /// `command &`.
    Background(std::rc::Rc<Command>),
    Function { name: String, body: std::rc::Rc<Redirected> },
}

/// A command with its redirections.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Redirected {
    pub(crate) command: Command,
    pub(crate) redirects: Vec<Redirect>,
}
