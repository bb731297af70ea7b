//! Grants of a sandbox.

use moneyer_identity::grant::{
    AssertionType, Binding, GrantKind, HeaderPlacement, HostPattern, PathPattern, SandboxGrants,
    TokenEndpoint, TokenGrant, TokenType,
};
use moneyer_identity::{Audience, CredentialName, ProviderName};

/// What a sandbox may do whose one grant is obtained by a JWT-SVID for `svid_audience`.
pub(crate) fn obtained_by(svid_audience: &str) -> SandboxGrants {
    let endpoint = TokenEndpoint::parse("https://tokens.test/token").unwrap();
    let grant = TokenGrant {
        provider: ProviderName::parse("demo").unwrap(),
        credential: CredentialName::parse("token").unwrap(),
        endpoint: Some(endpoint),
        kind: GrantKind::ClientCredentials,
        audience: None,
        scopes: Vec::new(),
        svid_audience: Audience::parse(svid_audience).unwrap(),
        assertion_type: AssertionType::default(),
        cache_ttl: None,
        requested_token_type: TokenType::default(),
        placement: HeaderPlacement::default(),
    };
    let (host, path) = (HostPattern::parse("api.test").unwrap(), PathPattern::parse("").unwrap());
    let bindings = vec![Binding { host, port: 443, path, grant }];
    SandboxGrants { revision: "1".to_owned(), endpoints: Vec::new(), bindings }
}
