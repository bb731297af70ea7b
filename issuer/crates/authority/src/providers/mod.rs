//! Providers: what a profile's endpoints and tokens are given to.
//!
//! A provider is a named instance of a [profile](crate::profiles). It holds what its profile says that a provider holds
//! (users' tokens, which are exchanged by the coordinator and never leave it), and it is attached to apps or to single
//! sandboxes. What a sandbox may reach and which tokens it gets there follows from its providers and from nothing else;
//! its runner is told of every change at once. Two providers between whose tokens nothing decides are not attached to
//! one sandbox.

mod attachment;
mod credential;
mod error;
mod in_force;
mod keeper;
mod provider;
mod records;

pub use attachment::{AttachedSandbox, Attachment, Detachment};
pub use credential::{
    CredentialValue, MAXIMUM_CREDENTIAL_BYTES, NewCredential, StoredCredential, StoredRefresh,
};
pub use error::ProvidersError;
pub use in_force::{MAXIMUM_GRANTED, ProvidersInForce};
pub use keeper::{
    MAXIMUM_ATTACHMENTS, MAXIMUM_PROFILES, MAXIMUM_PROVIDERS, NewProvider, Providers,
};
pub use provider::Provider;
