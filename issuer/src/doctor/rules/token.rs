//! The coordinator's own token, verified through the public key set and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::{Audience, Expectations, KeySet, Token, UnixTime, Verifier};
use serde_json::Value;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::inside::{Inside, OwnToken};
use crate::doctor::observation::Document;

pub(super) fn own(document: &Document, inside: &Inside) -> Finding {
    let (id, part) = (Check::Token, Part::Coordinator);
    let token = match &inside.token {
        OwnToken::Minted(token) => token,
        OwnToken::NoSandbox => {
            return Finding::skipped(
                id,
                part,
                "no token was minted: there is no sandbox to mint one for",
            );
        }
        OwnToken::Refused(why) => {
            return Finding::failure(id, part, format!("the coordinator mints no token: {why}"))
                .advise("Do what the coordinator says, and look again.");
        }
    };
    let Some(answer) = document.whole() else {
        return Finding::skipped(id, part, "there is no public key set to verify with");
    };
    let keys = match KeySet::parse(&answer.body) {
        Ok(keys) => keys,
        Err(error) => {
            return Finding::failure(id, part, format!("the public key set is refused: {error}"));
        }
    };
    match verify(token, &Verifier::new(inside.issuer.clone(), keys), document.at) {
        Ok(()) => Finding::ok(id, part, "a token minted just now verifies by the public key set"),
        Err(why) => Finding::failure(id, part, why),
    }
}

/// Whoever the token is for: the audience is its own.
fn verify(token: &Token, verifier: &Verifier, now: UnixTime) -> Result<(), String> {
    let claims =
        token.expose().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims = claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let audience = claims.as_ref().and_then(|claims| claims.get("aud")?.as_str());
    let audience = audience.and_then(|audience| Audience::parse(audience).ok());
    let audience = audience.ok_or("the minted token names no audience")?;
    let accepted = verifier.verify(token.expose(), &Expectations::exactly(audience), now);
    accepted.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{self, Failure, Skipped};
    use crate::doctor::samples::{inside, key_set, with_body};

    fn judged(document: &Document, token: OwnToken) -> (Severity, String) {
        let found = own(document, &Inside { token, ..inside() });
        (found.severity, found.found)
    }

    fn minted(text: &str) -> OwnToken {
        OwnToken::Minted(Token::new(text.to_owned()))
    }

    // One that verifies is in the tests of the whole, where a coordinator mints it.
    #[test]
    fn where_nothing_is_minted_the_reason_is_told() {
        let (severity, found) = judged(&key_set(), OwnToken::NoSandbox);
        assert_eq!(severity, Skipped);
        assert!(found.contains("there is no sandbox"));
        let refused = judged(&key_set(), OwnToken::Refused("the clock is wrong".to_owned()));
        assert_eq!(refused.0, Failure);
        assert!(refused.1.contains("the clock is wrong"));
    }

    #[test]
    fn a_token_that_does_not_verify_is_a_failure() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"aud":"a"}"#);
        let (severity, found) = judged(&key_set(), minted(&format!("x.{claims}.y")));
        assert_eq!(severity, Failure);
        assert!(found.contains("not a well-formed JWT"), "{found}");
        assert_eq!(judged(&key_set(), minted("x")).0, Failure);
    }

    #[test]
    fn the_public_key_set_has_to_be_one() {
        let mut nothing = key_set();
        nothing.answer.as_mut().unwrap().cut_off = true;
        assert_eq!(judged(&nothing, minted("x.y.z")).0, Skipped);
        let (severity, found) = judged(&with_body(key_set(), b"<html>"), minted("x.y.z"));
        assert_eq!(severity, Failure);
        assert!(found.contains("the public key set is refused"));
    }
}
