//! What a token in the cache is, in full.
//!
//! Everything that makes one token another is in it: the sandbox, the form, the audiences in the order
//! they were asked for, and the lifetime. The order counts, since `aud` is minted in it: whoever asks gets
//! the token it asked for, and the same audiences in another order are another token.

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{SandboxId, TokenRequest};

/// Which of the two forms a token has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TokenForm {
    /// The OIDC form, with the subject that the issuer gives the sandbox.
    Oidc,
    /// A JWT-SVID for this SPIFFE ID. A sandbox whose id is another from now on has other tokens.
    JwtSvid(SpiffeId),
}

/// The full fingerprint of a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint {
    pub(crate) form: TokenForm,
    pub(crate) asked: TokenRequest,
}

impl Fingerprint {
    /// Of a token in the OIDC form.
    pub(crate) fn oidc(asked: TokenRequest) -> Self {
        Self { form: TokenForm::Oidc, asked }
    }

    /// Of a JWT-SVID.
    pub(crate) fn jwt_svid(id: SpiffeId, asked: TokenRequest) -> Self {
        Self { form: TokenForm::JwtSvid(id), asked }
    }

    /// Whose token.
    pub(crate) fn sandbox(&self) -> &SandboxId {
        &self.asked.sandbox
    }
}
