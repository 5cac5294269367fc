//! Sizes in bytes, as people type them and as they are shown.
//!
//! Shown in IEC units (1 KiB is 1,024 bytes). Typed, `KiB` and `kB` mean what they say; a bare `K` or `G` is
//! refused, since tools differ in which of the two it is, by 7 % for a gigabyte.

use std::fmt;

/// Units from the largest: what is typed, and its bytes.
const UNITS: &[(&str, u64)] = &[
    ("pib", 1 << 50),
    ("tib", 1 << 40),
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("pb", 1_000_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
];

/// Units of what is shown.
const SHOWN: &[&str] = &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Reads a size: a number, with a fraction if one likes, and a unit; bytes without one.
///
/// # Errors
/// What was expected, with examples.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let expected =
        || format!("`{text}` is not a size; expected a number and a unit, as in 1GiB, 500MB or 1048576");
    let lower = text.trim().to_ascii_lowercase();
    let unit = UNITS.iter().find_map(|(name, bytes)| Some((lower.strip_suffix(name)?, *bytes)));
    let (number, unit) = unit.unwrap_or((&lower, 1));
    let (whole, fraction) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    // Nine digits of a fraction are more than a byte of the largest unit that anybody types.
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return Err(expected());
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| expected())?);
    let number = |part: &str| part.parse::<u128>().ok();
    let bytes = number(whole)
        .and_then(|whole| whole.checked_mul(scale)?.checked_add(number(fraction)?)?.checked_mul(unit.into()))
        .map(|scaled| scaled / scale);
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(expected)
}

/// A size in the largest IEC unit that leaves a number above one: `1.5 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut unit, mut below) = (0, self.0);
        let mut tenths = u128::from(self.0) * 10;
        while below >= 1_024 {
            below /= 1_024;
            unit += 1;
            // Rounded down, so that a listing never shows more than there is.
            tenths = u128::from(self.0) * 10 / (1_u128 << (10 * unit));
        }
        let name = SHOWN.get(unit).copied().unwrap_or_default();
        let text = if unit == 0 {
            format!("{} {name}", self.0)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("1GiB", 1 << 30),
            ("1.5 gib", 3 << 29),
            ("500MB", 500_000_000),
            ("2kB", 2_000),
            ("7B", 7),
            ("0.001MiB", 1_048),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_answered_with_an_example() {
        for text in
            ["", "GiB", "1G", "1K", "-1", "1,5MiB", ".5GiB", "1.GiB", "1e3", "99999999999PiB", "1 2", "１"]
        {
            assert!(parse_size(text).unwrap_err().contains("as in 1GiB"), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_iec_units_and_never_rounded_up() {
        let shown: Vec<_> =
            [0, 1_023, 1_024, 1_536, (1 << 20) - 1, 1 << 30, u64::MAX].map(|n| Size(n).to_string()).into();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 GiB", "15.9 EiB"]);
    }
}
