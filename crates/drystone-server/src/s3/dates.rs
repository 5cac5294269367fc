//! The two date forms of S3: HTTP dates in headers, ISO 8601 in XML.
//!
//! Both are written from whole seconds without a calendar library and digit by digit, because every GET, HEAD and
//! listed key carries one. Years have four digits: what is later is shown as the end of the year 9999.
//! S3 shows object times with second precision everywhere, so that a listing and a HEAD of the same
//! object agree; a server that shows milliseconds in one of them makes clients that compare the two
//! re-copy everything.

use std::fmt;

use drystone_core::names::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// A point in time, taken apart in UTC.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    weekday: u64,
    second_of_day: u64,
}

impl Civil {
    /// Takes `time` apart: the days are counted from 0000-03-01, so that a leap day ends its year.
    fn new(time: Timestamp) -> Self {
        let seconds = time.seconds().min(LAST_SECOND);
        let days = seconds / SECONDS_PER_DAY;
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: (days + 4) % 7,
            second_of_day: seconds % SECONDS_PER_DAY,
        }
    }

    /// Century, year of the century, month and day.
    fn date(&self) -> [[u8; 2]; 4] {
        [self.year / 100, self.year % 100, self.month, self.day].map(two_digits)
    }

    /// Hour, minute and second.
    fn clock(&self) -> [[u8; 2]; 3] {
        [self.second_of_day / 3600, self.second_of_day / 60 % 60, self.second_of_day % 60].map(two_digits)
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    // The remainder of a division by ten is one digit.
    [number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

fn name(names: &'static [&'static str], index: u64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("?")
}

fn write(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// Shows a time as an HTTP date: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(crate) struct HttpDate(pub(crate) Timestamp);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Civil::new(self.0);
        let [[y1, y2], [y3, y4], _, [d1, d2]] = date.date();
        let [[h1, h2], [m1, m2], [s1, s2]] = date.clock();
        f.write_str(name(&WEEKDAYS, date.weekday))?;
        write(f, &[b',', b' ', d1, d2, b' '])?;
        f.write_str(name(&MONTHS, date.month - 1))?;
        write(f, &[b' ', y1, y2, y3, y4, b' ', h1, h2, b':', m1, m2, b':', s1, s2])?;
        f.write_str(" GMT")
    }
}

/// Shows a time as S3's XML does: `2009-10-12T17:50:30.000Z`.
pub(crate) struct IsoDate(pub(crate) Timestamp);

impl fmt::Display for IsoDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Civil::new(self.0);
        let [[y1, y2], [y3, y4], [n1, n2], [d1, d2]] = date.date();
        let [[h1, h2], [m1, m2], [s1, s2]] = date.clock();
        let text = [
            y1, y2, y3, y4, b'-', n1, n2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'.', b'0',
            b'0', b'0', b'Z',
        ];
        write(f, &text)
    }
}

/// Reads the date of a conditional header, to whole seconds: any of the three forms of RFC 9110,
/// or ISO 8601, which S3 takes as well. `None` for anything else, and for years before 1970.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return u64::try_from(time.as_second()).ok().map(|seconds| Timestamp(seconds * 1000));
    }
    let (_, rest) = text.split_once(' ')?;
    let parts: Vec<&str> = rest.split([' ', '-']).filter(|part| !part.is_empty()).collect();
    // Sun Nov  6 08:49:37 1994
    if let [month, day, clock, year] = *parts.as_slice() {
        return assemble(day, month, year, clock);
    }
    // Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT
    let [day, month, year, clock, "GMT" | "UTC" | "+0000"] = *parts.as_slice() else { return None };
    assemble(day, month, year, clock)
}

fn assemble(day: &str, month: &str, year: &str, clock: &str) -> Option<Timestamp> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let year: i16 = match (year.len(), year.parse().ok()?) {
        // Two digits: no date of this protocol is older than 1970.
        (2, short @ 70..) => 1900 + short,
        (2, short @ 0..) => 2000 + short,
        (4, year) => year,
        _ => return None,
    };
    let mut clock = clock.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let date = jiff::civil::Date::new(year, i8::try_from(month + 1).ok()?, day.parse().ok()?).ok()?;
    let time = jiff::civil::Time::new(hour, minute, second.min(59), 0).ok()?;
    let zoned = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(zoned.timestamp().as_second()).ok().map(|seconds| Timestamp(seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_s3_writes_them() {
        let time = Timestamp(784_111_777_999);
        assert_eq!(HttpDate(time).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(HttpDate(Timestamp(u64::MAX)).to_string(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(IsoDate(Timestamp(u64::MAX)).to_string(), "9999-12-31T23:59:59.000Z");
        assert_eq!(IsoDate(time).to_string(), "1994-11-06T08:49:37.000Z");
    }

    #[test]
    fn every_day_of_four_centuries_agrees_with_a_calendar_library() {
        for day in 0..146_097_u64 {
            let seconds = day * SECONDS_PER_DAY + 43_261;
            let want = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
            let want = want.to_zoned(jiff::tz::TimeZone::UTC);
            let got = HttpDate(Timestamp(seconds * 1000)).to_string();
            assert_eq!(got, want.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
            assert_eq!(parse_date(&got), Some(Timestamp(seconds * 1000)));
        }
    }

    #[test]
    fn every_form_of_a_date_is_read() {
        let want = Some(Timestamp(784_111_777_000));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06T08:49:37.999Z",
            "1994-11-06T09:49:37+01:00",
        ] {
            assert_eq!(parse_date(text), want, "{text}");
        }
        for text in [
            "",
            "now",
            "Sun, 06 Nov 1994",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "0",
            "Thu, 01 Jan 1960 00:00:00 GMT",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
