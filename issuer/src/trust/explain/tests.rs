use moneyer_identity::{RoleArn, UnixTime};
use serde_json::{Value, json};

use super::condition::is_like;
use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

fn claims() -> Value {
    json!({
        "iss": "https://id.example.com/a", "sub": "org:acme:app:web:sandbox:web-1",
        "aud": "sts.amazonaws.com", "iat": NOW.0, "nbf": NOW.0, "exp": NOW.0 + 900,
    })
}

fn with(claim: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[claim] = value;
    claims
}

fn statement(conditions: &Value) -> Value {
    json!({
        "Effect": "Allow",
        "Principal": { "Federated": "arn:aws:iam::123456789012:oidc-provider/id.example.com/a" },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    })
}

fn policy(conditions: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [statement(conditions)] })
}

fn pinned(subject: &str) -> Value {
    policy(&json!({
        "StringEquals": { "id.example.com/a:aud": "sts.amazonaws.com" },
        "StringLike": { "id.example.com/a:sub": subject },
    }))
}

fn explained(claims: &Value, policy: &Value) -> Explanation {
    let role = RoleArn::parse(ROLE).unwrap();
    explain(claims, &policy.to_string(), Some(&role), NOW).unwrap()
}

/// What is refused, and why.
fn refusals(claims: &Value, policy: &Value) -> Vec<(String, String)> {
    let explanation = explained(claims, policy);
    let refusing = explanation.looks.into_iter().filter(|look| look.verdict == Verdict::Refuses);
    refusing.map(|look| (look.what, look.found)).collect()
}

#[test]
fn a_token_that_fits_is_accepted() {
    for subject in
        ["org:acme:app:web:sandbox:web-1", "org:acme:app:web:*", "*", "org:????:app:web:*"]
    {
        assert_eq!(explained(&claims(), &pinned(subject)).verdict, Verdict::Fits, "{subject}");
    }
}

#[test]
fn a_mismatch_is_named_with_both_sides() {
    let refused = refusals(&claims(), &pinned("org:acme:app:web2:*"));
    let [(what, found), (action, _)] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((what.as_str(), action.as_str()), ("StringLike id.example.com/a:sub", "Action"));
    assert_eq!(
        found,
        "the token has org:acme:app:web:sandbox:web-1; the policy wants org:acme:app:web2:*"
    );
}

#[test]
fn what_every_token_needs_comes_first() {
    for (claims, what) in [
        (with("sub", Value::Null), "sub"),
        (with("exp", json!(NOW.0 - 300)), "exp"),
        (with("aud", json!(["sts.amazonaws.com", "x"])), "aud"),
        (
            with("https://aws.amazon.com/roles", json!(["arn:aws:iam::123456789012:role/x"])),
            ROLES_CLAIM,
        ),
    ] {
        let refused = refusals(&claims, &pinned("*"));
        assert_eq!(refused[0].0, what, "{refused:?}");
    }
    let in_time = with("exp", json!(NOW.0 - 299));
    assert_eq!(
        explained(&in_time, &pinned("*")).verdict,
        Verdict::Fits,
        "five minutes are forgiven"
    );
    let named = with("https://aws.amazon.com/roles", json!(format!("{ROLE}")));
    assert_eq!(explained(&named, &pinned("*")).verdict, Verdict::Fits);
}

const ROLES_CLAIM: &str = "https://aws.amazon.com/roles";

#[test]
fn another_issuer_and_another_audience_are_told_apart() {
    let other = with("iss", json!("https://id.example.com/b"));
    let refused = refusals(&other, &pinned("*"));
    let what: Vec<_> = refused.iter().map(|(what, _)| what.as_str()).collect();
    let conditions = ["StringEquals id.example.com/a:aud", "StringLike id.example.com/a:sub"];
    assert_eq!(what, ["Principal", conditions[0], conditions[1], "Action"]);
    assert!(refused[1].1.contains("id.example.com/b:aud"), "{refused:?}");
    let refused = refusals(&with("aud", json!("moneyer")), &pinned("*"));
    assert!(refused[0].1.contains("the token has moneyer; the policy wants sts.amazonaws.com"));
}

#[test]
fn claims_for_aws_need_their_actions() {
    let tags = json!({ "principal_tags": { "app": ["web"] }, "transitive_tag_keys": [] });
    let tagged = with("https://aws.amazon.com/tags", tags);
    let refused = refusals(&tagged, &pinned("*"));
    assert!(refused[0].1.starts_with("sts:TagSession is not allowed"), "{refused:?}");
    let mut allowing = policy(&json!({ "StringEquals": { "aws:RequestTag/app": ["api", "web"] } }));
    allowing["Statement"][0]["Action"] = json!(["sts:*"]);
    assert_eq!(explained(&tagged, &allowing).verdict, Verdict::Fits);
    allowing["Statement"][0]["Condition"]["StringEquals"]["aws:RequestTag/app"] = json!("api");
    assert_eq!(explained(&tagged, &allowing).verdict, Verdict::Refuses);
}

#[test]
fn a_claim_that_aws_does_not_know_is_said_to_be_one() {
    let refused =
        refusals(&claims(), &policy(&json!({ "StringEquals": { "id.example.com/a:app": "web" } })));
    assert!(refused[0].1.contains("aws:RequestTag"), "{refused:?}");
}

