//! Programs about the environment, the time and other programs.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Options, complain};
use crate::io::Streams;
use crate::shell::Shell;

pub(crate) fn ok(_: &mut Shell, _: &[String], _: &mut Streams) -> io::Result<u8> {
    Ok(0)
}

pub(crate) fn no(_: &mut Shell, _: &[String], _: &mut Streams) -> io::Result<u8> {
    Ok(1)
}

pub(crate) fn clear(_: &mut Shell, _: &[String], io: &mut Streams) -> io::Result<u8> {
    io.output.write_all(b"\x1b[H\x1b[J")?;
    Ok(0)
}

pub(crate) fn busybox(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    if args.len() > 1 {
        return Ok(shell.call(&args[1..], io).unwrap_or(1));
    }
    io.output.line("Glasshouse's busybox: a shell and small programs as one WebAssembly component")?;
    Ok(0)
}

pub(crate) fn pwd(_: &mut Shell, _: &[String], io: &mut Streams) -> io::Result<u8> {
    io.output.line(&super::resolve("."))?;
    Ok(0)
}

pub(crate) fn env(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    if args[0].ends_with("printenv") && args.len() > 1 {
        let values: Vec<String> = args[1..].iter().filter_map(|name| shell.get(name)).collect();
        for value in &values {
            io.output.line(value)?;
        }
        return Ok(u8::from(values.len() != args.len() - 1));
    }
    let mut rest = args[1..].iter().peekable();
    let mut inner = shell.clone();
    while let Some((name, value)) = rest.peek().and_then(|arg| arg.split_once('=')) {
        inner.export(name, value);
        rest.next();
    }
    let command: Vec<String> = rest.cloned().collect();
    if !command.is_empty() {
        return Ok(inner.call(&command, io).unwrap_or(1));
    }
    for (name, value) in inner.exported() {
        io.output.line(&format!("{name}={value}"))?;
    }
    Ok(0)
}

pub(crate) fn hostname(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let name = shell
        .get("HOSTNAME")
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()))
        .unwrap_or_else(|| "localhost".to_owned());
    if args.get(1).is_some_and(|arg| arg == "-i" || arg == "-I") {
        let own = hosts.lines().find_map(|line| line.split_once('\t').filter(|(_, host)| *host == name));
        io.output.line(own.map_or("127.0.0.1", |(ip, _)| ip))?;
    } else {
        io.output.line(&name)?;
    }
    Ok(0)
}

pub(crate) fn id(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let text = match (args[0].as_str(), args.get(1).map(String::as_str)) {
        ("whoami", _) | (_, Some("-un")) => "root",
        (_, Some("-u" | "-g")) => "0",
        _ => "uid=0(root) gid=0(root) groups=0(root)",
    };
    io.output.line(text)?;
    Ok(0)
}

pub(crate) fn uname(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "");
    let all = options.has('a');
    let mut words = Vec::new();
    if all || options.has('s') || args.len() == 1 {
        words.push("WASI");
    }
    if all || options.has('n') {
        words.push("localhost");
    }
    if all || options.has('r') {
        words.push("0.2");
    }
    if all || options.has('m') {
        words.push("wasm32");
    }
    io.output.line(&words.join(" "))?;
    Ok(0)
}

pub(crate) fn ps(shell: &mut Shell, _: &[String], io: &mut Streams) -> io::Result<u8> {
    let name = shell.get("0").unwrap_or_default();
    io.output.line("PID   USER     COMMAND")?;
    io.output.line(&format!("    1 root     {name}"))?;
    Ok(0)
}

/// `top [-b] [-n COUNT] [-d SECS]`: there is one process to show.
pub(crate) fn top(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "nd");
    let rounds = options.value('n').and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let pause = options.value('d').and_then(duration).unwrap_or(Duration::from_secs(5));
    for round in 0..rounds {
        if round > 0 {
            std::thread::sleep(pause);
        }
        if !options.has('b') {
            io.output.write_all(b"\x1b[H\x1b[J")?;
        }
        let name = shell.get("0").unwrap_or_default();
        io.output.line(&format_time("Time: %H:%M:%S, 1 process in this instance", now()))?;
        io.output.line("  PID USER     STAT COMMAND")?;
        io.output.line(&format!("    1 root     R    {name}"))?;
    }
    Ok(0)
}

/// `5`, `1.5`, `2m`, `1h`, `infinity`.
fn duration(text: &str) -> Option<Duration> {
    if text == "infinity" || text == "inf" {
        return Some(Duration::from_secs(u64::from(u32::MAX)));
    }
    let (number, factor) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, match text.as_bytes().last() {
            Some(b'm') => 60.0,
            Some(b'h') => 3600.0,
            Some(b'd') => 86400.0,
            _ => 1.0,
        }),
        None => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0)? * factor;
    Duration::try_from_secs_f64(seconds).ok()
}

pub(crate) fn sleep(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let mut total = Duration::ZERO;
    if args.len() < 2 {
        return complain(io, "sleep", "missing operand");
    }
    for arg in &args[1..] {
        match duration(arg) {
            Some(d) => total += d,
            None => return complain(io, "sleep", &format!("invalid number '{arg}'")),
        }
    }
    if args[0].ends_with("usleep") {
        total /= 1_000_000;
    }
    let _ = io.output.flush();
    std::thread::sleep(total);
    Ok(0)
}

