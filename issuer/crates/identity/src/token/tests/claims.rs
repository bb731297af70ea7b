//! Cases 91 to 97: claims of tokens whose signature is right.

use super::forge::{
    AUDIENCE, EC, ISSUER, Members, NOW, SUBJECT, VERIFIER, accepted, expected, good_claims, quoted,
    refused, verify, with_leeway,
};
use crate::clock::UnixTime;
use crate::token::Expectations;
use crate::token::VerifyError::{
    self, Audience, Expired, Issuer, LivesTooLong, Malformed, NotYetValid, SeveralAudiences, Text,
    Time,
};

fn with(name: &str, raw: impl Into<String>) -> String {
    EC.claiming(&good_claims().with(name, raw))
}

fn without(name: &str) -> String {
    EC.claiming(&good_claims().without(name))
}

/// A token of these three times.
fn timed(iat: i64, nbf: i64, exp: i64) -> String {
    let claims = good_claims()
        .with("iat", iat.to_string())
        .with("nbf", nbf.to_string())
        .with("exp", exp.to_string());
    EC.claiming(&claims)
}

#[test]
fn cases_91_and_93_times_are_integers_in_range() {
    for (number, name) in [(91, "exp"), (93, "nbf"), (93, "iat")] {
        refused(number, name, &without(name), Time);
        for raw in [
            "null",
            "\"1800000000\"",
            "true",
            "[1800000000]",
            "{}",
            "-1",
            "-0",
            "-9223372036854775808",
            "-9223372036854775809",
            "1800000000.0",
            "1800000000.5",
            "18e8",
            "1E10",
            "1e308",
            "1099511627776",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
        ] {
            refused(number, &format!("{name} {raw}"), &with(name, raw), Time);
        }
    }
    refused(91, "exp 0", &with("exp", "0"), Time);
    accepted(93, "nbf 0", &with("nbf", "0"));
}

#[test]
fn case_91_other_spellings_of_the_name_are_other_claims() {
    for name in ["Exp", "EXP", "exp ", "expires"] {
        let claims = good_claims().without("exp").with(name, "1800003600");
        refused(91, name, &EC.claiming(&claims), Time);
    }
}

/// What comes of a token of these times at [`NOW`], forgiving this much skew.
fn outcome(times: (i64, i64, i64), leeway: u64) -> Option<VerifyError> {
    let (iat, nbf, exp) = times;
    let token = timed(iat, nbf, exp);
    VERIFIER.verify(&token, &with_leeway(leeway), UnixTime(NOW)).err()
}

#[test]
fn case_92_expiry_to_the_second() {
    let day = 86_400;
    for (what, times, leeway, why) in [
        ("a second left", (NOW - 9, NOW - 9, NOW + 1), 0, None),
        ("exp is now", (NOW - 9, NOW - 9, NOW), 0, Some(Expired)),
        ("a second ago", (NOW - 9, NOW - 9, NOW - 1), 0, Some(Expired)),
        ("now, within the leeway", (NOW - 99, NOW - 99, NOW), 30, None),
        ("the leeway's last second", (NOW - 99, NOW - 99, NOW - 29), 30, None),
        ("the leeway's end", (NOW - 99, NOW - 99, NOW - 30), 30, Some(Expired)),
        ("the longest life", (NOW, NOW, NOW + day), 0, None),
        ("a second longer", (NOW, NOW, NOW + day + 1), 0, Some(LivesTooLong)),
        ("longer, leeway or not", (NOW, NOW, NOW + day + 1), 30, Some(LivesTooLong)),
        ("long ago to now", (1, 1, NOW + 1), 0, Some(LivesTooLong)),
        ("the year 9999", (NOW, NOW, 253_402_300_799), 0, Some(LivesTooLong)),
    ] {
        assert_eq!(outcome(times, leeway), why, "case 92: {what}");
    }
}

