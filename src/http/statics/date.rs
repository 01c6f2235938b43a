//! The dates of HTTP (RFC 9110 §5.6.7), to the second.

use time::{Date, Month, OffsetDateTime, Time};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Writes seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`; `None` beyond the calendar's four digits.
pub(super) fn format(timestamp: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(timestamp).ok()?;
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let weekday = time.weekday().to_string();
    let weekday = weekday.get(..3)?;
    let month = MONTHS[usize::from(u8::from(month)) - 1];
    (0..=9999).contains(&year).then(|| {
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    })
}

/// Reads a date in any of the three forms that a server has to understand, as seconds since 1970. The weekday is not
/// checked.
pub(super) fn parse(date: &str) -> Option<i64> {
    let words = date.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let (year, month, day, clock) = match words.collect::<Vec<_>>()[..] {
        [_, day, month, year, clock, "GMT"] => (year, month, day, clock),
        // The form of C's `asctime`.
        [_, month, day, clock, year] => (year, month, day, clock),
        _ => return None,
    };
    let year = match (year.len(), year.parse::<i32>().ok()?) {
        // The form of RFC 850 has two digits. Such servers are older than their files.
        (2, year @ 70..) => 1900 + year,
        (2, year) => 2000 + year,
        (_, year) => year,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = Month::January.nth_next(u8::try_from(month).ok()?);
    let date = Date::from_calendar_date(year, month, day.parse().ok()?).ok()?;
    let mut clock = clock.splitn(3, ':').map(str::parse);
    let mut next = || clock.next()?.ok();
    let time = Time::from_hms(next()?, next()?, next()?).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}
