//! The desk where members are invited, join and renew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::{ClockFault, ErrorClass, UnixTime};
use tokio::sync::Mutex;

use crate::audit::{Actor, AuditError, Event, Ledger, LedgerError};
use crate::enrollment::caller::{AuthenticateError, Caller, Places};
use crate::enrollment::certificate::Principal;
use crate::enrollment::cluster_authority::ClusterAuthority;
use crate::enrollment::join_token::{Contents, Invitation, JoinToken};
use crate::enrollment::leaf::PeerLeaf;
use crate::enrollment::member::{Member, MemberKind, Members, full_name};
use crate::shared_store::Changed;
use crate::store::{Cause, Change, Collection, Expected, Generation, StoreError, load_records};
use crate::unbroken::unbroken;
use crate::x509::{Certificate, CertificateError};

/// Longest life of a join token. A week is enough to image a machine.
const MAXIMUM_INVITATION: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most join tokens not yet spent: enough for a fleet, small enough to stay in memory.
const MAXIMUM_INVITATIONS: usize = 10_000;

/// Why somebody does not become or stay a member.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentError {
    /// The join token is unknown, spent, expired or wrong: one text for all.
    #[error("the join token is not valid; ask an operator for a new one")]
    JoinToken,
    /// Between its authentication and its renewal the member was removed, or joined or renewed anew.
    #[error("the member's certificate is no longer its present one")]
    Authenticate(#[source] AuthenticateError),
    /// The invitation would live too long or not at all.
    #[error("a join token lives from 1 second to 7 days")]
    Lifetime,
    /// Too many join tokens are unspent.
    #[error("{MAXIMUM_INVITATIONS} join tokens are not yet spent; wait for some to expire")]
    TooMany,
    /// The request for a certificate was refused, or none could be made.
    #[error("no certificate was made")]
    Certificate(#[source] CertificateError),
    /// The operating system gives no random bytes, or a value cannot be encoded.
    #[error("the join token could not be made")]
    Make(#[source] Cause),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// The store refused or failed.
    #[error("the membership could not be stored")]
    Store(#[source] StoreError),
    /// The wall clock cannot be trusted.
    #[error("no certificate is made by a clock that is wrong")]
    Clock(#[source] ClockFault),
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl EnrollmentError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::JoinToken | Self::Authenticate(_) => ErrorClass::Unauthenticated,
            Self::Lifetime
            | Self::Certificate(CertificateError::Request(_) | CertificateError::Key) => {
                ErrorClass::Invalid
            }
            Self::TooMany => ErrorClass::Exhausted,
            Self::Audit(error) => error.class(),
            Self::Clock(_) => ErrorClass::Unavailable,
            Self::Store(error) => error.class(),
            Self::Certificate(CertificateError::Make(_)) | Self::Make(_) | Self::Interrupted(_) => {
                ErrorClass::Internal
            }
        }
    }
}

impl From<LedgerError> for EnrollmentError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}

/// Invites, admits and renews.
#[derive(Debug, Clone)]
pub struct Enrollment {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    members: Arc<Members>,
    authority: ClusterAuthority,
    /// Held through each invitation and joining, so that a join token is spent once. Members join
    /// rarely: one at a time is thousands a second.
    invitations: Mutex<BTreeMap<String, (Invitation, Generation)>>,
}

impl Enrollment {
    /// Loads the unspent join tokens.
    pub async fn open(
        ledger: Ledger,
        members: Arc<Members>,
        authority: ClusterAuthority,
    ) -> Result<Self, StoreError> {
        let records = load_records::<Invitation>(ledger.store()).await?;
        let entry = |(record, revision): (Invitation, _)| (record.id.clone(), (record, revision));
        let invitations = Mutex::new(records.into_iter().map(entry).collect());
        Ok(Self { shared: Arc::new(Shared { ledger, members, authority, invitations }) })
    }

    /// The authority whose certificates members carry.
    #[must_use]
    pub fn authority(&self) -> &ClusterAuthority {
        &self.shared.authority
    }

    /// Makes a join token for a runner or controller. It is shown this once.
    pub async fn invite(
        &self,
        by: &impl Places,
        principal: Principal,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<JoinToken, EnrollmentError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(EnrollmentError::Interrupted, async move {
            shared.invite(&who, principal, lifetime, now).await
        })
        .await
    }

    /// Withdraws the join tokens of a member that are not yet spent. Withdrawing none succeeds.
    pub async fn withdraw(
        &self,
        by: &impl Places,
        kind: MemberKind,
        name: String,
    ) -> Result<(), EnrollmentError> {
        let (shared, who) = (self.shared.clone(), by.actor());
        unbroken(
            EnrollmentError::Interrupted,
            async move { shared.withdraw(&who, kind, &name).await },
        )
        .await
    }

    /// That a record can be read, if it is a member's or a join token's.
    pub(crate) fn read(change: &Changed) -> Result<(), StoreError> {
        match change.collection {
            Collection::Members => change.decoded::<Member>().map(drop),
            Collection::JoinTokens => change.decoded::<Invitation>().map(drop),
            _ => Ok(()),
        }
    }

    /// Takes in the join tokens that another coordinator has made, and forgets those that it has spent.
    pub(crate) async fn take_in(&self, changed: &[Changed]) -> Result<(), StoreError> {
        let mut invitations = self.shared.invitations.lock().await;
        let news = changed.iter().filter(|change| !self.shared.ledger.supersedes(change));
        let mut taken_in = Ok(());
        for change in news {
            match change.decoded::<Invitation>() {
                Ok(Some(invitation)) => {
                    invitations.insert(change.id.clone(), (invitation, change.revision));
                }
                Ok(None) => drop(invitations.remove(&change.id)),
                Err(error) => taken_in = taken_in.and(Err(error)),
            }
        }
        taken_in
    }

    /// Spends a join token and certifies the key of the request.
    pub async fn join(
        &self,
        token: &str,
        request: Vec<u8>,
        now: UnixTime,
    ) -> Result<Certificate, EnrollmentError> {
        let contents = Contents::open(token).ok_or(EnrollmentError::JoinToken)?;
        let shared = self.shared.clone();
        unbroken(EnrollmentError::Interrupted, async move {
            shared.join(&contents, &request, now).await
        })
        .await
    }

    /// Certifies a new key for a member that is known by its present certificate.
    pub async fn renew(
        &self,
        caller: Caller,
        leaf: PeerLeaf,
        request: Vec<u8>,
        now: UnixTime,
    ) -> Result<Certificate, EnrollmentError> {
        let shared = self.shared.clone();
        unbroken(EnrollmentError::Interrupted, async move {
            shared.renew(caller, &leaf, &request, now).await
        })
        .await
    }
}

impl Shared {
    async fn invite(
        &self,
        who: &Actor,
        principal: Principal,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<JoinToken, EnrollmentError> {
        if lifetime < Duration::from_secs(1) || lifetime > MAXIMUM_INVITATION {
            return Err(EnrollmentError::Lifetime);
        }
        let mut invitations = self.invitations.lock().await;
        let mut changes = Vec::new();
        let expired: Vec<_> = invitations
            .values()
            .filter(|(invitation, _)| invitation.expires_at <= now)
            .map(|(invitation, revision)| (invitation.id.clone(), *revision))
            .collect();
        for (id, revision) in &expired {
            changes.push(Change::remove(Collection::JoinTokens, id, *revision));
        }
        if invitations.len() - expired.len() >= MAXIMUM_INVITATIONS {
            return Err(EnrollmentError::TooMany);
        }
        let trust_domain = self.authority.trust_domain().clone();
        let expires_at = now.plus(lifetime);
        let what = Event::MemberInvited { member: principal.actor().to_string(), expires_at };
        let contents = Contents::new(trust_domain, self.authority.certificate(), principal)
            .map_err(|error| EnrollmentError::Make(error.into()))?;
        let invitation = contents.record(expires_at);
        let token = contents.seal().map_err(|error| EnrollmentError::Make(error.into()))?;
        changes.push(Change::put(&invitation, Expected::Absent).map_err(EnrollmentError::Store)?);
        let revision = self.ledger.commit(who, vec![what], changes).await?;
        for (id, _) in expired {
            invitations.remove(&id);
        }
        invitations.insert(invitation.id.clone(), (invitation, revision));
        Ok(token)
    }

    async fn withdraw(
        &self,
        who: &Actor,
        kind: MemberKind,
        name: &str,
    ) -> Result<(), EnrollmentError> {
        let mut invitations = self.invitations.lock().await;
        let theirs: Vec<_> = invitations
            .values()
            .filter(|(invitation, _)| {
                invitation.principal.kind() == kind && invitation.principal.name() == name
            })
            .map(|(invitation, revision)| (invitation.id.clone(), *revision))
            .collect();
        if theirs.is_empty() {
            return Ok(());
        }
        let remove = |(id, revision): &(String, Generation)| {
            Change::remove(Collection::JoinTokens, id, *revision)
        };
        let changes = theirs.iter().map(remove).collect();
        let (member, count) = (full_name(kind, name), theirs.len());
        let what = vec![Event::InvitationsWithdrawn { member, count }];
        self.ledger.commit(who, what, changes).await?;
        for (id, _) in theirs {
            invitations.remove(&id);
        }
        Ok(())
    }

    async fn join(
        &self,
        contents: &Contents,
        request: &[u8],
        now: UnixTime,
    ) -> Result<Certificate, EnrollmentError> {
        let mut invitations = self.invitations.lock().await;
        let (invitation, revision) =
            invitations.get(&contents.id).ok_or(EnrollmentError::JoinToken)?;
        if !invitation.is_met_by(&contents.secret) || invitation.expires_at <= now {
            return Err(EnrollmentError::JoinToken);
        }
        let principal = &invitation.principal;
        let certificate = self
            .authority
            .certify(principal, request, now)
            .map_err(EnrollmentError::Certificate)?;
        let member = Member {
            kind: principal.kind(),
            name: principal.name().to_owned(),
            serial: certificate.serial.clone(),
            previous_serial: None,
            joined_at: now,
            certificate_ends_at: certificate.not_after,
        };
        let spend = Change::remove(Collection::JoinTokens, &contents.id, *revision);
        let who = principal.actor();
        let what = Event::MemberJoined {
            member: who.to_string(),
            serial: certificate.serial.clone(),
            certificate_ends_at: certificate.not_after,
        };
        let _turn = self.members.turn().await;
        self.admit(&who, what, member, vec![spend]).await?;
        invitations.remove(&contents.id);
        Ok(certificate)
    }

    async fn renew(
        &self,
        caller: Caller,
        leaf: &PeerLeaf,
        request: &[u8],
        now: UnixTime,
    ) -> Result<Certificate, EnrollmentError> {
        let _turn = self.members.turn().await;
        let principal = principal_of(&caller);
        // Looked up again now that it is its turn: since it was authenticated the member may have been removed,
        // may have joined anew or renewed twice, and then this certificate must not come back.
        let (present, _) = self
            .members
            .find(principal.kind(), principal.name())
            .ok_or(EnrollmentError::Authenticate(AuthenticateError::Removed))?;
        if !present.carries(&leaf.serial) {
            return Err(EnrollmentError::Authenticate(AuthenticateError::Superseded));
        }
        let certificate = self
            .authority
            .certify(&principal, request, now)
            .map_err(EnrollmentError::Certificate)?;
        let member = Member {
            serial: certificate.serial.clone(),
            previous_serial: Some(leaf.serial.to_string()),
            certificate_ends_at: certificate.not_after,
            ..Member::clone(&present)
        };
        let who = principal.actor();
        let what = Event::MemberRenewed {
            member: who.to_string(),
            serial: certificate.serial.clone(),
            certificate_ends_at: certificate.not_after,
        };
        self.admit(&who, what, member, Vec::new()).await?;
        Ok(certificate)
    }

    async fn admit(
        &self,
        who: &Actor,
        what: Event,
        member: Member,
        mut changes: Vec<Change>,
    ) -> Result<(), EnrollmentError> {
        changes.push(self.members.change(&member).map_err(EnrollmentError::Store)?);
        let revision = self.ledger.commit(who, vec![what], changes).await?;
        self.members.apply(member, revision);
        Ok(())
    }
}

fn principal_of(caller: &Caller) -> Principal {
    match caller {
        Caller::Runner(runner) => Principal::Runner(runner.id().clone()),
        Caller::Controller(controller) => Principal::Controller(controller.name().clone()),
    }
}
