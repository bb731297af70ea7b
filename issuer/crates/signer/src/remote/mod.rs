//! What signers that keep no private key in this process have in common: handles, and how it stands with
//! them.

mod handle;
mod standing;

pub(crate) use handle::{RemoteHandle, kept_by};
pub(crate) use standing::{KeyStanding, Standing};
