use proptest::prelude::*;

use super::*;
use crate::audience::Audience;
use crate::component::{CredentialName, ProviderName};
use crate::grant::{
    Access, AssertionType, GrantKind, HeaderPlacement, HostPattern, PathPattern, Protocol,
    RequestRule, TlsMode, TokenEndpoint, TokenGrant, TokenHeader, TokenType,
};

fn endpoint(host: &str, path: &str, access: Access) -> EndpointRule {
    EndpointRule {
        provider: ProviderName::parse("demo").unwrap(),
        host: HostPattern::parse(host).unwrap(),
        port: 443,
        path: PathPattern::parse(path).unwrap(),
        protocol: Protocol::Rest,
        access: Some(access),
        allow: Vec::new(),
        deny: Vec::new(),
        enforcement: Enforcement::Enforce,
        tls: TlsMode::Terminate,
        allowed_ips: Vec::new(),
        allow_uninspected: false,
        redact_echo: false,
    }
}

fn binding(host: &str, path: &str, credential: &str, header: &str) -> Binding {
    let endpoint = TokenEndpoint::parse("https://idp.example/token").unwrap();
    Binding {
        host: HostPattern::parse(host).unwrap(),
        port: 443,
        path: PathPattern::parse(path).unwrap(),
        grant: TokenGrant {
            provider: ProviderName::parse("demo").unwrap(),
            credential: CredentialName::parse(credential).unwrap(),
            svid_audience: endpoint.default_svid_audience(),
            endpoint: Some(endpoint),
            kind: GrantKind::ClientCredentials,
            audience: Some(Audience::parse(credential).unwrap()),
            scopes: Vec::new(),
            assertion_type: AssertionType::default(),
            cache_ttl: None,
            requested_token_type: TokenType::default(),
            placement: HeaderPlacement::Bearer(TokenHeader::parse(header).unwrap()),
        },
    }
}

fn grants(endpoints: Vec<EndpointRule>, bindings: Vec<Binding>) -> SandboxGrants {
    SandboxGrants { revision: "1".to_owned(), endpoints, bindings }
}

fn to(host: &str) -> Destination {
    Destination::parse(host, 443).unwrap()
}

/// The credentials on a request, or why it is refused.
fn credentials(
    grants: &SandboxGrants,
    host: &str,
    method: &str,
    target: &str,
) -> Result<Vec<String>, GrantRefusal> {
    match grants.decide(&to(host), method, target) {
        Decision::Permitted(request) => {
            Ok(request.bindings().iter().map(|b| b.grant.credential.to_string()).collect())
        }
        Decision::Refused(why) => Err(why),
    }
}

#[test]
fn what_no_endpoint_names_is_refused_though_others_only_audit() {
    let mut audited = endpoint("api.example", "/v1/**", Access::ReadOnly);
    audited.enforcement = Enforcement::Audit;
    let grants = grants(vec![audited], vec![binding("**", "", "a", "authorization")]);
    let asked = |host, target| credentials(&grants, host, "GET", target);
    assert_eq!(asked("other.example", "/v1/a"), Err(GrantRefusal::NotNamed));
    assert_eq!(asked("api.example", "/v2/a"), Err(GrantRefusal::PathNotNamed));
    assert_eq!(asked("api.example", "/v1/a"), Ok(vec!["a".to_owned()]));
    let port = Destination::parse("api.example", 80).unwrap();
    assert_eq!(grants.decide(&port, "GET", "/v1/a"), Decision::Refused(GrantRefusal::NotNamed));
}

#[test]
fn an_endpoint_that_audits_lets_pass_what_it_does_not_permit_and_says_so() {
    let mut rule = endpoint("api.example", "", Access::ReadOnly);
    rule.enforcement = Enforcement::Audit;
    let lenient = grants(vec![rule.clone()], Vec::new());
    let Decision::Permitted(request) = lenient.decide(&to("api.example"), "POST", "/") else {
        panic!("refused");
    };
    assert_eq!(request.audited(), Some(GrantRefusal::NotPermitted));
    rule.enforcement = Enforcement::Enforce;
    let strict = grants(vec![rule], Vec::new());
    assert_eq!(credentials(&strict, "api.example", "POST", "/"), Err(GrantRefusal::NotPermitted));
    // What has no single meaning is not a matter of rules.
    for (method, target) in [("get", "/"), ("TRACE", "/"), ("GET", "/a/../b"), ("GET", "/%2e%2e")] {
        let refused = credentials(&lenient, "api.example", method, target).unwrap_err();
        assert!(
            matches!(refused, GrantRefusal::Method(_) | GrantRefusal::Target(_)),
            "{method} {target}"
        );
    }
}

