//! The client assertion (RFC 7521 section 4.2): what a client shows a token endpoint in place of a secret.

use std::fmt;

use zeroize::Zeroizing;

/// A JWT that says which client asks. Wiped when dropped; it has no text for people.
pub struct ClientAssertion(Zeroizing<String>);

impl ClientAssertion {
    /// Takes one over.
    #[must_use]
    pub fn new(jwt: String) -> Self {
        Self(Zeroizing::new(jwt))
    }

    /// The text, for a form. Never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAssertion(redacted)")
    }
}