#[test]
fn what_is_not_known_is_not_passed_over() {
    let unknown = policy(&json!({ "IpAddress": { "aws:SourceIp": "192.0.2.0/24" } }));
    assert_eq!(explained(&claims(), &unknown).verdict, Verdict::Unknown);
    let variable = policy(&json!({ "StringLike": { "id.example.com/a:sub": "${aws:x}" } }));
    assert_eq!(explained(&claims(), &variable).verdict, Verdict::Unknown);
    let session = policy(&json!({ "StringEquals": { "sts:RoleSessionName": "x" } }));
    assert_eq!(explained(&claims(), &session).verdict, Verdict::Unknown);
}

#[test]
fn one_statement_that_allows_is_enough_and_one_that_denies_is_too_much() {
    let aud = |of: &str| statement(&json!({ "StringEquals": { "id.example.com/a:aud": of } }));
    let two = json!({ "Statement": [aud("x"), aud("sts.amazonaws.com")] });
    assert_eq!(explained(&claims(), &two).verdict, Verdict::Fits);
    let mut deny = aud("sts.amazonaws.com");
    deny["Effect"] = json!("Deny");
    let denied = json!({ "Statement": [aud("sts.amazonaws.com"), deny] });
    assert_eq!(explained(&claims(), &denied).verdict, Verdict::Refuses);
    let single = json!({ "Statement": aud("sts.amazonaws.com") });
    assert_eq!(explained(&claims(), &single).verdict, Verdict::Fits, "one without a list");
}

#[test]
fn actions_may_be_allowed_by_statements_of_their_own() {
    let tags = json!({ "principal_tags": { "app": ["web"] }, "transitive_tag_keys": [] });
    let tagged = with("https://aws.amazon.com/tags", tags);
    let mut tagging = statement(&json!({}));
    tagging["Action"] = json!("sts:TagSession");
    let split = json!({ "Statement": [statement(&json!({})), tagging] });
    assert_eq!(explained(&tagged, &split).verdict, Verdict::Fits);
    // A denial of one of them is enough.
    for action in ["sts:TagSession", "sts:AssumeRoleWithWebIdentity", "sts:*"] {
        for principal in
            [json!("*"), json!({ "AWS": "*" }), statement(&json!({}))["Principal"].clone()]
        {
            let deny = json!({ "Effect": "Deny", "Principal": principal, "Action": action });
            let denied =
                json!({ "Statement": [split["Statement"][0], split["Statement"][1], deny] });
            assert_eq!(explained(&tagged, &denied).verdict, Verdict::Refuses, "{denied}");
        }
    }
    for unknown in [
        json!({ "Effect": "Deny", "NotPrincipal": "*", "Action": "*" }),
        json!({ "Effect": "Deny", "Principal": "*", "NotAction": "s3:*" }),
    ] {
        let policy =
            json!({ "Statement": [split["Statement"][0], split["Statement"][1], unknown] });
        assert_eq!(explained(&tagged, &policy).verdict, Verdict::Unknown, "{policy}");
    }
}

#[test]
fn a_provider_of_another_account_is_another_provider() {
    let mut policy = pinned("*");
    policy["Statement"][0]["Principal"]["Federated"] =
        json!("arn:aws:iam::999999999999:oidc-provider/id.example.com/a");
    let refused = refusals(&claims(), &policy);
    assert!(refused[0].1.contains("another account"), "{refused:?}");
}

#[test]
fn times_are_whole_and_not_ahead() {
    for (claim, value) in [
        ("iat", json!(NOW.0 + 301)),
        ("nbf", json!(NOW.0 + 301)),
        ("exp", json!(1_800_000_900.5)),
        ("iat", json!("soon")),
    ] {
        let refused = refusals(&with(claim, value), &pinned("*"));
        assert_eq!(refused[0].0, claim, "{refused:?}");
    }
    assert_eq!(explained(&with("iat", json!(NOW.0 + 300)), &pinned("*")).verdict, Verdict::Fits);
    assert_eq!(explained(&with("exp", json!("1800000900")), &pinned("*")).verdict, Verdict::Fits);
}

#[test]
fn negations_and_conditions_on_what_may_be_missing() {
    for (operator, expected, verdict) in [
        ("StringNotEquals", "x", Verdict::Fits),
        ("StringNotEquals", "sts.amazonaws.com", Verdict::Refuses),
        ("StringNotLike", "sts.*", Verdict::Refuses),
        ("StringEqualsIgnoreCase", "STS.amazonaws.com", Verdict::Fits),
        ("ForAnyValue:StringEquals", "sts.amazonaws.com", Verdict::Fits),
    ] {
        let policy = policy(&json!({ operator: { "id.example.com/a:aud": expected } }));
        assert_eq!(explained(&claims(), &policy).verdict, verdict, "{operator} {expected}");
    }
    for (operator, verdict) in [
        ("StringEquals", Verdict::Refuses),
        ("StringEqualsIfExists", Verdict::Fits),
        ("ForAllValues:StringEquals", Verdict::Fits),
        ("ForAnyValue:StringNotEquals", Verdict::Refuses),
    ] {
        let policy = policy(&json!({ operator: { "id.example.com/a:amr": "x" } }));
        assert_eq!(explained(&claims(), &policy).verdict, verdict, "{operator}");
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    for text in
        ["", "{", "[]", "{}", r#"{"Statement":[]}"#, r#"{"Statement":[{"Effect":"allow"}]}"#]
    {
        assert!(explain(&claims(), text, None, NOW).is_err(), "{text}");
    }
}

#[test]
fn patterns_are_matched_in_bounded_time() {
    for (pattern, text, fits) in [
        ("", "", true),
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*a*b*", "xxaxxbxx", true),
        ("A*", "abc", false),
    ] {
        assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
    }
    let hostile = "*a".repeat(500);
    assert!(!is_like(&hostile, &"b".repeat(1000)));
}
