//! The services of the wire, over mutual TLS.

mod audit;
mod bundles;
mod deadline;
mod delegation;
mod enrollment;
mod minting;
mod placement;
mod refusals;
mod shares;
mod watch;
mod x509_svids;
