use moneyer_identity::ProviderName;
use moneyer_identity::grant::{Access, Binding, Enforcement, GrantKind, HeaderPlacement};
use serde_json::json;

use super::*;
use crate::profiles::{MAXIMUM_OVERRIDES, MAXIMUM_PORTS, Severity, expand, first_ambiguity};

/// The profile of the demonstration with two services behind one token service.
fn demo() -> Value {
    json!({
        "id": "spiffe-token-grant-demo",
        "display_name": "Token grants",
        "credentials": [{
            "name": "access_token",
            "auth_style": "bearer",
            "header_name": "Authorization",
            "token_grant": {
                "token_endpoint": "http://token-issuer.default.svc.cluster.local/token",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
                "jwt_svid_audience": "http://token-issuer.default.svc.cluster.local",
                "cache_ttl_seconds": 60,
                "audience_overrides": [
                    { "host": "alpha.default.svc.cluster.local", "port": 80, "audience": "alpha", "scopes": ["alpha"] },
                    { "host": "beta.default.svc.cluster.local", "port": 80, "audience": "beta", "scopes": ["beta"] }
                ]
            }
        }],
        "endpoints": [
            { "host": "alpha.default.svc.cluster.local", "port": 80, "protocol": "rest", "tls": "none",
              "access": "read-only", "enforcement": "enforce", "allowed_ips": ["10.43.0.0/16"] },
            { "host": "beta.default.svc.cluster.local", "port": 80, "protocol": "rest", "tls": "none",
              "access": "read-only", "enforcement": "enforce", "allowed_ips": ["10.43.0.0/16"] }
        ],
        "binaries": ["/usr/bin/curl"]
    })
}

fn exchange() -> Value {
    let mut profile = demo();
    profile["credentials"][0]["token_grant"]["grant_type"] = json!("token-exchange");
    profile["credentials"][0]["token_grant"]["subject_token"] =
        json!({ "source": "provider_credential", "credential": "subject_token" });
    let subject = json!({ "name": "subject_token", "required": true });
    profile["credentials"].as_array_mut().unwrap().push(subject);
    profile
}

fn read(document: &Value) -> Profile {
    let (profile, _) = Profile::read(document).unwrap_or_else(|findings| panic!("{findings}"));
    profile
}

/// The fields that are wrong once one of them, by its pointer, is something else.
fn wrong(mut document: Value, pointer: &str, value: Value) -> Vec<String> {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
    let findings = Profile::read(&document).map(drop).err().unwrap_or_default();
    findings.errors().map(|finding| finding.field.clone()).collect()
}

#[test]
fn a_profile_has_the_defaults_of_its_schema() {
    let mut document = demo();
    document["credentials"][0]["token_grant"] =
        json!({ "token_endpoint": "https://idp.example/realms/a/token" });
    let profile = read(&document);
    let grant = profile.credentials()[0].grant.as_ref().unwrap();
    assert_eq!(grant.kind, GrantKind::ClientCredentials);
    assert_eq!(grant.svid_audience.as_str(), "https://idp.example/realms/a");
    assert!(grant.assertion_type.as_str().ends_with(":jwt-bearer"));
    assert!(grant.requested_token_type.as_str().ends_with(":access_token"));
    assert_eq!((grant.cache_ttl, grant.audience.as_ref(), grant.scopes.len()), (None, None, 0));
    assert_eq!(grant.placement, HeaderPlacement::default());
    document["endpoints"][0] =
        json!({ "host": "a.example", "port": 443, "protocol": "rest", "access": "full" });
    let profile = read(&document);
    let rule = &profile.endpoints()[0].rule;
    assert_eq!(rule.enforcement, Enforcement::Audit);
    assert_eq!(rule.access, Some(Access::Full));
    assert!(rule.path.matches("/anything") && rule.is_inspected());
}

#[test]
fn what_does_nothing_here_is_remarked_and_no_fault() {
    let (_, findings) = Profile::read(&demo()).unwrap();
    let remarks: Vec<_> = findings.0.iter().map(|f| (f.severity, f.field.as_str())).collect();
    assert_eq!(remarks, [(Severity::Warning, "binaries")]);
}

