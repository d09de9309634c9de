//! `tar`: creates, lists and extracts archives in the ustar format (POSIX.1-1988), and reads the long names that GNU
//! and pax archives add. `kubectl cp` needs nothing else.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use super::{complain, reason, resolve};
use crate::io::{Input, Output, Streams};
use crate::shell::Shell;

const BLOCK: usize = 512;
/// Longest name that an extension header may give.
const NAME_MAX: u64 = 64 * 1024;

/// What was asked for.
#[derive(Default)]
struct Asked<'a> {
    /// `c`, `x` or `t`.
    action: char,
    file: Option<&'a str>,
    dir: Option<&'a str>,
    verbose: bool,
    operands: Vec<&'a str>,
}

pub(crate) fn tar(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let asked = match parse(args) {
        Ok(asked) => asked,
        Err(text) => return complain(io, "tar", &text),
    };
    match asked.action {
        'c' => create(&asked, io),
        'x' | 't' => extract(&asked, io),
        _ => complain(io, "tar", "one of -c, -x and -t must be given"),
    }
}

fn parse(args: &[String]) -> Result<Asked<'_>, String> {
    let mut asked = Asked::default();
    let mut args = args.iter().skip(1).map(String::as_str);
    let mut first = true;
    while let Some(arg) = args.next() {
        let letters = match arg.strip_prefix('-') {
            Some(word) if word.starts_with('-') => {
                match word.trim_start_matches('-') {
                    "" => asked.operands.extend(args.by_ref()),
                    "no-same-permissions" | "no-same-owner" | "numeric-owner" | "no-recursion" => {}
                    other => return Err(format!("unrecognized option '--{other}'")),
                }
                continue;
            }
            Some("") => {
                asked.operands.push(arg);
                continue;
            }
            Some(letters) => letters,
            // As in `tar cf - DIR`: the first argument needs no dash.
            None if first => arg,
            None => {
                asked.operands.push(arg);
                continue;
            }
        };
        first = false;
        for (i, letter) in letters.char_indices() {
            let attached = &letters[i + 1..];
            match letter {
                'c' | 'x' | 't' => asked.action = letter,
                'v' => asked.verbose = true,
                'm' | 'p' | 'o' | 'h' | 'k' => {}
                'z' | 'j' | 'J' => return Err(format!("-{letter}: compression is not offered here")),
                'f' | 'C' => {
                    // In `xmf -` the value is the next argument; in `-C/dir` it is attached.
                    let is_last = attached.is_empty();
                    let value = if is_last { args.next() } else if arg.starts_with('-') { Some(attached) } else { args.next() };
                    let value = value.ok_or_else(|| format!("option requires an argument -- {letter}"))?;
                    if letter == 'f' { asked.file = Some(value) } else { asked.dir = Some(value) }
                    if !is_last && arg.starts_with('-') {
                        break;
                    }
                }
                other => return Err(format!("invalid option -- '{other}'")),
            }
        }
    }
    Ok(asked)
}

fn create(asked: &Asked<'_>, io: &mut Streams) -> io::Result<u8> {
    let mut out = match asked.file {
        None | Some("-") => io.output.clone(),
        Some(file) => Output::file(File::create(file)?),
    };
    if asked.operands.is_empty() {
        return complain(io, "tar", "empty archive");
    }
    let mut status = 0;
    if asked.operands.iter().any(|operand| operand.starts_with('/')) {
        io.error.line("tar: removing leading '/' from member names")?;
    }
    for operand in &asked.operands {
        let base = asked.dir.filter(|_| !operand.starts_with('/')).unwrap_or("");
        let path = if base.is_empty() { (*operand).to_owned() } else { format!("{}/{operand}", base.trim_end_matches('/')) };
        if let Err(error) = add(&path, operand.trim_start_matches('/'), asked.verbose, &mut out, io) {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Err(error);
            }
            status = complain(io, "tar", &format!("{operand}: {}", reason(&error)))?;
        }
    }
    out.write_all(&[0; 2 * BLOCK])?;
    Ok(status)
}

/// Adds a file, or a directory with everything in it.
fn add(path: &str, name: &str, verbose: bool, out: &mut Output, io: &mut Streams) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    let name = if name.is_empty() { "." } else { name.trim_end_matches('/') };
    if verbose {
        io.error.line(name)?;
    }
    let modified = metadata.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |since| since.as_secs());
    if metadata.is_dir() {
        out.write_all(&headers(&format!("{name}/"), b'5', 0o755, 0, modified))?;
        let mut names: Vec<String> = fs::read_dir(path)?
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        for inner in names {
            add(&format!("{}/{inner}", path.trim_end_matches('/')), &format!("{name}/{inner}"), verbose, out, io)?;
        }
        return Ok(());
    }
    out.write_all(&headers(name, b'0', 0o644, metadata.len(), modified))?;
    // The header has promised so many bytes, whatever happens to the file meanwhile.
    let copied = io::copy(&mut File::open(path)?.take(metadata.len()), out)?;
    let padded = metadata.len().div_ceil(BLOCK as u64) * BLOCK as u64;
    io::copy(&mut io::repeat(0).take(padded - copied), out)?;
    Ok(())
}

