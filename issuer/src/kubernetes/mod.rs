//! What API servers say of service account tokens (`TokenReview`, `authentication.k8s.io/v1`).
//!
//! An API server has other work than ours, and whoever can reach the exchange listener can cause questions. So a
//! question is asked of a token alone that nothing here refuses, once for all who show it at that moment, a few at a
//! time, and its answer is kept for some seconds. A server that does not answer is left alone for a while. Whatever
//! is not an answer is told as what it is, and never as the client's fault.

mod breaker;
mod client;
mod failure;
mod flights;
mod memory;
mod reviews;
mod standing;
mod wire;

pub(crate) use memory::KeptFor;
pub(crate) use reviews::TokenReviews;
pub(crate) use standing::{API_SERVER_ANSWERS, Away};
