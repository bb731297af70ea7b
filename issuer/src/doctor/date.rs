//! The time in a `Date` field (RFC 9110 section 5.6.7), in the form that everybody sends.

use moneyer_identity::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// The time a text names, if it is written as `Fri, 27 Nov 2026 11:28:12 GMT`.
pub(super) fn http_date(text: &str) -> Option<UnixTime> {
    let in_gmt = text.ends_with(" GMT");
    let time = OffsetDateTime::parse(text, &Rfc2822).ok().filter(|_| in_gmt)?;
    Some(UnixTime(time.unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_form_and_no_other() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(UnixTime(784_111_777)));
        for other in ["", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"] {
            assert_eq!(http_date(other), None, "{other}");
        }
    }
}
