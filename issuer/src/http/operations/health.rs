//! Readiness: each dependency by name.

use moneyer_authority::Authority;
use moneyer_identity::UnixTime;
use serde::Serialize;

use crate::public_tls::PublicCertificate;

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Which.
    pub(crate) name: &'static str,
    /// Whether it works.
    pub(crate) ok: bool,
    /// What is wrong, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    /// Whether every one works that minting needs.
    pub(crate) ready: bool,
    /// In a fixed order.
    pub(crate) checks: Vec<Check>,
}

impl Health {
    /// Looks at the store, the audit log, the key ring and the clock.
    pub(crate) fn of(authority: &Authority) -> Self {
        let witnessed = authority.ledger().check_witnesses();
        let store = authority.store().health().and(witnessed);
        let store = store.map_err(|error| crate::chain(&error));
        let audit = authority.audit().health().map_err(|error| crate::chain(&error));
        let ring = authority.keys().ring();
        let signing = match ring.signing_key(authority.now()) {
            Some(_) => Ok(()),
            None => Err("the active key has reached the end of its signing time".to_owned()),
        };
        let clock = authority.sound_time().map(drop).map_err(|fault| fault.to_string());
        let checks = vec![
            check("store", store),
            check("audit", audit),
            check("signing_key", signing),
            check("clock", clock),
        ];
        Self { ready: checks.iter().all(|check| check.ok), checks }
    }

    /// Tells of the public listener's certificate. It has no part in readiness: a coordinator that is taken
    /// out of service for it would stop minting too, and serve no relying party better.
    pub(crate) fn tell(&mut self, certificate: &PublicCertificate, now: UnixTime) {
        let standing = certificate.problem(now).map_or(Ok(()), Err);
        self.checks.push(check("public_certificate", standing));
    }

    /// Tells of the SVID that the bundle endpoint shows, by when it ends. It has no part in readiness for the same
    /// reason.
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
        self.checks.push(check("bundle_endpoint", standing));
    }
}

fn check(name: &'static str, result: Result<(), String>) -> Check {
    Check { name, ok: result.is_ok(), problem: result.err() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_endpoint_without_a_good_svid_is_told_and_takes_nothing_out_of_service() {
        let told = |ends_at: Option<i64>| {
            let mut health = Health { ready: true, checks: Vec::new() };
            health.tell_bundle_endpoint(ends_at.map(UnixTime), UnixTime(100));
            (health.ready, health.checks.remove(0).ok)
        };
        assert_eq!(told(Some(101)), (true, true));
        assert_eq!(told(Some(100)), (true, false));
        assert_eq!(told(None), (true, false));
    }
}
