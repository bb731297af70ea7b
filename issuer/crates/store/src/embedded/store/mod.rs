//! The store as its callers see it.

mod sled_store;
#[cfg(test)]
mod tests;

pub use sled_store::{SledOptions, SledStore};
