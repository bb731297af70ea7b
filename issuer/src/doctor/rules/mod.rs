//! The rules: from what was seen to findings. Pure, so that every one is tried without a network.

mod answer;
mod cache;
mod clock;
mod coordinator;
mod discovery;
mod host;
mod issuer;
mod jwk;
mod key_set;
mod published;
mod subject;
mod tls;
mod token;
mod words;

pub(super) use coordinator::coordinator;
pub(super) use discovery::discovery;
pub(super) use host::host;
pub(super) use issuer::issuer;
pub(super) use key_set::key_set;
