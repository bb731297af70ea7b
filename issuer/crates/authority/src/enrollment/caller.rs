//! Callers: who is on the other end, proved anew on every call.
//!
//! The types here have no public constructor. [`Members::authenticate`] makes runners and controllers
//! from a verified certificate, [`LocalPeer::authenticate`] makes operators from the kernel's word about
//! a Unix socket's other end, a token of this cluster makes one of a workload that logged in, for what the
//! policies of that moment permit it, and a service account's own token makes one of that, for what the configuration
//! permits it.

use std::collections::BTreeSet;

use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use moneyer_identity::{ControllerName, ErrorClass, RunnerId, UnixTime, VerifyError};

use crate::audit::Actor;
use crate::enrollment::leaf::PeerLeaf;
use crate::enrollment::member::{MemberKind, Members};
use crate::exchange::{ClientIdentifier, SubjectError};
use crate::login::Permission;

/// Why a caller is nobody: for the log. The caller is told one constant text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticateError {
    /// The id is of another trust domain or not of a member's form.
    #[error("the certificate is not of a member of this cluster")]
    NotAMember,
    /// Not valid yet, or no longer.
    #[error("the certificate is not valid at this time")]
    Time,
    /// No such member: never joined, or removed.
    #[error("the member was removed")]
    Removed,
    /// A certificate the member has since renewed from twice, or one from before it joined anew.
    #[error("the certificate is not the member's present one")]
    Superseded,
    /// The peer of a local socket is neither root, nor this daemon's user, nor an operator's user id.
    #[error("the local user is not an operator")]
    NotAnOperator,
    /// Neither a local user nor a token.
    #[error("no token was shown")]
    NoToken,
    /// The token is refused.
    #[error("the token is refused")]
    Token(#[source] VerifyError),
    /// A good token of this cluster for something else.
    #[error("the token is not one of a log-in")]
    NotALogin,
    /// The SVID is no proof, or nobody lets its holder in.
    #[error("the SVID is refused: {reason}")]
    Svid {
        /// What kind of failure it is.
        class: ErrorClass,
        /// What a log-in would say of it.
        reason: String,
    },
    /// The token of another issuer is no proof, or cannot be proved at this moment.
    #[error("it cannot be told at this time who asks, or the token is refused")]
    Subject(#[source] SubjectError),
    /// No service account of this name may manage.
    #[error("the service account {0} is not one that may manage")]
    NotAManager(ClientIdentifier),
    /// It concerns files of the coordinator's machine.
    #[error(
        "this is for users of the coordinator's machine, whose files it concerns: ask at its management socket"
    )]
    NotLocal,
    /// What callers may do another coordinator may have changed, or the store was put back: nobody knows it here.
    #[error(
        "what may be done from afar is not known at this coordinator at this time, and /readyz says why; ask another one, \
         or at its management socket"
    )]
    Apart,
    /// No policy permits it, to whom it is at this moment.
    #[error("no policy permits {0}")]
    NotPermitted(Permission),
}

impl AuthenticateError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotAnOperator | Self::NotLocal | Self::NotAManager(_) | Self::NotPermitted(_) => {
                ErrorClass::Denied
            }
            Self::Subject(error) => error.class(),
            Self::Svid { class, .. } => *class,
            Self::Apart => ErrorClass::Unavailable,
            _ => ErrorClass::Unauthenticated,
        }
    }
}

/// A runner that proved who it is, on this call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedRunner {
    id: RunnerId,
    certificate_ends_at: UnixTime,
}

impl AuthenticatedRunner {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &RunnerId {
        &self.id
    }

    /// As the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Runner(self.id.clone())
    }

    /// When its certificate ends, and with it every stream opened by it.
    #[must_use]
    pub fn certificate_ends_at(&self) -> UnixTime {
        self.certificate_ends_at
    }
}

/// A sandbox controller that proved who it is, on this call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedController {
    name: ControllerName,
}

impl AuthenticatedController {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ControllerName {
        &self.name
    }
}

/// An operator that proved who it is, on this call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedOperator(Operator);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    /// A user of this machine, who may do everything.
    Local { uid: u32 },
    /// A workload that logged in, for what it is permitted.
    Workload { id: SpiffeId },
    /// A service account, for what it is permitted.
    Account { client: ClientIdentifier },
}

