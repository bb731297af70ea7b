//! How long documents may be kept (RFC 9111 section 5.2.2), against how long a key waits to sign.

use std::time::Duration;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::inside::Inside;
use crate::doctor::observation::Document;

/// How long a key waits where nobody says: the default of `keys.publish_before_use`.
const USUAL_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The cache headers of the discovery document.
pub(super) fn discovery(document: &Document) -> Finding {
    match max_age(document, Part::Discovery) {
        Ok(max_age) => Finding::ok(Check::Cache, Part::Discovery, kept(max_age)),
        Err(finding) => finding,
    }
}

/// Those of the key set, by the coordinator's schedule if it is known.
pub(super) fn key_set(document: &Document, inside: Option<&Inside>) -> Finding {
    let (id, part) = (Check::Cache, Part::KeySet);
    let max_age = match max_age(document, part) {
        Ok(max_age) => max_age,
        Err(finding) => return finding,
    };
    let waits = inside.map_or(USUAL_WAIT, |inside| inside.publish_before_use);
    if max_age <= waits {
        return Finding::ok(id, part, kept(max_age));
    }
    let found = format!(
        "{}, longer than the {} s that a key is published before it signs",
        kept(max_age),
        waits.as_secs()
    );
    match inside {
        Some(_) => Finding::failure(id, part, found),
        None => Finding::warning(id, part, format!("{found} by default")),
    }
}

fn kept(max_age: Duration) -> String {
    format!("it may be kept for {} s", max_age.as_secs())
}

/// How long the document may be kept, or what is to be said of it.
fn max_age(document: &Document, part: Part) -> Result<Duration, Finding> {
    let id = Check::Cache;
    if document.whole().is_none() {
        return Err(Finding::skipped(id, part, "there is no whole document"));
    }
    let sent = document.field("cache-control").unwrap_or_default().to_ascii_lowercase();
    let directives: Vec<_> = sent.split(',').map(str::trim).collect();
    let never = ["no-store", "no-cache"].into_iter().find(|never| directives.contains(never));
    if let Some(never) = never {
        return Err(Finding::warning(id, part, format!("Cache-Control says {never}")));
    }
    let seconds = |name: &str| {
        let value = directives.iter().find_map(|directive| directive.strip_prefix(name))?;
        value.trim_matches('"').parse().ok().map(Duration::from_secs)
    };
    match seconds("max-age=").max(seconds("s-maxage=")) {
        None => Err(Finding::warning(id, part, "Cache-Control has no max-age: caches guess")),
        Some(Duration::ZERO) => Err(Finding::warning(id, part, "Cache-Control says max-age=0")),
        Some(max_age) => Ok(max_age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{self, Failure, Ok, Warning};
    use crate::doctor::samples::{inside, key_set as sample, with_field};

    fn judged(sent: &str, inside: Option<&Inside>) -> Severity {
        let document = with_field(sample(), "cache-control", sent);
        key_set(&document, inside).severity
    }

    #[test]
    fn a_day_is_as_long_as_a_key_waits_where_nobody_says() {
        assert_eq!(judged("public, max-age=3600", None), Ok);
        assert_eq!(judged("MAX-AGE=86400", None), Ok);
        assert_eq!(judged("max-age=86401", None), Warning);
        assert_eq!(judged("max-age=60, s-maxage=86401", None), Warning);
    }

    #[test]
    fn the_schedule_is_kept() {
        let mut inside = inside();
        inside.publish_before_use = Duration::from_secs(100);
        assert_eq!(judged("max-age=100", Some(&inside)), Ok);
        assert_eq!(judged("max-age=101", Some(&inside)), Failure);
    }

    #[test]
    fn a_document_that_no_cache_may_keep_is_a_warning() {
        for sent in ["", "public", "no-store", "no-cache, max-age=60", "max-age=0", "max-age=soon"]
        {
            assert_eq!(judged(sent, None), Warning, "{sent}");
            let document = with_field(sample(), "cache-control", sent);
            assert_eq!(discovery(&document).severity, Warning, "{sent}");
        }
        assert_eq!(
            discovery(&with_field(sample(), "cache-control", "max-age=999999")).severity,
            Ok
        );
    }
}
