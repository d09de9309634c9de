//! Resource quantities: `500m`, `128Mi`, `1e3`, as `k8s.io/apimachinery/pkg/api/resource` reads them.

/// An amount in thousandths of its unit: millicores for CPU, milli-bytes for memory. Exact for every legal quantity
/// of at least a thousandth; finer ones round up, as the original does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    milli: i128,
}

impl Quantity {
    /// Parses a quantity; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let split = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let (multiplier, divisor): (i128, i128) = match suffix {
            "" => (1, 1),
            "n" => (1, 1_000_000_000),
            "u" => (1, 1_000_000),
            "m" => (1, 1000),
            "k" => (1000, 1),
            "M" => (1_000_000, 1),
            "G" => (1_000_000_000, 1),
            "T" => (1_000_000_000_000, 1),
            "P" => (1_000_000_000_000_000, 1),
            "E" => (1_000_000_000_000_000_000, 1),
            "Ki" => (1 << 10, 1),
            "Mi" => (1 << 20, 1),
            "Gi" => (1 << 30, 1),
            "Ti" => (1 << 40, 1),
            "Pi" => (1 << 50, 1),
            "Ei" => (1 << 60, 1),
            exponent => {
                let digits = exponent.strip_prefix(['e', 'E'])?;
                let power: i32 = digits.parse().ok().filter(|p: &i32| p.abs() <= 18)?;
                let scale = 10_i128.pow(power.unsigned_abs());
                if power < 0 { (1, scale) } else { (scale, 1) }
            }
        };
        let (digits, decimals) = decimal(number)?;
        let scaled = digits.checked_mul(multiplier)?.checked_mul(1000)?;
        let divisor = divisor.checked_mul(10_i128.checked_pow(decimals)?)?;
        Some(Self {
            milli: -(-scaled).div_euclid(divisor),
        })
    }

    /// So many whole units: bytes, cores, pods.
    #[must_use]
    pub const fn units(units: i64) -> Self {
        Self {
            milli: units as i128 * 1000,
        }
    }

    /// So many thousandths: millicores.
    #[must_use]
    pub const fn millis(milli: i64) -> Self {
        Self {
            milli: milli as i128,
        }
    }

    /// Thousandths, saturating.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.milli).unwrap_or(if self.milli < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whole units, rounded up, saturating.
    #[must_use]
    pub fn as_units(self) -> i64 {
        let units = -(-self.milli).div_euclid(1000);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            milli: self.milli.saturating_add(other.milli),
        }
    }
}

impl std::ops::Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            milli: self.milli.saturating_sub(other.milli),
        }
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), std::ops::Add::add)
    }
}

/// The digits of `[+-]12.50` as an integer and how many of them are decimals.
fn decimal(number: &str) -> Option<(i128, u32)> {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() || number.len() > 30 {
        return None;
    }
    let digits: String = [whole, fraction].concat();
    if !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some((
        sign * digits.parse::<i128>().ok()?,
        u32::try_from(fraction.len()).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_every_notation() {
        for (text, milli) in [
            ("1", 1000),
            ("0.5", 500),
            ("500m", 500),
            ("1k", 1_000_000),
            ("1Ki", 1_024_000),
            ("128974848", 128_974_848_000),
            ("129e6", 129_000_000_000),
            ("129M", 129_000_000_000),
            ("123Mi", 128_974_848_000),
            ("1.5Gi", 1_610_612_736_000),
            ("-1", -1000),
            ("100u", 1),
            (".5", 500),
        ] {
            assert_eq!(
                Quantity::parse(text).map(Quantity::as_millis),
                Some(milli),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "x", "1Q", "1 Gi", "1.2.3", "--1", ".", "1e99", "e3"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn units_round_up() {
        assert_eq!(Quantity::millis(1).as_units(), 1);
        assert_eq!(Quantity::millis(2000).as_units(), 2);
    }
}
