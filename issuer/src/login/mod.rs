//! Log-in with SVIDs, as far as it needs a network: authorities that are asked for again when an SVID names a key that
//! nobody knows yet.

mod desk;
mod renewal;

pub(crate) use desk::{LoginDesk, LoginShares};
pub(crate) use renewal::Renewal;
