//! Token exchange, as far as it needs a network: key sets that are asked for again when a token names a key that nobody
//! knows yet.

mod desk;
mod subjects;

pub(crate) use desk::{ExchangeDesk, ExchangeShares};
pub(crate) use subjects::Subjects;