#[test]
fn a_denial_stands_against_every_permission() {
    let denied = RequestRule {
        method: None,
        path: PathPattern::parse("/v1/admin/**").unwrap(),
        query: vec![],
    };
    let broad = EndpointRule { deny: vec![denied], ..endpoint("**.example", "", Access::Full) };
    let narrow = endpoint("api.example", "/v1/**", Access::Full);
    let grants = grants(vec![broad, narrow], Vec::new());
    assert_eq!(credentials(&grants, "api.example", "GET", "/v1/a"), Ok(vec![]));
    assert_eq!(
        credentials(&grants, "api.example", "GET", "/v1/admin/a"),
        Err(GrantRefusal::Denied)
    );
    assert_eq!(
        credentials(&grants, "api.example", "GET", "/v1/%61dmin"),
        Err(GrantRefusal::Denied)
    );
}

#[test]
fn the_endpoint_that_says_most_decides() {
    let grants = grants(
        vec![
            endpoint("*.example", "", Access::Full),
            endpoint("api.example", "", Access::ReadWrite),
            endpoint("*.example", "/ro/**", Access::ReadOnly),
        ],
        Vec::new(),
    );
    let asked = |host, method, target| credentials(&grants, host, method, target).is_ok();
    assert!(asked("other.example", "DELETE", "/a"));
    assert!(!asked("api.example", "DELETE", "/a"));
    assert!(asked("api.example", "POST", "/a"));
    assert!(!asked("api.example", "POST", "/ro/a"));
}

#[test]
fn a_request_gets_the_token_whose_binding_says_most() {
    let grants = grants(
        vec![endpoint("**", "", Access::Full)],
        vec![
            binding("**.example", "", "widest", "authorization"),
            binding("*.example", "", "wide", "authorization"),
            binding("api.example", "", "host", "authorization"),
            binding("**.example", "/v1/**", "path", "authorization"),
            binding("**.example", "/v1/items/**", "longer", "authorization"),
        ],
    );
    for (host, target, credential) in [
        ("a.b.example", "/", Some("widest")),
        ("a.example", "/", Some("wide")),
        ("api.example", "/", Some("host")),
        ("api.example", "/v1/x", Some("path")),
        ("a.b.example", "/v1/items/3?x=/v2", Some("longer")),
        ("other.org", "/v1/items", None),
    ] {
        let expected = Ok(credential.into_iter().map(str::to_owned).collect());
        assert_eq!(credentials(&grants, host, "GET", target), expected, "{host}{target}");
    }
}

#[test]
fn several_tokens_stand_on_one_request_only_in_headers_of_their_own() {
    let grants = grants(
        vec![endpoint("api.example", "", Access::Full)],
        vec![
            binding("api.example", "", "a", "authorization"),
            binding("api.example", "", "b", "authorization"),
            binding("*.example", "", "c", "x-identity"),
        ],
    );
    let expected = Ok(vec!["b".to_owned(), "c".to_owned()]);
    assert_eq!(credentials(&grants, "api.example", "GET", "/"), expected);
}

#[test]
fn a_token_goes_only_where_its_own_provider_has_an_endpoint() {
    let mut foreign = binding("**", "", "a", "authorization");
    foreign.grant.provider = ProviderName::parse("other").unwrap();
    let mut own = endpoint("other.example", "/v1/**", Access::Full);
    own.provider = foreign.grant.provider.clone();
    let grants = grants(vec![endpoint("**", "", Access::Full), own], vec![foreign]);
    assert_eq!(credentials(&grants, "api.example", "GET", "/v1/a"), Ok(vec![]));
    assert_eq!(credentials(&grants, "other.example", "GET", "/v2"), Ok(vec![]));
    assert_eq!(credentials(&grants, "other.example", "GET", "/v1/a"), Ok(vec!["a".to_owned()]));
}

#[test]
fn a_token_is_lent_to_no_request_that_its_own_provider_does_not_let_pass() {
    let mut other = endpoint("api.example", "/v1/**", Access::Full);
    other.provider = ProviderName::parse("other").unwrap();
    let wide = endpoint("**", "", Access::Full);
    let mut own = endpoint("api.example", "", Access::ReadOnly);
    let token = binding("api.example", "", "a", "authorization");
    let endpoints = |own: &EndpointRule| vec![wide.clone(), other.clone(), own.clone()];
    let enforced = grants(endpoints(&own), vec![token.clone()]);
    assert_eq!(credentials(&enforced, "api.example", "GET", "/v1/a"), Ok(vec!["a".to_owned()]));
    let refused = credentials(&enforced, "api.example", "DELETE", "/v1/a");
    assert_eq!(refused, Err(GrantRefusal::NotPermitted));
    let without = grants(endpoints(&own), vec![]);
    assert_eq!(credentials(&without, "api.example", "DELETE", "/v1/a"), Ok(vec![]));
    own.enforcement = Enforcement::Audit;
    let audited = grants(endpoints(&own), vec![token.clone()]);
    assert_eq!(credentials(&audited, "api.example", "DELETE", "/v1/a"), Ok(vec!["a".to_owned()]));
    own.protocol = Protocol::Tcp;
    let uninspected = grants(endpoints(&own), vec![token]);
    let refused = credentials(&uninspected, "api.example", "GET", "/v1/a");
    assert_eq!(refused, Err(GrantRefusal::NotPermitted));
}

