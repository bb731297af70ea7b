//! Readiness: each dependency by name, and whether a coordinator without it can serve nobody.
//!
//! Where all stand behind one load balancer, what takes one out of service takes all out: what tokens are minted and
//! verified without is told, and no more.

use moneyer_authority::Authority;
use moneyer_authority::keys::KeyState;
use moneyer_authority::signer::Fault;
use moneyer_identity::UnixTime;
use serde::Serialize;

use crate::http::operations::status::words::machine_time;
use crate::kubernetes::Away;
use crate::public_tls::PublicCertificate;

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Which.
    pub(crate) name: &'static str,
    /// Whether it works.
    pub(crate) ok: bool,
    /// Whether nothing is minted without it.
    pub(crate) needed: bool,
    /// What is wrong, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Readiness {
    /// Everything works.
    Ready,
    /// Tokens are minted and the public documents are served; something else does not work.
    Degraded,
    /// Nothing is minted.
    Failing,
    /// Everything is still served, and will not be in a moment.
    Leaving,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    /// Whether it is to be asked.
    pub(crate) ready: bool,
    /// Why, or why not.
    pub(crate) state: Readiness,
    /// In a fixed order.
    pub(crate) checks: Vec<Check>,
}

/// Whether nothing is minted without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Needed,
    Told,
}

impl Health {
    /// Looks at the store, what runners saw of it, the audit log, the key ring, the clock, and what keeps the keys that
    /// sign where that is not the coordinator.
    ///
    /// A store that is away stops changes alone: what is minted is in memory. One that was put back to an older state
    /// stops minting, since what was removed would be in force again. What keeps keys is away for every coordinator
    /// at once, and the public documents are served without it.
    pub(crate) fn of(authority: &Authority) -> Self {
        let store = authority.store().health().map_err(|error| crate::chain(&error));
        let witnessed = authority.ledger().check_witnesses();
        let witnessed = witnessed.map_err(|error| crate::chain(&error));
        let audit = authority.audit().health().map_err(|error| crate::chain(&error));
        let ring = authority.keys().ring();
        let signing = match ring.signing_key(authority.now()) {
            Some(_) => Ok(()),
            None => Err(match ring.closed().find(|key| key.state == KeyState::Active) {
                Some(key) => format!(
                    "the active key {}, which another coordinator made, does not open here; the log says why",
                    key.key_id
                ),
                None => "the active key has reached the end of its signing time".to_owned(),
            }),
        };
        let clock = authority.sound_time().map(drop).map_err(|fault| fault.to_string());
        let mut health = Self { ready: true, state: Readiness::Ready, checks: Vec::new() };
        health.add("store", Need::Told, store);
        health.add("store_generation", Need::Needed, witnessed);
        if authority.is_shared() {
            let following = authority.check_following().map_err(|error| crate::chain(&error));
            health.add("following", Need::Needed, following);
        }
        let records = authority.unreadable_records();
        if authority.is_shared() || records.is_some() {
            health.add("records", Need::Told, records.map_or(Ok(()), Err));
        }
        health.add("audit", Need::Needed, audit);
        health.add("signing_key", Need::Needed, signing);
        health.add("clock", Need::Needed, clock);
        for dependency in authority.keys().dependencies(authority.now()) {
            health.add(dependency.name, Need::Told, keeper(dependency.fault));
        }
        health
    }

    fn add(&mut self, name: &'static str, need: Need, result: Result<(), String>) {
        let (ok, needed) = (result.is_ok(), need == Need::Needed);
        self.state = match (ok, needed, self.state) {
            (false, true, Readiness::Ready | Readiness::Degraded) => Readiness::Failing,
            (false, false, Readiness::Ready) => Readiness::Degraded,
            (_, _, state) => state,
        };
        self.ready = matches!(self.state, Readiness::Ready | Readiness::Degraded);
        self.checks.push(Check { name, ok, needed, problem: result.err() });
    }

    /// Tells that the daemon is about to end, whatever works.
    pub(crate) fn tell_leaving(&mut self) {
        let problem = Err("the daemon is going down".to_owned());
        self.state = Readiness::Leaving;
        self.add("lifecycle", Need::Needed, problem);
    }

    /// Tells of the public listener's certificate. It is not needed: a coordinator that is taken
    /// out of service for it would stop minting too, and serve no relying party better.
    pub(crate) fn tell(&mut self, certificate: &PublicCertificate, now: UnixTime) {
        let standing = certificate.problem(now).map_or(Ok(()), Err);
        self.add("public_certificate", Need::Told, standing);
    }

    /// Tells of the SVID that the bundle endpoint shows, by when it ends. It is not needed for the same reason.
    pub(crate) fn tell_bundle_endpoint(&mut self, ends_at: Option<UnixTime>, now: UnixTime) {
        let standing = match ends_at {
            Some(end) if now < end => Ok(()),
            Some(_) => {
                Err("the bundle endpoint's X.509-SVID has ended and was not renewed".to_owned())
            }
            None => {
                Err("the bundle endpoint has no X.509-SVID, and refuses every handshake".to_owned())
            }
        };
        self.add("bundle_endpoint", Need::Told, standing);
    }

    /// Tells which API servers do not answer. They are not needed either: minting goes on without them, and
    /// so does every exchange that they have no say in.
    pub(crate) fn tell_api_servers(&mut self, away: &[Away]) {
        let told = away.iter().map(|one| {
            let left = if one.left_alone { "; it is left alone for some seconds" } else { "" };
            format!("the API server of {}: {}{left}", one.cluster, one.cause)
        });
        let told: Vec<_> = told.collect();
        let standing = if told.is_empty() { Ok(()) } else { Err(told.join("; ")) };
        self.add("kubernetes", Need::Told, standing);
    }
}

/// How it stands with what keeps keys outside the coordinator.
fn keeper(fault: Option<Fault>) -> Result<(), String> {
    let told = |fault: Fault| format!("since {}: {}", machine_time(fault.since), fault.problem);
    fault.map_or(Ok(()), |fault| Err(told(fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working() -> Health {
        Health { ready: true, state: Readiness::Ready, checks: Vec::new() }
    }

    #[test]
    fn only_what_is_needed_takes_it_out_of_service() {
        let fails = || Err("it fails".to_owned());
        let state = |of: &[(Need, Result<(), String>)]| {
            let mut health = working();
            for (need, result) in of {
                health.add("part", *need, result.clone());
            }
            (health.ready, health.state)
        };
        assert_eq!(
            state(&[(Need::Needed, Ok(())), (Need::Told, Ok(()))]),
            (true, Readiness::Ready)
        );
        assert_eq!(state(&[(Need::Told, fails())]), (true, Readiness::Degraded));
        for order in [[Need::Told, Need::Needed], [Need::Needed, Need::Told]] {
            assert_eq!(state(&order.map(|need| (need, fails()))), (false, Readiness::Failing));
        }
        let mut leaving = working();
        leaving.tell_leaving();
        assert_eq!((leaving.ready, leaving.state), (false, Readiness::Leaving));
    }

    #[test]
    fn a_bundle_endpoint_without_a_good_svid_is_told_and_takes_nothing_out_of_service() {
        let told = |ends_at: Option<i64>| {
            let mut health = working();
            health.tell_bundle_endpoint(ends_at.map(UnixTime), UnixTime(100));
            (health.ready, health.checks.remove(0).ok)
        };
        assert_eq!(told(Some(101)), (true, true));
        assert_eq!(told(Some(100)), (true, false));
        assert_eq!(told(None), (true, false));
    }
}
