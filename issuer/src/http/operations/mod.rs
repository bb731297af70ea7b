//! The operations listener: is it alive, can it mint, how much does it do, and how it stands for people.
//!
//! Plain HTTP for probes and scrapers on loopback or inside the cluster. Nothing here names a sandbox,
//! a subject or a token.

mod health;
mod routes;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use routes::{Watched, router};