#[test]
fn every_fault_names_its_field() {
    let grant = "/credentials/0/token_grant";
    for (pointer, value, field) in [
        ("/id", json!("Demo"), "id"),
        ("/id", json!(7), "id"),
        ("/id", json!(null), "id"),
        ("/surprise", json!(1), "surprise"),
        ("/credentials", json!({}), "credentials"),
        ("/credentials/0/name", json!("a b"), "credentials[0].name"),
        ("/credentials/0/auth_style", json!("query"), "credentials[0].auth_style"),
        ("/credentials/0/header_name", json!(""), "credentials[0].header_name"),
        ("/credentials/0/header_name", json!("Content-Length"), "credentials[0].header_name"),
        ("/credentials/0/header_name", json!("a b"), "credentials[0].header_name"),
        ("/credentials/0/query_param", json!("q"), "credentials[0].query_param"),
        (
            &format!("{grant}/token_endpoint"),
            json!("http://idp.example/token"),
            "credentials[0].token_grant.token_endpoint",
        ),
        (
            &format!("{grant}/token_endpoint"),
            json!(""),
            "credentials[0].token_grant.token_endpoint",
        ),
        (
            &format!("{grant}/grant_type"),
            json!("password"),
            "credentials[0].token_grant.grant_type",
        ),
        (&format!("{grant}/scopes"), json!("alpha"), "credentials[0].token_grant.scopes"),
        (&format!("{grant}/scopes"), json!(["a b"]), "credentials[0].token_grant.scopes[0]"),
        (
            &format!("{grant}/cache_ttl_seconds"),
            json!("60"),
            "credentials[0].token_grant.cache_ttl_seconds",
        ),
        (
            &format!("{grant}/subject_token"),
            json!({ "source": "provider_credential", "credential": "access_token" }),
            "credentials[0].token_grant.subject_token",
        ),
        (
            &format!("{grant}/audience_overrides/1/host"),
            json!("{a,b}.example"),
            "credentials[0].token_grant.audience_overrides[1].host",
        ),
        (
            &format!("{grant}/audience_overrides/1/port"),
            json!(70000),
            "credentials[0].token_grant.audience_overrides[1].port",
        ),
        (
            &format!("{grant}/audience_overrides/1/audience"),
            json!(null),
            "credentials[0].token_grant.audience_overrides[1].audience",
        ),
    ] {
        let found = wrong(demo(), pointer, value.clone());
        assert!(found.contains(&field.to_owned()), "{pointer} {value}: {found:?}");
    }
}

#[test]
fn every_fault_of_an_endpoint_names_its_field() {
    for (pointer, value, field) in [
        ("/endpoints/1/host", json!("a..b"), "endpoints[1].host"),
        ("/endpoints/1/port", json!(0), "endpoints[1].port"),
        ("/endpoints/1/ports", json!([80, 70000]), "endpoints[1].ports[1]"),
        ("/endpoints/1/protocol", json!("gopher"), "endpoints[1].protocol"),
        ("/endpoints/1/protocol", json!("tcp"), "endpoints[1].protocol"),
        ("/endpoints/1/tls", json!("skip"), "endpoints[1].protocol"),
        ("/endpoints/1/access", json!("all"), "endpoints[1].access"),
        ("/endpoints/1/enforcement", json!("maybe"), "endpoints[1].enforcement"),
        ("/endpoints/1/rules", json!([{ "deny": {} }]), "endpoints[1].rules[0].deny"),
        (
            "/endpoints/1/rules",
            json!([{ "allow": { "method": "get" } }]),
            "endpoints[1].rules[0].allow.method",
        ),
        ("/endpoints/1/deny_rules", json!([{ "path": "a" }]), "endpoints[1].deny_rules[0].path"),
        (
            "/endpoints/1/deny_rules",
            json!([{ "query": { "q": [] } }]),
            "endpoints[1].deny_rules[0].query.q",
        ),
        ("/endpoints/1/allowed_ips", json!(["10.43.0.7/16"]), "endpoints[1].allowed_ips[0]"),
        ("/endpoints/1/redact_echo", json!("yes"), "endpoints[1].redact_echo"),
    ] {
        let found = wrong(demo(), pointer, value.clone());
        assert!(found.contains(&field.to_owned()), "{pointer} {value}: {found:?}");
    }
    let access = wrong(demo(), "/endpoints/1/access", json!(""));
    assert_eq!(access, ["endpoints[1].access"]);
}

