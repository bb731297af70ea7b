//! `token_grant`: how a credential is obtained.

use std::time::Duration;

use moneyer_identity::grant::{
    AssertionType, GrantKind, GrantScope, HeaderPlacement, HostPattern, PathPattern, TokenEndpoint,
    TokenType,
};
use moneyer_identity::{Audience, CredentialName};
use serde_json::Value;

use super::fields::{Fields, Reading};
use crate::profiles::profile::{GrantTemplate, MAXIMUM_OVERRIDES, Override, SubjectToken};

/// Most scopes of a grant.
const MAXIMUM_SCOPES: usize = 32;

const KNOWN: [&str; 10] = [
    "grant_type",
    "token_endpoint",
    "audience",
    "scopes",
    "jwt_svid_audience",
    "client_assertion_type",
    "cache_ttl_seconds",
    "audience_overrides",
    "subject_token",
    "requested_token_type",
];

/// What is asked of a token service, and so not where the JWT-SVID is the token.
const NOT_OF_A_JWT_SVID: [&str; 7] = [
    "token_endpoint",
    "audience",
    "scopes",
    "client_assertion_type",
    "audience_overrides",
    "subject_token",
    "requested_token_type",
];

const KNOWN_OF_OVERRIDE: [&str; 5] = ["host", "port", "path", "audience", "scopes"];

const KNOWN_OF_SUBJECT: [&str; 3] = ["source", "credential", "subject_token_type"];

/// A grant that has no place on a request yet.
pub(super) struct Unplaced(GrantTemplate);

impl Unplaced {
    /// Whether the JWT-SVID is the token.
    pub(super) fn is_jwt_svid(&self) -> bool {
        self.0.kind == GrantKind::JwtSvid
    }

    pub(super) fn placed(self, placement: HeaderPlacement) -> GrantTemplate {
        GrantTemplate { placement, ..self.0 }
    }
}

pub(super) fn read(reading: &Reading, value: &Value, path: String) -> Option<Unplaced> {
    let fields = Fields::of(reading, value, path, &KNOWN);
    let kind = read_kind(&fields);
    if kind == Some(GrantKind::JwtSvid) {
        return read_jwt_svid(&fields);
    }
    let endpoint = fields.required::<TokenEndpoint>("token_endpoint");
    let audience = fields.parsed::<Audience>("audience");
    let scopes = fields.all::<GrantScope>("scopes", MAXIMUM_SCOPES);
    let svid_audience = fields.parsed::<Audience>("jwt_svid_audience");
    let assertion_type = fields.parsed::<AssertionType>("client_assertion_type");
    let cache_ttl = read_cache_ttl(&fields);
    let items = fields.items("audience_overrides", MAXIMUM_OVERRIDES);
    let overrides =
        items.into_iter().filter_map(|(path, value)| read_override(reading, value, path));
    let overrides = overrides.collect();
    let subject = read_subject(&fields, kind);
    let requested_token_type = fields.parsed::<TokenType>("requested_token_type");
    let endpoint = endpoint?;
    Some(Unplaced(GrantTemplate {
        kind: kind?,
        audience,
        scopes,
        svid_audience: svid_audience.unwrap_or_else(|| endpoint.default_svid_audience()),
        endpoint: Some(endpoint),
        assertion_type: assertion_type.unwrap_or_default(),
        cache_ttl,
        overrides,
        subject,
        requested_token_type: requested_token_type.unwrap_or_default(),
        placement: HeaderPlacement::default(),
    }))
}

/// The JWT-SVID is the token: it is for an audience, and asked of nobody.
fn read_jwt_svid(fields: &Fields<'_>) -> Option<Unplaced> {
    for name in NOT_OF_A_JWT_SVID {
        let is_there = match fields.value(name) {
            None => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        if is_there {
            fields.error(name, "does not go with grant_type jwt_svid: the JWT-SVID is the token");
        }
    }
    let cache_ttl = read_cache_ttl(fields);
    Some(Unplaced(GrantTemplate {
        kind: GrantKind::JwtSvid,
        endpoint: None,
        audience: None,
        scopes: Vec::new(),
        svid_audience: fields.required::<Audience>("jwt_svid_audience")?,
        assertion_type: AssertionType::default(),
        cache_ttl,
        overrides: Vec::new(),
        subject: None,
        requested_token_type: TokenType::default(),
        placement: HeaderPlacement::default(),
    }))
}

/// Negative is as good as none.
fn read_cache_ttl(fields: &Fields<'_>) -> Option<Duration> {
    let seconds = fields.number("cache_ttl_seconds").and_then(|number| u64::try_from(number).ok());
    seconds.filter(|number| *number > 0).map(Duration::from_secs)
}

/// In any case, with dashes or underscores; nothing is `client_credentials`.
fn read_kind(fields: &Fields<'_>) -> Option<GrantKind> {
    let text = fields.text("grant_type").unwrap_or_default().to_ascii_lowercase().replace('-', "_");
    match text.as_str() {
        "" | "client_credentials" => Some(GrantKind::ClientCredentials),
        "token_exchange" => Some(GrantKind::TokenExchange),
        "jwt_svid" => Some(GrantKind::JwtSvid),
        _ => {
            let kinds = "must be client_credentials, token_exchange or jwt_svid";
            fields.error("grant_type", kinds);
            None
        }
    }
}

fn read_override(reading: &Reading, value: &Value, path: String) -> Option<Override> {
    let fields = Fields::of(reading, value, path, &KNOWN_OF_OVERRIDE);
    let host = fields.parsed::<HostPattern>("host");
    let port = match fields.number("port").map(u16::try_from) {
        None => Some(0),
        Some(Ok(port)) => Some(port),
        Some(Err(_out_of_range)) => {
            fields.error("port", "must be from 1 to 65535, or 0 for any");
            None
        }
    };
    let of_path = fields.parsed::<PathPattern>("path");
    if fields.value("audience").is_none() {
        fields.error("audience", "is required; an empty one keeps that of the grant");
    }
    let audience = fields.parsed::<Audience>("audience");
    let scopes = fields.all::<GrantScope>("scopes", MAXIMUM_SCOPES);
    Some(Override { host, port: port?, path: of_path, audience, scopes })
}

/// A user's token is what an exchange begins with, and nothing else does.
fn read_subject(fields: &Fields<'_>, kind: Option<GrantKind>) -> Option<SubjectToken> {
    let value = fields.value("subject_token");
    match (kind, value) {
        (Some(GrantKind::TokenExchange), None) => {
            fields.error("subject_token", "is required by grant_type token_exchange");
        }
        (Some(GrantKind::ClientCredentials), Some(_)) => {
            fields.error("subject_token", "goes with grant_type token_exchange only");
        }
        _ => {}
    }
    let path = fields.path_of("subject_token");
    let subject = Fields::of(fields.reading(), value?, path, &KNOWN_OF_SUBJECT);
    match subject.text("source") {
        Some("provider_credential") => {}
        Some(_) => subject.error("source", "must be provider_credential"),
        None => subject.error("source", "is required: provider_credential"),
    }
    let credential = subject.required::<CredentialName>("credential");
    let token_type = subject.parsed::<TokenType>("subject_token_type").unwrap_or_default();
    Some(SubjectToken { credential: credential?, token_type })
}
