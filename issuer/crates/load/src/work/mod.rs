//! The kinds of work that are measured, one file each.
//!
//! Every kind takes a running cluster and a duration and gives figures; the same code serves the
//! subcommands and the report. A run in which a single request fails gives no figures.

mod figures;
mod key_set;
mod mint;
mod mint_load;
mod token_server;

#[cfg(test)]
pub(crate) use figures::Reference;
pub(crate) use figures::{Comparison, Latency};
pub(crate) use key_set::{KeySetError, KeySetFigures};
pub(crate) use mint::{MintError, MintFigures};
pub(crate) use mint_load::MintLoad;
pub(crate) use token_server::{TokenServerError, TokenServerFigures};

pub(crate) use key_set::measure as measure_key_set;
pub(crate) use mint::measure as measure_mint;
pub(crate) use token_server::measure as measure_token_server;
