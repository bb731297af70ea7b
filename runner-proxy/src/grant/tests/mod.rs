//! Tokens from a token endpoint that does as the test asks.

mod answers;
mod caching;
pub(crate) mod endpoint;
mod recording;
mod requests;
mod workload_api;

pub(crate) use endpoint::{World, key};