#[test]
fn case_93_beginning_to_the_second() {
    for (what, times, leeway, why) in [
        ("nbf is now", (NOW, NOW, NOW + 60), 0, None),
        ("nbf in a second", (NOW, NOW + 1, NOW + 60), 0, Some(NotYetValid)),
        ("iat in a second", (NOW + 1, NOW, NOW + 60), 0, Some(NotYetValid)),
        ("both at the leeway", (NOW + 30, NOW + 30, NOW + 60), 30, None),
        ("nbf past the leeway", (NOW, NOW + 31, NOW + 60), 30, Some(NotYetValid)),
        ("iat past the leeway", (NOW + 31, NOW, NOW + 60), 30, Some(NotYetValid)),
        ("iat is exp", (NOW + 60, NOW, NOW + 60), 0, Some(Time)),
        ("iat after exp", (NOW + 61, NOW, NOW + 60), 90, Some(Time)),
        ("nbf is exp", (NOW, NOW + 60, NOW + 60), 90, Some(Time)),
        ("nbf after exp", (NOW, NOW + 61, NOW + 60), 90, Some(Time)),
    ] {
        assert_eq!(outcome(times, leeway), why, "case 93: {what}");
    }
}

#[test]
fn a_clock_at_its_ends_decides_without_overflow() {
    let token = timed(NOW, NOW, NOW + 60);
    let at = |now| VERIFIER.verify(&token, &with_leeway(u64::MAX), UnixTime(now)).err();
    assert_eq!(at(0), None, "an endless leeway forgives a clock at its beginning");
    assert_eq!(at(i64::MIN), Some(NotYetValid));
    assert_eq!(at(i64::MAX), Some(Expired));
    let strict = |now| VERIFIER.verify(&token, &expected(), UnixTime(now)).err();
    assert_eq!(strict(i64::MIN), Some(NotYetValid));
    assert_eq!(strict(0), Some(NotYetValid));
    assert_eq!(strict(i64::MAX), Some(Expired));
}

#[test]
fn case_94_audiences_are_exact() {
    refused(94, "missing", &without("aud"), Audience);
    let other = AUDIENCE.replace("rp", "RP");
    let list = |count: usize| format!("[{}]", vec![quoted("a"); count].join(","));
    for raw in [
        "null",
        "5",
        "true",
        "{}",
        "[]",
        "[\"\"]",
        "\"\"",
        "\"https://other.example.com\"",
        &quoted(&other),
        &quoted(&format!("{AUDIENCE} ")),
        &quoted(&format!(" {AUDIENCE}")),
        &quoted(&format!("{AUDIENCE}/")),
        &quoted(&format!("{AUDIENCE}:443")),
        &quoted(&format!("{AUDIENCE}\0")),
        &quoted(&format!("{AUDIENCE},other")),
        &quoted(&AUDIENCE[..AUDIENCE.len() - 1]),
        &format!("[\"{AUDIENCE}\",5]"),
        &format!("[\"{AUDIENCE}\",null]"),
        &format!("[\"{AUDIENCE}\",\"\"]"),
        &format!("[[\"{AUDIENCE}\"]]"),
        &format!("{{\"{AUDIENCE}\":1}}"),
        &list(1000),
    ] {
        refused(94, raw, &with("aud", raw), Audience);
    }
    for raw in [format!("[\"{AUDIENCE}\",\"other\"]"), format!("[\"{AUDIENCE}\",\"{AUDIENCE}\"]")] {
        refused(94, &raw, &with("aud", raw.as_str()), SeveralAudiences);
    }
    accepted(94, "an array of one", &with("aud", format!("[\"{AUDIENCE}\"]")));
    let several = Expectations { several_audiences: true, ..expected() };
    let among = |raw: &str| VERIFIER.verify(&with("aud", raw), &several, UnixTime(NOW)).err();
    assert_eq!(among(&format!("[\"other\",\"{AUDIENCE}\"]")), None);
    assert_eq!(among("[\"other\",\"another\"]"), Some(Audience));
    assert_eq!(among(&format!("[\"{AUDIENCE}\",5]")), Some(Audience));
}

