//! Obtaining one token, from the assertion to the checked answer.

use std::sync::Arc;

use moneyer_daemon::oauth::{ClientAssertion, Form, Granted, OAuthClient};
use moneyer_identity::Clock;
use moneyer_identity::grant::{BearerToken, GrantKind};

use super::assertion::{AssertionError, Assertions};
use super::cache::GrantKey;
use super::error::GrantError;
use super::subject::SubjectTokens;

/// Obtains tokens. It keeps none.
pub(crate) struct Grantor {
    /// Who says which sandbox asks.
    pub(crate) assertions: Arc<dyn Assertions>,
    /// Who holds the tokens of users.
    pub(crate) subjects: Arc<dyn SubjectTokens>,
    /// Asks the token endpoints.
    pub(crate) client: OAuthClient,
    /// For the end that a token says of itself.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Grantor {
    /// A new token.
    pub(super) async fn obtain(&self, key: &GrantKey) -> Result<Granted, GrantError> {
        let grant = &key.grant;
        let assertion = self.assertions.jwt_svid(&key.holder, &grant.svid_audience).await;
        let assertion = assertion.map_err(GrantError::Assertion)?;
        let endpoint = || grant.endpoint.as_ref().ok_or(GrantError::NoEndpoint);
        let (endpoint, form) = match grant.kind {
            GrantKind::JwtSvid => return self.as_it_is(&assertion),
            GrantKind::ClientCredentials => {
                (endpoint()?, Form::client_credentials(grant, &assertion))
            }
            GrantKind::TokenExchange => {
                let endpoint = endpoint()?;
                let subject = self.subjects.readdressed(&key.holder, grant, &assertion).await;
                let subject = subject.map_err(GrantError::Subject)?;
                (endpoint, Form::token_exchange(grant, &assertion, &subject))
            }
        };
        Ok(self.client.token(endpoint, &form, || self.clock.now()).await?)
    }

    /// The assertion, which is the token.
    fn as_it_is(&self, assertion: &ClientAssertion) -> Result<Granted, GrantError> {
        let token = BearerToken::parse(assertion.expose().to_owned()).ok();
        let granted = token.and_then(|token| Granted::of_jwt(token, self.clock.now()));
        granted.ok_or(GrantError::Assertion(AssertionError::NoToken))
    }
}
