//! Placeholder.
mod coordinator;
#[cfg(test)]
mod fakes;
mod metrics;
mod sandbox;
mod token;
