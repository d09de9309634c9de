//! Figures as people read them: durations, rates, sizes, times.

use shared::Millis;

/// `0.42 ms`, `1.3 s`, `80 µs`: microseconds in the unit that keeps two or three digits.
#[must_use]
pub fn duration_us(us: u64) -> String {
    let f = us as f64;
    match us {
        0..=9 => format!("{us} µs"),
        10..=99_999 => format!("{:.2} ms", f / 1e3),
        100_000..=999_999 => format!("{:.0} ms", f / 1e3),
        1_000_000..=59_999_999 => format!("{:.1} s", f / 1e6),
        _ => format!("{:.0} min", f / 6e7),
    }
}

/// `8.2 Mbit/s` from bytes per second, or `idle`.
#[must_use]
pub fn bit_rate(bytes_per_second: u64) -> String {
    let bits = bytes_per_second as f64 * 8.0;
    match bytes_per_second {
        0 => "idle".into(),
        1..=124 => format!("{bits:.0} bit/s"),
        125..=124_999 => format!("{:.1} kbit/s", bits / 1e3),
        125_000..=124_999_999 => format!("{:.1} Mbit/s", bits / 1e6),
        _ => format!("{:.1} Gbit/s", bits / 1e9),
    }
}

/// `184 KiB` from bytes.
#[must_use]
pub fn size(bytes: u64) -> String {
    let f = bytes as f64;
    match bytes {
        0..=1023 => format!("{bytes} B"),
        1024..=1_048_575 => format!("{:.0} KiB", f / 1024.0),
        1_048_576..=1_073_741_823 => format!("{:.1} MiB", f / 1_048_576.0),
        _ => format!("{:.1} GiB", f / 1_073_741_824.0),
    }
}

/// `4 812`: thousands apart by a narrow no-break space.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// `14:02:07` UTC.
#[must_use]
pub fn clock(at: Millis) -> String {
    let s = at.0 / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// `14:02` UTC.
#[must_use]
pub fn clock_minute(at: Millis) -> String {
    clock(at).chars().take(5).collect()
}

/// The age of something as kubectl prints it, `<unknown>` without a time.
#[must_use]
pub fn age(created: Option<Millis>, now: Millis) -> String {
    created.map_or_else(
        || "<unknown>".into(),
        |c| shared::time::human_duration(now.since(c)),
    )
}

/// `×1`, `×60`, `paused`.
#[must_use]
pub fn rate(rate: f64) -> String {
    if rate <= 0.0 {
        "paused".into()
    } else {
        format!("×{rate}")
    }
}

/// `1 pod`, `2 pods`.
#[must_use]
pub fn count(n: usize, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

/// Part of a whole in percent, 0 for an empty whole.
#[must_use]
pub fn percent(part: i64, whole: i64) -> u32 {
    if whole <= 0 {
        return 0;
    }
    let p = part.max(0).saturating_mul(100) / whole;
    u32::try_from(p).unwrap_or(u32::MAX)
}

/// Log text without terminal escapes and other control characters: shown, never interpreted.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c if c.is_control() || is_bidi_control(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Skips one ECMA-48 escape sequence after its ESC: CSI up to its final byte, OSC up to BEL or ST, else one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while chars
                .next_if(|c| !('\u{40}'..='\u{7e}').contains(c) && *c != '\n')
                .is_some()
            {}
            chars.next_if(|c| *c != '\n');
        }
        Some(']') => {
            while chars
                .next_if(|c| *c != '\u{7}' && *c != '\u{1b}' && *c != '\n')
                .is_some()
            {}
            if chars.next_if_eq(&'\u{1b}').is_some() {
                chars.next_if_eq(&'\\');
            } else {
                chars.next_if_eq(&'\u{7}');
            }
        }
        Some('\n') | None => {}
        Some(_) => {
            chars.next();
        }
    }
}

/// Marks that reorder text and could make a log line or a name read as something else.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_their_digits() {
        for (us, want) in [
            (0, "0 µs"),
            (80, "0.08 ms"),
            (420, "0.42 ms"),
            (1940, "1.94 ms"),
            (120_000, "120 ms"),
            (1_300_000, "1.3 s"),
            (90_000_000, "2 min"),
        ] {
            assert_eq!(duration_us(us), want);
        }
        for (bytes, want) in [
            (0, "idle"),
            (100, "800 bit/s"),
            (37_500, "300.0 kbit/s"),
            (1_025_000, "8.2 Mbit/s"),
            (2_000_000_000, "16.0 Gbit/s"),
        ] {
            assert_eq!(bit_rate(bytes), want);
        }
        assert_eq!(thousands(4812), "4\u{202f}812");
        assert_eq!(thousands(812), "812");
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(clock(Millis(50_527_000)), "14:02:07");
        assert_eq!(
            (percent(1, 4), percent(9, 4), percent(1, 0), percent(-1, 4)),
            (25, 225, 0, 0)
        );
        assert_eq!(size(188_416), "184 KiB");
    }

    #[test]
    fn logs_are_shown_and_never_interpreted() {
        for (raw, want) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("\u{1b}[2Jkept\nnext", "kept\nnext"),
            ("\u{1b}[\nnext", "\nnext"),
            ("over\rwrite\u{8}", "overwrite\u{fffd}"),
            ("\u{202e}gpj.exe", "\u{fffd}gpj.exe"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(plain(raw), want, "{raw:?}");
        }
    }
}
