//! Where a program reads and writes: the component's own streams, files, and what lies between the stages of a
//! pipeline.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;

/// Most bytes that wait between two stages of a pipeline.
pub(crate) const PIPE_MAX: usize = 8 << 20;

/// A source of input that several programs read from in turn.
#[derive(Clone)]
pub(crate) enum Input {
    Own,
    File(Rc<RefCell<BufReader<File>>>),
    Bytes(Rc<RefCell<io::Cursor<Vec<u8>>>>),
}

/// A sink of output that several programs write to in turn.
#[derive(Clone)]
pub(crate) enum Output {
    Stdout,
    Stderr,
    Null,
    File(Rc<RefCell<File>>),
    Pipe(Rc<RefCell<Vec<u8>>>),
}

/// A program's three streams.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) error: Output,
}

impl Streams {
    pub(crate) fn own() -> Self {
        Self { input: Input::Own, output: Output::Stdout, error: Output::Stderr }
    }
}

impl Input {
    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(Rc::new(RefCell::new(io::Cursor::new(bytes))))
    }

    pub(crate) fn file(file: File) -> Self {
        Self::File(Rc::new(RefCell::new(BufReader::new(file))))
    }

    /// One line with its end; empty at the end of the input.
    pub(crate) fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        match self {
            Self::Own => io::stdin().lock().read_until(b'\n', &mut line)?,
            Self::File(file) => file.borrow_mut().read_until(b'\n', &mut line)?,
            Self::Bytes(bytes) => bytes.borrow_mut().read_until(b'\n', &mut line)?,
        };
        Ok(line)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Own => io::stdin().lock().read(buffer),
            Self::File(file) => file.borrow_mut().read(buffer),
            Self::Bytes(bytes) => bytes.borrow_mut().read(buffer),
        }
    }
}

impl Output {
    pub(crate) fn file(file: File) -> Self {
        Self::File(Rc::new(RefCell::new(file)))
    }

    pub(crate) fn pipe() -> (Self, Rc<RefCell<Vec<u8>>>) {
        let bytes = Rc::new(RefCell::new(Vec::new()));
        (Self::Pipe(Rc::clone(&bytes)), bytes)
    }

    /// Writes a line; a broken pipe shows at the next write.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.write_all(format!("{text}\n").as_bytes())
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout => {
                // Every write must be seen at once: a line buffer would hold back `echo -n`.
                let mut stdout = io::stdout().lock();
                let n = stdout.write(data)?;
                stdout.flush()?;
                Ok(n)
            }
            Self::Stderr => io::stderr().lock().write(data),
            Self::Null => Ok(data.len()),
            Self::File(file) => file.borrow_mut().write(data),
            Self::Pipe(bytes) => {
                let mut bytes = bytes.borrow_mut();
                if bytes.len() + data.len() > PIPE_MAX {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                bytes.extend_from_slice(data);
                Ok(data.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().flush(),
            Self::File(file) => file.borrow_mut().flush(),
            _ => Ok(()),
        }
    }
}
