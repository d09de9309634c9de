//! What a terminal does between a keyboard and a program (`termios(3)`, canonical mode): lines are edited before the
//! program sees them, what is typed is echoed, and some keys mean something.
//!
//! WASI has no signals, so Ctrl-C cannot end the command that a shell runs. At a prompt it discards the line, as it
//! should; a second one in a row ends the session with 130. A program that is no shell ends at the first.

use bytes::{BufMut, Bytes, BytesMut};

/// Longest line; what is typed beyond it is dropped (`MAX_CANON`).
const LINE_MAX: usize = 4096;

/// What comes of typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Appears on the screen.
    Echo(Bytes),
    /// The program reads this.
    Input(Bytes),
    /// The program reads its end of input: Ctrl-D at the beginning of a line.
    EndOfInput,
    /// The program is to end: Ctrl-C.
    Interrupt,
}

/// One terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    line: BytesMut,
    has_prompt: bool,
    was_interrupted: bool,
    escape: Escape,
}

/// How much of an escape sequence was typed: cursor keys are not for the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    Sequence,
}

impl Terminal {
    /// A terminal in front of a program that shows prompts, as shells do, or of another.
    pub(crate) fn new(has_prompt: bool) -> Self {
        Self {
            line: BytesMut::new(),
            has_prompt,
            was_interrupted: false,
            escape: Escape::No,
        }
    }

    /// Takes what was typed.
    pub(crate) fn typed(&mut self, keys: &[u8]) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut echo = BytesMut::new();
        for key in keys {
            let done = self.key(*key, &mut echo);
            if done.is_some() && !echo.is_empty() {
                effects.push(Effect::Echo(echo.split().freeze()));
            }
            effects.extend(done);
        }
        if !echo.is_empty() {
            effects.push(Effect::Echo(echo.freeze()));
        }
        effects
    }

    fn key(&mut self, key: u8, echo: &mut BytesMut) -> Option<Effect> {
        if self.is_escape(key) {
            return None;
        }
        let was_interrupted = std::mem::take(&mut self.was_interrupted);
        match key {
            b'\r' | b'\n' => {
                echo.put_slice(b"\r\n");
                self.line.put_u8(b'\n');
                Some(Effect::Input(self.line.split().freeze()))
            }
            0x03 => {
                echo.put_slice(b"^C\r\n");
                self.line.clear();
                self.was_interrupted = true;
                let ends = !self.has_prompt || was_interrupted;
                Some(if ends {
                    Effect::Interrupt
                } else {
                    Effect::Input(Bytes::from_static(b"\n"))
                })
            }
            0x04 if self.line.is_empty() => Some(Effect::EndOfInput),
            0x04 => Some(Effect::Input(self.line.split().freeze())),
            0x7f | 0x08 => {
                self.erase(echo);
                None
            }
            0x15 => {
                while !self.line.is_empty() {
                    self.erase(echo);
                }
                None
            }
            0x17 => {
                while self.line.last() == Some(&b' ') {
                    self.erase(echo);
                }
                while self.line.last().is_some_and(|last| *last != b' ') {
                    self.erase(echo);
                }
                None
            }
            0..0x20 if key != b'\t' => None,
            _ => {
                if self.line.len() < LINE_MAX {
                    self.line.put_u8(key);
                    echo.put_u8(key);
                }
                None
            }
        }
    }

    fn is_escape(&mut self, key: u8) -> bool {
        let (is_part, next) = match (self.escape, key) {
            (_, 0x1b) => (true, Escape::Begun),
            (Escape::Begun, b'[' | b'O') => (true, Escape::Sequence),
            (Escape::Sequence, 0x40..=0x7e) => (true, Escape::No),
            (Escape::Sequence, 0x20..=0x3f) => (true, Escape::Sequence),
            _ => (false, Escape::No),
        };
        self.escape = next;
        is_part
    }

    /// Takes the last character, all its bytes, off the line and off the screen.
    fn erase(&mut self, echo: &mut BytesMut) {
        while let Some(last) = self.line.last().copied() {
            self.line.truncate(self.line.len() - 1);
            if last & 0xc0 != 0x80 {
                echo.put_slice(b"\x08 \x08");
                return;
            }
        }
    }
}

