//! The authority: one value that every protocol's edge calls.
//!
//! It holds the parts and reads the clock once per call. An edge converts a request, makes one call
//! here, and converts the answer.

mod audiences;
mod bundle_endpoint;
mod charter;
mod delegations;
mod exchanges;
mod federations;
mod following;
mod logins;
mod management;
mod minting;
mod open;
mod parts;
mod providers;
mod self_check;
mod svids;

pub use audiences::AppFit;
pub use bundle_endpoint::EndpointSvid;
pub use charter::{Charter, Ports};
pub use open::{Authority, OpenError};
pub use parts::RemoveError;
pub use self_check::SelfCheckError;
