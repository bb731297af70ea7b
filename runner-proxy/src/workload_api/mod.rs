//! The SPIFFE Workload API on the socket of one sandbox (Workload Endpoint and Workload API standards).
//!
//! Being on the socket is the credential: what is served there is that sandbox's and nobody else's, so no
//! call says who it is and none has to be attested by its process. Beside it, each call must carry the
//! security header, which a request that a service was tricked into does not, and must come from a user that
//! the configuration names, if it names any. The X.509 and JWT profiles are complete; the WIT profile, which
//! is optional, and every call that is not known are answered `UNIMPLEMENTED`. Handlers convert, make one
//! call, convert.

mod admission;
mod answers;
mod audiences;
mod follow;
mod profiles;
mod service;
mod share;
mod status;
mod tellers;
#[cfg(test)]
mod tests;
mod validation;

pub(crate) use profiles::Profiles;
pub use profiles::ReflectionError;
pub(crate) use service::WorkloadApi;