#[test]
fn case_95_issuers_are_exact() {
    refused(95, "missing", &without("iss"), Issuer);
    for raw in [
        "null",
        "5",
        "{}",
        "[]",
        &format!("[\"{ISSUER}\"]"),
        &format!("{{\"iss\":\"{ISSUER}\"}}"),
        "\"\"",
        "\"https://id.example.com/\"",
        "\"https://ID.example.com\"",
        "\"HTTPS://id.example.com\"",
        "\"http://id.example.com\"",
        "\"https://id.example.com:443\"",
        "\"https://user@id.example.com\"",
        "\"https://id.example.com.\"",
        "\"https://id.example.com?\"",
        "\"https://id.example.com#\"",
        "\"https://id.example.com \"",
        "\"https://id.example.com\\u0000\"",
        "\"id.example.com\"",
        "\"https://id.example.com.evil.example\"",
        "\"https://\\u0456d.example.com\"",
        "\"https://xn--d-sga.example.com\"",
        "\"https://xn--id-.example.com\"",
    ] {
        refused(95, raw, &with("iss", raw), Issuer);
    }
    accepted(95, "escaped, the same bytes", &with("iss", "\"https:\\/\\/\\u0069d.example.com\""));
}

#[test]
fn cases_96_and_97_subject_and_id_are_plain_text() {
    for (number, name) in [(96, "sub"), (97, "jti")] {
        refused(number, name, &without(name), Text);
        for raw in [
            "null",
            "5",
            "[]",
            "[\"a\"]",
            "{}",
            "\"\"",
            "\" \"",
            "\" a\"",
            "\"a \"",
            "\"a b\"",
            "\"a\\u0000\"",
            "\"a\\n\"",
            "\"a\\u007f\"",
            "\"\\u0430pp\"",
            "\"\u{430}pp\"",
            "\"caf\u{e9}\"",
            "\"cafe\u{301}\"",
            "\"a\u{200d}b\"",
            "\"a\u{202e}b\"",
        ] {
            refused(number, &format!("{name} {raw}"), &with(name, raw), Text);
        }
    }
    assert_eq!(verify(&with("sub", "\"A\"")).unwrap().subject(), "A");
    assert_eq!(verify(&with("sub", "\"\\u0061\"")).unwrap().subject(), "a");
}

/// The verifier keeps no record of ids: a caller that wants a token used once looks at `jti`.
#[test]
fn case_97_a_token_is_accepted_again() {
    let token = with("jti", "\"once\"");
    for _ in 0..2 {
        assert_eq!(verify(&token).unwrap().claim("jti").unwrap(), "once");
    }
}

/// Claims the verifier does not rely on are handed on as they came.
#[test]
fn case_97_other_claims_are_not_interpreted() {
    let deep = format!("{}{}", "{\"act\":".repeat(100), "1".to_owned() + &"}".repeat(100));
    for (name, raw) in [
        ("act", "5"),
        ("act", "{\"sub\":\"a\"}"),
        ("act", deep.as_str()),
        ("azp", "[]"),
        ("cnf", "{\"jkt\":\"a\"}"),
        ("may_act", "{\"sub\":\"a\"}"),
        ("__proto__", "{}"),
        ("identity_type", "\"\\u0000\""),
    ] {
        let token = verify(&with(name, raw)).unwrap();
        let value: serde_json::Value = serde_json::from_str(raw).unwrap();
        assert_eq!((token.subject(), token.claim(name)), (SUBJECT, Some(&value)), "{name} {raw}");
    }
}

#[test]
fn case_86_every_claim_twice() {
    for name in ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"] {
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        for again in [name, &escaped] {
            for raw in ["1", "null", "\"x\""] {
                let claims: Members = good_claims().and(again, raw);
                refused(86, again, &EC.claiming(&claims), Malformed);
            }
        }
    }
}
