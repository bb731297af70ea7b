//! What an authority is made of, for the edges, and what concerns several parts at once.

use std::sync::Arc;

use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{Clock, ClockFault, ErrorClass, IssuerUrl, ProvenTime, SandboxId, UnixTime};

use super::charter::Charter;
use super::open::Authority;
use crate::audit::{Audit, Ledger, Refused};
use crate::enrollment::{
    AuthenticateError, AuthenticatedRunner, Caller, Enrollment, EnrollmentError, MemberKind,
    PeerLeaf, Places,
};
use crate::issuers::Issuers;
use crate::keys::{Keys, Published};
use crate::registry::{Registry, RegistryError, SpiffeIds};
use crate::store::Store;
use crate::svid::X509Authorities;
use crate::trust_bundle::OwnBundle;

/// Why a member is not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Its join tokens could not be withdrawn. Nothing else was done.
    #[error("the join tokens could not be withdrawn")]
    JoinTokens(#[source] EnrollmentError),
    /// Its record could not be removed. Its join tokens are withdrawn.
    #[error("the member could not be removed")]
    Member(#[source] RegistryError),
}

impl RemoveError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::JoinTokens(error) => error.class(),
            Self::Member(error) => error.class(),
        }
    }
}

impl Authority {
    /// The value of `iss` at this moment.
    #[must_use]
    pub fn issuer(&self) -> IssuerUrl {
        self.issuers.list().current().clone()
    }

    /// The issuer of the moment and the previous ones.
    #[must_use]
    pub fn issuers(&self) -> &Arc<Issuers> {
        &self.issuers
    }

    /// What it is for.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The trust domain of its members.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.charter.parts.trust_domain
    }

    /// Writes the SPIFFE IDs of its sandboxes.
    #[must_use]
    pub fn spiffe_ids(&self) -> &SpiffeIds {
        &self.spiffe_ids
    }

    /// Where its records are.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.ports.store
    }

    /// Where it is recorded what happens.
    #[must_use]
    pub fn audit(&self) -> &dyn Audit {
        &*self.ports.audit
    }

    /// What records changes and makes them: nothing is changed in any other way.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The time now, for the edges.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.ports.clock.now()
    }

    /// The time now, if the clock can be trusted to sign and to retire keys with.
    pub fn sound_time(&self) -> Result<UnixTime, ClockFault> {
        self.ports.clock.sound()
    }

    /// A time that has certainly come, by which things are taken away.
    pub fn proven_time(&self) -> Result<ProvenTime, ClockFault> {
        self.ports.clock.proven()
    }

    pub(crate) fn port_clock(&self) -> &dyn Clock {
        &*self.ports.clock
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// The cluster's own trust bundle.
    #[must_use]
    pub fn bundle(&self) -> &Arc<OwnBundle> {
        &self.bundle
    }

    /// The authorities of X.509-SVIDs.
    #[must_use]
    pub fn x509_authorities(&self) -> &Arc<X509Authorities> {
        &self.x509
    }

    /// Apps, sandboxes and their placement.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where members are invited, join and renew.
    #[must_use]
    pub fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }

    /// What relying parties are told now.
    #[must_use]
    pub fn published(&self) -> Published {
        Published::of(
            &self.keys.ring(),
            &self.issuers.list(),
            &self.charter.key_set_path,
            self.bundle.now(),
        )
    }

    /// Who holds this verified certificate, by what is known here.
    pub fn authenticate(&self, leaf: &PeerLeaf) -> Result<Caller, AuthenticateError> {
        self.members.authenticate(leaf, self.trust_domain(), self.now())
    }

    /// The same of a new call: a member that is not known here another coordinator may have let in a moment ago.
    pub async fn authenticate_caller(&self, leaf: &PeerLeaf) -> Result<Caller, AuthenticateError> {
        match self.authenticate(leaf) {
            Err(AuthenticateError::Removed | AuthenticateError::Superseded) if self.is_shared() => {
                self.latest().await;
                self.authenticate(leaf)
            }
            decided => decided,
        }
    }

    /// Removes a runner or a controller for good: its join tokens are withdrawn, its certificates refused
    /// and its watches ended.
    pub async fn remove_member(
        &self,
        by: &impl Places,
        kind: MemberKind,
        name: &str,
    ) -> Result<(), RemoveError> {
        let withdrawn = self.enrollment.withdraw(by, kind, name.to_owned()).await;
        withdrawn.map_err(RemoveError::JoinTokens)?;
        let removed = self.registry.remove_member(by, kind, name.to_owned()).await;
        removed.map_err(RemoveError::Member)
    }

    /// Records that a known runner was refused a token at the edge: its request was not one, or beyond its
    /// share. What it may have is refused, and recorded, by the calls that mint.
    pub fn refused(&self, runner: &AuthenticatedRunner, class: ErrorClass, told: &str) {
        let refusal = (class.as_str(), crate::audit::bounded(told.to_owned()));
        self.refusals.note(&runner.actor(), Refused::Token(None), refusal, self.now());
    }

    /// The same of an X.509-SVID.
    pub fn refused_x509_svid(&self, runner: &AuthenticatedRunner, class: ErrorClass, told: &str) {
        let refusal = (class.as_str(), crate::audit::bounded(told.to_owned()));
        self.refusals.note(&runner.actor(), Refused::X509Svid(None), refusal, self.now());
    }

    /// The same of a user's token, for which a token service may have given nothing.
    pub fn refused_subject_token(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: Option<&SandboxId>,
        class: ErrorClass,
        told: &str,
    ) {
        let refusal = (class.as_str(), crate::audit::bounded(told.to_owned()));
        self.refusals.note(
            &runner.actor(),
            Refused::SubjectToken(sandbox.cloned()),
            refusal,
            self.now(),
        );
    }

    /// Records the refusals that were counted and whose minute is over, or all of them before the end.
    pub fn settle_refusals(&self, all: bool) {
        self.refusals.settle(self.now(), all);
    }
}
