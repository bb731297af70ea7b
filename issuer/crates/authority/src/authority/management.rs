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
        let shown = shown.map_err(|error| {
            let error = AuthenticateError::Subject(error);
            self.refuse_request(&Actor::Nobody, &Actor::Nobody, error)
        })?;
        let client = shown.client();
        let permissions = self.management_plan().permissions(client);
        AuthenticatedOperator::permitted_account(client.clone(), permissions, asked).map_err(
            |error| {
                let together = Actor::ClientsOf(shown.issuer().to_owned());
                self.refuse_request(&together, &Actor::Client(client.clone()), error)
            },
        )
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
