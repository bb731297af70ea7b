//! The rules of a Moneyer coordinator: which keys there are, who is placed where, who may have which
//! token, and what it says.
//!
//! Everything outside is a port: [`store::Store`] keeps records, [`shared_store::SharedStore`] tells of those that other
//! coordinators change, [`signer::Signer`] holds the private keys
//! that sign tokens, [`audit::Audit`] keeps the audit log, a clock tells the time. The keys of
//! X.509 authorities are held here: the cluster's own by [`enrollment::ClusterAuthority`], those of SVIDs by
//! [`svid::X509Authorities`]. Nothing here knows HTTP, gRPC,
//! files or SQL. What a caller has proved is a value that only this crate can make, and minting takes that
//! value.

pub mod audiences;
pub mod audit;
mod authority;
pub mod delegation;
pub mod enrollment;
pub mod exchange;
pub mod federation;
mod fetched_keys;
mod following;
pub mod issuers;
pub mod keys;
pub mod login;
pub mod management;
pub mod mint;
pub mod profiles;
pub mod providers;
pub mod public_certificate;
pub mod registry;
pub mod shared_store;
pub mod signer;
pub mod store;
pub mod svid;
pub mod trust_bundle;
mod unbroken;
mod upkeep;
mod x509;

pub use authority::{
    AppFit, Authority, Charter, EndpointSvid, OpenError, Ports, RemoveError, SelfCheckError,
};
pub use fetched_keys::FetchedKeys;
pub use following::FollowError;
pub use upkeep::{ConfirmError, Outcome, Reissue};
