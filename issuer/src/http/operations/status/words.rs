//! Times, spans and names as people read them. All times are in UTC; the page says so once.

use moneyer_identity::{KeyId, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Bytes of a key's id that tell it from every other at a glance.
const SHORT: usize = 12;

/// RFC 3339, for programs.
pub(in crate::http::operations) fn machine_time(at: UnixTime) -> String {
    OffsetDateTime::from_unix_timestamp(at.0)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.to_string())
}

/// `2026-11-27 14:33`.
pub(super) fn clock_time(at: UnixTime) -> String {
    OffsetDateTime::from_unix_timestamp(at.0).map_or_else(
        |_| at.to_string(),
        |time| format!("{} {:02}:{:02}", time.date(), time.hour(), time.minute()),
    )
}

/// `in 3 days`, `12 min ago`, `now`.
pub(super) fn relative(at: UnixTime, now: UnixTime) -> String {
    let (ahead, back) = (at.since(now).as_secs(), now.since(at).as_secs());
    match (ahead, back) {
        (0, 0) => "now".to_owned(),
        (0, back) => format!("{} ago", span(back)),
        (ahead, _) => format!("in {}", span(ahead)),
    }
}

/// `3 days`: how long it is until then.
pub(super) fn time_until(at: UnixTime, now: UnixTime) -> String {
    span(at.since(now).as_secs())
}

/// The largest unit that leaves two or more, so that the number says something.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The beginning of a key's id.
pub(super) fn short(key_id: &KeyId) -> String {
    let text = key_id.as_str();
    if text.chars().count() <= SHORT + 2 {
        return text.to_owned();
    }
    text.chars().take(SHORT).chain(['…']).collect()
}

/// `1 runner`, `2 runners`.
pub(super) fn counted(count: usize, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc_and_from_now() {
        let now = UnixTime(1_800_000_000);
        assert_eq!(machine_time(now), "2027-01-15T08:00:00Z");
        assert_eq!(clock_time(now), "2027-01-15 08:00");
        assert_eq!(clock_time(UnixTime(i64::MAX)), i64::MAX.to_string());
        for (offset, words) in [
            (0, "now"),
            (-119, "119 s ago"),
            (-120, "2 min ago"),
            (7199, "in 119 min"),
            (7200, "in 2 h"),
            (172_799, "in 47 h"),
            (172_800, "in 2 days"),
            (-33 * 86_400, "33 days ago"),
        ] {
            assert_eq!(relative(UnixTime(now.0 + offset), now), words);
        }
    }

    #[test]
    fn names_are_short_and_numbers_agree() {
        let key_id = |text: &str| text.parse().unwrap();
        assert_eq!(short(&key_id("k-1")), "k-1");
        assert_eq!(short(&key_id("abcdefghijklmnopqrstu")), "abcdefghijkl…");
        assert_eq!(counted(1, "runner", "runners"), "1 runner");
        assert_eq!(counted(0, "runner", "runners"), "0 runners");
    }
}
