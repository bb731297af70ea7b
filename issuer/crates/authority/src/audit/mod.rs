//! The audit log: one record for each token minted or refused, and for each change of what there is.
//!
//! A record is durable before a token leaves the process and before a change is made. Where it cannot be
//! written nothing leaves and nothing changes: the log fails closed. The log itself is a port, [`Audit`];
//! what is told to it is a closed list, [`Event`], whose names and fields are a contract
//! (`docs/audit.md`). No event has a place for a token, a secret or a private key.
//!
//! Changes go through the [`Ledger`], which records and then commits: the registry, the desk of members
//! and the keys have no other way to the store.

mod actor;
mod delegation_event;
mod event;
mod exchange_event;
mod ledger;
mod login_event;
mod port;
mod provider_event;
mod refusals;
mod refused;
mod svid_event;

pub use actor::Actor;
pub use delegation_event::{SubjectTokenExchanged, SubjectTokenRefused, SubjectTokenRenewed};
pub use event::{AuditEvent, Decision, Event, TokenMinted, TokenRefused, TokenWithheld};
pub use exchange_event::{ExchangeRefused, MappingPut, MappingRemoved, ScopePut, ScopeRemoved};
pub use ledger::{Ledger, LedgerError};
pub use login_event::{LoginRefused, PolicyPut, RequestRefused};
pub use port::{Audit, AuditError, Hasten, Recording, Sequence};
pub use provider_event::{ProviderPlace, ProviderPut};
pub(crate) use refusals::Refusals;
pub(crate) use refused::{Holder, Refused, bounded, reason};
pub use svid_event::{X509SvidRefused, X509SvidSigned, X509SvidWithheld};
