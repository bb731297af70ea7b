//! Who asks: a sandbox, proven by its secret or by the socket it came in on.
//!
//! [`AuthenticatedSandbox`] is the proof, and only this module makes one. A wrong secret, another
//! sandbox's secret and a sandbox that is not here are one answer: `None`. All secrets are compared
//! to the end, so time tells neither which sandbox nearly matched nor whether a sandbox is here.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use moneyer_identity::SandboxId;

use super::secret::SandboxSecret;
use crate::coordinator::Occupant;

/// A sandbox that proved to be itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthenticatedSandbox(SandboxId);

impl AuthenticatedSandbox {
    /// Whoever reaches the socket in a sandbox's directory is inside the sandbox.
    pub(crate) fn by_socket(sandbox: SandboxId) -> Self {
        Self(sandbox)
    }

    /// Which sandbox.
    pub(crate) fn id(&self) -> &SandboxId {
        &self.0
    }
}

/// The secrets of the sandboxes attached now.
#[derive(Debug)]
pub(crate) struct Credentials {
    secrets: RwLock<HashMap<SandboxId, (SandboxSecret, Occupant)>>,
    /// Compared with where a sandbox is not here, so that this takes as long.
    nobody: SandboxSecret,
}

impl Credentials {
    /// No sandboxes yet.
    pub(crate) fn new(nobody: SandboxSecret) -> Self {
        Self { secrets: RwLock::default(), nobody }
    }

    /// From now on this secret is good for the sandbox, which is this one of its id.
    pub(crate) fn insert(&self, sandbox: SandboxId, secret: SandboxSecret, occupant: Occupant) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(sandbox, (secret, occupant));
    }

    pub(crate) fn remove(&self, sandbox: &SandboxId) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.remove(sandbox);
    }

    /// The sandbox whose secret this is.
    pub(crate) fn authenticate(&self, presented: &[u8]) -> Option<AuthenticatedSandbox> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (sandbox, (secret, _)) in secrets.iter() {
            if secret.is(presented) {
                found = Some(sandbox);
            }
        }
        found.cloned().map(AuthenticatedSandbox)
    }

    /// The sandbox named, if this is its secret.
    pub(crate) fn authenticate_as(
        &self,
        sandbox: &SandboxId,
        presented: &[u8],
    ) -> Option<AuthenticatedSandbox> {
        self.occupant_by(sandbox, presented).map(|_| AuthenticatedSandbox(sandbox.clone()))
    }

    /// Who of those that had the id of the sandbox named was given this secret.
    pub(crate) fn occupant_by(&self, sandbox: &SandboxId, presented: &[u8]) -> Option<Occupant> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let known = secrets.get(sandbox);
        let matches = known.map_or(&self.nobody, |(secret, _)| secret).is(presented);
        known.filter(|_| matches).map(|(_, occupant)| occupant.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_good_for_its_own_sandbox_only() {
        let (a, b) = (SandboxId::parse("a").unwrap(), SandboxId::parse("b").unwrap());
        let (secret_a, secret_b) =
            (SandboxSecret::random().unwrap(), SandboxSecret::random().unwrap());
        let nobody = SandboxSecret::random().unwrap();
        let credentials = Credentials::new(nobody.clone());
        credentials.insert(a.clone(), secret_a.clone(), Occupant::of_app("web"));
        credentials.insert(b.clone(), secret_b, Occupant::of_app("web"));
        let presented = secret_a.expose().as_bytes();
        assert_eq!(credentials.authenticate(presented).unwrap().id(), &a);
        assert_eq!(credentials.authenticate_as(&a, presented).unwrap().id(), &a);
        assert_eq!(credentials.authenticate_as(&b, presented), None);
        assert_eq!(credentials.authenticate(b""), None);
        credentials.remove(&a);
        assert_eq!(credentials.authenticate(presented), None);
        assert_eq!(credentials.authenticate_as(&a, presented), None);
        assert_eq!(credentials.authenticate_as(&a, nobody.expose().as_bytes()), None);
    }
}
