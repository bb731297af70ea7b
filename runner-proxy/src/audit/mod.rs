//! The audit log of this host: what the forward proxy obtained for sandboxes, and what it refused them.
//!
//! Its lines form the same chain as the coordinator's ([`moneyer_recording`]), in files of this host. A token's record is
//! durable before the token is used; where it cannot be written there is no new token, and those in hand serve to their
//! end. What is refused is recorded so that no sandbox can fill the log. No record has a place for a token, an
//! assertion, a path or a query.

mod endpoint_name;
mod event;
mod grants;
mod refusals;
#[cfg(test)]
mod tests;

pub(crate) use endpoint_name::EndpointName;
pub(crate) use grants::GrantAudit;
pub(crate) use refusals::Word;
