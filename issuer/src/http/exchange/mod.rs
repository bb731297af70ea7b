//! The exchange listener: whoever shows a proof of who it is gets a token of this cluster for it.
//!
//! Its callers are strangers. What is wrong with a proof is told to the log and the audit log; a caller is told
//! one constant text.

mod login;
mod routes;
mod token;

pub(crate) use login::{LoginBody, LoginView};
pub(crate) use routes::{ExchangeState, router};
pub(crate) use token::TokenView;
