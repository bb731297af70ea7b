//! Whose SVIDs a sandbox gets, as the coordinator says now.
//!
//! The id of a sandbox that is attached counts only while it stands for the one that was attached: an id that has
//! come back is another sandbox, and the one that is here must not get its SVIDs in the moment until it is
//! detached.

use std::sync::Arc;

use moneyer_identity::SandboxId;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::coordinator::{KnownPlacement, Occupant, PlacedSandbox, SvidFacts};

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
    /// Who it was when it was attached.
    pub(crate) occupant: Occupant,
}

impl SvidSubject {
    pub(crate) fn sandbox(&self) -> &SandboxId {
        &self.sandbox
    }

    /// As it is now.
    pub(crate) fn now(&self) -> Subject {
        let is_it = |placed: &PlacedSandbox| !placed.occupant.is_another_than(&self.occupant);
        self.placement.subject_of(&self.sandbox, is_it)
    }

    /// Tells whenever it may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<SvidFacts> {
        self.placement.follow(&self.sandbox)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::coordinator::PlacementChange;
    use crate::fakes::{sandbox, spiffe_id};

    #[test]
    fn only_the_one_that_was_attached_has_svids() {
        let state = tempfile::tempdir().unwrap();
        let placement = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let placement = Arc::new(placement);
        let sandbox = sandbox("s");
        let stay = |app: &str, number| Occupant {
            placement: NonZeroU64::new(number),
            ..Occupant::of_app(app)
        };
        let subject = SvidSubject {
            placement: Arc::clone(&placement),
            sandbox: sandbox.clone(),
            occupant: stay("web", 1),
        };
        assert_eq!(subject.now(), Subject::Unknown);
        let place = |occupant: Occupant, id: Option<SpiffeId>| {
            let given = id.map_or(Subject::Nobody, Subject::Of);
            let placed = PlacedSandbox {
                occupant,
                profiles: Vec::new(),
                subject: given,
                grants: Arc::default(),
            };
            placement.apply(1, PlacementChange::Placed(sandbox.clone(), placed));
            subject.now()
        };
        assert_eq!(place(stay("web", 1), Some(spiffe_id("s"))), Subject::Of(spiffe_id("s")));
        assert_eq!(place(stay("web", 0), Some(spiffe_id("s"))), Subject::Of(spiffe_id("s")));
        assert_eq!(place(stay("web", 1), None), Subject::Nobody);
        assert_eq!(place(stay("web", 2), Some(spiffe_id("s"))), Subject::Nobody);
        assert_eq!(place(stay("db", 1), Some(spiffe_id("s"))), Subject::Nobody);
        placement.apply(2, PlacementChange::Removed(sandbox.clone()));
        assert_eq!(subject.now(), Subject::Nobody);
    }
}
