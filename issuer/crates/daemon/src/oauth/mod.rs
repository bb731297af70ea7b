//! The client of token endpoints (RFC 6749 section 3.2, RFC 7523, RFC 8693).
//!
//! Both daemons ask token endpoints of others: the runner proxy for the tokens it puts on requests, the coordinator for
//! the tokens of users that it readdresses and renews. Forms have the fields that are named here and no others, no form
//! holds a client secret, and no answer is repeated to anybody but the token in it.

mod answer;
mod assertion;
mod client;
mod error;
mod form;
mod retry;

pub use answer::{AnswerFault, Granted, OAuthError};
pub use assertion::ClientAssertion;
pub use client::OAuthClient;
pub use error::TokenEndpointError;
pub use form::{Client, Form, Readdressing};
