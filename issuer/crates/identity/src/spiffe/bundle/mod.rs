//! Trust bundles (SPIFFE Trust Domain and Bundle standard, sections 3 to 5), read and written.
//!
//! A [`TrustBundle`] holds the authorities of one trust domain and never leaves that domain's name: SVIDs
//! of a domain are verified with its own bundle and no other, so there is no way to pool two of them
//! ([`TrustBundles`] is a map). Reading leaves out single entries of kinds that it does not know, as the
//! standard asks, and refuses the document for everything else that is wrong. `EdDSA` and symmetric keys
//! are no [`JwtAuthority`] and so stand in no SPIFFE view.

mod content_digest;
mod jwt_authority;
mod key_set;
mod public_members;
mod reading;
mod trust_bundle;
mod trust_bundles;
mod writing;
mod x509_authority;

pub use content_digest::ContentDigest;
pub use jwt_authority::JwtAuthority;
pub(crate) use key_set::read_key_set;
pub use reading::{EntryError, MAXIMUM_BUNDLE_BYTES};
pub use trust_bundle::{MAXIMUM_AUTHORITIES, TrustBundle, TrustBundleError};
pub use trust_bundles::{BundleMapError, MAXIMUM_BUNDLE_MAP_BYTES, TrustBundles};
pub use x509_authority::{X509Authority, X509AuthorityError};
