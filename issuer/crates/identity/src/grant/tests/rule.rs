use super::*;

fn endpoint() -> EndpointRule {
    EndpointRule {
        provider: ProviderName::parse("demo").unwrap(),
        host: HostPattern::parse("api.example").unwrap(),
        port: 443,
        path: PathPattern::every(),
        protocol: Protocol::Rest,
        access: None,
        allow: Vec::new(),
        deny: Vec::new(),
        enforcement: Enforcement::Enforce,
        tls: TlsMode::Terminate,
        allowed_ips: Vec::new(),
        allow_uninspected: false,
        redact_echo: false,
    }
}

fn method(text: &str) -> Method {
    Method::parse(text).unwrap()
}

fn target(text: &str) -> RequestTarget {
    RequestTarget::parse(text).unwrap()
}

#[test]
fn a_preset_permits_its_methods_and_read_write_deletes_nothing() {
    for (access, permitted, not) in [
        (Access::ReadOnly, vec!["GET", "HEAD", "OPTIONS"], vec!["POST", "DELETE", "PURGE"]),
        (Access::ReadWrite, vec!["GET", "POST", "PUT", "PATCH"], vec!["DELETE", "PROPFIND"]),
        (Access::Full, vec!["GET", "DELETE", "PROPFIND"], vec![]),
    ] {
        let rule = EndpointRule { access: Some(access), ..endpoint() };
        for name in permitted {
            assert!(rule.permits(&method(name), &target("/")), "{access:?} {name}");
        }
        for name in not {
            assert!(!rule.permits(&method(name), &target("/")), "{access:?} {name}");
        }
    }
    assert!(!endpoint().permits(&method("GET"), &target("/")), "nothing said is nothing permitted");
}

#[test]
fn a_rule_is_about_its_method_path_and_query() {
    let query =
        vec![QueryRule { name: "format".to_owned(), values: vec!["js*".into(), "x".into()] }];
    let rule = RequestRule {
        method: Some(method("GET")),
        path: PathPattern::parse("/v1/**").unwrap(),
        query,
    };
    let allow = EndpointRule { allow: vec![rule.clone()], ..endpoint() };
    let deny = EndpointRule { deny: vec![rule], ..endpoint() };
    for (name, text, permitted, denied) in [
        ("GET", "/v1/a?format=json", true, true),
        ("GET", "/v1/a?format=x&format=js", true, true),
        ("GET", "/v1/a?format=xml&format=json", false, true),
        ("GET", "/v1/a?%66ormat=json", true, true),
        ("GET", "/v1/a?format=xml", false, false),
        ("GET", "/v1/a", false, false),
        ("POST", "/v1/a?format=json", false, false),
        ("GET", "/v2/a?format=json", false, false),
    ] {
        assert_eq!(allow.permits(&method(name), &target(text)), permitted, "{name} {text}");
        assert_eq!(deny.denies(&method(name), &target(text)), denied, "{name} {text}");
    }
}

#[test]
fn a_query_that_servers_take_apart_in_two_ways_is_denied_and_permitted_by_no_rule() {
    let query = vec![QueryRule { name: "force".to_owned(), values: vec!["true".to_owned()] }];
    let path = PathPattern::parse("").unwrap();
    let rule = RequestRule { method: None, path, query };
    for text in ["/?a=1;force=true", "/?force=true;a=1", "/?a;b"] {
        let denying = EndpointRule { deny: vec![rule.clone()], ..endpoint() };
        assert!(denying.denies(&method("GET"), &target(text)), "{text}");
        let allow = vec![rule.clone()];
        let permitting = EndpointRule { access: None, allow, ..endpoint() };
        assert!(!permitting.permits(&method("GET"), &target(text)), "{text}");
    }
}

#[test]
fn only_http_that_is_not_skipped_can_be_looked_at() {
    assert!(endpoint().is_inspected());
    assert!(!EndpointRule { tls: TlsMode::Skip, ..endpoint() }.is_inspected());
    assert!(!EndpointRule { protocol: Protocol::Tcp, ..endpoint() }.is_inspected());
    assert!(!EndpointRule { protocol: Protocol::Sql, ..endpoint() }.is_inspected());
}
