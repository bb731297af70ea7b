//! The gRPC edge: Enrollment, Minting and Placement over mutual TLS.
//!
//! Every call proves its caller anew from the connection's certificate. A handler converts the message,
//! makes one call into the authority, converts the answer. Only `status` knows gRPC codes.

mod bundles;
mod caller;
mod convert;
mod deadline;
mod enrollment;
mod grants;
mod limit;
mod minting;
mod placement;
mod server;
mod standing;
mod status;
mod watch;

pub(crate) use limit::MintLimits;
pub(crate) use server::{GrpcParts, router};
