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
}

fn check(name: &'static str, result: Result<(), String>) -> Check {
    Check { name, ok: result.is_ok(), problem: result.err() }
}
