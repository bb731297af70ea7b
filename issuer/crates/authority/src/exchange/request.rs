//! A request for a token (RFC 8693 section 2.1), before anybody knows who asks.

use std::collections::BTreeSet;

use moneyer_identity::{Audience, AudienceError};

use super::context::{ParticipantContext, ParticipantContextError};
use super::grant::ExchangeAsk;
use super::scope::{ScopeName, ScopeNameError};

/// `grant_type` of an exchange.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Types of tokens that are taken and given (RFC 8693 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// `urn:ietf:params:oauth:token-type:jwt`.
    Jwt,
    /// `urn:ietf:params:oauth:token-type:access_token`.
    AccessToken,
    /// `urn:ietf:params:oauth:token-type:id_token`.
    IdToken,
}

impl TokenType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Jwt, Self::AccessToken, Self::IdToken];

    /// Its URI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
        }
    }

    /// The type of this URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == uri)
    }

    /// `token_type` of an answer: how it is used, which for an ID token is not said.
    #[must_use]
    pub fn usage(self) -> &'static str {
        match self {
            Self::Jwt | Self::AccessToken => "Bearer",
            Self::IdToken => "N_A",
        }
    }
}

/// Why a request is none. Told to the caller, who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Another grant.
    #[error("grant_type is not {GRANT_TYPE}")]
    GrantType,
    /// A parameter is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter stands twice.
    #[error("{0} stands twice")]
    Twice(&'static str),
    /// A type is not one that is known.
    #[error("{0} is not a token type that is taken here")]
    TokenType(&'static str),
    /// `actor_token` and `actor_token_type` go together.
    #[error("actor_token and actor_token_type go together")]
    Actor,
    /// The context cannot be one.
    #[error("resource: {0}")]
    Context(ParticipantContextError),
    /// A scope cannot be one.
    #[error("scope: {0}")]
    Scope(ScopeNameError),
    /// An audience cannot be one.
    #[error("audience: {0}")]
    Audience(AudienceError),
}

/// A request for a token. Holds secrets: it has no `Debug`.
pub struct ExchangeRequest {
    /// The proof of whom it is about.
    pub subject_token: String,
    /// The proof of who acts, where that is somebody else.
    pub actor_token: Option<String>,
    /// The type that is asked for.
    pub requested: TokenType,
    /// What is asked for.
    pub ask: ExchangeAsk,
    /// Whether scopes were asked for at all, which the answer then names.
    pub named_scopes: bool,
}

impl ExchangeRequest {
    /// Reads the parameters of a form. Those that are not known are ignored (RFC 6749 section 3.2), and one without a
    /// value is not there (section 3.1).
    pub fn parse(parameters: &[(String, String)]) -> Result<Self, RequestError> {
        let all = |name: &'static str| {
            let named = parameters.iter().filter(move |(known, _)| known == name);
            named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let once = |name: &'static str| {
            let mut values = all(name);
            match (values.next(), values.next()) {
                (value, None) => Ok(value),
                _ => Err(RequestError::Twice(name)),
            }
        };
        let needed = |name| once(name)?.ok_or(RequestError::Missing(name));
        let token_type = |name| match once(name)? {
            Some(uri) => TokenType::from_uri(uri).map(Some).ok_or(RequestError::TokenType(name)),
            None => Ok(None),
        };
        if needed("grant_type")? != GRANT_TYPE {
            return Err(RequestError::GrantType);
        }
        let subject_token = needed("subject_token")?.to_owned();
        let subject_type = token_type("subject_token_type")?;
        subject_type.ok_or(RequestError::Missing("subject_token_type"))?;
        let actor_token = once("actor_token")?.map(str::to_owned);
        if actor_token.is_some() != token_type("actor_token_type")?.is_some() {
            return Err(RequestError::Actor);
        }
        let requested = token_type("requested_token_type")?.unwrap_or(TokenType::Jwt);
        let scopes = once("scope")?;
        let scope = |text| ScopeName::parse(text).map_err(RequestError::Scope);
        let named = scopes.into_iter().flat_map(str::split_ascii_whitespace);
        let ask = ExchangeAsk {
            context: context(&mut all("resource"))?,
            scopes: named.map(scope).collect::<Result<BTreeSet<_>, _>>()?,
            audiences: audiences(all("resource").skip(1).chain(all("audience")))?,
        };
        Ok(Self { subject_token, actor_token, requested, named_scopes: scopes.is_some(), ask })
    }
}