/// What a program prints, as a screen needs it: a line feed goes to the beginning of the next line (`ONLCR`).
pub(crate) fn to_screen(data: Bytes) -> Bytes {
    let feeds = data.iter().filter(|byte| **byte == b'\n').count();
    if feeds == 0 {
        return data;
    }
    let mut out = BytesMut::with_capacity(data.len() + feeds);
    for piece in data.split_inclusive(|byte| *byte == b'\n') {
        match piece.split_last() {
            Some((b'\n', text)) => {
                out.put_slice(text);
                out.put_slice(b"\r\n");
            }
            _ => out.put_slice(piece),
        }
    }
    out.freeze()
}

/// Whether a program of this name shows prompts on a terminal.
pub(crate) fn shows_prompts(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    matches!(name, "sh" | "ash" | "bash")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program reads, with `<eof>` and `<int>`, and what the screen shows.
    fn session(has_prompt: bool, keys: &[u8]) -> (String, String) {
        let mut terminal = Terminal::new(has_prompt);
        let (mut input, mut screen) = (String::new(), Vec::new());
        // Byte by byte, so that no key depends on what it arrives with.
        for key in keys {
            for effect in terminal.typed(&[*key]) {
                match effect {
                    Effect::Echo(bytes) => screen.extend_from_slice(&bytes),
                    Effect::Input(bytes) => input.push_str(std::str::from_utf8(&bytes).unwrap()),
                    Effect::EndOfInput => input.push_str("<eof>"),
                    Effect::Interrupt => input.push_str("<int>"),
                }
            }
        }
        (input, String::from_utf8(screen).unwrap())
    }

    #[test]
    fn lines_are_edited_and_echoed() {
        for (keys, input, screen) in [
            ("ls\r", "ls\n", "ls\r\n"),
            ("lx\x7fs\r", "ls\n", "lx\x08 \x08s\r\n"),
            (
                "a\u{e9}\x7f\x7f\x7fb\r",
                "b\n",
                "a\u{e9}\x08 \x08\x08 \x08b\r\n",
            ),
            ("abc\x15d\r", "d\n", "abc\x08 \x08\x08 \x08\x08 \x08d\r\n"),
            (
                "a bc \x17d\r",
                "a d\n",
                "a bc \x08 \x08\x08 \x08\x08 \x08d\r\n",
            ),
            ("a\x1b[A\x1b[1;5Cb\r", "ab\n", "ab\r\n"),
            ("a\x04", "a", "a"),
            ("\x04", "<eof>", ""),
            ("unsent", "", "unsent"),
        ] {
            let got = session(true, keys.as_bytes());
            assert_eq!(got, (input.to_owned(), screen.to_owned()), "{keys:?}");
        }
    }

    #[test]
    fn interrupts_end_programs_and_discard_a_shells_line() {
        for (has_prompt, keys, input) in [
            (false, "\x03", "<int>"),
            (true, "half\x03", "\n"),
            (true, "\x03\x03", "\n<int>"),
            (true, "\x03ls\r\x03", "\nls\n\n"),
        ] {
            assert_eq!(session(has_prompt, keys.as_bytes()).0, input, "{keys:?}");
        }
    }

    #[test]
    fn a_line_is_bounded() {
        let (input, _) = session(true, &[vec![b'x'; 3 * LINE_MAX], vec![b'\r']].concat());
        assert_eq!(input.len(), LINE_MAX + 1);
    }

    #[test]
    fn output_starts_lines_on_the_left() {
        for (printed, shown) in [
            ("", ""),
            ("a", "a"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("\n\n", "\r\n\r\n"),
        ] {
            assert_eq!(to_screen(Bytes::from(printed)), Bytes::from(shown));
        }
    }
}
