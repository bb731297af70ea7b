//! Wiring: the only place that picks implementations.
//!
//! [`App::start`] opens the store and the audit log, brings up the authority, binds every listener and returns the bound
//! addresses; nothing answers before all of it stands. [`App::leave`] turns readiness off, and [`App::stop`] lets what is
//! open finish, and closes both.

mod adoption;
mod bundle_endpoint;
mod certificate;
mod coordinator;
mod error;
mod following;
mod listeners;
mod rotation;
mod services;
mod signers;
mod store;

pub(crate) use adoption::{Settled, check_unsettled, settle};
pub use coordinator::App;
pub use error::StartError;
pub use listeners::Addresses;
pub use store::DatabaseUrlFileError;
pub(crate) use store::{database_options, store_options};