/// The first resource is whom the token speaks for. Those that follow are services it is for, as audiences are.
fn context<'a>(
    resources: &mut impl Iterator<Item = &'a str>,
) -> Result<ParticipantContext, RequestError> {
    let first = resources.next().ok_or(RequestError::Missing("resource"))?;
    ParticipantContext::parse(first).map_err(RequestError::Context)
}

fn audiences<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Audience>, RequestError> {
    let mut audiences = Vec::<Audience>::new();
    for text in texts {
        let audience = Audience::parse(text).map_err(RequestError::Audience)?;
        // One service may be named by either parameter.
        if !audiences.contains(&audience) {
            audiences.push(audience);
        }
    }
    Ok(audiences)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

    fn parse(more: &[(&str, &str)]) -> Result<ExchangeRequest, RequestError> {
        let base = [
            ("grant_type", GRANT_TYPE),
            ("subject_token", "a.b.c"),
            ("subject_token_type", JWT),
            ("resource", "pc1"),
        ];
        let named: Vec<_> = more.iter().map(|(name, _)| *name).collect();
        let kept = base.iter().filter(|(name, _)| !named.contains(name));
        let all = kept.chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ExchangeRequest::parse(&all.collect::<Vec<_>>())
    }

    #[test]
    fn the_smallest_request_asks_for_a_jwt_without_scopes() {
        let request = parse(&[("unknown", "x"), ("scope", "")]).ok().unwrap();
        assert_eq!((request.requested, request.named_scopes), (TokenType::Jwt, false));
        assert_eq!(request.ask.context.as_str(), "pc1");
        assert!(request.ask.scopes.is_empty() && request.ask.audiences.is_empty());
    }

    #[test]
    fn resources_and_audiences_may_stand_several_times() {
        let more = [
            ("resource", "pc1"),
            ("resource", "https://api.example"),
            ("audience", "b"),
            ("audience", "https://api.example"),
            ("scope", "read  write read"),
        ];
        let request = parse(&more).ok().unwrap();
        let names: Vec<_> = request.ask.audiences.iter().map(Audience::as_str).collect();
        assert_eq!(names, ["https://api.example", "b"]);
        assert_eq!(request.ask.scopes.len(), 2);
    }

    #[test]
    fn what_is_no_request_says_which_parameter() {
        for (more, why) in [
            (&[("grant_type", "client_credentials")][..], RequestError::GrantType),
            (&[("grant_type", "")], RequestError::Missing("grant_type")),
            (&[("subject_token", "")], RequestError::Missing("subject_token")),
            (
                &[("subject_token", "a"), ("subject_token", "b")],
                RequestError::Twice("subject_token"),
            ),
            (&[("subject_token_type", "")], RequestError::Missing("subject_token_type")),
            (&[("subject_token_type", "saml")], RequestError::TokenType("subject_token_type")),
            (&[("requested_token_type", "saml")], RequestError::TokenType("requested_token_type")),
            (&[("resource", "")], RequestError::Missing("resource")),
            (&[("actor_token", "a")], RequestError::Actor),
            (&[("actor_token_type", JWT)], RequestError::Actor),
            (&[("scope", "a"), ("scope", "b")], RequestError::Twice("scope")),
            (&[("scope", "a\"b")], RequestError::Scope(ScopeNameError::Alphabet)),
            (&[("audience", "a b")], RequestError::Audience(AudienceError::Alphabet)),
            (
                &[("resource", "spiffe://a/b")],
                RequestError::Context(ParticipantContextError::Reserved),
            ),
        ] {
            assert_eq!(parse(more).err(), Some(why), "{more:?}");
        }
    }
}
