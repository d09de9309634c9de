//! When a CronJob is due: five cron fields, the `@` shorthands, `@every DURATION`, and a time zone.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use shared::{Millis, Object};

/// The shorthands that cron knows.
const SHORTHANDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// The last value of each of the five fields.
const LAST: [u8; 5] = [59, 23, 31, 12, 6];

/// A readable schedule.
#[derive(Debug)]
pub(super) enum Schedule {
    /// At what the fields say.
    Fields(Box<Cron>, TimeZone),
    /// So many milliseconds after the time before.
    Every(u64),
}

impl Schedule {
    /// Reads `spec.schedule` and `spec.timeZone`; `None` when one of them cannot be read.
    pub(super) fn of(cron_job: &Object) -> Option<Self> {
        let text = cron_job.text("/spec/schedule").trim();
        if let Some(duration) = text.strip_prefix("@every ") {
            return duration_ms(duration.trim()).map(Self::Every);
        }
        let named = SHORTHANDS.iter().find(|(name, _)| *name == text);
        let fields = named.map_or(text, |(_, fields)| fields);
        let zone = match cron_job.text("/spec/timeZone") {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).ok()?,
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(&with_ends(fields)).ok()?;
        Some(Self::Fields(Box::new(cron), zone))
    }

    /// The last due time after `after` and not after `now`.
    pub(super) fn last(&self, after: Millis, now: Millis) -> Option<Millis> {
        let last = match self {
            Self::Every(ms) => {
                let periods = now.since(after).checked_div(*ms)?;
                after.plus_ms(periods.saturating_mul(*ms))
            }
            Self::Fields(cron, zone) => {
                let now = zoned(now, zone)?;
                from_zoned(&cron.find_previous_occurrence(&now, true).ok()?)?
            }
        };
        (last > after && last <= now).then_some(last)
    }

    /// The first due time after `after`.
    pub(super) fn next(&self, after: Millis) -> Option<Millis> {
        match self {
            Self::Every(ms) => Some(after.plus_ms(*ms)),
            Self::Fields(cron, zone) => {
                let after = zoned(after, zone)?;
                from_zoned(&cron.find_next_occurrence(&after, false).ok()?)
            }
        }
    }

    /// A due time as the schedule's own zone writes it.
    pub(super) fn shown(&self, at: Millis) -> String {
        let zone = match self {
            Self::Fields(_, zone) => zone,
            Self::Every(_) => &TimeZone::UTC,
        };
        match zoned(at, zone) {
            Some(local) if local.offset().seconds() != 0 => {
                local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
            }
            _ => at.rfc3339(),
        }
    }
}

fn zoned(at: Millis, zone: &TimeZone) -> Option<Zoned> {
    let at = Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()?;
    Some(at.to_zoned(zone.clone()))
}

fn from_zoned(at: &Zoned) -> Option<Millis> {
    u64::try_from(at.timestamp().as_millisecond())
        .ok()
        .map(Millis)
}

/// `5/15` means from 5 to the end in steps of 15; the library wants the end written out.
fn with_ends(fields: &str) -> String {
    let field = |(field, last): (&str, u8)| {
        let part = |part: &str| match part.split_once('/') {
            Some((first, step)) if first.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{first}-{last}/{step}")
            }
            _ => part.to_owned(),
        };
        field.split(',').map(part).collect::<Vec<_>>().join(",")
    };
    let written = fields.split_whitespace().zip(LAST).map(field);
    let mut all: Vec<String> = written.collect();
    all.extend(
        fields
            .split_whitespace()
            .skip(LAST.len())
            .map(str::to_owned),
    );
    all.join(" ")
}

/// `1h30m`, `90s`; whole seconds, at least one.
fn duration_ms(text: &str) -> Option<u64> {
    let (mut seconds, mut number) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number
        .is_empty()
        .then_some(seconds.max(1).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn due(schedule: &str, zone: &str) -> String {
        let spec = json!({"schedule": schedule, "timeZone": zone});
        let now = Millis::parse_rfc3339("2026-11-25T10:20:30Z").expect("a time");
        let Some(schedule) = Schedule::of(&Object::new(json!({"spec": spec}))) else {
            return "unreadable".into();
        };
        let last = schedule.last(Millis(0), now).map(|at| schedule.shown(at));
        let next = schedule.next(now).map(|at| schedule.shown(at));
        format!("{} {}", last.unwrap_or_default(), next.unwrap_or_default())
    }

    #[test]
    fn schedules_know_their_last_and_next_time() {
        for (schedule, zone, want) in [
            ("* * * * *", "", "2026-11-25T10:20:00Z 2026-11-25T10:21:00Z"),
            (
                "*/5 * * * *",
                "",
                "2026-11-25T10:20:00Z 2026-11-25T10:25:00Z",
            ),
            (
                "5/25 * * * *",
                "",
                "2026-11-25T10:05:00Z 2026-11-25T10:30:00Z",
            ),
            ("@daily", "", "2026-11-25T00:00:00Z 2026-11-26T00:00:00Z"),
            (
                "0 9 * * mon-fri",
                "",
                "2026-11-25T09:00:00Z 2026-11-26T09:00:00Z",
            ),
            (
                "0 0 13 * 5",
                "",
                "2026-11-20T00:00:00Z 2026-11-27T00:00:00Z",
            ),
            (
                "0 9 * * *",
                "Asia/Tokyo",
                "2026-11-25T09:00:00+09:00 2026-11-26T09:00:00+09:00",
            ),
            (
                "@every 90s",
                "",
                "2026-11-25T10:19:30Z 2026-11-25T10:22:00Z",
            ),
            ("x", "", "unreadable"),
            ("* * * * *", "Nowhere/Land", "unreadable"),
        ] {
            assert_eq!(due(schedule, zone), want, "{schedule} {zone}");
        }
    }
}
