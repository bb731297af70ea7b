//! Where users' tokens are readdressed to sandboxes (RFC 8693), and renewed (RFC 6749 section 6).
//!
//! What may be done is decided by the authority, before anything that is kept is looked at and once more before it is
//! handed out; here token services are asked. One question is asked once, however many wait for it, and goes on when they
//! have gone: a token service may take longer than a call. A user's token is in forms alone.

mod desk;
mod entries;
mod failure;
mod kept;
mod pause;

pub(crate) use desk::{DelegationDesk, Readdressed};
pub(crate) use failure::DelegationFailure;
