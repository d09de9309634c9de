//! Cluster time: milliseconds since the Unix epoch as an argument, never a clock.
//!
//! Formats and parses the RFC 3339 forms that Kubernetes writes: whole seconds for `Time`, microseconds for
//! `MicroTime`, always UTC.

use std::fmt;

/// An instant of the cluster clock, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The instant `ms` milliseconds later; saturates at the end of time.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The instant `s` seconds later; saturates at the end of time.
    #[must_use]
    pub const fn plus_secs(self, s: u64) -> Self {
        self.plus_ms(s.saturating_mul(1000))
    }

    /// Milliseconds since `earlier`, 0 when `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `2026-11-23T06:25:38Z`: Kubernetes' `metav1.Time`, truncated to seconds.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (date, s) = civil(self.0 / 1000);
        format!("{date}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
    }

    /// `2026-11-23T06:25:38.120000Z`: Kubernetes' `metav1.MicroTime`.
    #[must_use]
    pub fn rfc3339_micro(self) -> String {
        let (date, s) = civil(self.0 / 1000);
        format!(
            "{date}T{:02}:{:02}:{:02}.{:06}Z",
            s / 3600,
            s / 60 % 60,
            s % 60,
            self.0 % 1000 * 1000
        )
    }

    /// Parses an RFC 3339 time with any fraction and offset; `None` when it is not one or lies before 1970.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        let digits = |from: usize, to: usize| -> Option<i64> {
            let part = text.get(from..to)?;
            part.bytes()
                .all(|c| c.is_ascii_digit())
                .then(|| part.parse().ok())?
        };
        let fixed = |at: usize, any: &[u8]| b.get(at).is_some_and(|c| any.contains(c));
        if !(fixed(4, b"-")
            && fixed(7, b"-")
            && fixed(10, b"Tt ")
            && fixed(13, b":")
            && fixed(16, b":"))
        {
            return None;
        }
        let (y, mo, d) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
        let (h, mi, s) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
        if !(1..=12).contains(&mo) || !(1..=31).contains(&d) || h > 23 || mi > 59 || s > 60 {
            return None;
        }
        let mut at = 19;
        let mut ms = 0;
        if fixed(at, b".") {
            let start = at + 1;
            at = start;
            while b.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            let padded = format!("{:0<3}", text.get(start..at)?);
            ms = padded.get(..3)?.parse().ok()?;
        }
        let offset_minutes = match b.get(at)? {
            b'Z' | b'z' if at + 1 == b.len() => 0,
            sign @ (b'+' | b'-') if at + 6 == b.len() && fixed(at + 3, b":") => {
                let minutes = digits(at + 1, at + 3)? * 60 + digits(at + 4, at + 6)?;
                if *sign == b'+' { minutes } else { -minutes }
            }
            _ => return None,
        };
        let seconds =
            days_from_civil(y, mo, d) * 86_400 + h * 3600 + mi * 60 + s - offset_minutes * 60;
        u64::try_from(seconds * 1000 + ms).ok().map(Self)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339_micro())
    }
}

/// The `YYYY-MM-DD` of a Unix second and the second within that day (H. Hinnant's `civil_from_days`).
fn civil(unix_s: u64) -> (String, u64) {
    let days = unix_s / 86_400 + 719_468;
    let era = days / 146_097;
    let doe = days % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    (format!("{year:04}-{month:02}-{day:02}"), unix_s % 86_400)
}

fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
    era * 146_097 + (yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719_468
}

/// The age that kubectl prints for a span: `45s`, `3m20s`, `12m`, `5h3m`, `2d4h`, `40d`, `2y10d`
/// (`k8s.io/apimachinery/pkg/util/duration.HumanDuration`).
#[must_use]
pub fn human_duration(ms: u64) -> String {
    let s = ms / 1000;
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    let pair = |big: u64, unit: char, small: u64, small_unit: char| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{small_unit}")
        }
    };
    if s < 120 {
        format!("{s}s")
    } else if m < 10 {
        pair(m, 'm', s % 60, 's')
    } else if m < 180 {
        format!("{m}m")
    } else if h < 8 {
        pair(h, 'h', m % 60, 'm')
    } else if h < 48 {
        format!("{h}h")
    } else if h < 192 {
        pair(d, 'd', h % 24, 'h')
    } else if d < 730 {
        format!("{d}d")
    } else if d < 2920 {
        pair(d / 365, 'y', d % 365, 'd')
    } else {
        format!("{}y", d / 365)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_a_round_trip() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799_000),
            ("2026-11-23T06:25:38Z", 1_795_415_138_000),
        ] {
            assert_eq!(Millis::parse_rfc3339(text), Some(Millis(ms)), "{text}");
            assert_eq!(Millis(ms).rfc3339(), text);
        }
    }

    #[test]
    fn fractions_and_offsets_are_read() {
        let base = Millis(1_795_415_138_000);
        for (text, want) in [
            ("2026-11-23T06:25:38.120000Z", Some(base.plus_ms(120))),
            ("2026-11-23T07:25:38+01:00", Some(base)),
            ("2026-11-23T06:25:38.5-00:00", Some(base.plus_ms(500))),
            ("2026-11-23 06:25", None),
            ("2026-13-23T06:25:38Z", None),
            ("2026-11-23T06:25:38", None),
            ("not a time at all..", None),
        ] {
            assert_eq!(Millis::parse_rfc3339(text), want, "{text}");
        }
    }

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (s, want) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (18_180, "5h3m"),
            (30_000, "8h"),
            (187_200, "2d4h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
        ] {
            assert_eq!(human_duration(s * 1000), want, "{s}");
        }
    }
}
