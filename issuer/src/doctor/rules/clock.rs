//! The host's clock, by its `Date`, against that of this machine.

use std::time::Duration;

use crate::doctor::check::Check;
use crate::doctor::date::http_date;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::observation::Document;

/// More than a slow answer explains; `nbf` of our tokens is back-dated by as much.
const NOTICED: Duration = Duration::from_secs(30);

/// What AWS and Azure forgive.
const FORGIVEN: Duration = Duration::from_secs(300);

pub(super) fn clock(document: &Document) -> Vec<Finding> {
    let (id, part) = (Check::Clock, Part::Host);
    let Some(theirs) = document.field("date").and_then(|text| http_date(&text)) else {
        return vec![Finding::skipped(id, part, "the host tells no time")];
    };
    let ahead = theirs.since(document.at);
    let behind = document.at.since(theirs);
    let by = ahead.max(behind);
    let direction = if ahead > behind { "ahead of" } else { "behind" };
    let found = format!("the host's clock is {} s {direction} this machine's", by.as_secs());
    vec![match by {
        by if by > FORGIVEN => Finding::failure(id, part, found),
        by if by > NOTICED => Finding::warning(id, part, found),
        _ => Finding::ok(id, part, "the clocks of the host and of this machine agree"),
    }]
}

#[cfg(test)]
mod tests {
    use moneyer_identity::UnixTime;

    use super::*;
    use crate::doctor::finding::Severity::{self, Failure, Ok, Skipped, Warning};
    use crate::doctor::samples::{discovery, with_field};

    fn judged(at: i64) -> Severity {
        let mut document = with_field(discovery(), "date", "Sun, 06 Nov 1994 08:49:37 GMT");
        document.at = UnixTime(784_111_777 + at);
        clock(&document)[0].severity
    }

    #[test]
    fn half_a_minute_is_noticed_and_five_are_too_many() {
        for (by, severity) in [(0, Ok), (30, Ok), (31, Warning), (300, Warning), (301, Failure)] {
            assert_eq!(judged(by), severity, "{by} s behind");
            assert_eq!(judged(-by), severity, "{by} s ahead");
        }
    }

    #[test]
    fn without_a_date_nothing_is_said() {
        assert_eq!(clock(&with_field(discovery(), "date", "soon"))[0].severity, Skipped);
    }
}
