//! Management by service accounts, as their own tokens prove them.

use super::open::Authority;
use crate::audit::{Actor, Refused, reason};
use crate::enrollment::{AuthenticateError, AuthenticatedOperator};
use crate::exchange::{SubjectError, VerifiedSubject};
use crate::login::Permission;
use crate::management::ManagementPlan;

impl Authority {
    /// Which service accounts may manage.
    #[must_use]
    pub fn management_plan(&self) -> &ManagementPlan {
        &self.charter.management
    }

    /// Who shows the token of a service account, if that may do this. Refusals are recorded, those of who proved nothing
    /// too.
    pub fn authenticate_account(
        &self,
        shown: Result<VerifiedSubject, SubjectError>,
        asked: Permission,
    ) -> Result<AuthenticatedOperator, AuthenticateError> {
        let shown = self
            .check_rights()
            .and_then(|()| shown.map_err(refused_subject))
            .map_err(|error| self.refuse_request(&Actor::Nobody, &Actor::Nobody, error))?;
        let client = shown.client();
        let permissions = self.management_plan().permissions(client);
        AuthenticatedOperator::permitted_account(client.clone(), permissions, asked).map_err(
            |error| {
                let together = Actor::ClientsOf(shown.issuer().to_owned());
                self.refuse_request(&together, &Actor::Client(client.clone()), error)
            },
        )
    }

    /// That what operators may do is known here: no other coordinator can have changed it long ago, and the store was
    /// not put back. Who manages from afar is not let in otherwise; a local user is, to see what is wrong.
    pub(super) fn check_rights(&self) -> Result<(), AuthenticateError> {
        // Why is told by the health of the coordinator, which everybody may ask for.
        self.ledger.check().map_err(|_told_by_readyz| AuthenticateError::Apart)
    }

    /// One issuer can name as many accounts as it likes, and still has one share of the log.
    fn refuse_request(
        &self,
        together: &Actor,
        who: &Actor,
        error: AuthenticateError,
    ) -> AuthenticateError {
        let why = reason(error.class(), &error);
        self.refusals.note_together(together, who, Refused::Request, why, self.now());
        error
    }
}

fn refused_subject(error: SubjectError) -> AuthenticateError {
    match error {
        // By its own word alone, which is enough for a refusal.
        SubjectError::NotAManager(client) => AuthenticateError::NotAManager(client),
        error => AuthenticateError::Subject(error),
    }
}
