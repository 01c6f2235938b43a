//! Dates: as npm's parser writes them, and as JSON has them.

/// The farthest from the epoch that a script's date can be, in ms.
const FARTHEST: i64 = 8_640_000_000_000_000;

const DAY: i64 = 24 * 3600 * 1000;

/// The text of a date, as `JSON.stringify` writes it. `None` for what is no date in a script.
pub(super) fn iso(ms: i64) -> Option<String> {
    if !(-FARTHEST..=FARTHEST).contains(&ms) {
        return None;
    }
    let (year, month, day) = civil(ms.div_euclid(DAY));
    let time = ms.rem_euclid(DAY);
    let (hour, minute) = (time / 3_600_000, time / 60_000 % 60);
    let (second, ms) = (time / 1000 % 60, time % 1000);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!(
        "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
    ))
}

/// Year, month and day, `days` after 1970-01-01. It counts in years that begin with March, so that a leap day is the last
/// of its year, and in eras of 400 years, which are all alike.
const fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    // From 0000-03-01.
    let days = days + 719_468;
    let era = days.div_euclid(ERA);
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on, and from August on, have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let month = if is_next_year { month - 9 } else { month + 3 };
    (era * 400 + year_of_era + is_next_year as i64, month, day)
}

/// The milliseconds of a timestamp, msgpack's own type for dates: seconds; nanoseconds and seconds in eight bytes; or
/// four bytes of the former and eight of the latter. `None` if it is none.
pub(super) fn timestamp(bytes: &[u8]) -> Option<i64> {
    let (seconds, nanos) = match *bytes {
        [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            ((both & 0x3_FFFF_FFFF).cast_signed(), (both >> 34) as u32)
        }
        [a, b, c, d, ref seconds @ ..] => (
            i64::from_be_bytes(seconds.try_into().ok()?),
            u32::from_be_bytes([a, b, c, d]),
        ),
        _ => return None,
    };
    // Too many for any date stay too many.
    let ms = seconds.saturating_mul(1000);
    Some(ms.saturating_add((nanos / 1_000_000).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_scripts_write_them() {
        // Each as `new Date(ms).toJSON()` has it.
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (FARTHEST, "+275760-09-13T00:00:00.000Z"),
            (-FARTHEST, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(iso(ms).as_deref(), Some(text), "{ms}");
        }
        for ms in [FARTHEST + 1, -FARTHEST - 1, i64::MAX, i64::MIN] {
            assert_eq!(iso(ms), None, "{ms}");
        }
    }

    #[test]
    fn timestamps_have_three_lengths() {
        for (bytes, ms) in [
            (&b"\0\0\0\x01"[..], Some(1000)),
            (b"\xFF\xFF\xFF\xFF", Some(4_294_967_295_000)),
            (b"\0\x3D\x09\0\0\0\0\x01", Some(1001)),
            (b"\0\x0F\x42\x40\0\0\0\0\0\0\0\x01", Some(1001)),
            (
                b"\x3B\x8B\x87\xC0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                Some(-1),
            ),
            (b"\0\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Some(i64::MAX)),
            (b"", None),
            (b"\0\0\0\0\0", None),
        ] {
            assert_eq!(timestamp(bytes), ms, "{bytes:?}");
        }
    }
}