#[test]
fn a_destination_is_intercepted_tunnelled_or_refused() {
    let raw = EndpointRule { protocol: Protocol::Tcp, ..endpoint("db.example", "", Access::Full) };
    let skipped = EndpointRule { tls: TlsMode::Skip, ..endpoint("skip.example", "", Access::Full) };
    let api = endpoint("api.example", "/v1/**", Access::ReadOnly);
    let beside = EndpointRule { tls: TlsMode::Skip, ..endpoint("api.example", "", Access::Full) };
    let grants = grants(vec![raw, skipped, beside, api], Vec::new());
    assert_eq!(grants.destination(&to("db.example")), Passage::Tunnel);
    assert_eq!(grants.destination(&to("skip.example")), Passage::Tunnel);
    assert_eq!(grants.destination(&to("api.example")), Passage::Intercept);
    let refused = Passage::Refused(GrantRefusal::NotNamed);
    assert_eq!(grants.destination(&to("other.example")), refused);
    // What is not looked into takes no requests one by one.
    let asked = |host| credentials(&grants, host, "GET", "/");
    assert_eq!(asked("db.example"), Err(GrantRefusal::Uninspected));
    assert_eq!(asked("api.example"), Err(GrantRefusal::Uninspected));
}

#[test]
fn bindings_of_equal_weight_that_meet_in_one_header_are_ambiguous() {
    let one = binding("*.example", "/v1/**", "a", "authorization");
    for (other, ambiguous) in [
        (binding("*.example", "/v1/**", "b", "authorization"), true),
        (binding("e*.exampl", "/v1/**", "b", "authorization"), false),
        (binding("*.example", "/v1/**", "b", "x-token"), false),
        (binding("a.example", "/v1/**", "b", "authorization"), false),
        (binding("*.example", "/v2/**", "b", "authorization"), false),
        (binding("*.elpmaxe", "/v1/**", "b", "authorization"), false),
        (Binding { port: 80, ..binding("*.example", "/v1/**", "b", "authorization") }, false),
    ] {
        assert_eq!(one.is_ambiguous_with(&other), ambiguous, "{other:?}");
        assert_eq!(other.is_ambiguous_with(&one), ambiguous, "{other:?}");
    }
}

fn any_binding() -> impl Strategy<Value = Binding> {
    let host = prop_oneof![Just("a.example"), Just("*.example"), Just("**"), Just("b.example")];
    let path = prop_oneof![Just(""), Just("/v1/**"), Just("/v1/*"), Just("/v1/a")];
    let credential = prop_oneof![Just("one"), Just("two"), Just("three")];
    let header = prop_oneof![Just("authorization"), Just("x-token")];
    (host, path, credential, header).prop_map(|(h, p, c, header)| binding(h, p, c, header))
}

proptest! {
    #[test]
    fn the_order_of_bindings_makes_no_difference(
        mut bindings in proptest::collection::vec(any_binding(), 0..6),
        host in "[ab]\\.example",
        path in "/(v1(/[ab])?)?",
    ) {
        let chosen = |bindings: &[Binding]| {
            let grants = grants(vec![endpoint("**", "", Access::Full)], bindings.to_vec());
            match grants.decide(&to(&host), "GET", &path) {
                Decision::Permitted(request) => {
                    request.bindings().iter().map(|b| (*b).clone()).collect::<Vec<_>>()
                }
                Decision::Refused(why) => panic!("{why}"),
            }
        };
        let before = chosen(&bindings);
        let headers: std::collections::BTreeSet<_> =
            before.iter().map(|binding| binding.grant.placement.header().clone()).collect();
        prop_assert_eq!(headers.len(), before.len());
        for binding in &before {
            prop_assert!(binding.is_for(&to(&host), &path));
            let header = binding.grant.placement.header();
            let most = bindings.iter().filter(|b| b.is_for(&to(&host), &path))
                .filter(|b| b.grant.placement.header() == header).map(Binding::score).max();
            prop_assert_eq!(most, Some(binding.score()));
        }
        bindings.reverse();
        prop_assert_eq!(chosen(&bindings), before);
    }

    #[test]
    fn nothing_is_permitted_that_no_endpoint_names(
        host in "[a-z.\\[\\]:0-9]{1,12}", method in "[A-Za-z]{1,6}", target in "[ -~]{0,16}",
    ) {
        let rule = endpoint("*.example", "/v1/**", Access::ReadOnly);
        let grants = grants(vec![rule], vec![binding("**", "", "a", "authorization")]);
        if let Ok(to) = Destination::parse(&host, 443)
            && let Decision::Permitted(request) = grants.decide(&to, &method, &target)
        {
            prop_assert!(request.endpoint().reaches(&to));
            prop_assert!(request.target().path() == "/v1" || request.target().path().starts_with("/v1/"));
            prop_assert!(["GET", "HEAD", "OPTIONS"].contains(&method.as_str()));
        }
    }
}
