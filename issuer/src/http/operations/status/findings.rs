//! What can be wrong, in the words of the page.

use moneyer_authority::keys::{KeyState, Waiting};

use super::advice::{self, Advice};
use super::keys::{KeyStatus, RotationStatus};
use super::runners::{Certificate, RunnerStatus};
use super::verdict::{Finding, State};
use super::view::StatusView;
use super::words::{counted, short, time_until};
use crate::http::operations::health::Check;
use crate::publish::TargetStatus;

/// Seconds after a start in which runners may come back: one that lost its stream asks for another within
/// 30 s.
const COMING_BACK: u64 = 60;

/// Runners named in a sentence.
const NAMED: usize = 3;

/// Everything that is wrong.
pub(super) fn findings(view: &StatusView) -> Vec<Finding> {
    let failing = view.checks.iter().filter(|check| !check.ok);
    let is_read_elsewhere = view.publish.public_copy.is_some();
    let mut findings: Vec<_> = failing.map(|check| of_check(check, is_read_elsewhere)).collect();
    findings.extend(not_served(view));
    findings.extend(not_readable(view));
    findings.extend(not_written(view));
    findings.extend(certificates(view));
    findings.extend(not_connected(view));
    findings.extend(not_fetched(view));
    // What fails explains what was refused.
    if findings.iter().all(|finding| finding.state != State::Failing) {
        findings.extend(faults(view));
    }
    findings
}

fn attention(what: String, cause: Option<String>, advice: Advice) -> Finding {
    Finding { state: State::Attention, what, cause, advice }
}

/// A dependency that does not work. The cause is the check's own.
fn of_check(check: &Check, is_read_elsewhere: bool) -> Finding {
    let (what, advice) = match check.name {
        // Nothing of what is minted is in it.
        "store" => {
            let what = "The store takes no change.".to_owned();
            return attention(what, check.problem.clone(), advice::STORE);
        }
        "store_generation" => (
            "The store was put back to an older state: no token is minted and nothing is changed.",
            advice::OLDER_STORE,
        ),
        "audit" => (
            "The audit log cannot be written: no token is minted and nothing is changed.",
            advice::AUDIT,
        ),
        "signing_key" => ("No key may sign: no token is minted.", advice::SIGNING_KEY),
        "clock" => (
            "The clock of this machine is wrong: no token is minted and no key changes.",
            advice::CLOCK,
        ),
        "following" => (
            "It has heard nothing of the other coordinators for too long: it mints and changes nothing.",
            advice::FOLLOWING,
        ),
        "records" => {
            let what = "Other coordinators have written what this one cannot read: what it is about is refused here.";
            return attention(what.to_owned(), check.problem.clone(), advice::UNREADABLE);
        }
        "vault" => ("Vault signs nothing: no token is minted with the keys in it.", advice::SIGNER),
        "pkcs11" => (
            "The security module signs nothing: no token is minted with the keys in it.",
            advice::SIGNER,
        ),
        "public_certificate" if is_read_elsewhere => {
            let what = "The public listener has no good certificate; relying parties read a copy.";
            return attention(what.to_owned(), check.problem.clone(), advice::PUBLIC_CERTIFICATE);
        }
        "kubernetes" => {
            let what = "An API server does not answer: exchanges of tokens that it has to review are refused.";
            return attention(what.to_owned(), check.problem.clone(), advice::KUBERNETES);
        }
        "public_certificate" => (
            "Relying parties cannot fetch the key set: the public listener has no good certificate.",
            advice::PUBLIC_CERTIFICATE,
        ),
        "bundle_endpoint" => {
            let what =
                "Other trust domains cannot fetch the trust bundle: its endpoint has no good SVID.";
            return attention(what.to_owned(), check.problem.clone(), advice::BUNDLE_ENDPOINT);
        }
        _ => ("The coordinator is going down: it takes no more work.", advice::LIFECYCLE),
    };
    Finding { state: State::Failing, what: what.to_owned(), cause: check.problem.clone(), advice }
}

/// Keys that relying parties are seen not to be served: the worst of them.
fn not_served(view: &StatusView) -> Option<Finding> {
    let copy = view.publish.public_copy.as_ref()?;
    let unseen = view.keys.iter().filter(|key| key.seen == Some(false));
    let (rank, key) = unseen.map(|key| (rank(key), key)).min_by_key(|(rank, _)| *rank)?;
    let name = short(&key.key.key_id);
    let seen = copy.problem.clone().unwrap_or_else(|| format!("it is not seen at {}", copy.url));
    let cause = Some(seen);
    let what = match rank {
        0 => {
            let what = format!(
                "Relying parties are not served key {name}, which signs: they refuse its tokens."
            );
            let state = State::Failing;
            return Some(Finding { state, what, cause, advice: advice::NOT_SERVED });
        }
        1 => format!("Relying parties are not served key {name}, whose tokens may be alive."),
        _ => {
            let what = format!("Key {name} waits for the public copy.");
            let cause = cause.map(|cause| format!("{cause}. {}", goes_on(view, key)));
            return Some(attention(what, cause, advice::NOT_SERVED));
        }
    };
    Some(attention(what, cause, advice::NOT_SERVED))
}

