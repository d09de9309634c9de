//! Programs about files and directories.

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::{Options, complain, reason, resolve};
use crate::io::Streams;
use crate::shell::Shell;

/// Does something to each operand; a failure is complained of and the next one tried.
fn each(
    program: &str,
    operands: &[&str],
    io: &mut Streams,
    mut act: impl FnMut(&str, &mut Streams) -> Result<(), String>,
) -> io::Result<u8> {
    if operands.is_empty() {
        return complain(io, program, "missing operand");
    }
    let mut status = 0;
    for operand in operands {
        if let Err(text) = act(operand, io) {
            status = complain(io, program, &text)?;
        }
    }
    Ok(status)
}

pub(crate) fn ls(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let operands = if options.operands.is_empty() { vec!["."] } else { options.operands.clone() };
    let several = operands.len() > 1;
    let mut status = 0;
    for (i, path) in operands.iter().enumerate() {
        let metadata = match fs::metadata(path).or_else(|_| fs::symlink_metadata(path)) {
            Ok(metadata) => metadata,
            Err(error) => {
                status = complain(io, "ls", &format!("{path}: {}", reason(&error)))?;
                continue;
            }
        };
        if !metadata.is_dir() || options.has('d') {
            show(&options, path, path, &metadata, io)?;
            continue;
        }
        if several || options.has('R') {
            let blank = if i > 0 { "\n" } else { "" };
            io.output.line(&format!("{blank}{path}:"))?;
        }
        status |= list(&options, path, io)?;
    }
    Ok(status)
}

fn list(options: &Options<'_>, path: &str, io: &mut Streams) -> io::Result<u8> {
    let mut names: Vec<String> = match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) => return complain(io, "ls", &format!("can't open '{path}': {}", reason(&error))),
    };
    if options.has('a') {
        names.extend([".".to_owned(), "..".to_owned()]);
    } else {
        names.retain(|name| options.has('A') || !name.starts_with('.'));
    }
    names.sort();
    if options.has('r') {
        names.reverse();
    }
    for name in &names {
        let full = format!("{}/{name}", path.trim_end_matches('/'));
        match fs::symlink_metadata(&full).or_else(|_| fs::metadata(path)) {
            Ok(metadata) => show(options, name, &full, &metadata, io)?,
            Err(error) => {
                complain(io, "ls", &format!("{full}: {}", reason(&error)))?;
            }
        }
    }
    if options.has('R') {
        for name in names.iter().filter(|name| *name != "." && *name != "..") {
            let full = format!("{}/{name}", path.trim_end_matches('/'));
            if fs::symlink_metadata(&full).is_ok_and(|m| m.is_dir()) {
                io.output.line(&format!("\n{full}:"))?;
                list(options, &full, io)?;
            }
        }
    }
    Ok(0)
}

fn show(options: &Options<'_>, name: &str, full: &str, metadata: &Metadata, io: &mut Streams) -> io::Result<()> {
    let slash = if (options.has('p') || options.has('F')) && metadata.is_dir() { "/" } else { "" };
    if !options.has('l') {
        return io.output.line(&format!("{name}{slash}"));
    }
    let (mode, target) = match metadata {
        m if m.is_dir() => ("drwxr-xr-x", String::new()),
        m if m.is_symlink() => {
            let target = fs::read_link(full).map(|t| format!(" -> {}", t.display())).unwrap_or_default();
            ("lrwxrwxrwx", target)
        }
        _ => ("-rw-r--r--", String::new()),
    };
    let seconds = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs());
    let when = super::environment::format_time("%b %e %H:%M", seconds);
    io.output.line(&format!("{mode}    1 root     root     {:>9} {when} {name}{slash}{target}", metadata.len()))
}

pub(crate) fn mkdir(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "m");
    each("mkdir", &options.operands, io, |path, _| {
        let made = if options.has('p') { fs::create_dir_all(path) } else { fs::create_dir(path) };
        made.map_err(|error| format!("can't create directory '{path}': {}", reason(&error)))
    })
}

pub(crate) fn rmdir(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    each("rmdir", &options.operands, io, |path, _| {
        fs::remove_dir(path).map_err(|error| format!("'{path}': {}", reason(&error)))
    })
}

pub(crate) fn rm(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    if options.operands.is_empty() && options.has('f') {
        return Ok(0);
    }
    let recursive = options.has('r') || options.has('R');
    each("rm", &options.operands, io, |path, _| {
        let removed = match fs::symlink_metadata(path) {
            Ok(m) if m.is_dir() && recursive => fs::remove_dir_all(path),
            Ok(m) if m.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => fs::remove_file(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.has('f') => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| format!("can't remove '{path}': {}", reason(&error)))
    })
}

pub(crate) fn touch(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "dt");
    each("touch", &options.operands, io, |path, _| {
        let touched = fs::OpenOptions::new().create(!options.has('c')).append(true).open(path);
        match touched.and_then(|file| file.set_modified(std::time::SystemTime::now())) {
            Err(error) if !(options.has('c') && error.kind() == io::ErrorKind::NotFound) => {
                Err(format!("{path}: {}", reason(&error)))
            }
            _ => Ok(()),
        }
    })
}