/// Runs the command; it cannot be interrupted, so the time only counts for what waits.
pub(crate) fn timeout(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let rest: Vec<String> = args[1..].iter().skip_while(|arg| arg.starts_with('-')).cloned().collect();
    let Some((limit, command)) = rest.split_first().and_then(|(t, c)| Some((duration(t)?, c))) else {
        return complain(io, "timeout", "usage: timeout SECS PROG ARGS");
    };
    // A sleep longer than the limit is cut to it, which is what scripts test with.
    if let [name, time] = command
        && name == "sleep"
        && duration(time).is_some_and(|time| time > limit)
    {
        std::thread::sleep(limit);
        return Ok(143);
    }
    Ok(shell.call(command, io).unwrap_or(1))
}

pub(crate) fn xargs(shell: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let mut per_call = usize::MAX;
    let mut replace = None;
    let mut rest = args[1..].iter().peekable();
    while let Some(flag) = rest.next_if(|arg| arg.starts_with('-')) {
        match flag.as_str() {
            "-n" => per_call = rest.next().and_then(|n| n.parse().ok()).unwrap_or(1),
            "-I" => replace = rest.next().cloned(),
            _ => {}
        }
    }
    let mut command: Vec<String> = rest.cloned().collect();
    if command.is_empty() {
        command.push("echo".to_owned());
    }
    let mut text = String::new();
    io.input.read_to_string(&mut text)?;
    let mut status = 0;
    let mut run = |command: &[String]| {
        status = status.max(shell.call(command, io).unwrap_or(1));
    };
    if let Some(mark) = replace {
        for line in text.lines() {
            run(&command.iter().map(|arg| arg.replace(&mark, line)).collect::<Vec<_>>());
        }
    } else {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        for chunk in words.chunks(per_call.min(words.len().max(1))) {
            run(&[command.clone(), chunk.to_vec()].concat());
        }
    }
    Ok(if status == 0 { 0 } else { 123 })
}

pub(crate) fn expr(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let words: Vec<&str> = args[1..].iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<i64>().ok();
    let result = match words.as_slice() {
        [one] => (*one).to_owned(),
        [a, op, b] => match (number(a), *op, number(b)) {
            (Some(a), "+", Some(b)) => a.wrapping_add(b).to_string(),
            (Some(a), "-", Some(b)) => a.wrapping_sub(b).to_string(),
            (Some(a), "*", Some(b)) => a.wrapping_mul(b).to_string(),
            (Some(a), "/", Some(b)) if b != 0 => a.wrapping_div(b).to_string(),
            (Some(a), "%", Some(b)) if b != 0 => a.wrapping_rem(b).to_string(),
            (_, "=", _) => u8::from(a == b).to_string(),
            (_, "!=", _) => u8::from(a != b).to_string(),
            (Some(a), "<", Some(b)) => u8::from(a < b).to_string(),
            (Some(a), ">", Some(b)) => u8::from(a > b).to_string(),
            (Some(a), "<=", Some(b)) => u8::from(a <= b).to_string(),
            (Some(a), ">=", Some(b)) => u8::from(a >= b).to_string(),
            _ => {
                complain(io, "expr", "syntax error")?;
                return Ok(2);
            }
        },
        _ => {
            complain(io, "expr", "syntax error")?;
            return Ok(2);
        }
    };
    io.output.line(&result)?;
    Ok(u8::from(result == "0" || result.is_empty()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

pub(crate) fn uptime(_: &mut Shell, _: &[String], io: &mut Streams) -> io::Result<u8> {
    io.output.line(&format_time(" %H:%M:%S up", now()))?;
    Ok(0)
}

pub(crate) fn date(_: &mut Shell, args: &[String], io: &mut Streams) -> io::Result<u8> {
    let options = Options::parse(args, "d");
    let format = options.operands.iter().find_map(|arg| arg.strip_prefix('+'));
    let seconds = match options.value('d').and_then(|d| d.strip_prefix('@')) {
        Some(text) => text.parse().unwrap_or(0),
        None => now(),
    };
    let format = match format {
        Some(format) => format,
        None if options.has('I') => "%Y-%m-%d",
        None => "%a %b %e %H:%M:%S UTC %Y",
    };
    io.output.line(&format_time(format, seconds))?;
    Ok(0)
}

/// `strftime` for UTC.
pub(crate) fn format_time(format: &str, seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ];
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let weekday = DAYS[((days + 4) % 7) as usize];
    let month_name = MONTHS[(month - 1) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(&year.to_string()),
            Some('m') => out.push_str(&format!("{month:02}")),
            Some('d') => out.push_str(&format!("{day:02}")),
            Some('e') => out.push_str(&format!("{day:2}")),
            Some('H') => out.push_str(&format!("{hour:02}")),
            Some('M') => out.push_str(&format!("{minute:02}")),
            Some('S') => out.push_str(&format!("{second:02}")),
            Some('F') => out.push_str(&format!("{year}-{month:02}-{day:02}")),
            Some('T') => out.push_str(&format!("{hour:02}:{minute:02}:{second:02}")),
            Some('s') => out.push_str(&seconds.to_string()),
            Some('a') => out.push_str(&weekday[..3]),
            Some('A') => out.push_str(weekday),
            Some('b') => out.push_str(&month_name[..3]),
            Some('B') => out.push_str(month_name),
            Some('Z') => out.push_str("UTC"),
            Some('z') => out.push_str("+0000"),
            Some('N') => out.push_str("000000000"),
            Some('n') => out.push('\n'),
            Some('%') => out.push('%'),
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            None => out.push('%'),
        }
    }
    out
}

/// Days since 1970 as year, month, day (Howard Hinnant's civil_from_days).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}
