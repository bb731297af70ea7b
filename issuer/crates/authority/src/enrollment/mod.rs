//! How runners and sandbox controllers become members of the cluster, and how each call proves it.
//!
//! An operator invites by name; the join token is spent once and gives a certificate for a key made at
//! the member's end. From then on the member is known by a certificate of the cluster's own authority,
//! and only by the serial numbers in its record: the present certificate and the one it renewed from.
//! A removed member is refused at its next call, however long its certificate or connection lives.

mod caller;
mod certificate;
mod cluster_authority;
mod desk;
mod join_token;
mod leaf;
mod lifetimes;
mod member;

pub use caller::{
    AuthenticateError, AuthenticatedController, AuthenticatedOperator, AuthenticatedRunner, Caller,
    LocalPeer, Places,
};
pub use certificate::Principal;
pub(crate) use cluster_authority::coordinator_id;
pub use cluster_authority::{ClusterAuthority, CoordinatorCertificate};
pub use desk::{Enrollment, EnrollmentError};
pub use join_token::JoinToken;
pub use leaf::{LeafError, PeerLeaf};
pub use lifetimes::{CertificateLifetimeError, CertificateLifetimes};
pub use member::{Member, MemberKind, Members};

pub use crate::x509::{Certificate, CertificateError};
