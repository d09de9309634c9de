//! Quantities in the form that the original writes them back: `0.5` as `500m`, `1024Mi` as `1Gi`.
//!
//! Follows `k8s.io/apimachinery/pkg/api/resource`: no fraction digits, the largest suffix that keeps the value exact,
//! in the family of suffixes that it was given in. Arithmetic on quantities is in `shared::quantity`.

/// The family of suffixes, kept by rewriting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    DecimalSi,
    BinarySi,
    DecimalExponent,
}

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// The finest digit a quantity can hold: 10^-9. Finer values round up, away from zero.
const FINEST: i32 = -9;

/// Rewrites a quantity canonically; `None` when it is not one. Values beyond 2^63-1 are capped as the original caps
/// them.
#[must_use]
pub fn canonical_quantity(text: &str) -> Option<String> {
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (negative, digits, decimals) = mantissa(number)?;
    let (format, exponent, shift) = scale(suffix)?;
    let exponent = exponent - decimals;
    if format == Format::BinarySi {
        return binary(negative, digits, decimals, shift);
    }
    let (digits, exponent) = round_up(digits, exponent)?;
    let (digits, exponent) = cap(digits, exponent);
    Some(decimal(negative, digits, exponent, format))
}

/// Sign, digits and how many of them are decimals.
fn mantissa(number: &str) -> Option<(bool, u128, i32)> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let all: String = [whole, fraction].concat();
    if !all.bytes().all(|c| c.is_ascii_digit()) || all.len() > 36 {
        return None;
    }
    Some((
        negative,
        all.parse().ok()?,
        i32::try_from(fraction.len()).ok()?,
    ))
}

/// Format, power of ten, power of two.
fn scale(suffix: &str) -> Option<(Format, i32, u32)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        return Some((Format::DecimalSi, *exponent, 0));
    }
    if let Some((_, shift)) = BINARY.iter().find(|(s, _)| *s == suffix) {
        return Some((Format::BinarySi, 0, *shift));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (exponent.abs() <= 60).then_some((Format::DecimalExponent, exponent, 0))
}

fn round_up(digits: u128, exponent: i32) -> Option<(u128, i32)> {
    if exponent >= FINEST {
        return Some((digits, exponent));
    }
    let divisor = 10_u128.checked_pow((FINEST - exponent).unsigned_abs());
    Some((
        divisor.map_or(u128::from(digits > 0), |d| digits.div_ceil(d)),
        FINEST,
    ))
}

fn cap(digits: u128, exponent: i32) -> (u128, i32) {
    const MAX: u128 = i64::MAX as u128;
    let over = if exponent >= 0 {
        10_u128
            .checked_pow(exponent.unsigned_abs())
            .and_then(|p| digits.checked_mul(p))
            .is_none_or(|v| v > MAX)
    } else {
        10_u128
            .checked_pow(exponent.unsigned_abs())
            .is_some_and(|p| digits / p > MAX)
    };
    if over && digits > 0 {
        (MAX, 0)
    } else {
        (digits, exponent)
    }
}

fn decimal(negative: bool, mut digits: u128, mut exponent: i32, format: Format) -> String {
    if digits == 0 {
        return "0".into();
    }
    while digits.is_multiple_of(10) {
        digits /= 10;
        exponent += 1;
    }
    while exponent.rem_euclid(3) != 0 || exponent > 18 {
        digits *= 10;
        exponent -= 1;
    }
    let suffix = match format {
        Format::DecimalExponent if exponent != 0 => format!("e{exponent}"),
        _ => DECIMAL
            .iter()
            .find(|(_, e)| *e == exponent)
            .map_or(String::new(), |(s, _)| (*s).into()),
    };
    format!("{}{digits}{suffix}", if negative { "-" } else { "" })
}

fn binary(negative: bool, digits: u128, decimals: i32, shift: u32) -> Option<String> {
    let scaled = digits.checked_mul(1 << shift)?;
    let divisor = 10_u128.checked_pow(decimals.unsigned_abs())?;
    if !scaled.is_multiple_of(divisor) || scaled / divisor < 1024 {
        // The original leaves the binary family for fractions and for values below 1Ki.
        let (digits, exponent) = round_up(scaled, -decimals)?;
        return Some(decimal(negative, digits, exponent, Format::DecimalSi));
    }
    let mut value = (scaled / divisor).min(i64::MAX as u128);
    let mut power = 0;
    while value.is_multiple_of(1024) && power < 60 {
        value /= 1024;
        power += 10;
    }
    let suffix = BINARY
        .iter()
        .find(|(_, p)| *p == power)
        .map_or("", |(s, _)| s);
    Some(format!(
        "{}{value}{suffix}",
        if negative { "-" } else { "" }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_rewritten_as_the_original_does() {
        for (given, want) in [
            ("1", "1"),
            ("0", "0"),
            ("0m", "0"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("1000", "1k"),
            ("1100", "1100"),
            ("100000", "100k"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("0.5Mi", "512Ki"),
            ("128974848", "128974848"),
            ("123Mi", "123Mi"),
            ("129e6", "129e6"),
            ("12e5", "1200e3"),
            ("1e3", "1e3"),
            ("1E", "1E"),
            ("-1", "-1"),
            ("+2", "2"),
            ("100u", "100u"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("9223372036854775807", "9223372036854775807"),
            ("10E", "9223372036854775807"),
            ("00010", "10"),
            ("1.0", "1"),
            ("250Mi", "250Mi"),
        ] {
            assert_eq!(canonical_quantity(given).as_deref(), Some(want), "{given}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "", "x", "1Q", "1 Gi", "1.2.3", "--1", ".", "e3", "1ki", "1e", "1e999",
        ] {
            assert_eq!(canonical_quantity(text), None, "{text}");
        }
    }
}
