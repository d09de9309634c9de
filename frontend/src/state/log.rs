//! A log as it is shown: lines of several containers in one text, bounded, and what is found in it. Pure.

/// Bytes of log kept on the page.
pub const MAX_LOG: usize = 400_000;
/// Places that are marked at most.
const MAX_FOUND: usize = 2000;

/// Puts a container's name in front of its lines; a line that is still on its way waits for its end.
#[derive(Clone, Debug, Default)]
pub struct Labelled {
    name: String,
    rest: String,
}

impl Labelled {
    /// For the lines of one container among several; an empty name leaves text as it is.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            rest: String::new(),
        }
    }

    /// The whole lines that are known with this piece.
    pub fn take(&mut self, piece: &str) -> String {
        if self.name.is_empty() {
            return piece.to_owned();
        }
        self.rest.push_str(piece);
        let whole = self.rest.rfind('\n').map_or(0, |at| at + 1);
        let lines = self.rest.drain(..whole).collect::<String>();
        let labelled = lines.lines().map(|l| format!("{} │ {l}\n", self.name));
        labelled.collect()
    }
}

/// Drops whole lines from the front of a text that is too long.
pub fn bound(text: &mut String) {
    if text.len() <= MAX_LOG {
        return;
    }
    let from = text.len() - MAX_LOG * 3 / 4;
    let rest = text.as_bytes().iter().skip(from);
    let line = rest.clone().position(|b| *b == b'\n').map(|p| from + p + 1);
    // One endless line is cut where a character begins.
    let character = (from..text.len()).find(|i| text.is_char_boundary(*i));
    text.drain(..line.or(character).unwrap_or(text.len()));
}

/// A text in pieces: what was found, and what lies between. Upper and lower case are the same.
#[must_use]
pub fn find<'t>(text: &'t str, wanted: &str) -> Vec<(&'t str, bool)> {
    let wanted = wanted.to_ascii_lowercase();
    if wanted.is_empty() {
        return vec![(text, false)];
    }
    // ASCII lower case keeps every byte where it is.
    let lower = text.to_ascii_lowercase();
    let (mut pieces, mut at) = (Vec::new(), 0);
    for (from, found) in lower.match_indices(&wanted).take(MAX_FOUND) {
        pieces.extend(
            text.get(at..from)
                .filter(|t| !t.is_empty())
                .map(|t| (t, false)),
        );
        at = from + found.len();
        pieces.extend(text.get(from..at).map(|t| (t, true)));
    }
    pieces.extend(text.get(at..).filter(|t| !t.is_empty()).map(|t| (t, false)));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_carry_their_container_once_they_are_whole() {
        let mut web = Labelled::new("web");
        assert_eq!(web.take("a\nb"), "web │ a\n");
        assert_eq!(web.take("c\n\n"), "web │ bc\nweb │ \n");
        assert_eq!(Labelled::new("").take("a\nb"), "a\nb");
    }

    #[test]
    fn long_logs_lose_their_oldest_lines() {
        let mut text = "x".repeat(99) + "\n";
        text = text.repeat(MAX_LOG / 100 + 1);
        bound(&mut text);
        assert!(
            text.len() <= MAX_LOG * 3 / 4
                && text.starts_with("xxx")
                && text.len().is_multiple_of(100)
        );
        let mut endless = "é".repeat(MAX_LOG);
        bound(&mut endless);
        assert!(endless.len() <= MAX_LOG * 3 / 4 && endless.starts_with('é'));
    }

    #[test]
    fn what_is_found_is_marked_and_nothing_is_lost() {
        for (text, wanted, want) in [
            ("a GET b get", "get", "a [GET] b [get]"),
            ("aaa", "aa", "[aa]a"),
            ("é ÉT", "t", "é É[T]"),
            ("plain", "", "plain"),
            ("", "x", ""),
        ] {
            let pieces = find(text, wanted);
            let shown: String = pieces
                .iter()
                .map(|(t, f)| {
                    if *f {
                        format!("[{t}]")
                    } else {
                        (*t).to_owned()
                    }
                })
                .collect();
            assert_eq!(shown, want);
        }
    }
}