/// The key that signs before one that has signed, and that before one that waits.
fn rank(key: &KeyStatus) -> u8 {
    match key.key.state {
        KeyState::Active => 0,
        KeyState::Retiring => 1,
        KeyState::Prepared | KeyState::Withdrawn => 2,
    }
}

/// What becomes of signing meanwhile.
fn goes_on(view: &StatusView, key: &KeyStatus) -> String {
    let of_key = |next: &&RotationStatus| next.key_id.as_ref() == Some(&key.key.key_id);
    let until = view.rotations.iter().find(of_key).and_then(|next| next.sign_until);
    let until = until.map_or_else(String::new, |at| {
        format!(" for {}, and longer while this lasts", time_until(at, view.at))
    });
    format!("The active key goes on signing{until}.")
}

/// A copy that cannot be read, where it is not known that a key is missing.
fn not_readable(view: &StatusView) -> Option<Finding> {
    let copy = view.publish.public_copy.as_ref()?;
    let cause = copy.problem.clone().filter(|_| copy.lacks.is_empty())?;
    let what = "What relying parties read cannot be seen from here; no new key signs meanwhile.";
    Some(attention(what.to_owned(), Some(cause), advice::NOT_READABLE))
}

/// Copies that are not written.
fn not_written(view: &StatusView) -> impl Iterator<Item = Finding> {
    let is_awaited = view.publish.public_copy.is_none()
        && view.rotations.iter().any(|next| next.waits_for == Waiting::Publication);
    let follows = if is_awaited { ", and the next key waits for it" } else { "" };
    let failing = view.publish.targets.iter().filter(|target| target.problem.is_some());
    failing.map(move |target: &TargetStatus| {
        let what = format!("The copy in {} is not written{follows}.", target.target);
        attention(what, target.problem.clone(), advice::NOT_WRITTEN)
    })
}

fn certificates(view: &StatusView) -> Option<Finding> {
    let listed = view.runners.listed.iter();
    let ending: Vec<_> = listed.filter(|one| one.certificate != Certificate::Good).collect();
    let ended = ending.iter().any(|one| one.certificate == Certificate::Ended);
    let verb = if ended { "ended" } else { "ends soon" };
    let what = format!("The certificate of {} {verb}.", named(&ending)?);
    Some(attention(what, None, advice::CERTIFICATE))
}

fn not_connected(view: &StatusView) -> Option<Finding> {
    if view.at.since(view.started_at).as_secs() < COMING_BACK {
        return None;
    }
    let is_away = |one: &&RunnerStatus| {
        !one.connected && one.sandboxes > 0 && one.certificate == Certificate::Good
    };
    let away: Vec<_> = view.runners.listed.iter().filter(is_away).collect();
    let what = format!("There is no connection from {}.", named(&away)?);
    Some(attention(what, None, advice::CONNECTION))
}

/// Bundles of foreign trust domains that are not there or will not be for long.
fn not_fetched(view: &StatusView) -> impl Iterator<Item = Finding> {
    let ending = view.federations.iter().filter(|federation| federation.is_ending);
    ending.map(|federation| {
        let name = &federation.trust_domain;
        let until = federation.trusted_until.filter(|until| *until > view.at);
        let what = match until {
            Some(until) => {
                let left = time_until(until, view.at);
                format!("The bundle of {name} is not fetched anew; it is trusted for {left}.")
            }
            None => format!("There is no bundle of {name}: its SVIDs are refused here."),
        };
        attention(what, federation.problem.clone(), advice::FEDERATION)
    })
}

/// `runner a`, or `5 runners (a, b, c and others)`; `None` for nobody.
fn named(runners: &[&RunnerStatus]) -> Option<String> {
    if let [one] = runners {
        return Some(format!("runner {}", one.name));
    }
    runners.first()?;
    let names: Vec<_> = runners.iter().take(NAMED).map(|one| one.name.as_str()).collect();
    let others = if runners.len() > NAMED { " and others" } else { "" };
    let count = counted(runners.len(), "runner", "runners");
    Some(format!("{count} ({}{others})", names.join(", ")))
}

/// Refusals that are no caller's fault.
fn faults(view: &StatusView) -> Option<Finding> {
    let count = view.tokens.lately(&["internal", "unavailable"]);
    let verb = if count == 1 { "was" } else { "were" };
    let tokens = counted(usize::try_from(count).unwrap_or(usize::MAX), "token", "tokens");
    let what = format!("{tokens} {verb} refused by a fault of ours in the last 5 minutes.");
    (count > 0).then(|| attention(what, None, advice::FAULT))
}

#[cfg(test)]
mod tests {
    use moneyer_identity::UnixTime;

    use super::*;

    #[test]
    fn a_few_runners_are_named_and_many_are_counted() {
        let runner = |name: &str| RunnerStatus {
            name: name.to_owned(),
            sandboxes: 1,
            joined_at: UnixTime(0),
            certificate_ends_at: UnixTime(0),
            certificate: Certificate::Good,
            connected: false,
        };
        let all = ["a", "b", "c", "d"].map(runner);
        let first = |count| named(&all.iter().take(count).collect::<Vec<_>>());
        assert_eq!(first(0), None);
        assert_eq!(first(1).unwrap(), "runner a");
        assert_eq!(first(3).unwrap(), "3 runners (a, b, c)");
        assert_eq!(first(4).unwrap(), "4 runners (a, b, c and others)");
    }
}
