//! Members as they are in a cluster: a key and a certificate request of their own, a real TLS client,
//! and the clients of the wire.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use moneyer_authority::enrollment::{MemberKind, Principal};
use moneyer_daemon::tls::{ClientTls, TlsIdentity};
use moneyer_identity::{ControllerName, RunnerId};
use moneyer_proto::v1;
use moneyer_proto::v1::enrollment_client::EnrollmentClient;
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::placement_client::PlacementClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::world::{World, operator};

pub(crate) const COORDINATOR: &str = "spiffe://id.example.com/moneyer/coordinator";
pub(crate) const JOINING: &[u8] = b"moneyer-join/1";

/// A private key, and a request for a certificate of its public half.
pub(crate) struct Key {
    pkcs8: Vec<u8>,
    pub(crate) request: Vec<u8>,
}

impl Key {
    pub(crate) fn generate() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let pkcs8 = key.to_pkcs8v1().unwrap();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        // RFC 2986: version 0, no name, the key, no attributes; then the signature over them.
        let parts = [&[0x02, 0x01, 0x00, 0x30, 0x00], public.as_ref(), &[0xa0, 0x00]].concat();
        let wanted = der(0x30, &parts);
        let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
        let signature = key.sign(&SystemRandom::new(), &wanted).unwrap();
        let bits = der(0x03, &[&[0], signature.as_ref()].concat());
        let request = der(0x30, &[&wanted, algorithm.as_slice(), &bits].concat());
        Self { pkcs8: pkcs8.as_ref().to_vec(), request }
    }

    /// This key with the certificate it got.
    pub(crate) fn identity(&self, certificate: &v1::Certificate) -> TlsIdentity {
        TlsIdentity::new(vec![certificate.leaf.clone().into()], self.pkcs8.clone().into())
    }
}

/// One DER value of under 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, 0..=0x7f) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content].concat()
}

/// A member that has joined, and its open connection.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) channel: Channel,
    pub(crate) identity: TlsIdentity,
    pub(crate) certificate: v1::Certificate,
}

impl Member {
    pub(crate) fn minting(&self) -> MintingClient<Channel> {
        MintingClient::new(self.channel.clone())
    }

    pub(crate) fn placement(&self) -> PlacementClient<Channel> {
        PlacementClient::new(self.channel.clone())
    }

    pub(crate) fn enrollment(&self) -> EnrollmentClient<Channel> {
        EnrollmentClient::new(self.channel.clone())
    }

    /// Asks for a token of the default lifetime.
    pub(crate) async fn mint(
        &self,
        sandbox: &str,
        audiences: &[&str],
    ) -> Result<v1::MintTokenResponse, Status> {
        let asked = self.minting().mint_token(mint_request(sandbox, audiences, 0)).await;
        asked.map(tonic::Response::into_inner)
    }
}

pub(crate) fn mint_request(
    sandbox: &str,
    audiences: &[&str],
    seconds: u32,
) -> v1::MintTokenRequest {
    v1::MintTokenRequest {
        sandbox_id: sandbox.to_owned(),
        audience: audiences.iter().map(|&text| text.to_owned()).collect(),
        lifetime_seconds: seconds,
    }
}

impl World {
    /// Invites a runner and lets it join over the network.
    pub(crate) async fn join(&self, name: &str) -> Member {
        self.join_as(Principal::Runner(RunnerId::parse(name).unwrap())).await
    }

    pub(crate) async fn join_controller(&self, name: &str) -> Member {
        self.join_as(Principal::Controller(ControllerName::parse(name).unwrap())).await
    }

    async fn join_as(&self, principal: Principal) -> Member {
        let token = self.invite(principal).await;
        let key = Key::generate();
        let request = v1::JoinRequest { token, csr: key.request.clone() };
        let joined = self.joining().await.join(request).await.unwrap().into_inner();
        let certificate = joined.certificate.unwrap();
        let identity = key.identity(&certificate);
        let channel = self.channel(&identity).await.unwrap();
        Member { channel, identity, certificate }
    }

    /// A join token.
    pub(crate) async fn invite(&self, principal: Principal) -> String {
        let hour = std::time::Duration::from_secs(3600);
        let desk = self.authority().enrollment();
        let invited = desk.invite(&operator(), principal, hour, self.authority().now()).await;
        invited.unwrap().expose().to_owned()
    }

    /// The Enrollment service over a connection that has no certificate.
    pub(crate) async fn joining(&self) -> EnrollmentClient<Channel> {
        EnrollmentClient::new(self.joining_channel().await)
    }

    pub(crate) async fn joining_channel(&self) -> Channel {
        let authority = self.authority().enrollment().authority().certificate();
        let pin = digest(&SHA256, authority).as_ref().try_into().unwrap();
        let tls = ClientTls::joining(pin, COORDINATOR, JOINING).unwrap();
        self.endpoint().connect_with_connector(tls.connector()).await.unwrap()
    }

    /// TLS of a client that trusts this coordinator.
    pub(crate) fn tls(&self, identity: Option<&TlsIdentity>) -> ClientTls {
        let authority = self.authority().enrollment().authority().certificate().to_vec();
        ClientTls::pinned(&[authority.into()], COORDINATOR, identity).unwrap()
    }

    pub(crate) async fn channel(
        &self,
        identity: &TlsIdentity,
    ) -> Result<Channel, tonic::transport::Error> {
        self.endpoint().connect_with_connector(self.tls(Some(identity)).connector()).await
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.grpc_address())).unwrap()
    }

    pub(crate) async fn remove_runner(&self, name: &str) {
        let (registry, by) = (self.authority().registry(), operator());
        registry.remove_member(&by, MemberKind::Runner, name.to_owned()).await.unwrap();
    }
}

/// All of a status that a caller sees, the date of its answer aside.
pub(crate) fn seen(status: &Status) -> (Code, String, Vec<u8>, Vec<String>) {
    let mut metadata = status.metadata().clone();
    metadata.remove("date");
    let fields = metadata.into_headers();
    let fields = fields.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    (status.code(), status.message().to_owned(), status.details().to_vec(), fields)
}
