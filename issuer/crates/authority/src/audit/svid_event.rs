//! What is recorded of X.509-SVIDs. As with tokens, no key and no certificate has a field here.

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{AppName, KeyId, RunnerId, SandboxId, UnixTime};
use serde::Serialize;

/// An X.509-SVID that is signed and handed over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct X509SvidSigned {
    /// The sandbox it is for.
    pub sandbox: SandboxId,
    /// The sandbox's app.
    pub app: AppName,
    /// The runner the sandbox is on.
    pub runner: RunnerId,
    /// Whom it names.
    pub spiffe_id: SpiffeId,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// The key of the authority that signs.
    pub kid: KeyId,
    /// When it ends.
    pub not_after: UnixTime,
}

/// An X.509-SVID that somebody does not get.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct X509SvidRefused {
    /// The sandbox that was named. Where several refusals are counted in one record, none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// The kind of refusal.
    pub class: &'static str,
    /// Why: more than the caller was told.
    pub reason: String,
    /// How many refusals this record stands for.
    pub count: u64,
}

/// An X.509-SVID that did not leave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct X509SvidWithheld {
    /// The sandbox it was for.
    pub sandbox: SandboxId,
    /// The serial number that was recorded as signed.
    pub serial: String,
    /// The kind of failure.
    pub class: &'static str,
    /// Why.
    pub reason: String,
}
