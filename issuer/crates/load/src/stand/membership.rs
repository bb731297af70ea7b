//! A certificate from the coordinator, got as runners and controllers get theirs: a join token is spent
//! for it over a connection that trusts a hash, and from then on both ends show certificates.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_daemon::tls::{ClientTls, TlsError, TlsIdentity};
use moneyer_proto::v1::JoinRequest;
use moneyer_proto::v1::enrollment_client::EnrollmentClient;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde::Deserialize;
use tonic::transport::{Channel, Endpoint};

/// The protocol a client without a certificate offers.
const JOINING: &[u8] = b"moneyer-join/1";

/// What a join token's text begins with.
const PREFIX: &str = "mjt1.";

/// Why the coordinator gave no certificate, or did not take it.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// Another form of join token than known here.
    #[error("the coordinator's join token cannot be read")]
    JoinToken,
    /// No key or request.
    #[error("cannot make a key and a certificate request")]
    Request(#[source] rcgen::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] TlsError),
    /// No connection.
    #[error("cannot connect to the coordinator at {0}")]
    Connect(SocketAddr, #[source] tonic::transport::Error),
    /// A refusal.
    #[error("the coordinator did not let the load generator join")]
    Join(#[source] Box<tonic::Status>),
    /// An answer without a certificate.
    #[error("the coordinator's answer to the join has no certificate")]
    NoCertificate,
}

/// A member's certificate and how to connect with it.
pub struct Membership {
    address: SocketAddr,
    tls: ClientTls,
}

/// What of a join token a joiner needs.
#[derive(Deserialize)]
struct JoinToken {
    td: String,
    ca: String,
}

impl Membership {
    /// Spends a join token.
    pub async fn join(address: SocketAddr, token: &str) -> Result<Self, MembershipError> {
        let parsed = parse(token).ok_or(MembershipError::JoinToken)?;
        let pin = pin(&parsed.ca).ok_or(MembershipError::JoinToken)?;
        let coordinator = format!("spiffe://{}/moneyer/coordinator", parsed.td);
        let key = KeyPair::generate().map_err(MembershipError::Request)?;
        let request = CertificateParams::default().serialize_request(&key);
        let csr = request.map_err(MembershipError::Request)?.der().to_vec();
        let joining =
            ClientTls::joining(pin, &coordinator, JOINING).map_err(MembershipError::Tls)?;
        let mut client = EnrollmentClient::new(connect(address, &joining).await?);
        let answer = client
            .join(JoinRequest { token: token.to_owned(), csr })
            .await
            .map_err(|status| MembershipError::Join(Box::new(status)))?;
        let certificate = answer.into_inner().certificate.ok_or(MembershipError::NoCertificate)?;
        let trust = certificate.trust.ok_or(MembershipError::NoCertificate)?;
        let authorities: Vec<_> = trust.authorities.into_iter().map(Into::into).collect();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let identity = TlsIdentity::new(vec![certificate.leaf.into()], key);
        let tls = ClientTls::pinned(&authorities, &coordinator, Some(&identity))
            .map_err(MembershipError::Tls)?;
        Ok(Self { address, tls })
    }

    /// A new connection, one HTTP/2 session.
    pub async fn connect(&self) -> Result<Channel, MembershipError> {
        connect(self.address, &self.tls).await
    }

    /// The same to another coordinator of the cluster.
    pub async fn connect_at(&self, address: SocketAddr) -> Result<Channel, MembershipError> {
        connect(address, &self.tls).await
    }

    /// Several of them.
    pub async fn connect_many(&self, count: usize) -> Result<Vec<Channel>, MembershipError> {
        let mut channels = Vec::with_capacity(count);
        for _ in 0..count {
            channels.push(self.connect().await?);
        }
        Ok(channels)
    }
}

async fn connect(address: SocketAddr, tls: &ClientTls) -> Result<Channel, MembershipError> {
    let failed = |source| MembershipError::Connect(address, source);
    // The scheme is for HTTP/2 only: the connector always speaks TLS.
    Endpoint::from_shared(format!("http://{address}"))
        .map_err(failed)?
        .connect_with_connector(tls.connector())
        .await
        .map_err(failed)
}

fn parse(token: &str) -> Option<JoinToken> {
    let json = URL_SAFE_NO_PAD.decode(token.trim().strip_prefix(PREFIX)?).ok()?;
    serde_json::from_slice(&json).ok()
}

/// 64 hexadecimal digits as 32 bytes.
fn pin(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_token_is_read_and_a_damaged_one_refused() {
        let json =
            format!(r#"{{"td":"load.test","ca":"{}","id":"1","secret":"s"}}"#, "ab".repeat(32));
        let token = format!("mjt1.{}", URL_SAFE_NO_PAD.encode(json));
        let parsed = parse(&token).unwrap();
        assert_eq!(parsed.td, "load.test");
        assert_eq!(pin(&parsed.ca), Some([0xab; 32]));
        assert!(parse(&token.replace("mjt1.", "mjt2.")).is_none());
        assert!(parse(token.strip_suffix(token.chars().last().unwrap()).unwrap()).is_none());
        for digits in ["", "ab", &"g0".repeat(32), &"ä".repeat(32)] {
            assert_eq!(pin(digits), None);
        }
    }
}
