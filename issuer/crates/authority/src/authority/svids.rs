//! X.509-SVIDs, for runners, of the sandboxes that are placed on them.
//!
//! As with tokens: the clock is read once a call, the record is durable before the SVID leaves, and what permits
//! it is asked before and once more after: also whether the trust bundle that is served lists the authority. One
//! that it lacks yet, or no more, signs nothing: nobody would take the SVID.

use std::sync::Arc;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{KeyId, SandboxId};

use super::open::Authority;
use crate::audit::{AuditEvent, Event, Refused, X509SvidSigned, X509SvidWithheld, reason};
use crate::enrollment::AuthenticatedRunner;
use crate::mint::Request;
use crate::registry::{Permit, RegistryError};
use crate::svid::{SvidError, Unsigned, X509Ring, X509Svid, draft};

impl Authority {
    /// An X.509-SVID over the public key of a request (PKCS#10, DER), for a sandbox that is placed on this
    /// runner now.
    pub async fn sign_x509_svid(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        request: &[u8],
    ) -> Result<X509Svid, SvidError> {
        let by = self.request(runner.actor());
        let permit = || self.registry.permit(runner, sandbox).map_err(SvidError::Registry);
        let permitted = self.permitted(&|| self.registry.permit(runner, sandbox)).await;
        let drafted = permitted.map_err(SvidError::Registry).and_then(|permit| {
            let unsigned = self.draft_x509_svid(&permit, &by, request)?;
            Ok((permit, unsigned))
        });
        let (then, unsigned) = match drafted {
            Ok(drafted) => drafted,
            Err(error) => return Err(self.refuse_x509_svid(&by, sandbox, error)),
        };
        let (id, key_id, serial) =
            (unsigned.id.clone(), unsigned.key_id.clone(), unsigned.serial());
        let event = AuditEvent::new(by.now, by.who.clone(), signed(&then, &unsigned));
        let recording = match self.ports.audit.record(vec![event]) {
            Ok(recording) => recording,
            Err(error) => {
                return Err(self.refuse_x509_svid(&by, sandbox, SvidError::Audit(error)));
            }
        };
        let svid = unsigned.sign();
        let recorded = recording.durable().await.map_err(SvidError::Audit);
        let outcome = recorded.and(svid).and_then(|svid| {
            let now = permit()?;
            if now.app().uid != then.app().uid {
                return Err(SvidError::Registry(RegistryError::NoSuchSandbox));
            }
            if self.spiffe_id(&now)? != id {
                return Err(SvidError::Changed);
            }
            // An authority that was withdrawn meanwhile: nobody would take the SVID, and nobody should.
            let ring = self.x509.ring();
            if !ring.publishes(&key_id) {
                return Err(SvidError::NoAuthority);
            }
            self.check_listed(&ring, &key_id)?;
            Ok(svid)
        });
        outcome.inspect_err(|error| self.withhold_x509_svid(&by, sandbox, serial, error))
    }

    fn draft_x509_svid(
        &self,
        permit: &Permit,
        by: &Request,
        request: &[u8],
    ) -> Result<Unsigned, SvidError> {
        let now = by.sound.map_err(SvidError::Clock)?;
        self.ledger.check().map_err(SvidError::RolledBack)?;
        let ring: Arc<X509Ring> = self.x509.ring();
        let id = self.spiffe_id(permit)?;
        let unsigned = draft(&ring, id, request, (self.charter.x509.lifetime(), now))?;
        self.check_listed(&ring, &unsigned.key_id)?;
        Ok(unsigned)
    }

    /// That the trust bundle of this moment lists an authority of the ring.
    fn check_listed(&self, ring: &X509Ring, key_id: &KeyId) -> Result<(), SvidError> {
        let authority = ring.bundle().find(|one| one.record().key_id == *key_id);
        let listed = authority.filter(|one| self.bundle.lists(one.certificate()));
        listed.map(drop).ok_or(SvidError::NotInBundle)
    }

    /// Whom SVIDs of a sandbox name.
    fn spiffe_id(&self, permit: &Permit) -> Result<SpiffeId, SvidError> {
        self.spiffe_ids.of(permit.app(), &permit.placed().sandbox.id).map_err(SvidError::Id)
    }

    fn refuse_x509_svid(&self, by: &Request, sandbox: &SandboxId, error: SvidError) -> SvidError {
        let refused = Refused::X509Svid(Some(sandbox.clone()));
        self.refusals.note(&by.who, refused, reason(error.class(), &error), by.now);
        error
    }

    /// Nobody waits for this record: without it the log says more than happened.
    fn withhold_x509_svid(
        &self,
        by: &Request,
        sandbox: &SandboxId,
        serial: String,
        error: &SvidError,
    ) {
        let (class, reason) = reason(error.class(), error);
        let withheld = X509SvidWithheld { sandbox: sandbox.clone(), serial, class, reason };
        let what = Event::X509SvidWithheld(withheld);
        let event = AuditEvent::new(by.now, by.who.clone(), what);
        self.ports.audit.record(vec![event]).ok();
    }
}

fn signed(permit: &Permit, unsigned: &Unsigned) -> Event {
    let sandbox = &permit.placed().sandbox;
    Event::X509SvidSigned(X509SvidSigned {
        sandbox: sandbox.id.clone(),
        app: permit.app().name.clone(),
        runner: sandbox.runner.clone(),
        spiffe_id: unsigned.id.clone(),
        serial: unsigned.serial(),
        kid: unsigned.key_id.clone(),
        not_after: unsigned.not_after,
    })
}
