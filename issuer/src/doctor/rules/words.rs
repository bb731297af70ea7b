//! How findings write numbers and lists.

use std::time::Duration;

/// Names listed in one finding.
const LISTED: usize = 5;

/// The names, the first few of them where there are many.
pub(super) fn list(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// A length of time with two digits after the second.
pub(super) fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names = |count: u8| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(list(&names(0)), "");
        assert_eq!(list(&names(5)), "0, 1, 2, 3, 4");
        assert_eq!(list(&names(7)), "0, 1, 2, 3, 4 and 2 more");
        assert_eq!(seconds(Duration::from_millis(1234)), "1.23 s");
    }
}
