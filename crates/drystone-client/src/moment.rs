//! Durations and times as people type them, and as they are shown.
//!
//! A duration is a number with a unit (`7d`, `6h`, `1w 2d`), never a month or a year, whose length nobody can
//! say. A time carries its offset, because a cut-off that is read in another time zone than it was written in
//! spares or takes hours' worth of uploads. What cannot be read is answered with an example.

use std::fmt;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit};

/// The longest duration that is taken: a century. Anything longer was mistyped.
const HOURS_MAX: i64 = 100 * 366 * 24;

/// Reads a duration that is longer than nothing. A day has 24 hours.
///
/// # Errors
/// What was expected, with examples.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let expected =
        || format!("`{text}` is not a duration; expected a number and a unit, as in 7d, 36h, 90m or 2w");
    let span: Span = text.trim().parse().map_err(|_| expected())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(format!(
            "`{text}` has months or years, which differ in length; say it in days, as in 30d"
        ));
    }
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
    if duration <= SignedDuration::ZERO {
        return Err(format!("`{text}` is no time at all; expected a duration above zero, as in 7d or 36h"));
    }
    if duration.as_hours() > HOURS_MAX {
        return Err(format!("`{text}` is longer than a century; expected something like 7d or 36h"));
    }
    Ok(duration)
}

/// Reads a time with its offset from UTC.
///
/// # Errors
/// What was expected, with an example.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    text.trim().parse().map_err(|_| {
        format!(
            "`{text}` is not a time with its offset; expected something like 2026-11-01T00:00Z or 2026-11-01T09:30+01:00"
        )
    })
}

/// The present, as this machine's clock shows it.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// How long before `now` something happened, in its two largest units: `3d 4h`, `12m`, `5s`.
#[derive(Clone, Copy, Debug)]
pub struct Age {
    /// The present.
    pub now: Timestamp,
    /// When it happened.
    pub then: Timestamp,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_duration(f, self.now.duration_since(self.then).max(SignedDuration::ZERO))
    }
}

/// A duration in its two largest units.
#[derive(Clone, Copy, Debug)]
pub struct Lasting(pub SignedDuration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_duration(f, self.0)
    }
}

fn write_duration(f: &mut fmt::Formatter<'_>, duration: SignedDuration) -> fmt::Result {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        (_, 0, _) => format!("{days}d"),
        _ => format!("{days}d {hours}h"),
    };
    f.pad(&text)
}

/// A time to the second, for people: `2026-11-01 09:30:00Z`.
pub fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A time as S3 and JSON write it, with milliseconds: `2026-11-01T09:30:00.000Z`.
pub fn iso(time: Timestamp) -> String {
    let rounded = time.round(Unit::Millisecond).unwrap_or(time);
    format!("{rounded:.3}")
}

/// The same in a field of a JSON object.
pub mod json {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Reads a time.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }

    /// Writes a time.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::iso(*time))
    }

    /// Writes a time, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn time_or_null<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(known) => serializer.serialize_str(&super::iso(*known)),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, hours) in
            [("7d", 168), ("6h", 6), ("1w 2d", 216), ("1d12h", 36), (" 90m ", 1), ("P7D", 168)]
        {
            assert_eq!(parse_duration(text).unwrap().as_hours(), hours, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_answered_with_an_example() {
        for text in
            ["", "7", "d", "7x", "soon", "-7d", "7d ago", "0d", "0s", "1y", "2mo", "99999999d", "1e9d"]
        {
            let complaint = parse_duration(text).unwrap_err();
            assert!(complaint.contains("as in") || complaint.contains("like 7d"), "{text}: {complaint}");
        }
    }

    #[test]
    fn a_time_needs_its_offset() {
        let midnight = Timestamp::from_second(1_793_491_200).unwrap();
        for text in
            ["2026-11-01T00:00Z", "2026-11-01T00:00:00.000Z", "2026-11-01 00:00Z", "2026-11-01T01:00+01:00"]
        {
            assert_eq!(parse_time(text), Ok(midnight), "{text}");
        }
        for text in ["", "2026-11-01", "2026-11-01T00:00", "yesterday", "2026-13-01T00:00Z", "1793491200"] {
            assert!(parse_time(text).unwrap_err().contains("2026-11-01T00:00Z"), "{text}");
        }
        assert_eq!(
            (shown(midnight), iso(midnight)),
            ("2026-11-01 00:00:00Z".into(), "2026-11-01T00:00:00.000Z".into())
        );
    }

    #[test]
    fn ages_have_their_two_largest_units() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let age = |seconds: i64| {
            Age { now, then: Timestamp::from_second(1_000_000 - seconds).unwrap() }.to_string()
        };
        let shown: Vec<_> = [5, 59, 60, 3_600, 3_660, 86_400, 90_000, 864_000].map(age).into();
        assert_eq!(shown, ["5s", "59s", "1m", "1h", "1h 1m", "1d", "1d 1h", "10d"]);
        assert_eq!(age(-5), "0s", "a server's clock may be ahead of ours");
    }
}
