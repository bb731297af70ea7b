//! What a running coordinator says of itself, as far as it is held against what is public.

use std::time::Duration;

use moneyer_authority::keys::KeyState;
use moneyer_identity::{AppName, IssuerUrl, KeyId, Subject, SubjectForm, Token};

/// What the coordinator says.
#[derive(Debug, Clone)]
pub struct Inside {
    /// The value of `iss`.
    pub issuer: IssuerUrl,
    /// Where its key set is.
    pub jwks_uri: String,
    /// How long a key is published before it signs.
    pub publish_before_use: Duration,
    /// Its signing keys.
    pub keys: Vec<InsideKey>,
    /// The subjects of every registered app.
    pub subjects: Vec<SubjectLengths>,
    /// A token that was minted for this look.
    pub token: OwnToken,
}

/// A signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsideKey {
    /// Its `kid`.
    pub key_id: KeyId,
    /// Where it stands.
    pub state: KeyState,
    /// Whether the coordinator has served it yet.
    pub published: bool,
}

/// The longest subject of an app in each form that the tokens of its sandboxes may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectLengths {
    /// The app.
    pub app: AppName,
    /// The longest subject in each form.
    pub longest: Vec<(SubjectForm, Subject)>,
}

/// A token that was minted to be verified.
#[derive(Debug, Clone)]
pub enum OwnToken {
    /// There is no sandbox to mint one for.
    NoSandbox,
    /// The coordinator refused, with these words.
    Refused(String),
    /// The token.
    Minted(Token),
}