/// The header of a member; a name that does not fit gets GNU's extension header in front.
fn headers(name: &str, kind: u8, mode: u32, size: u64, modified: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if name.len() > 100 {
        let length = name.len() as u64 + 1;
        out.extend(header("././@LongLink", b'L', 0o644, length, 0));
        out.extend(name.bytes());
        out.resize(out.len() + 1, 0);
        out.resize(out.len().div_ceil(BLOCK) * BLOCK, 0);
    }
    out.extend(header(name, kind, mode, size, modified));
    out
}

fn header(name: &str, kind: u8, mode: u32, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    let name = name.as_bytes();
    put(0, &name[..name.len().min(100)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{modified:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000root");
    put(297, b"root");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A member of an archive.
struct Member {
    name: String,
    kind: u8,
    size: u64,
}

fn extract(asked: &Asked<'_>, io: &mut Streams) -> io::Result<u8> {
    let mut input = match asked.file {
        None | Some("-") => io.input.clone(),
        Some(file) => Input::file(File::open(file)?),
    };
    let mut status = 0;
    let mut long_name = None;
    while let Some(mut member) = next(&mut input)? {
        if matches!(member.kind, b'L' | b'x' | b'g') {
            let text = content(&mut input, member.size)?;
            match member.kind {
                b'L' => long_name = Some(text.trim_end_matches('\0').to_owned()),
                b'x' => long_name = pax_path(&text).or(long_name),
                _ => {}
            }
            continue;
        }
        if let Some(name) = long_name.take() {
            member.name = name;
        }
        let wanted = asked.operands.is_empty()
            || asked.operands.iter().any(|o| member.name == *o || member.name.starts_with(&format!("{}/", o.trim_end_matches('/'))));
        if wanted && (asked.verbose || asked.action == 't') {
            io.output.line(&member.name)?;
        }
        let outcome = if wanted && asked.action == 'x' {
            place(&member, asked.dir.unwrap_or("."), &mut input)?
        } else {
            skip(&mut input, member.size)?;
            Ok(())
        };
        if let Err(text) = outcome {
            status = complain(io, "tar", &text)?;
        }
    }
    Ok(status)
}

/// The next header; `None` at the end of the archive.
fn next(input: &mut Input) -> io::Result<Option<Member>> {
    let mut header = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        let n = input.read(&mut header[at..])?;
        if n == 0 && at == 0 {
            return Ok(None);
        }
        if n == 0 {
            return Err(io::Error::other("short read"));
        }
        at += n;
    }
    if header.iter().all(|b| *b == 0) {
        // What follows the end is not ours to keep a writer waiting for.
        io::copy(input, &mut io::sink())?;
        return Ok(None);
    }
    if &header[257..262] != b"ustar" {
        return Err(io::Error::other("invalid tar magic"));
    }
    let text = |field: &[u8]| {
        let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).trim().to_owned()
    };
    let size = u64::from_str_radix(&text(&header[124..136]), 8).map_err(|_| io::Error::other("corrupted header"))?;
    let (prefix, name) = (text(&header[345..500]), text(&header[..100]));
    // GNU archives keep other things where ustar has the prefix.
    let is_posix = &header[257..263] == b"ustar\0";
    let name = if is_posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name };
    Ok(Some(Member { name, kind: header[156], size }))
}

fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK as u64) * BLOCK as u64
}

fn skip(input: &mut Input, size: u64) -> io::Result<()> {
    io::copy(&mut input.take(padded(size)), &mut io::sink()).map(drop)
}

fn content(input: &mut Input, size: u64) -> io::Result<String> {
    if size > NAME_MAX {
        return Err(io::Error::other("an extension header is too long"));
    }
    let mut bytes = Vec::new();
    input.take(padded(size)).read_to_end(&mut bytes)?;
    bytes.truncate(usize::try_from(size).unwrap_or(0));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `LENGTH path=NAME` among the records of a pax header.
fn pax_path(text: &str) -> Option<String> {
    let records = text.lines().filter_map(|line| line.split_once(' '));
    records.map(|(_, record)| record).find_map(|record| record.strip_prefix("path=")).map(str::to_owned)
}

/// Writes a member below `dir`. Names cannot lead out of it.
fn place(member: &Member, dir: &str, input: &mut Input) -> io::Result<Result<(), String>> {
    let name = member.name.trim_start_matches('/');
    if name.split('/').any(|part| part == "..") {
        skip(input, member.size)?;
        return Ok(Err(format!("name with '..' skipped: '{name}'")));
    }
    let path = resolve(&format!("{}/{name}", dir.trim_end_matches('/')));
    let made = match member.kind {
        b'5' => fs::create_dir_all(&path).map(|()| None),
        b'0' | 0 | b'7' => {
            let parent = Path::new(&path).parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(parent).and_then(|()| File::create(&path)).map(Some)
        }
        _ => {
            skip(input, member.size)?;
            return Ok(Err(format!("{name}: links and devices are not extracted")));
        }
    };
    let mut taken = input.take(member.size);
    let outcome = match made {
        Ok(Some(mut file)) => io::copy(&mut taken, &mut file).map(drop),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    let left = taken.limit();
    io::copy(&mut input.take(left + padded(member.size) - member.size), &mut io::sink())?;
    Ok(outcome.map_err(|error| format!("can't open '{name}': {}", reason(&error))))
}
