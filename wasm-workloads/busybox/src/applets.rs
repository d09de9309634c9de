//! The programs: a table of names, and what several of them share.

use std::io;

use crate::io::Streams;
use crate::shell::Shell;

mod archive;
mod environment;
mod files;
mod find;
mod net;
mod nslookup;
mod reach;
mod server;
mod test;
mod text;

/// A program: arguments with its name first, and its streams; gives its exit status.
pub(crate) type Applet = fn(&mut Shell, &[String], &mut Streams) -> io::Result<u8>;

/// The image's config: started as a shell; every name here is a program in it.
pub(crate) const IMAGE: &[u8; IMAGE_TEXT.len()] = {
    let mut bytes = [0; IMAGE_TEXT.len()];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = IMAGE_TEXT.as_bytes()[i];
        i += 1;
    }
    &{ bytes }
};

const IMAGE_TEXT: &str = concat!(
    r#"{"cmd":["sh"],"applets":["sh","ash","bash","busybox","#,
    r#""[","basename","cat","clear","cp","cut","date","dirname","du","echo","env","expr","false","find","grep","egrep","fgrep","#,
    r#""head","hostname","httpd","id","kill","ls","mkdir","mktemp","mv","nc","nslookup","ping","printenv","printf","ps","pwd","#,
    r#""realpath","rev","rm","rmdir","sed","seq","sleep","sort","stat","tac","tail","tar","tee","telnet","test","timeout","#,
    r#""top","touch","tr","true","uname","uniq","uptime","usleep","wc","wget","whoami","xargs","yes"]}"#
);

/// The program of a name.
pub(crate) fn find(name: &str) -> Option<Applet> {
    Some(match name {
        "[" | "test" => test::test,
        "basename" => files::basename,
        "busybox" => environment::busybox,
        "cat" => text::cat,
        "clear" => environment::clear,
        "cp" => files::cp,
        "cut" => text::cut,
        "date" => environment::date,
        "dirname" => files::dirname,
        "du" => files::du,
        "echo" => text::echo,
        "env" | "printenv" => environment::env,
        "expr" => environment::expr,
        "false" => environment::no,
        "find" => find::find,
        "grep" | "egrep" | "fgrep" => find::grep,
        "head" => text::head,
        "hostname" => environment::hostname,
        "httpd" => server::httpd,
        "id" | "whoami" => environment::id,
        "ls" => files::ls,
        "mkdir" => files::mkdir,
        "mktemp" => files::mktemp,
        "mv" => files::mv,
        "nc" | "telnet" => net::nc,
        "nslookup" => nslookup::nslookup,
        "printf" => text::printf,
        "ping" => reach::ping,
        "ps" => environment::ps,
        "pwd" => environment::pwd,
        "realpath" => files::realpath,
        "rev" => text::rev,
        "rm" => files::rm,
        "rmdir" => files::rmdir,
        "sed" => find::sed,
        "seq" => text::seq,
        "sleep" | "usleep" => environment::sleep,
        "sort" => text::sort,
        "stat" => files::stat,
        "tac" => text::tac,
        "tail" => text::tail,
        "tar" => archive::tar,
        "tee" => text::tee,
        "timeout" => environment::timeout,
        "top" => environment::top,
        "touch" => files::touch,
        "tr" => text::tr,
        "true" => environment::ok,
        "uname" => environment::uname,
        "uniq" => text::uniq,
        "uptime" => environment::uptime,
        "wc" => text::wc,
        "wget" => net::wget,
        "xargs" => environment::xargs,
        "yes" => text::yes,
        _ => return None,
    })
}

/// What went wrong, in the words of a C library.
pub(crate) fn reason(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let text = match error.kind() {
        Kind::NotFound => "No such file or directory",
        Kind::PermissionDenied => "Permission denied",
        Kind::AlreadyExists => "File exists",
        Kind::NotADirectory => "Not a directory",
        Kind::IsADirectory => "Is a directory",
        Kind::DirectoryNotEmpty => "Directory not empty",
        Kind::ReadOnlyFilesystem => "Read-only file system",
        Kind::StorageFull => "No space left on device",
        Kind::ConnectionRefused => "Connection refused",
        Kind::ConnectionReset => "Connection reset by peer",
        Kind::HostUnreachable => "No route to host",
        Kind::NetworkUnreachable => "Network unreachable",
        Kind::AddrInUse => "Address already in use",
        Kind::TimedOut => "Connection timed out",
        _ => return error.to_string(),
    };
    text.to_owned()
}

/// Says what is wrong with one operand.
pub(crate) fn complain(io: &mut Streams, program: &str, text: &str) -> io::Result<u8> {
    io.error.line(&format!("{program}: {text}"))?;
    Ok(1)
}

/// An absolute path without `.` and `..`.
pub(crate) fn resolve(path: &str) -> String {
    let base = if path.starts_with('/') {
        String::new()
    } else {
        std::env::current_dir().map(|d| d.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Single-letter options and the operands; letters in `valued` take a value.
pub(crate) struct Options<'a> {
    flags: String,
    values: Vec<(char, &'a str)>,
    pub(crate) operands: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub(crate) fn parse(args: &'a [String], valued: &str) -> Self {
        let mut options = Self { flags: String::new(), values: Vec::new(), operands: Vec::new() };
        let mut args = args.iter().skip(1);
        while let Some(arg) = args.next() {
            let Some(letters) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                options.operands.push(arg);
                continue;
            };
            if letters == "-" {
                options.operands.extend(args.by_ref().map(String::as_str));
                break;
            }
            if let Some(word) = letters.strip_prefix('-') {
                options.flags.push_str(match word {
                    "recursive" => "r",
                    "force" => "f",
                    "all" => "a",
                    "quiet" => "q",
                    _ => "",
                });
                continue;
            }
            for (i, letter) in letters.char_indices() {
                if valued.contains(letter) {
                    let rest = &letters[i + letter.len_utf8()..];
                    let value = if rest.is_empty() { args.next().map_or("", String::as_str) } else { rest };
                    options.values.push((letter, value));
                    break;
                }
                options.flags.push(letter);
            }
        }
        options
    }

    pub(crate) fn has(&self, letter: char) -> bool {
        self.flags.contains(letter)
    }

    pub(crate) fn value(&self, letter: char) -> Option<&'a str> {
        self.values.iter().rev().find(|(l, _)| *l == letter).map(|(_, value)| *value)
    }
}
