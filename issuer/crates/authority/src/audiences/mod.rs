//! Audiences: what follows when a token for one of them is asked for.
//!
//! A profile gives an audience its subject form, its lifetimes and the claims its relying party reads.
//! Profiles are named in the configuration or put by an operator, and one set of rules makes both. The
//! policy of the moment is swapped whole; a token goes by one policy from its draft to its signature, and
//! leaves only if the policy of then says the same.

mod error;
mod fit;
mod keeper;
mod policy;
mod profile;
mod record;

pub use error::AudiencesError;
pub use fit::Misfit;
pub(crate) use fit::{misfit, shown_subject};
pub use keeper::Profiles;
pub use policy::{AudiencePolicy, PolicyError};
pub(crate) use policy::{Chosen, may_ask};
pub use profile::{AudienceProfile, AwsExtras, MAXIMUM_ROLES_BYTES, ProfileError, ProfileSpec};
pub use record::MAXIMUM_PROFILES;
