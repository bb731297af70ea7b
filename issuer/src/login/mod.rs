//! Log-in with SVIDs, as far as it needs a network: key sets that are fetched, and authorities that are asked for
//! again when an SVID names a key that nobody knows yet.

mod desk;
mod key_sets;
mod pace;
mod shares;

pub(crate) use desk::LoginDesk;
pub(crate) use key_sets::KeySets;
pub(crate) use shares::LoginShares;
