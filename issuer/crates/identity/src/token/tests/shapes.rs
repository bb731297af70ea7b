//! Cases 83, 84 and 88 to 90: what is not a JWT in compact serialisation at all.

use super::forge::{EC, Key, RSA, accepted, encode, good_claims, refused};
use crate::token::VerifyError::{Algorithm, Malformed, TooLong};
use crate::token::{MAXIMUM_TOKEN_BYTES, UnverifiedToken};

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// The token with one of its parts changed, for each of them.
fn each_part(token: &str, change: impl Fn(&str) -> String) -> Vec<String> {
    (0..3)
        .map(|index| {
            let mut parts = parts(token);
            parts[index] = change(&parts[index]);
            parts.join(".")
        })
        .collect()
}

#[test]
fn case_84_json_serialisation() {
    let [header, payload, signature] = parts(&RSA.good_token());
    let flattened =
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    refused(84, "flattened", &flattened, Malformed);
    refused(84, "general", &general, Malformed);
    let beside = format!(r#"{{"{header}.{payload}.{signature}":1}}"#);
    refused(84, "a token as a member", &beside, Malformed);
    refused(84, "quoted", &format!("\"{}\"", RSA.good_token()), Malformed);
}

#[test]
fn case_88_base64_in_other_spellings() {
    let token = RSA.good_token();
    for (what, change) in [
        ("padding", "="),
        ("two of padding", "=="),
        ("a blank", " "),
        ("a newline", "\n"),
        ("CRLF", "\r\n"),
        ("a tab", "\t"),
        ("NUL", "\0"),
        ("a percent", "%3D"),
        ("a full-width letter", "\u{ff21}"),
    ] {
        for changed in each_part(&token, |part| format!("{part}{change}")) {
            refused(88, what, &changed, Malformed);
        }
        for changed in each_part(&token, |part| format!("{change}{part}")) {
            refused(88, what, &changed, Malformed);
        }
        let middle = |part: &str| format!("{}{change}{}", &part[..8], &part[8..]);
        for changed in each_part(&token, middle) {
            refused(88, what, &changed, Malformed);
        }
    }
    for changed in each_part(&token, |_| String::new()) {
        refused(88, "an empty part", &changed, Malformed);
    }
    let [header, payload, _] = parts(&EC.good_token());
    for (url_safe, standard) in [("-", "+"), ("_", "/")] {
        // A signature differs each time, and so sooner or later has the letter.
        let signature = std::iter::repeat_with(|| encode(EC.sign(EC.good_input().as_bytes())))
            .find(|signature| signature.contains(url_safe))
            .unwrap();
        accepted(88, url_safe, &format!("{header}.{payload}.{signature}"));
        let other = signature.replace(url_safe, standard);
        refused(88, standard, &format!("{header}.{payload}.{other}"), Malformed);
    }
}

/// Every other last letter that a lax decoder reads as the same bytes.
fn spellings(part: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spare = match part.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return Vec::new(),
    };
    let last =
        ALPHABET.iter().position(|&letter| letter == part.as_bytes()[part.len() - 1]).unwrap();
    (1..1 << spare)
        .map(|bits| format!("{}{}", &part[..part.len() - 1], char::from(ALPHABET[last | bits])))
        .collect()
}

#[test]
fn case_88_spare_bits() {
    let mut count = 0;
    // Three lengths of claims, so that each part has spare bits in one of them at least.
    for filler in ["", "1", "12"] {
        let header = RSA.good_header();
        let claims = good_claims().with("filler", format!("\"{filler}\""));
        let token = RSA.token(&header.text(), claims.text());
        accepted(88, "zero spare bits", &token);
        for index in 0..3 {
            let original = parts(&token);
            for spelling in spellings(&original[index]) {
                let mut changed = original.clone();
                changed[index] = spelling;
                refused(88, "spare bits", &changed.join("."), Malformed);
                count += 1;
            }
        }
    }
    assert!(count >= 3 * 15, "{count}");
}

