//! The Redis serialization protocol: requests in, replies out in version 2 or, for clients that ask for it, 3.

/// Most arguments of one request.
const ARGUMENTS_MAX: usize = 64 * 1024;
/// Largest argument in bytes.
const ARGUMENT_BYTES_MAX: usize = 16 << 20;
/// Longest line: an inline command, or a length.
const LINE_MAX: usize = 64 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Status(&'static str),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Self>),
    /// Names and values: pairs of an array in version 2.
    Map(Vec<(Self, Self)>),
    /// Items without an order: an array in version 2.
    Set(Vec<Self>),
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    #[default]
    Two,
    Three,
}

impl Reply {
    pub(crate) const OK: Self = Self::Status("OK");

    pub(crate) fn text(text: &str) -> Self {
        Self::Bulk(text.as_bytes().to_vec())
    }

    pub(crate) fn flag(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }

    pub(crate) fn count(n: usize) -> Self {
        Self::Integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    pub(crate) fn bulks(items: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::Array(items.into_iter().map(Self::Bulk).collect())
    }

    pub(crate) fn map(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        Self::Map(pairs.into_iter().map(|(name, value)| (Self::Bulk(name), Self::Bulk(value))).collect())
    }

    /// Appends the reply as it is sent.
    pub(crate) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let three = version == Version::Three;
        match self {
            Self::Status(text) => out.extend(format!("+{text}\r\n").bytes()),
            Self::Error(text) => out.extend(format!("-{text}\r\n").bytes()),
            Self::Integer(n) => out.extend(format!(":{n}\r\n").bytes()),
            Self::Nil => out.extend(if three { &b"_\r\n"[..] } else { b"$-1\r\n" }),
            Self::Bulk(bytes) => bulk(out, bytes),
            Self::Array(items) | Self::Set(items) => {
                let mark = if three && matches!(self, Self::Set(_)) { '~' } else { '*' };
                out.extend(format!("{mark}{}\r\n", items.len()).bytes());
                items.iter().for_each(|item| item.encode(version, out));
            }
            Self::Map(pairs) => {
                let (mark, length) = if three { ('%', pairs.len()) } else { ('*', 2 * pairs.len()) };
                out.extend(format!("{mark}{length}\r\n").bytes());
                for (name, value) in pairs {
                    name.encode(version, out);
                    value.encode(version, out);
                }
            }
        }
    }
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(format!("${}\r\n", bytes.len()).bytes());
    out.extend(bytes);
    out.extend(b"\r\n");
}

/// Appends a request as it is sent.
pub(crate) fn encode_request(arguments: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", arguments.len()).bytes());
    arguments.iter().for_each(|argument| bulk(out, argument));
}

/// What the beginning of a buffer is.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed {
    /// A request, and how many bytes it took. Empty lines are requests without arguments.
    Request(Vec<Vec<u8>>, usize),
    /// The beginning of one.
    Incomplete,
    /// Neither: what is wrong.
    Wrong(&'static str),
}

/// Reads a request: an array of bulk strings, or words on a line as `telnet` sends them.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let mut at = 0;
    let Some(line) = line(bytes, &mut at) else { return too_long(bytes) };
    let Some(count) = line.strip_prefix(b"*") else {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Parsed::Request(words.map(<[u8]>::to_vec).collect(), at);
    };
    let Some(count) = number(count).filter(|n| *n <= ARGUMENTS_MAX) else {
        return Parsed::Wrong("invalid multibulk length");
    };
    let mut arguments = Vec::new();
    for _ in 0..count {
        let rest = &bytes[at..];
        let Some(length) = self::line(bytes, &mut at) else { return too_long(rest) };
        let Some(length) = length.strip_prefix(b"$") else {
            return Parsed::Wrong("expected '$'");
        };
        let Some(length) = number(length).filter(|n| *n <= ARGUMENT_BYTES_MAX) else {
            return Parsed::Wrong("invalid bulk length");
        };
        let Some(argument) = bytes.get(at..at + length + 2) else { return Parsed::Incomplete };
        arguments.push(argument[..length].to_vec());
        at += length + 2;
    }
    Parsed::Request(arguments, at)
}

fn too_long(bytes: &[u8]) -> Parsed {
    if bytes.len() > LINE_MAX { Parsed::Wrong("too big inline request") } else { Parsed::Incomplete }
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &bytes[*at..];
    let end = rest.iter().position(|b| *b == b'\n')?;
    *at += end + 1;
    let line = &rest[..end];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_whole_or_not_at_all() {
        let request = b"*2\r\n$3\r\nGET\r\n$2\r\na\n\r\nrest";
        let words = |words: &[&str]| words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(parse(request), Parsed::Request(words(&["GET", "a\n"]), 21));
        for end in 0..21 {
            assert_eq!(parse(&request[..end]), Parsed::Incomplete, "{end}");
        }
        assert_eq!(parse(b"set a  b\r\n"), Parsed::Request(words(&["set", "a", "b"]), 10));
        assert_eq!(parse(b"\r\n"), Parsed::Request(vec![], 2));
        for wrong in [&b"*x\r\n"[..], b"*1\r\n:1\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$99999999999\r\n", b"*-1\r\n"] {
            assert!(matches!(parse(wrong), Parsed::Wrong(_)), "{wrong:?}");
        }
        assert!(matches!(parse(&[b'x'; LINE_MAX + 1]), Parsed::Wrong(_)));
    }

    #[test]
    fn replies_are_written_as_the_protocol_says() {
        let mut out = Vec::new();
        Reply::Array(vec![Reply::OK, Reply::Integer(-1), Reply::Nil, Reply::text("a"), Reply::Error("ERR x".into())])
            .encode(Version::Two, &mut out);
        assert_eq!(out, b"*5\r\n+OK\r\n:-1\r\n$-1\r\n$1\r\na\r\n-ERR x\r\n");
        let map = Reply::Map(vec![(Reply::text("a"), Reply::Nil)]);
        for (reply, version, expected) in [
            (&map, Version::Two, "*2\r\n$1\r\na\r\n$-1\r\n"),
            (&map, Version::Three, "%1\r\n$1\r\na\r\n_\r\n"),
            (&Reply::Set(vec![Reply::Integer(1)]), Version::Two, "*1\r\n:1\r\n"),
            (&Reply::Set(vec![Reply::Integer(1)]), Version::Three, "~1\r\n:1\r\n"),
        ] {
            let mut out = Vec::new();
            reply.encode(version, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        encode_request(&[b"PING".to_vec()], &mut out);
        assert!(matches!(parse(&out), Parsed::Request(words, 14) if words == [b"PING"]));
    }
}
