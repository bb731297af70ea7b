//! The client of token endpoints.
//!
//! Redirects are never followed, so that no assertion goes where the profile did not send it; what it may take is
//! limited in time and size; it is the one outbound client of the daemon with another address rule, the one of
//! [`TokenEndpoint`].

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use moneyer_identity::UnixTime;
use moneyer_identity::grant::TokenEndpoint;
use zeroize::Zeroizing;

use super::answer::{self, Granted};
use super::error::TokenEndpointError;
use super::form::Form;
use super::retry::RetryBudget;
use crate::outbound::{OutboundClient, OutboundError, OutboundPolicy, OutboundUrl};

/// Time for a request to a token endpoint, the connection included.
const TOTAL_LIMIT: Duration = Duration::from_secs(30);

/// Most bytes of an answer: a token of 16 KiB and as much again beside it.
const MAXIMUM_ANSWER_BYTES: usize = 64 * 1024;

/// Asks token endpoints.
#[derive(Debug)]
pub struct OAuthClient {
    client: OutboundClient,
    budget: RetryBudget,
}

impl OAuthClient {
    /// A client that trusts these roots (PEM) beside those of the machine.
    pub fn new(extra_roots: Vec<Vec<u8>>) -> Result<Self, OutboundError> {
        let policy = OutboundPolicy {
            connect: TOTAL_LIMIT,
            total: TOTAL_LIMIT,
            max_body: MAXIMUM_ANSWER_BYTES,
            extra_roots,
        };
        Ok(Self { client: OutboundClient::new(policy)?, budget: RetryBudget::new() })
    }

    /// The token that a form asks for. `now` is asked when the answer is there.
    pub async fn token(
        &self,
        endpoint: &TokenEndpoint,
        form: &Form,
        now: impl FnOnce() -> UnixTime + Send,
    ) -> Result<Granted, TokenEndpointError> {
        let (status, body) = self.post(endpoint, form).await?;
        answer::read(status, &body, now())
    }

    /// Posts a form, and once more where nothing of it was sent and that was earned.
    async fn post(
        &self,
        endpoint: &TokenEndpoint,
        form: &Form,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), TokenEndpointError> {
        let first = self.post_once(endpoint, form).await;
        let again = first.as_ref().err().is_some_and(OutboundError::sent_nothing);
        let answer =
            if again && self.budget.spend() { self.post_once(endpoint, form).await } else { first };
        let (status, body) = answer.map_err(TokenEndpointError::Unreachable)?;
        self.budget.earn();
        Ok((status, Zeroizing::new(body)))
    }

    async fn post_once(
        &self,
        endpoint: &TokenEndpoint,
        form: &Form,
    ) -> Result<(StatusCode, Vec<u8>), OutboundError> {
        let url = OutboundUrl::of_token_endpoint(endpoint)?;
        // Wiped when the last of the client's clones is gone.
        self.client.post_form(url, Bytes::from_owner(form.clone())).await
    }
}
