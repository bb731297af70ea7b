//! Provider profiles: which endpoints a kind of service has, and which tokens they need.
//!
//! A profile is a document that operators write (its schema is on the page about grants); what is read of it is
//! checked by the rules of its schema, all at once, and every fault names the field it is in. Nothing that is not
//! understood is passed over in silence: a field that is unknown is a fault, since a rule may hang on it, and one that
//! Moneyer does not act upon is a remark. A profile holds no secret, and grants nothing until a
//! [provider](crate::providers) made of it is attached.

mod expansion;
mod finding;
mod overlap;
mod profile;
mod profile_id;
mod read;

pub(crate) use expansion::{Expansion, expand};
pub use finding::{Finding, Findings, Severity};
pub use overlap::{Ambiguity, first_ambiguity};
pub use profile::{
    Credential, Endpoint, GrantTemplate, MAXIMUM_CREDENTIALS, MAXIMUM_ENDPOINTS, MAXIMUM_OVERRIDES,
    MAXIMUM_PORTS, Override, Profile, SubjectToken,
};
pub use profile_id::{MAXIMUM_PROFILE_ID_BYTES, ProfileId, ProfileIdError};