#[test]
fn tokens_are_taken_out_of_answers_that_are_looked_at() {
    let mut document = demo();
    document["endpoints"][1]["redact_echo"] = json!(true);
    let profile = read(&document);
    let rules: Vec<_> = profile.endpoints().iter().map(|one| one.rule.redact_echo).collect();
    assert_eq!(rules, [false, true]);
    document["endpoints"][1]["allow_uninspected_credentials"] = json!(true);
    for (field, value) in [("protocol", "websocket"), ("protocol", "tcp"), ("tls", "skip")] {
        let found = wrong(document.clone(), &format!("/endpoints/1/{field}"), json!(value));
        assert_eq!(found, ["endpoints[1].redact_echo"], "{field}: {value}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let mut document = demo();
    document["id"] = json!("Demo");
    document["endpoints"][0]["port"] = json!(-1);
    document["credentials"][0]["token_grant"]["token_endpoint"] = json!("ftp://a");
    let findings = Profile::read(&document).unwrap_err();
    assert_eq!(findings.errors().count(), 3, "{findings}");
    for no_object in [json!(null), json!([]), json!("a"), json!(1)] {
        assert!(!Profile::read(&no_object).unwrap_err().is_sound());
    }
}

#[test]
fn a_subject_token_is_of_an_exchange_and_never_shown() {
    let profile = read(&exchange());
    let grant = profile.credentials()[0].grant.as_ref().unwrap();
    assert_eq!(grant.kind, GrantKind::TokenExchange);
    let subject = &profile.credentials()[1];
    assert_eq!(profile.exchanges_of(&subject.name).count(), 1);
    let of_subject = "credentials[0].token_grant.subject_token";
    for (pointer, value, field) in [
        ("/credentials/0/token_grant/subject_token", json!(null), of_subject.to_owned()),
        (
            "/credentials/0/token_grant/subject_token/source",
            json!("env"),
            format!("{of_subject}.source"),
        ),
        (
            "/credentials/0/token_grant/subject_token/credential",
            json!("other"),
            format!("{of_subject}.credential"),
        ),
        ("/credentials/1/env_vars", json!(["TOKEN"]), "credentials[1].env_vars".to_owned()),
        ("/credentials/1/refresh", json!({}), "credentials[1].refresh".to_owned()),
        ("/credentials/1/header_name", json!("X-A"), "credentials[1].header_name".to_owned()),
    ] {
        assert_eq!(wrong(exchange(), pointer, value), [field], "{pointer}");
    }
    // It cannot be obtained by a grant of its own either.
    let own = wrong(
        exchange(),
        "/credentials/1/token_grant",
        json!({ "token_endpoint": "https://a.example" }),
    );
    assert_eq!(own, ["credentials[1].header_name", "credentials[1].token_grant"]);
}

#[test]
fn overrides_between_which_nothing_decides_are_named() {
    let path = "credentials[0].token_grant.audience_overrides[1]";
    let host = "/credentials/0/token_grant/audience_overrides/1/host";
    let found = wrong(demo(), host, json!("alpha.default.svc.cluster.local"));
    assert_eq!(found, [path]);
    let mut document = demo();
    document["credentials"][0]["token_grant"]["audience_overrides"][1] =
        json!({ "host": "alpha.default.svc.cluster.local", "path": "/v1/**", "audience": "beta" });
    read(&document);
}

#[test]
fn a_profile_is_bounded() {
    let endpoint = demo()["endpoints"][0].clone();
    let many = |number: usize| vec![endpoint.clone(); number];
    assert!(wrong(demo(), "/endpoints", json!(many(MAXIMUM_ENDPOINTS))).is_empty());
    assert_eq!(wrong(demo(), "/endpoints", json!(many(MAXIMUM_ENDPOINTS + 1))), ["endpoints"]);
    let credentials = |number: usize| {
        json!((0..number).map(|at| json!({ "name": format!("c{at}") })).collect::<Vec<_>>())
    };
    assert!(wrong(demo(), "/credentials", credentials(MAXIMUM_CREDENTIALS)).is_empty());
    assert_eq!(
        wrong(demo(), "/credentials", credentials(MAXIMUM_CREDENTIALS + 1)),
        ["credentials"]
    );
    let ports = |number: usize| json!((1..=number).collect::<Vec<_>>());
    assert!(wrong(demo(), "/endpoints/0/ports", ports(MAXIMUM_PORTS)).is_empty());
    assert_eq!(
        wrong(demo(), "/endpoints/0/ports", ports(MAXIMUM_PORTS + 1)),
        ["endpoints[0].ports"]
    );
    let overrides = |number: usize| {
        let of = |at| json!({ "path": format!("/{at}"), "audience": "a" });
        json!((0..number).map(of).collect::<Vec<_>>())
    };
    let field = "/credentials/0/token_grant/audience_overrides";
    assert!(wrong(demo(), field, overrides(MAXIMUM_OVERRIDES)).is_empty());
    assert_eq!(wrong(demo(), field, overrides(MAXIMUM_OVERRIDES + 1)).len(), 1);
    let long = |bytes: usize| json!("x".repeat(bytes));
    assert!(wrong(demo(), "/description", long(4096)).is_empty());
    assert_eq!(wrong(demo(), "/description", long(4097)), ["description"]);
    let listed = |of: &str, number: usize| json!(vec![of; number]);
    for (pointer, of, most) in [
        ("/credentials/0/token_grant/scopes", "a", 32),
        ("/credentials/0/env_vars", "A", 16),
        ("/endpoints/0/allowed_ips", "10.0.0.1", 32),
    ] {
        assert!(wrong(demo(), pointer, listed(of, most)).is_empty(), "{pointer}");
        assert_eq!(wrong(demo(), pointer, listed(of, most + 1)).len(), 1, "{pointer}");
    }
    let rules = |number: usize| json!(vec![json!({ "path": "/a" }); number]);
    assert!(wrong(demo(), "/endpoints/0/deny_rules", rules(64)).is_empty());
    assert_eq!(wrong(demo(), "/endpoints/0/deny_rules", rules(65)), ["endpoints[0].deny_rules"]);
    let query = |number: usize| json!([{ "query": { "q": vec!["v"; number] } }]);
    assert!(wrong(demo(), "/endpoints/0/deny_rules", query(16)).is_empty());
    assert_eq!(wrong(demo(), "/endpoints/0/deny_rules", query(17)).len(), 1);
}

#[test]
fn an_expansion_binds_each_endpoint_and_each_override_that_is_about_it() {
    let provider = ProviderName::parse("demo").unwrap();
    let expansion = expand(&provider, &read(&demo()));
    let bound: Vec<_> = (expansion.bindings.iter())
        .map(|b| {
            (
                b.host.as_str(),
                b.port,
                b.grant.audience.as_ref().map(ToString::to_string),
                b.grant.scope(),
            )
        })
        .collect();
    let own = |name: &str| (Some(name.to_owned()), Some(name.to_owned()));
    let (alpha, beta) = (own("alpha"), own("beta"));
    assert_eq!(
        bound,
        [
            ("alpha.default.svc.cluster.local", 80, alpha.0, alpha.1),
            ("beta.default.svc.cluster.local", 80, beta.0, beta.1),
        ]
    );
    assert_eq!(
        expansion.bindings[0].key(),
        "alpha.default.svc.cluster.local\t80\t\tdemo:access_token"
    );
    assert_eq!(expansion.endpoints.len(), 2);
}

#[test]
fn an_override_reaches_no_further_than_the_endpoint_and_keeps_what_it_does_not_say() {
    let mut document = demo();
    document["endpoints"] = json!([
        { "host": "api.example", "ports": [443, 0, 8443], "port": 80, "protocol": "rest", "access": "full" },
        { "host": "*.example.org", "port": 443, "protocol": "rest", "access": "full" }
    ]);
    let grant = &mut document["credentials"][0]["token_grant"];
    grant["audience"] = json!("base");
    grant["scopes"] = json!(["one", "two"]);
    grant["audience_overrides"] = json!([
        { "host": "*.example", "path": "/v1/**", "audience": "" , "scopes": ["three"] },
        { "host": "eu.example.org", "audience": "eu" },
        { "host": "other.example", "audience": "never" },
        { "port": 8443, "path": "/b", "audience": "port" }
    ]);
    let expansion = expand(&ProviderName::parse("p").unwrap(), &read(&document));
    let mut bound: Vec<_> = (expansion.bindings.iter())
        .map(|b| {
            let audience = b.grant.audience.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}:{}{} {audience} {}", b.host, b.port, b.path, b.grant.scope().unwrap())
        })
        .collect();
    bound.sort();
    assert_eq!(
        bound,
        [
            "*.example.org:443 base one two",
            "api.example:443 base one two",
            "api.example:443/v1/** base three",
            "api.example:8443 base one two",
            "api.example:8443/b port one two",
            "api.example:8443/v1/** base three",
            "eu.example.org:443 eu one two",
        ]
    );
    let ports: Vec<_> = expansion.endpoints.iter().map(|rule| rule.port).collect();
    assert_eq!(ports, [443, 8443, 443]);
}

/// The demonstration's, and beside its token the JWT-SVID as it is.
fn with_svid() -> Value {
    let mut profile = demo();
    let svid = json!({
        "name": "svid", "auth_style": "header", "header_name": "X-Svid",
        "token_grant": { "grant_type": "jwt-svid", "jwt_svid_audience": "alpha", "cache_ttl_seconds": 60 }
    });
    profile["credentials"].as_array_mut().unwrap().push(svid);
    profile
}

#[test]
fn a_jwt_svid_is_a_token_by_itself_and_is_asked_of_nobody() {
    let profile = read(&with_svid());
    let grant = profile.credentials()[1].grant.as_ref().unwrap();
    assert_eq!((grant.kind, &grant.endpoint), (GrantKind::JwtSvid, &None));
    assert_eq!((grant.svid_audience.as_str(), grant.cache_ttl.unwrap().as_secs()), ("alpha", 60));
    assert!(matches!(&grant.placement, HeaderPlacement::Header(name) if name.as_str() == "x-svid"));
    let expansion = expand(&ProviderName::parse("demo").unwrap(), &profile);
    let alpha = |binding: &&Binding| binding.host.as_str().starts_with("alpha");
    let headers: Vec<_> = expansion
        .bindings
        .iter()
        .filter(alpha)
        .map(|binding| (binding.grant.kind.as_str(), binding.grant.placement.header().as_str()))
        .collect();
    assert_eq!(headers, [("client_credentials", "authorization"), ("jwt_svid", "x-svid")]);
    assert!(first_ambiguity(&expansion.bindings).is_none());
    let (grant, field) = ("/credentials/1/token_grant", "credentials[1].token_grant");
    for (name, value) in [
        ("token_endpoint", json!("https://idp.example/token")),
        ("audience", json!("alpha")),
        ("scopes", json!(["alpha"])),
        ("client_assertion_type", json!("a:b")),
        ("audience_overrides", json!([{ "audience": "beta" }])),
        ("subject_token", json!({ "source": "provider_credential", "credential": "svid" })),
        ("requested_token_type", json!("a:b")),
        ("jwt_svid_audience", json!(null)),
        ("jwt_svid_audience", json!("")),
        ("cache_ttl_seconds", json!("x")),
    ] {
        assert_eq!(
            wrong(with_svid(), &format!("{grant}/{name}"), value),
            [format!("{field}.{name}")]
        );
    }
    // What is empty is as good as not there.
    for (name, value) in [("audience", json!("")), ("scopes", json!([]))] {
        assert!(wrong(with_svid(), &format!("{grant}/{name}"), value).is_empty(), "{name}");
    }
    let nowhere = wrong(with_svid(), "/credentials/1/auth_style", json!(null));
    assert_eq!(nowhere, ["credentials[1].auth_style"]);
}

#[test]
fn two_tokens_in_one_header_are_one_too_many() {
    for header in ["Authorization", "authorization"] {
        let found = wrong(with_svid(), "/credentials/1/header_name", json!(header));
        assert_eq!(found, ["credentials[1].header_name"], "{header}");
    }
    let mut document = with_svid();
    document["credentials"][0]["header_name"] = json!("x_svid");
    let findings = Profile::read(&document).unwrap_err();
    assert!(findings.to_string().contains("credentials[1].header_name is that of credentials[0]"));
}
