//! The authority under which TLS is ended here: made when the process starts, and gone with it.
//!
//! Its key is in memory only, and only sandboxes of this host trust its certificate, which each finds in its
//! directory. A certificate is made for one host when it is first needed; all share a key, which is as secret as the
//! authority's. Their number is limited, and each is made anew long before it expires.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use moneyer_daemon::tls::{ServerTls, TlsError, TlsIdentity};
use moneyer_identity::grant::Destination;
use moneyer_identity::{Clock, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::OffsetDateTime;

/// Most certificates kept: more hosts than a day's work of all sandboxes of a host has.
const MAXIMUM_LEAVES: usize = 1024;

/// Life of a certificate in seconds, and the age at which it is made anew.
const LEAF_LIFE: i64 = 48 * 3600;
const LEAF_AGE: i64 = 24 * 3600;

/// Life of the authority in seconds: longer than a process runs.
const AUTHORITY_LIFE: i64 = 10 * 365 * 24 * 3600;

/// How far in the past a life begins, for clocks that are behind.
const BACKDATED: i64 = 24 * 3600;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It could not be made.
    #[error("a certificate for TLS interception could not be made")]
    Certificate(#[source] rcgen::Error),
    /// The clock shows no time that a certificate can name.
    #[error("the clock shows no time that a certificate can name")]
    Time(#[source] time::error::ComponentRange),
    /// It is made and cannot be used.
    #[error("a certificate for TLS interception cannot be used")]
    Tls(#[source] TlsError),
}

/// The authority. Shared by reference.
pub(crate) struct InterceptionAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    leaf_key: KeyPair,
    leaves: Mutex<HashMap<String, Leaf>>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Leaf {
    tls: ServerTls,
    made_at: UnixTime,
    used_at: UnixTime,
}

impl InterceptionAuthority {
    /// A new one.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Certificate)?;
        let leaf_key = KeyPair::generate().map_err(AuthorityError::Certificate)?;
        let mut params = lasting(clock.now(), AUTHORITY_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Moneyer forward proxy of this host");
        let issuer =
            CertifiedIssuer::self_signed(params, key).map_err(AuthorityError::Certificate)?;
        Ok(Self { issuer, leaf_key, leaves: Mutex::default(), clock })
    }

    /// Its certificate, PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The server's end for a destination.
    pub(super) fn server_for(
        &self,
        destination: &Destination,
    ) -> Result<ServerTls, AuthorityError> {
        let now = self.clock.now();
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get_mut(destination.host())
            && (0..LEAF_AGE).contains(&now.0.saturating_sub(leaf.made_at.0))
        {
            leaf.used_at = now;
            return Ok(leaf.tls.clone());
        }
        let tls = self.make(destination, now)?;
        if leaves.len() >= MAXIMUM_LEAVES && !leaves.contains_key(destination.host()) {
            let least = leaves.iter().min_by_key(|(_, leaf)| leaf.used_at);
            least.map(|(host, _)| host.clone()).and_then(|host| leaves.remove(&host));
        }
        let leaf = Leaf { tls: tls.clone(), made_at: now, used_at: now };
        leaves.insert(destination.host().to_owned(), leaf);
        Ok(tls)
    }

    fn make(&self, destination: &Destination, now: UnixTime) -> Result<ServerTls, AuthorityError> {
        let mut params = lasting(now, LEAF_LIFE)?;
        let name = if let Some(address) = destination.address() {
            SanType::IpAddress(address)
        } else {
            let name = destination.host().to_owned().try_into();
            SanType::DnsName(name.map_err(AuthorityError::Certificate)?)
        };
        params.subject_alt_names = vec![name];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&self.leaf_key, &self.issuer);
        let leaf = leaf.map_err(AuthorityError::Certificate)?;
        let key = PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der());
        let identity = TlsIdentity::new(vec![leaf.der().clone()], key);
        ServerTls::server_only(&identity).map_err(AuthorityError::Tls)
    }
}

fn lasting(now: UnixTime, seconds: i64) -> Result<CertificateParams, AuthorityError> {
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(AuthorityError::Time);
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = at(now.0.saturating_sub(BACKDATED))?;
    params.not_after = at(now.0.saturating_add(seconds))?;
    Ok(params)
}

impl fmt::Debug for InterceptionAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InterceptionAuthority(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Slot;

    use super::*;

    #[derive(Debug)]
    struct Hand(Slot<i64>);

    impl Clock for Hand {
        fn now(&self) -> UnixTime {
            UnixTime(*self.0.lock().unwrap())
        }
    }

    #[test]
    fn certificates_are_1024_at_most_and_none_grows_older_than_a_day() {
        let clock = Arc::new(Hand(Slot::new(1_800_000_000)));
        let authority = InterceptionAuthority::new(Arc::clone(&clock) as _).unwrap();
        let ask = |host: &str| {
            *clock.0.lock().unwrap() += 1;
            let destination = Destination::parse(host, 443).unwrap();
            drop(authority.server_for(&destination).unwrap());
        };
        let made_at =
            |host: &str| authority.leaves.lock().unwrap().get(host).map(|leaf| leaf.made_at.0);
        for number in 0..MAXIMUM_LEAVES {
            ask(&format!("h{number}.test"));
        }
        ask("h0.test");
        ask("one-more.test");
        assert_eq!(authority.leaves.lock().unwrap().len(), MAXIMUM_LEAVES);
        assert!(made_at("h0.test").is_some() && made_at("h1.test").is_none());
        let first = made_at("h0.test").unwrap();
        *clock.0.lock().unwrap() = first + LEAF_AGE - 2;
        ask("h0.test");
        assert_eq!(made_at("h0.test"), Some(first));
        ask("h0.test");
        assert_eq!(made_at("h0.test"), Some(first + LEAF_AGE));
        // A clock that was put back makes no certificate of the future good.
        *clock.0.lock().unwrap() = first - 100;
        ask("h0.test");
        assert_eq!(made_at("h0.test"), Some(first - 99));
        assert!(!format!("{authority:?}").contains("KEY"));
    }
}
