//! X.509-SVIDs on this host: a key made here, a certificate signed by the coordinator.
//!
//! Each sandbox has one X.509-SVID (X509-SVID standard), kept by its [`SvidKeeper`] in memory alone, from
//! when it is first asked for until it is detached. Nothing here knows gRPC or a socket, and nothing is
//! signed here: no key on this host can make an SVID.

mod held;
mod keeper;
mod key;
mod office;
mod signer;
mod subject;
#[cfg(test)]
mod tests;

pub(crate) use held::{Stock, X509Svid};
pub(crate) use keeper::SvidKeeper;
pub(crate) use office::SvidOffice;
pub(crate) use signer::{SignedSvid, SvidSigner};
pub(crate) use subject::{Subject, SvidSubject};
