//! The forward proxy: a sandbox calls an API, and the right short-lived token is on the request.
//!
//! Plain HTTP in absolute form (RFC 9112 section 3.2.2) and `CONNECT` (RFC 9110 section 9.3.6). What a sandbox may
//! reach is what its grants name and nothing else. TLS to such a destination is ended here, with a certificate of an
//! authority that lives as long as the process, and begun again towards the upstream, which is verified as any client
//! would. Every request is judged anew, by what the sandbox may do at that moment: first its form and authority, then
//! the policy, then the addresses, then the tokens, then the connection. Whatever fails, nothing reaches the upstream.
//! The sandbox never sees a token, and redirects are its own to follow.

mod answer;
mod authority;
mod body;
mod caller;
mod connect;
mod dial;
mod explain;
#[cfg(test)]
pub mod fuzzed;
#[cfg(all(feature = "fuzzing", not(test)))]
pub mod fuzzed;
mod headers;
mod look_ups;
mod names;
mod outgoing;
mod permissions;
mod placed;
mod proxy;
mod redaction;
mod refusal;
mod relay;
mod request;
mod shares;
mod standing;
#[cfg(test)]
mod tests;
mod trust;
mod turns;
mod upstream;
mod watch;
mod websocket;

pub use authority::AuthorityError;
pub(crate) use authority::InterceptionAuthority;
pub(crate) use dial::Dialler;
pub(crate) use explain::Explanation;
pub(crate) use names::SystemNames;
pub(crate) use permissions::Said;
pub(crate) use proxy::{ForwardProxy, Parts};
#[cfg(test)]
pub(crate) use tests::fixtures::rule;
pub(crate) use trust::TrustFiles;
