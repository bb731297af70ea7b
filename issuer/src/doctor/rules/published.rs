//! Whether the public sees the coordinator's keys of the moment: a copy that somebody uploaded once, or a
//! cache that nobody empties, shows older ones.

use moneyer_authority::keys::KeyState;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::inside::InsideKey;
use crate::doctor::observation::Document;
use crate::doctor::rules::key_set::key_ids;
use crate::doctor::rules::words::list;

pub(super) fn keys(document: &Document, keys: &[InsideKey]) -> Vec<Finding> {
    let states = [
        (Check::ActiveKey, KeyState::Active),
        (Check::PreparedKey, KeyState::Prepared),
        (Check::RetiringKey, KeyState::Retiring),
        (Check::WithdrawnKey, KeyState::Withdrawn),
    ];
    let public = key_ids(document);
    let judge = |(id, state): (Check, KeyState)| match &public {
        None => Finding::skipped(id, Part::Coordinator, "there is no public key set to read"),
        Some(public) => judge(id, state, keys, public),
    };
    states.map(judge).to_vec()
}

fn judge(id: Check, state: KeyState, keys: &[InsideKey], public: &[String]) -> Finding {
    let part = Part::Coordinator;
    let of_state = keys.iter().filter(|key| key.state == state);
    let served: Vec<_> = of_state
        .filter(|key| key.published || !state.is_published())
        .map(|key| key.key_id.as_str().to_owned())
        .collect();
    let wrong: Vec<_> = served
        .iter()
        .filter(|key_id| public.contains(key_id) != state.is_published())
        .cloned()
        .collect();
    let state = state.as_str();
    match (served.is_empty(), wrong.is_empty()) {
        (true, _) if id == Check::ActiveKey => Finding::failure(id, part, "no key is active"),
        (true, _) => Finding::ok(id, part, format!("no key is {state}")),
        (_, true) if id == Check::WithdrawnKey => {
            Finding::ok(id, part, "no withdrawn key is in the public key set")
        }
        (_, true) => Finding::ok(id, part, format!("in the public key set: {}", list(&served))),
        _ if id == Check::WithdrawnKey => {
            Finding::failure(id, part, format!("still in the public key set: {}", list(&wrong)))
        }
        _ => Finding::failure(id, part, format!("not in the public key set: {}", list(&wrong))),
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::KeyId;

    use super::*;
    use crate::doctor::finding::Severity;
    use crate::doctor::samples::{KID, key_set, severities, with_body};

    fn key(key_id: &str, state: KeyState, published: bool) -> InsideKey {
        InsideKey { key_id: KeyId::parse(key_id).unwrap(), state, published }
    }

    fn failures(list: &[InsideKey]) -> Vec<&'static str> {
        let found = keys(&key_set(), list);
        assert_eq!(found.len(), 4);
        severities(&found, Severity::Failure)
    }

    #[test]
    fn what_signs_or_will_sign_or_signed_is_public() {
        let active = key(KID, KeyState::Active, true);
        assert!(failures(std::slice::from_ref(&active)).is_empty());
        assert_eq!(failures(&[key("other", KeyState::Active, true)]), ["active-key"]);
        assert_eq!(failures(&[]), ["active-key"]);
        let with = |other: InsideKey| failures(&[active.clone(), other]);
        assert_eq!(with(key("next", KeyState::Prepared, true)), ["prepared-key"]);
        assert!(with(key("next", KeyState::Prepared, false)).is_empty(), "it is not served yet");
        assert_eq!(with(key("last", KeyState::Retiring, true)), ["retiring-key"]);
        assert!(with(key("bad", KeyState::Withdrawn, true)).is_empty());
    }

    #[test]
    fn a_withdrawn_key_is_not_public() {
        assert_eq!(
            failures(&[key(KID, KeyState::Withdrawn, true), key("new", KeyState::Active, true)]),
            ["active-key", "withdrawn-key"]
        );
    }

    #[test]
    fn without_a_key_set_nothing_is_known() {
        let found = keys(&with_body(key_set(), b"<html>"), &[key(KID, KeyState::Active, true)]);
        assert!(found.iter().all(|finding| finding.severity == Severity::Skipped));
    }
}
