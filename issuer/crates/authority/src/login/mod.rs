//! Log-in: workloads of any trust domain that the operator names get a token of this cluster for an SVID.
//!
//! A workload is known by its SVID, verified with the authorities of its own trust domain and by the rules that
//! are set for that domain ([`LoginDomain`]). What it may do is said by policies: patterns of SPIFFE IDs, of which
//! the most specific one decides ([`decide`]). Who is named by none is let in nowhere, and a policy that denies
//! wins over one that allows as specifically. The token names the policies and never what they permit: that is
//! asked anew each time the token is shown, so that a policy that is changed or removed holds at once.

mod decision;
mod domain;
mod error;
mod keeper;
mod permission;
mod policy;
mod verified;

pub use decision::{Admission, Candidate, Decision, Verdict, decide};
pub use domain::{DomainError, KeySource, LOGIN_PATH, LoginDomain, LoginPlan, MAXIMUM_DOMAINS};
pub use error::{LoginError, PoliciesError};
pub use keeper::{MAXIMUM_POLICIES, Policies};
pub use permission::{Permission, PermissionError, Resource, Verb};
pub use policy::{Effect, MAXIMUM_PATTERNS, MAXIMUM_PERMISSIONS, Policy, PolicyError};
pub(crate) use verified::verify_jwt_svid;
pub use verified::{LocalToken, Svid, VerifiedLogin};
