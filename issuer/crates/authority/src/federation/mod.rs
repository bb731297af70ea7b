//! Federation: the trust bundles of foreign trust domains, and which of them are in force (SPIFFE Federation).
//!
//! An operator names a trust domain, the address of its bundle and how the server there is known; none of the
//! three is inferred from another (section 5.1). What was fetched last and found good is kept over restarts,
//! ordered by its sequence number, and in force until it is older than it may be. Everything here is a rule:
//! whoever fetches asks what is to be fetched, tells what came, and hears when to come back. A relationship is
//! one-way, and ends for good when it is removed.

mod acceptance;
mod endpoint;
mod error;
mod keeper;
mod known;
mod record;
mod schedule;
mod stored;

pub use acceptance::{Notice, Refused};
pub use endpoint::{
    BundleUrl, BundleUrlError, EndpointProfile, Federation, FederationError,
    MAXIMUM_BOOTSTRAP_BYTES, MAXIMUM_ROOTS_BYTES, MAXIMUM_URL_BYTES,
};
pub use error::FederationsError;
pub use keeper::{Federations, MAXIMUM_FEDERATED_BYTES, MAXIMUM_FEDERATIONS};
pub use known::{Fetched, Known, Standing, Told, Trial};
pub use schedule::{
    DEFAULT_MAXIMUM_AGE, LONGEST_INTERVAL, SHORTEST_INTERVAL, WITHOUT_A_HINT, interval,
};
