//! Who asks: a sandbox, proven by its secret or by the socket it came in on.
//!
//! [`AuthenticatedSandbox`] is the proof, and only this module makes one. A wrong secret, another
//! sandbox's secret and a sandbox that is not here are one answer: `None`. All secrets are compared
//! to the end, so time tells neither which sandbox nearly matched nor whether a sandbox is here.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use moneyer_identity::SandboxId;

use super::secret::SandboxSecret;

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
    secrets: RwLock<HashMap<SandboxId, SandboxSecret>>,
    /// Compared with where a sandbox is not here, so that this takes as long.
    nobody: SandboxSecret,
}

impl Credentials {
    /// No sandboxes yet.
    pub(crate) fn new(nobody: SandboxSecret) -> Self {
        Self { secrets: RwLock::default(), nobody }
    }

    pub(crate) fn insert(&self, sandbox: SandboxId, secret: SandboxSecret) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.insert(sandbox, secret);
    }

    pub(crate) fn remove(&self, sandbox: &SandboxId) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.remove(sandbox);
    }

    /// The sandbox whose secret this is.
    pub(crate) fn authenticate(&self, presented: &[u8]) -> Option<AuthenticatedSandbox> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (sandbox, secret) in secrets.iter() {
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
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let known = secrets.get(sandbox);
        let matches = known.unwrap_or(&self.nobody).is(presented);
        (matches && known.is_some()).then(|| AuthenticatedSandbox(sandbox.clone()))
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
        credentials.insert(a.clone(), secret_a.clone());
        credentials.insert(b.clone(), secret_b);
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
