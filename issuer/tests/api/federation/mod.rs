//! Federation with real servers on this machine: `/api/v1/federations`, `/api/v1/trust-bundles`, and what runners
//! hear of it.

mod bundles;
pub(crate) mod foreign;
mod management;
mod servers;
