//! Stand-ins for the coordinator and for files, in tests of what lies between.

pub(crate) mod bundles;
mod clock;
mod grants;
mod issuer;
mod lines;
mod signer;

pub(crate) use clock::HandClock;
pub(crate) use grants::obtained_by;
pub(crate) use issuer::{FakeIssuer, FakeSink, Mode, minted, request, sandbox, spiffe_id};
pub(crate) use lines::FakeLines;
pub(crate) use signer::FakeSigner;