impl AuthenticatedOperator {
    /// That it is a user of this machine.
    pub fn is_local(&self) -> Result<(), AuthenticateError> {
        match self.0 {
            Operator::Local { .. } => Ok(()),
            Operator::Workload { .. } | Operator::Account { .. } => {
                Err(AuthenticateError::NotLocal)
            }
        }
    }

    /// A workload that was asked for one thing and is permitted that.
    pub(crate) fn permitted(
        id: SpiffeId,
        permissions: &BTreeSet<Permission>,
        asked: Permission,
    ) -> Result<Self, AuthenticateError> {
        if permissions.iter().any(|permission| permission.covers(asked)) {
            Ok(Self(Operator::Workload { id }))
        } else {
            Err(AuthenticateError::NotPermitted(asked))
        }
    }
}

impl AuthenticatedOperator {
    /// A service account that was asked for one thing and is permitted that. `permissions` are those it has, if it
    /// may manage at all.
    pub(crate) fn permitted_account(
        client: ClientIdentifier,
        permissions: Option<&BTreeSet<Permission>>,
        asked: Permission,
    ) -> Result<Self, AuthenticateError> {
        match permissions {
            None => Err(AuthenticateError::NotAManager(client)),
            Some(permissions) if permissions.iter().any(|one| one.covers(asked)) => {
                Ok(Self(Operator::Account { client }))
            }
            Some(_) => Err(AuthenticateError::NotPermitted(asked)),
        }
    }
}

/// Whoever may say which sandboxes there are and where.
pub trait Places: private::Sealed + Send + Sync {
    /// As the audit log names it.
    fn actor(&self) -> Actor;
}

impl Places for AuthenticatedController {
    fn actor(&self) -> Actor {
        Actor::Controller(self.name.clone())
    }
}

impl Places for AuthenticatedOperator {
    fn actor(&self) -> Actor {
        match &self.0 {
            Operator::Local { uid } => Actor::Operator { uid: *uid },
            Operator::Workload { id } => Actor::Workload(id.clone()),
            Operator::Account { client } => Actor::Client(client.clone()),
        }
    }
}

mod private {
    /// Keeps proof types to this module.
    #[expect(unnameable_types, reason = "that nobody can name it is its purpose")]
    pub trait Sealed {}
    impl Sealed for super::AuthenticatedController {}
    impl Sealed for super::AuthenticatedOperator {}
}

/// A member that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A runner.
    Runner(AuthenticatedRunner),
    /// A sandbox controller.
    Controller(AuthenticatedController),
}

impl Members {
    /// Checks a verified certificate against the records of this moment.
    pub fn authenticate(
        &self,
        leaf: &PeerLeaf,
        trust_domain: &TrustDomain,
        now: UnixTime,
    ) -> Result<Caller, AuthenticateError> {
        if leaf.id.trust_domain() != trust_domain {
            return Err(AuthenticateError::NotAMember);
        }
        let segments: Vec<_> = leaf.id.segments().collect();
        let (kind, name) = match segments.as_slice() {
            ["moneyer", "runner", name] => (MemberKind::Runner, *name),
            ["moneyer", "controller", name] => (MemberKind::Controller, *name),
            _ => return Err(AuthenticateError::NotAMember),
        };
        if now < leaf.not_before || leaf.not_after <= now {
            return Err(AuthenticateError::Time);
        }
        let (member, _) = self.find(kind, name).ok_or(AuthenticateError::Removed)?;
        if !member.carries(&leaf.serial) {
            return Err(AuthenticateError::Superseded);
        }
        Ok(match kind {
            MemberKind::Runner => Caller::Runner(AuthenticatedRunner {
                id: RunnerId::parse(name).map_err(|_no_name| AuthenticateError::NotAMember)?,
                certificate_ends_at: leaf.not_after,
            }),
            MemberKind::Controller => Caller::Controller(AuthenticatedController {
                name: ControllerName::parse(name)
                    .map_err(|_no_name| AuthenticateError::NotAMember)?,
            }),
        })
    }
}

/// The other end of a Unix socket, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPeer {
    /// Its effective user id when it connected.
    pub uid: u32,
}

impl LocalPeer {
    /// Root, the daemon's own user and the configured user ids are operators.
    pub fn authenticate(
        self,
        own_uid: u32,
        operators: &[u32],
    ) -> Result<AuthenticatedOperator, AuthenticateError> {
        if self.uid == 0 || self.uid == own_uid || operators.contains(&self.uid) {
            Ok(AuthenticatedOperator(Operator::Local { uid: self.uid }))
        } else {
            Err(AuthenticateError::NotAnOperator)
        }
    }
}
