//! A `TokenReview` as JSON, there and back.

use std::collections::BTreeMap;

use moneyer_authority::exchange::ReviewStatus;
use serde::{Deserialize, Serialize};

use super::failure::ReviewFailure;

/// Longest error of an API server that is repeated, in characters: those seen have some hundred.
const LONGEST_ERROR: usize = 256;

const VERSION: &str = "authentication.k8s.io/v1";
const KIND: &str = "TokenReview";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    token: &'a str,
    audiences: [&'a str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: String,
    kind: String,
    #[serde(default)]
    spec: Echo,
    status: Status,
}

/// What was asked, as the server understood it.
#[derive(Default, Deserialize)]
struct Echo {
    #[serde(default)]
    token: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    user: User,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    error: String,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

/// Whose this token is, and whether it is for this audience. A secret.
pub(super) fn question(token: &str, audience: &str) -> Vec<u8> {
    let spec = Spec { token, audiences: [audience] };
    let question = Question { api_version: VERSION, kind: KIND, spec };
    serde_json::to_vec(&question).unwrap_or_default()
}

/// What is answered of this token. An answer about another one is none.
pub(super) fn answer(bytes: &[u8], token: &str) -> Result<ReviewStatus, ReviewFailure> {
    // What the parser says of a text may hold a part of it, and the token is in it.
    let read = serde_json::from_slice::<Answer>(bytes).ok();
    let odd = |what: &str| ReviewFailure::Answer(what.to_owned());
    let Answer { api_version, kind, spec, status } = read.ok_or_else(|| odd("not of its form"))?;
    if api_version != VERSION || kind != KIND {
        return Err(odd("of another kind"));
    }
    if spec.token.is_some_and(|echoed| echoed != token) {
        return Err(odd("about another token"));
    }
    let User { username, uid, groups, extra } = status.user;
    Ok(ReviewStatus {
        authenticated: status.authenticated,
        audiences: status.audiences,
        username,
        uid,
        groups,
        extra,
        error: printable(&status.error),
    })
}

/// It goes to logs and audit records.
fn printable(text: &str) -> String {
    let visible = text.chars().filter(|character| !character.is_control());
    visible.take(LONGEST_ERROR).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_asked_for_one_audience() {
        let asked: serde_json::Value = serde_json::from_slice(&question("t", "moneyer")).unwrap();
        let expected = json!({
            "apiVersion": VERSION, "kind": KIND, "spec": { "token": "t", "audiences": ["moneyer"] },
        });
        assert_eq!(asked, expected);
    }

    #[test]
    fn an_answer_is_of_its_kind_and_about_the_token_that_was_asked_about() {
        let read = |document: &serde_json::Value| answer(document.to_string().as_bytes(), "t");
        let good = json!({
            "apiVersion": VERSION, "kind": KIND, "metadata": { "creationTimestamp": null },
            "spec": { "token": "t" },
            "status": {
                "authenticated": true, "audiences": ["moneyer"],
                "user": { "username": "u", "uid": "1", "groups": ["g"], "extra": { "k": ["v"] } },
            },
        });
        let status = read(&good).unwrap();
        assert!(status.authenticated && status.username == "u" && status.groups == ["g"]);
        let refused = json!({
            "apiVersion": VERSION, "kind": KIND, "status": { "user": {}, "error": "a\nb" },
        });
        let status = read(&refused).unwrap();
        assert!(!status.authenticated && status.error == "ab");
        let with = |pointer: &str, value: serde_json::Value| {
            let mut other = good.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            other
        };
        for odd in [
            json!({}),
            json!([]),
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure" }),
            with("/kind", json!("SubjectAccessReview")),
            with("/apiVersion", json!("authentication.k8s.io/v1beta1")),
            with("/spec/token", json!("other")),
            with("/status", json!("Failure")),
            with("/status/authenticated", json!("true")),
        ] {
            assert!(matches!(read(&odd), Err(ReviewFailure::Answer(_))), "{odd}");
        }
        assert!(answer(b"", "t").is_err());
    }

    #[test]
    fn an_error_is_repeated_up_to_a_length() {
        let of = |length: usize| printable(&"x".repeat(length)).len();
        assert_eq!((of(LONGEST_ERROR), of(LONGEST_ERROR + 1)), (LONGEST_ERROR, LONGEST_ERROR));
    }
}
