//! The record: one for a cluster, whichever server issues.

use moneyer_identity::UnixTime;
use serde::{Deserialize, Serialize};

use crate::signer::KeyHandle;
use crate::store::{Collection, Record};

/// Everything that a restart needs, so that it makes no second account and no second order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicCertificateRecord {
    /// The directory of the server that account and order are at.
    pub directory: String,
    /// The account with its key, as the protocol's client writes it.
    pub account: Option<KeyHandle>,
    /// An order that has not come to its end.
    pub order: Option<PendingOrder>,
    /// The certificate that serves.
    pub certificate: Option<IssuedCertificate>,
    /// Attempts that failed since the last that did not.
    pub failures: u32,
    /// Before this nothing is ordered.
    pub not_before: Option<UnixTime>,
    /// Whether a restart leaves that time as it is.
    pub is_firm: bool,
}

/// An order at the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingOrder {
    /// Where it is.
    pub url: String,
    /// What it is for.
    pub host: String,
    /// The key of the certificate to come, PKCS#8.
    pub key: KeyHandle,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The directory of the server that issued it.
    pub directory: String,
    /// The certificate and those that signed it, PEM.
    pub chain: String,
    /// Its key, PKCS#8.
    pub key: KeyHandle,
}

impl Record for PublicCertificateRecord {
    const COLLECTION: Collection = Collection::PublicCertificates;

    fn id(&self) -> String {
        "acme".to_owned()
    }
}
