//! Fetches the bundles of federated trust domains (SPIFFE Federation, sections 4 and 5).
//!
//! A task for each fetch, so that a slow server holds up no other; one loop that knows when each is due. What is
//! taken, and what is in force, is the [authority's](moneyer_authority::federation) to say. A failure changes
//! nothing of what is in force and is told once, with the time of the next try.

mod attempt;
mod fetcher;
mod plan;
mod running;

pub(crate) use fetcher::{FederationRequests, Fetcher};
