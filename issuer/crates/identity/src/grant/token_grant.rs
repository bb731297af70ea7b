//! A grant: how a sandbox obtains a token for one destination (RFC 7523, RFC 8693).
//!
//! It is resolved: the overrides of its profile are applied, and every default that decides what is sent is
//! written out. It holds no secret. The form of a request and the key of a cached token follow from it alone.

use std::time::Duration;

use super::placement::HeaderPlacement;
use super::token_endpoint::TokenEndpoint;
use super::words::UnknownWord;
use crate::audience::Audience;
use crate::component::{CredentialName, ProviderName};
use crate::text_value::text_value;

/// Longest scope in bytes.
pub const MAXIMUM_SCOPE_BYTES: usize = 256;

/// Longest URN of a type of token or assertion in bytes.
pub const MAXIMUM_URN_BYTES: usize = 256;

/// How a token is obtained.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// With the sandbox's JWT-SVID as client assertion (RFC 7523 section 2.2).
    #[default]
    ClientCredentials,
    /// On a user's behalf, in two stages (RFC 8693).
    TokenExchange,
    /// From nobody: the sandbox's JWT-SVID is the token, as it is (SPIFFE JWT-SVID section 5).
    JwtSvid,
}

impl GrantKind {
    /// The name a profile gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
            Self::JwtSvid => "jwt_svid",
        }
    }
}

impl std::str::FromStr for GrantKind {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let kinds = [Self::ClientCredentials, Self::TokenExchange, Self::JwtSvid];
        kinds.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownWord)
    }
}

/// The text is no scope, or no URN of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenTextError {
    /// Nothing, or longer than 256 bytes.
    #[error("must have 1 to {MAXIMUM_SCOPE_BYTES} bytes")]
    Length,
    /// A blank, a control character, a quotation mark, a backslash or something outside ASCII.
    #[error("has a blank, a quotation mark, a backslash or a character outside visible ASCII")]
    Alphabet,
}

fn check(text: &str, longest: usize) -> Result<(), TokenTextError> {
    let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if text.is_empty() || text.len() > longest {
        Err(TokenTextError::Length)
    } else if text.bytes().all(good) {
        Ok(())
    } else {
        Err(TokenTextError::Alphabet)
    }
}

macro_rules! checked_text {
    ($(#[$doc:meta])+ $name:ident, $longest:expr) => {
        $(#[$doc])+
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads the exact text.
            pub fn parse(text: &str) -> Result<Self, TokenTextError> {
                check(text, $longest)?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_value!($name, TokenTextError);
    };
}

checked_text! {
    /// One scope to ask for: a `scope-token` of RFC 6749 section 3.3.
    GrantScope, MAXIMUM_SCOPE_BYTES
}
checked_text! {
    /// `client_assertion_type` (RFC 7521 section 4.2).
    AssertionType, MAXIMUM_URN_BYTES
}
checked_text! {
    /// The URN of a type of token (RFC 8693 section 3).
    TokenType, MAXIMUM_URN_BYTES
}
checked_text! {
    /// The name of a public client (`client_id`, RFC 6749 section 2.2), without the blanks that it might have.
    OAuthClientId, MAXIMUM_URN_BYTES
}

impl AssertionType {
    /// The type every authorization server of RFC 7523 knows.
    pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    /// The type that says it is a JWT-SVID.
    pub const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
}

impl Default for AssertionType {
    fn default() -> Self {
        Self(Self::JWT_BEARER.to_owned())
    }
}

impl TokenType {
    /// An access token: what is asked for unless something else is said.
    pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
}

impl Default for TokenType {
    fn default() -> Self {
        Self(Self::ACCESS_TOKEN.to_owned())
    }
}

/// All that is needed to obtain a token and to put it on a request, but for the assertion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct TokenGrant {
    /// Which provider gives it.
    pub provider: ProviderName,
    /// By which of its credentials.
    pub credential: CredentialName,
    /// Where the token is asked for; nowhere where the JWT-SVID is the token.
    pub endpoint: Option<TokenEndpoint>,
    /// How.
    pub kind: GrantKind,
    /// The resource it is for; not asked for where there is none.
    pub audience: Option<Audience>,
    /// What it may do there; not asked for where there is none.
    pub scopes: Vec<GrantScope>,
    /// The audience of the JWT-SVID that is the assertion, or the token.
    pub svid_audience: Audience,
    /// What the assertion is called.
    pub assertion_type: AssertionType,
    /// How long the token is kept, where the profile says so; never past its own end.
    pub cache_ttl: Option<Duration>,
    /// What is asked for at an exchange.
    pub requested_token_type: TokenType,
    /// Where the token stands on a request.
    pub placement: HeaderPlacement,
}

impl TokenGrant {
    /// The parameter `scope`: all scopes with one blank between; none where there are none.
    #[must_use]
    pub fn scope(&self) -> Option<String> {
        let scopes: Vec<_> = self.scopes.iter().map(GrantScope::as_str).collect();
        (!scopes.is_empty()).then(|| scopes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_word_up_to_its_longest_length() {
        for good in ["alpha", "https://a/b.read", "!#[]~", &"x".repeat(MAXIMUM_SCOPE_BYTES)] {
            assert_eq!(GrantScope::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", &"x".repeat(MAXIMUM_SCOPE_BYTES + 1)] {
            assert_eq!(GrantScope::parse(bad), Err(TokenTextError::Length));
        }
        for bad in ["a b", "a\"b", "a\\b", "a\n", "\u{e9}"] {
            assert_eq!(GrantScope::parse(bad), Err(TokenTextError::Alphabet), "{bad:?}");
        }
    }

    #[test]
    fn a_type_is_as_long_as_its_limit_and_not_one_byte_more() {
        assert!(TokenType::parse(&"x".repeat(MAXIMUM_URN_BYTES)).is_ok());
        assert!(AssertionType::parse(&"x".repeat(MAXIMUM_URN_BYTES + 1)).is_err());
        assert!(AssertionType::parse(AssertionType::JWT_SPIFFE).is_ok());
        assert_eq!(TokenType::default().as_str(), TokenType::ACCESS_TOKEN);
        assert_eq!(AssertionType::default().as_str(), AssertionType::JWT_BEARER);
    }
}
