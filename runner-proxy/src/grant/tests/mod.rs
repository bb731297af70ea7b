//! Tokens from a token endpoint that does as the test asks.

mod answers;
mod caching;
mod endpoint;
mod requests;
mod workload_api;

pub(super) use endpoint::key;
