//! How it stands with the copies, and with what relying parties read.

use moneyer_identity::{KeyId, UnixTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How it stands with all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PublishStatus {
    /// Every place where copies are written.
    pub(crate) targets: Vec<TargetStatus>,
    /// What relying parties read, where it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_copy: Option<PublicCopyStatus>,
}

/// One place where copies are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TargetStatus {
    /// A directory, a bucket or an address.
    pub(crate) target: String,
    /// When all documents were last written there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) written_at: Option<UnixTime>,
    /// Why they were not, since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// What relying parties read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PublicCopyStatus {
    /// The issuer's URL there.
    pub(crate) url: String,
    /// When it was last looked at; none: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) looked_at: Option<UnixTime>,
    /// Keys of this issuer that are there.
    pub(crate) shows: Vec<KeyId>,
    /// Keys of this issuer that are not. None of them begins to sign.
    pub(crate) lacks: Vec<KeyId>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl PublishStatus {
    /// Whether something keeps relying parties from reading what they should.
    pub(crate) fn is_good(&self) -> bool {
        let copy = self.public_copy.as_ref();
        self.targets.iter().all(|target| target.problem.is_none())
            && copy.is_none_or(|copy| copy.problem.is_none() && copy.lacks.is_empty())
    }
}