#[test]
fn case_89_too_few_and_too_many_parts() {
    let token = RSA.good_token();
    let [header, payload, signature] = parts(&token);
    for (what, text) in [
        ("nothing", String::new()),
        ("a dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("three dots", "...".to_owned()),
        ("one part", header.clone()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{token}.{signature}")),
        ("four parts, the last empty", format!("{token}.")),
        ("four parts, the first empty", format!(".{token}")),
        ("an empty part between", format!("{header}..{payload}.{signature}")),
        ("a leading blank", format!(" {token}")),
        ("a trailing blank", format!("{token} ")),
        ("a trailing newline", format!("{token}\n")),
        ("a byte order mark", format!("\u{feff}{token}")),
        ("a trailing NUL", format!("{token}\0")),
        ("Bearer", format!("Bearer {token}")),
        ("two tokens", format!("{token},{token}")),
        ("as many dots as fit", ".".repeat(MAXIMUM_TOKEN_BYTES)),
        ("a header and as many dots as fit", format!("{header}{}", ".".repeat(4000))),
    ] {
        refused(89, what, &text, Malformed);
    }
    refused(89, "5 million dots", &".".repeat(5_000_000), TooLong);
}

/// Signed with the right key, so that only the payload can be at fault.
fn carrying(payload: impl AsRef<[u8]>) -> String {
    RSA.token(&RSA.good_header().text(), payload)
}

#[test]
fn case_90_payloads_that_are_not_one_object() {
    let good = good_claims().text();
    let with = |more: &str| good.replacen('}', &format!(",{more}}}"), 1);
    let deep =
        |levels: usize| with(&format!("\"deep\":{}1{}", "[".repeat(levels), "]".repeat(levels)));
    for (what, payload) in [
        ("an array", format!("[{good}]")),
        ("a string", "\"claims\"".to_owned()),
        ("a number", "7".to_owned()),
        ("null", "null".to_owned()),
        ("a blank", " ".to_owned()),
        ("text", "claims".to_owned()),
        ("two objects", format!("{good}{good}")),
        ("a trailing word", format!("{good} x")),
        ("a trailing NUL", format!("{good}\0")),
        ("a comment", format!("{good}/* */")),
        ("a comment within", good.replacen('{', "{/**/", 1)),
        ("a comma too many", good.replacen('}', ",}", 1)),
        ("an unclosed object", good.replacen('}', "", 1)),
        ("single quotes", good.replace('"', "'")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("NaN", with("\"a\":NaN")),
        ("Infinity", with("\"a\":Infinity")),
        ("a leading zero", with("\"a\":01")),
        ("a leading plus", with("\"a\":+1")),
        ("hexadecimal", with("\"a\":0x1")),
        ("a number of no float", with("\"a\":1e400")),
        ("a number of 3000 digits", with(&format!("\"a\":{}", "9".repeat(3000)))),
        ("a lone surrogate", with("\"a\":\"\\ud800\"")),
        ("a reversed pair", with("\"a\":\"\\udc00\\ud800\"")),
        ("a raw NUL", with("\"a\":\"\0\"")),
        ("a raw newline", with("\"a\":\"\n\"")),
        ("an unknown escape", with("\"a\":\"\\x41\"")),
        ("a claim twice", with("\"sub\":\"org:acme:app:web:sandbox:web-1\"")),
        ("a claim twice, escaped", with("\"\\u0073ub\":\"org:acme:app:other\"")),
        ("a name twice within a claim", with("\"a\":{\"b\":1,\"b\":1}")),
        ("2000 deep", deep(2000)),
        ("one too deep", deep(127)),
    ] {
        refused(90, what, &carrying(payload), Malformed);
    }
    refused(90, "10,000 deep", &carrying(deep(10_000)), TooLong);
    refused(
        90,
        "a number of 1 MB",
        &carrying(with(&format!("\"a\":{}", "9".repeat(1 << 20)))),
        TooLong,
    );
    refused(90, "not UTF-8", &carrying(b"{\"sub\":\"\xff\"}"), Malformed);
    refused(
        90,
        "UTF-16",
        &carrying(good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        Malformed,
    );
    accepted(90, "as deep as may be", &carrying(deep(126)));
    accepted(90, "blanks around", &carrying(format!(" \n{good}\t ")));
}

#[test]
fn case_90_headers_that_are_not_one_object() {
    let good = RSA.good_header().text();
    for (what, header) in [
        ("an array", format!("[{good}]")),
        ("null", "null".to_owned()),
        ("a trailing word", format!("{good}x")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a comment", good.replacen('{', "{/**/", 1)),
        ("deep", good.replacen('}', &format!(",\"a\":{}", "[".repeat(2000)), 1)),
    ] {
        refused(90, what, &RSA.token(&header, good_claims().text()), Malformed);
    }
    refused(90, "an empty object", &RSA.token("{}", good_claims().text()), Algorithm);
}

#[test]
fn the_issuer_of_an_unverified_token_is_read_by_the_same_rules() {
    let issuer = |payload: &str| {
        let key: &Key = &RSA;
        let token = key.token(&key.good_header().text(), payload);
        UnverifiedToken::parse(&token).unwrap().issuer()
    };
    assert_eq!(issuer(r#"{"iss":"https://a"}"#).as_deref(), Some("https://a"));
    for payload in ["{}", "[]", r#"{"iss":5}"#, r#"{"iss":["https://a"]}"#] {
        assert_eq!(issuer(payload), None, "{payload}");
    }
    assert_eq!(issuer(r#"{"iss":"https://a","is\u0073":"https://b"}"#), None);
}