/// Where `from` goes: into `to` when that is a directory.
fn destination(from: &str, to: &str) -> String {
    if fs::metadata(to).is_ok_and(|m| m.is_dir()) {
        let name = from.trim_end_matches('/').rsplit('/').next().unwrap_or(from);
        format!("{}/{name}", to.trim_end_matches('/'))
    } else {
        to.to_owned()
    }
}

pub(crate) fn cp(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let Some((to, from)) = options.operands.split_last().filter(|(_, from)| !from.is_empty()) else {
        return complain(io, "cp", "missing operand");
    };
    let recursive = ['r', 'R', 'a'].into_iter().any(|c| options.has(c));
    each("cp", from, io, |path, _| {
        copy(Path::new(path), Path::new(&destination(path, to)), recursive)
            .map_err(|error| format!("can't copy '{path}': {}", reason(&error)))
    })
}

fn copy(from: &Path, to: &Path, recursive: bool) -> io::Result<()> {
    if !fs::metadata(from)?.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    if !recursive {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if resolve(&to.to_string_lossy()).starts_with(&format!("{}/", resolve(&from.to_string_lossy()))) {
        return Err(io::Error::other("cannot copy a directory into itself"));
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()), true)?;
    }
    Ok(())
}

pub(crate) fn mv(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let Some((to, from)) = options.operands.split_last().filter(|(_, from)| !from.is_empty()) else {
        return complain(io, "mv", "missing operand");
    };
    each("mv", from, io, |path, _| {
        let target = destination(path, to);
        // Another volume: copy, then remove.
        let moved = fs::rename(path, &target).or_else(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return Err(error);
            }
            copy(Path::new(path), Path::new(&target), true)?;
            if fs::metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
        });
        moved.map_err(|error| format!("can't rename '{path}': {}", reason(&error)))
    })
}

pub(crate) fn mktemp(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "p");
    for n in 0..100_000 {
        let path = format!("{}/tmp.{n:06}", options.value('p').unwrap_or("/tmp"));
        let made = if options.has('d') { fs::create_dir(&path) } else { fs::File::create_new(&path).map(drop) };
        match made {
            Ok(()) => {
                io.output.line(&path)?;
                return Ok(0);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    complain(io, "mktemp", "too many files")
}

pub(crate) fn stat(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "c");
    each("stat", &options.operands, io, |path, io| {
        let metadata = fs::symlink_metadata(path).map_err(|error| format!("can't stat '{path}': {}", reason(&error)))?;
        let kind = if metadata.is_dir() { "directory" } else { "regular file" };
        let text = match options.value('c') {
            Some(format) => format.replace("%s", &metadata.len().to_string()).replace("%n", path).replace("%F", kind),
            None => format!("  File: {path}\n  Size: {}\t{kind}", metadata.len()),
        };
        io.output.line(&text).map_err(|error| error.to_string())
    })
}

pub(crate) fn du(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    fn size(path: &Path) -> u64 {
        let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
        if !metadata.is_dir() {
            return metadata.len();
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| size(&entry.path())).sum()
    }
    let options = Options::parse(args, "");
    let operands = if options.operands.is_empty() { vec!["."] } else { options.operands };
    for path in operands {
        io.output.line(&format!("{}\t{path}", size(Path::new(path)).div_ceil(1024)))?;
    }
    Ok(0)
}

pub(crate) fn realpath(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    each("realpath", &options.operands, io, |path, io| {
        let full = resolve(path);
        fs::metadata(&full).map_err(|error| format!("{path}: {}", reason(&error)))?;
        io.output.line(&full).map_err(|error| error.to_string())
    })
}

pub(crate) fn basename(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let path = args.get(1).map_or("", |path| path.trim_end_matches('/'));
    let name = path.rsplit('/').next().unwrap_or(path);
    let suffix = args.get(2).map_or("", String::as_str);
    let name = name.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(name);
    io.output.line(if name.is_empty() { "/" } else { name })?;
    Ok(0)
}

pub(crate) fn dirname(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let path = args.get(1).map_or("", |path| path.trim_end_matches('/'));
    let parent = match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((parent, _)) => parent,
        None => ".",
    };
    io.output.write_all(format!("{parent}\n").as_bytes())?;
    Ok(0)
}
