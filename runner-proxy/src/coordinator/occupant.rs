//! Who an id of a sandbox stands for: an id may be given again.
//!
//! An id that comes back for another app, for an app that was made anew under the old name, or after it was
//! removed or moved away, is another sandbox: it gets nothing of what the one before had. What one side does not
//! know, such as what a coordinator of an older version does not say, is no difference.

use std::num::NonZeroU64;

use moneyer_identity::AppUid;
use serde::{Deserialize, Serialize};

/// Who an id stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Occupant {
    pub(crate) app: String,
    /// The immutable id of the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app_uid: Option<AppUid>,
    /// Which stay of the id on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) placement: Option<NonZeroU64>,
}

impl Occupant {
    /// An instance of this app; nothing more is known.
    #[cfg(test)]
    pub(crate) fn of_app(app: &str) -> Self {
        Self { app: app.to_owned(), app_uid: None, placement: None }
    }

    /// Whether they are not the same sandbox.
    pub(crate) fn is_another_than(&self, other: &Self) -> bool {
        self.app != other.app
            || differ(self.app_uid.as_ref(), other.app_uid.as_ref())
            || differ(self.placement, other.placement)
    }

    /// Whether they are known to be one stay of one sandbox.
    pub(crate) fn is_the_stay_of(&self, other: &Self) -> bool {
        self.placement.is_some() && !self.is_another_than(other) && other.placement.is_some()
    }

    /// The same sandbox, with what was heard of it before.
    pub(crate) fn or_known(self, before: &Self) -> Self {
        let app_uid = self.app_uid.or_else(|| before.app_uid.clone());
        Self { app: self.app, app_uid, placement: self.placement.or(before.placement) }
    }
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupant(app: &str, uid: Option<char>, placement: u64) -> Occupant {
        let uid = uid.map(|digit| AppUid::parse(&digit.to_string().repeat(32)).unwrap());
        Occupant { app: app.to_owned(), app_uid: uid, placement: NonZeroU64::new(placement) }
    }

    #[test]
    fn another_app_another_of_its_name_or_another_stay_is_another_sandbox() {
        let one = occupant("web", Some('a'), 1);
        for (other, is_another) in [
            (occupant("web", Some('a'), 1), false),
            (occupant("api", Some('a'), 1), true),
            (occupant("web", Some('b'), 1), true),
            (occupant("web", Some('a'), 2), true),
            (occupant("web", None, 0), false),
            (occupant("web", None, 2), true),
            (occupant("web", Some('b'), 0), true),
        ] {
            assert_eq!(one.is_another_than(&other), is_another, "{other:?}");
            assert_eq!(other.is_another_than(&one), is_another, "{other:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_what_it_was() {
        let (one, silent) = (occupant("web", Some('a'), 1), occupant("web", None, 0));
        assert_eq!(silent.clone().or_known(&one), one);
        assert_eq!(one.clone().or_known(&silent), one);
        assert!(one.is_the_stay_of(&one) && !one.is_the_stay_of(&silent));
        assert!(!silent.is_the_stay_of(&one) && !silent.is_the_stay_of(&silent));
    }
}
