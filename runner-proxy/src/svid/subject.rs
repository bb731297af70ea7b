//! Whose SVIDs a sandbox gets, as the coordinator says now.
//!
//! The id of a sandbox that is attached counts only while the app is the one it was attached for: an id that
//! has come back for another app is another sandbox, and the one that is here must not get its SVIDs in the
//! moment until it is detached.

use std::sync::Arc;

use moneyer_identity::SandboxId;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::coordinator::{KnownPlacement, SvidFacts};

/// Whose SVIDs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Option<String>", into = "Option<String>")]
pub(crate) enum Subject {
    /// This one's.
    Of(SpiffeId),
    /// Nobody's: there are none for it.
    Nobody,
    /// Not known: the coordinator was never heard, or is of a version that knows of no SVIDs.
    #[default]
    Unknown,
}

impl Subject {
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl TryFrom<Option<String>> for Subject {
    type Error = SpiffeIdError;

    fn try_from(kept: Option<String>) -> Result<Self, SpiffeIdError> {
        match kept.as_deref() {
            None => Ok(Self::Unknown),
            Some("") => Ok(Self::Nobody),
            Some(id) => SpiffeId::parse(id).map(Self::Of),
        }
    }
}

impl From<Subject> for Option<String> {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Of(id) => Some(id.into()),
            Subject::Nobody => Some(String::new()),
            Subject::Unknown => None,
        }
    }
}

/// The subject of one attached sandbox.
#[derive(Debug, Clone)]
pub(crate) struct SvidSubject {
    pub(crate) placement: Arc<KnownPlacement>,
    pub(crate) sandbox: SandboxId,
    /// The app it was attached for.
    pub(crate) app: String,
}

impl SvidSubject {
    pub(crate) fn sandbox(&self) -> &SandboxId {
        &self.sandbox
    }

    /// As it is now.
    pub(crate) fn now(&self) -> Subject {
        self.placement.subject_of(&self.sandbox, |placed| placed.app == self.app)
    }

    /// Tells whenever it may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<SvidFacts> {
        self.placement.follow(&self.sandbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::{PlacedSandbox, PlacementChange};
    use crate::fakes::{sandbox, spiffe_id};

    #[test]
    fn only_the_app_it_was_attached_for_has_svids() {
        let state = tempfile::tempdir().unwrap();
        let placement = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let placement = Arc::new(placement);
        let (sandbox, app) = (sandbox("s"), "web".to_owned());
        let subject =
            SvidSubject { placement: Arc::clone(&placement), sandbox: sandbox.clone(), app };
        assert_eq!(subject.now(), Subject::Unknown);
        let place = |app: &str, id: Option<SpiffeId>| {
            let given = id.map_or(Subject::Nobody, Subject::Of);
            let (app, profiles) = (app.to_owned(), Vec::new());
            let placed = PlacedSandbox { app, profiles, subject: given };
            placement.apply(1, PlacementChange::Placed(sandbox.clone(), placed));
            subject.now()
        };
        assert_eq!(place("web", Some(spiffe_id("s"))), Subject::Of(spiffe_id("s")));
        assert_eq!(place("web", None), Subject::Nobody);
        assert_eq!(place("db", Some(spiffe_id("s"))), Subject::Nobody);
        placement.apply(2, PlacementChange::Removed(sandbox.clone()));
        assert_eq!(subject.now(), Subject::Nobody);
    }
}
