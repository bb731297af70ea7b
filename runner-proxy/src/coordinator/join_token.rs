//! The one-time token that a runner joins its cluster with.
//!
//! `mjt1.` and base64url (RFC 4648 section 5, no padding) of JSON, as the coordinator prints it. It
//! is read here only for what the first contact needs: the trust domain, and the hash of the
//! authority to trust. The whole text goes to the coordinator, which alone judges it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::spiffe::TrustDomain;
use serde::Deserialize;
use zeroize::Zeroizing;

/// What a join token of this form begins with.
const PREFIX: &str = "mjt1.";

/// Longest join token in bytes, the coordinator's own limit.
pub(crate) const MAXIMUM_JOIN_TOKEN_BYTES: usize = 2048;

/// Why a text is no join token for a runner.
#[derive(Debug, thiserror::Error)]
pub enum JoinTokenError {
    /// Not `mjt1.` and base64url of the right JSON.
    #[error("this is no join token; a whole one begins with {PREFIX} and has no line breaks")]
    Form,
    /// Made for a sandbox controller.
    #[error("this join token is for a {0}, not for a runner; make one with: moneyer runner invite")]
    OtherKind(String),
}

/// A join token.
pub(crate) struct JoinToken {
    text: Zeroizing<String>,
    trust_domain: TrustDomain,
    authority_sha256: [u8; 32],
}

#[derive(Deserialize)]
struct Contents {
    td: TrustDomain,
    ca: String,
    kind: String,
}

impl JoinToken {
    /// Reads a join token; white space around it, as files end with, is left out.
    pub(crate) fn parse(text: &str) -> Result<Self, JoinTokenError> {
        let text = text.trim();
        if text.len() > MAXIMUM_JOIN_TOKEN_BYTES {
            return Err(JoinTokenError::Form);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(JoinTokenError::Form)?;
        let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_unshown| JoinTokenError::Form)?;
        let json = Zeroizing::new(json);
        // What serde says could quote the token.
        let contents: Contents =
            serde_json::from_slice(&json).map_err(|_unshown| JoinTokenError::Form)?;
        if contents.kind != "runner" {
            return Err(JoinTokenError::OtherKind(contents.kind));
        }
        let authority_sha256 = bytes_of_hex(&contents.ca).ok_or(JoinTokenError::Form)?;
        let text = Zeroizing::new(text.to_owned());
        Ok(Self { text, trust_domain: contents.td, authority_sha256 })
    }

    /// The text, for the coordinator. Never for a log.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// The cluster's trust domain.
    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// SHA-256 of the certificate (DER) of the authority to trust at the first contact.
    pub(crate) fn authority_sha256(&self) -> [u8; 32] {
        self.authority_sha256
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken(redacted, for {})", self.trust_domain)
    }
}

fn bytes_of_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(json: &str) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn reads_what_the_coordinator_prints() {
        let json = format!(
            r#"{{"td":"id.example.com","ca":"{}","id":"1","secret":"canary","kind":"runner","name":"r1"}}"#,
            "0f".repeat(32)
        );
        let text = token(&json);
        let read = JoinToken::parse(&format!("{text}\n")).unwrap();
        assert_eq!(read.expose(), text);
        assert_eq!(read.trust_domain().as_str(), "id.example.com");
        assert_eq!(read.authority_sha256(), [0x0f; 32]);
        assert_eq!(format!("{read:?}"), "JoinToken(redacted, for id.example.com)");
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        let good = format!(r#"{{"td":"a","ca":"{}","kind":"runner"}}"#, "0f".repeat(32));
        JoinToken::parse(&token(&good)).unwrap();
        for bad in [
            String::new(),
            "canary".to_owned(),
            token("{"),
            token(r#"{"td":"a","ca":"0f","kind":"runner"}"#),
            token(&good.replace("\"a\"", "\"A\"")),
            token(&good).replace("mjt1", "mjt2"),
            format!("{}\n{}", token(&good), token(&good)),
            format!("{PREFIX}{}", "A".repeat(2048)),
            token(&good).split_at(40).0.to_owned(),
        ] {
            let error = JoinToken::parse(&bad).unwrap_err();
            assert!(matches!(error, JoinTokenError::Form), "{bad}: {error}");
            assert!(!error.to_string().contains("canary"));
        }
        let controller = good.replace("runner", "controller");
        let error = JoinToken::parse(&token(&controller)).unwrap_err();
        assert!(matches!(error, JoinTokenError::OtherKind(_)), "{error}");
    }
}
