//! A fake coordinator: enrollment, minting and the watch, without rules.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_daemon::lifecycle::{Drain, Shutdown};
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Peer, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_proto::v1;
use moneyer_proto::v1::enrollment_server::{Enrollment, EnrollmentServer};
use moneyer_proto::v1::minting_server::{Minting, MintingServer};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::authority::Authority;

pub(crate) const TRUST_DOMAIN: &str = "id.test";
pub(crate) const ISSUER: &str = "https://id.test";

type Change = v1::watch_sandboxes_response::Change;
type Watcher = mpsc::Sender<Result<v1::WatchSandboxesResponse, Status>>;
type BundleWatcher = mpsc::Sender<Result<v1::WatchTrustBundlesResponse, Status>>;

/// The coordinator's records, which outlive its restarts.
pub(crate) struct Records {
    authority: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) sandboxes: BTreeMap<String, v1::PlacedSandbox>,
    watchers: Vec<Watcher>,
    bundle_watchers: Vec<BundleWatcher>,
    /// Who signs SVIDs.
    pub(crate) spiffe: Authority,
    pub(crate) federated: Vec<v1::TrustBundle>,
    /// Seconds.
    pub(crate) svid_life: u32,
    pub(crate) x509_svids: u32,
    pub(crate) jwt_svids: u32,
    generation: u64,
    minted: u32,
    /// Seconds.
    pub(crate) certificate_life: i64,
    pub(crate) renewals: u32,
    pub(crate) seen_generations: Vec<u64>,
    pub(crate) batches: Vec<usize>,
    /// Whether watchers are told of changes.
    pub(crate) tells: bool,
    /// Whether it has users' tokens readdressed.
    pub(crate) delegates: bool,
}

/// A cluster: records, and a coordinator while one runs.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Mutex<Records>>);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    shutdown: Shutdown,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self(Arc::new(Mutex::new(Records {
            authority,
            issuer,
            sandboxes: BTreeMap::new(),
            watchers: Vec::new(),
            bundle_watchers: Vec::new(),
            spiffe: Authority::new(TRUST_DOMAIN, "first"),
            federated: Vec::new(),
            svid_life: 3600,
            x509_svids: 0,
            jwt_svids: 0,
            generation: 1,
            minted: 0,
            certificate_life: 86_400,
            renewals: 0,
            seen_generations: Vec::new(),
            batches: Vec::new(),
            tells: true,
            delegates: true,
        })))
    }

    pub(crate) fn records<T>(&self, look: impl FnOnce(&mut Records) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    pub(crate) fn join_token(&self) -> String {
        let hash = self.records(|records| digest(&SHA256, &records.authority));
        let hex: String = hash
            .as_ref()
            .iter()
            .flat_map(|b| format!("{b:02x}").into_bytes())
            .map(char::from)
            .collect();
        let json = format!(
            r#"{{"td":"{TRUST_DOMAIN}","ca":"{hex}","id":"1","secret":"s","kind":"runner","name":"r1"}}"#
        );
        format!("mjt1.{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// Places a sandbox with these profiles.
    pub(crate) fn place(&self, id: &str, profiles: &[(&str, &str)]) {
        self.place_app(id, "web", profiles);
    }

    /// Places a sandbox of this app with these profiles. That of the name `aws` is for its SDK.
    pub(crate) fn place_app(&self, id: &str, app: &str, profiles: &[(&str, &str)]) {
        let audiences = profiles.iter().map(|(name, value)| v1::AudienceProfile {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            default_lifetime_seconds: 900,
            sdk: (*name == "aws").then(aws),
        });
        let sandbox = v1::PlacedSandbox {
            sandbox_id: id.to_owned(),
            app: app.to_owned(),
            audiences: audiences.collect(),
            spiffe_id: Some(spiffe_id(id)),
            ..Default::default()
        };
        self.records(|records| records.sandboxes.insert(id.to_owned(), sandbox.clone()));
        self.tell(Change::Placed(sandbox));
    }

    /// Takes a sandbox off the runner.
    pub(crate) fn displace(&self, id: &str) {
        self.records(|records| records.sandboxes.remove(id));
        self.tell(Change::Removed(id.to_owned()));
    }

    fn tell(&self, change: Change) {
        self.records(|records| {
            records.generation += 1;
            if !records.tells {
                return;
            }
            let message = v1::WatchSandboxesResponse {
                generation: records.generation,
                change: Some(change),
                ..Default::default()
            };
            records.watchers.retain(|watcher| watcher.try_send(Ok(message.clone())).is_ok());
        });
    }

    /// Changes what SVIDs are validated with, and tells the watchers.
    pub(crate) fn change_bundles(&self, change: impl FnOnce(&mut Records)) {
        self.records(|records| {
            change(records);
            let message = records.bundles();
            records.bundle_watchers.retain(|watcher| watcher.try_send(Ok(message.clone())).is_ok());
        });
    }

    /// Says what tokens in hand are to be of.
    pub(crate) fn reissue(&self, reissue: &str) {
        let message = v1::WatchSandboxesResponse {
            reissue: reissue.to_owned(),
            issuer: ISSUER.to_owned(),
            ..Default::default()
        };
        self.records(|records| {
            records.watchers.retain(|watcher| watcher.try_send(Ok(message.clone())).is_ok());
        });
    }

    /// Gives a sandbox another SPIFFE ID, or none.
    pub(crate) fn rename(&self, id: &str, spiffe_id: &str) {
        self.change(id, |sandbox| sandbox.spiffe_id = Some(spiffe_id.to_owned()));
    }

    /// Says which app of its name a sandbox is of, and which stay of its id it is.
    pub(crate) fn identify(&self, id: &str, app_uid: &str, placement: u64) {
        self.change(id, |sandbox| {
            (sandbox.app_uid, sandbox.placement) = (app_uid.to_owned(), placement);
        });
    }

    /// Says what a sandbox may reach.
    pub(crate) fn grant(&self, id: &str, grants: v1::SandboxGrants) {
        self.change(id, |sandbox| sandbox.grants = Some(grants));
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut v1::PlacedSandbox)) {
        let sandbox = self.records(|records| {
            let sandbox = records.sandboxes.get_mut(id).unwrap();
            change(sandbox);
            sandbox.clone()
        });
        self.tell(Change::Placed(sandbox));
    }

    fn sign(&self, uri: &str, key: &impl PublicKeyData) -> v1::Certificate {
        self.records(|records| {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let now = SystemClock.now();
            let leaf = params.signed_by(key, &records.issuer).unwrap().der().to_vec();
            v1::Certificate {
                leaf,
                identity: uri.to_owned(),
                not_before: now.0,
                not_after: now.0 + records.certificate_life,
                trust: Some(records.trust()),
            }
        })
    }

    /// Starts a coordinator; port 0 for any.
    pub(crate) fn start(&self, port: u16) -> Running {
        let limits = Limits { grace: Duration::from_millis(50), ..Limits::grpc() };
        self.start_with(port, limits)
    }

    /// Starts one whose connections end at this age.
    pub(crate) fn start_with_age(&self, age: Duration) -> Running {
        let grace = Duration::from_millis(200);
        self.start_with(0, Limits { age, age_jitter: Duration::ZERO, grace, ..Limits::grpc() })
    }

    fn start_with(&self, port: u16, limits: Limits) -> Running {
        let key = KeyPair::generate().unwrap();
        let leaf = self.sign(&format!("spiffe://{TRUST_DOMAIN}/moneyer/coordinator"), &key).leaf;
        let identity =
            TlsIdentity::new(vec![leaf.into()], PrivatePkcs8KeyDer::from(key.serialize_der()));
        let authority = self.records(|records| records.authority.clone());
        let tls = ServerTls::mutual(&[authority], &identity).unwrap();
        let tls = tls.with_joining(b"moneyer-join/1").unwrap();
        let address = ListenAddress::Tcp(([127, 0, 0, 1], port).into());
        let listener = Listener::bind(&address, UnixMode::Owner).unwrap();
        let &ListenAddress::Tcp(address) = listener.local_address() else { unreachable!() };
        let routes = Routes::new(EnrollmentServer::new(self.clone()))
            .add_service(MintingServer::new(self.clone()));
        let shutdown = Shutdown::new();
        let served = shutdown.clone();
        shutdown.spawn("coordinator", async move {
            listener.serve(routes.into_axum_router(), limits, Tls::On(tls), &served).await;
        });
        Running { address, shutdown }
    }

    fn mint(&self, request: &v1::MintTokenRequest) -> Result<v1::MintTokenResponse, Status> {
        self.records(|records| {
            if !records.sandboxes.contains_key(&request.sandbox_id) {
                return Err(Status::not_found("there is no such sandbox on this runner"));
            }
            if request.audience.iter().any(|audience| audience == "forbidden") {
                return Err(Status::permission_denied("the audience is not allowed"));
            }
            records.minted += 1;
            let lifetime =
                if request.lifetime_seconds == 0 { 3600 } else { request.lifetime_seconds };
            let audience = request.audience.join("+");
            Ok(v1::MintTokenResponse {
                token: format!("{}.{audience}.{}", request.sandbox_id, records.minted),
                expires_in_seconds: lifetime,
                expires_at: SystemClock.now().0 + i64::from(lifetime),
                key_id: "key".to_owned(),
                token_id: format!("{:032x}", records.minted),
            })
        })
    }
}

impl Records {
    fn trust(&self) -> v1::Trust {
        let authorities = vec![self.authority.to_vec()];
        v1::Trust { trust_domain: TRUST_DOMAIN.to_owned(), authorities }
    }

    fn bundles(&self) -> v1::WatchTrustBundlesResponse {
        let (own, federated) = (Some(self.spiffe.bundle()), self.federated.clone());
        v1::WatchTrustBundlesResponse { own, federated }
    }

    /// The SPIFFE ID of a sandbox that is placed and has one.
    fn svid_subject(&self, sandbox: &str) -> Result<String, Status> {
        let placed = self.sandboxes.get(sandbox).and_then(|placed| placed.spiffe_id.clone());
        placed
            .filter(|id| !id.is_empty())
            .ok_or_else(|| Status::not_found("there is no such sandbox on this runner"))
    }

    pub(crate) fn minted(&self) -> u32 {
        self.minted
    }
}

impl Running {
    /// Ends it, with every connection.
    pub(crate) async fn stop(self, cluster: &Cluster) {
        cluster.records(|records| {
            records.watchers.clear();
            records.bundle_watchers.clear();
        });
        assert_eq!(self.shutdown.drain(Duration::from_secs(10)).await, Drain::Complete);
    }
}

fn is_member<T>(request: &Request<T>) -> bool {
    request.extensions().get::<Arc<Peer>>().is_some_and(|peer| peer.certificate.is_some())
}

fn runner_key(csr: Vec<u8>) -> CertificateSigningRequestParams {
    CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr)).unwrap()
}

#[tonic::async_trait]
impl Enrollment for Cluster {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let request = request.into_inner();
        if request.token != self.join_token() {
            return Err(Status::unauthenticated("the join token is not valid"));
        }
        let uri = format!("spiffe://{TRUST_DOMAIN}/moneyer/runner/r1");
        let certificate = Some(self.sign(&uri, &runner_key(request.csr).public_key));
        Ok(Response::new(v1::JoinResponse { certificate }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        assert!(is_member(&request));
        self.records(|records| {
            records.renewals += 1;
            records.certificate_life = 86_400;
        });
        let uri = format!("spiffe://{TRUST_DOMAIN}/moneyer/runner/r1");
        let certificate = Some(self.sign(&uri, &runner_key(request.into_inner().csr).public_key));
        Ok(Response::new(v1::RenewResponse { certificate }))
    }

    async fn get_trust(
        &self,
        _: Request<v1::GetTrustRequest>,
    ) -> Result<Response<v1::GetTrustResponse>, Status> {
        let trust = Some(self.records(|records| records.trust()));
        Ok(Response::new(v1::GetTrustResponse { trust }))
    }
}

#[tonic::async_trait]
impl Minting for Cluster {
    async fn get_issuer(
        &self,
        _: Request<v1::GetIssuerRequest>,
    ) -> Result<Response<v1::GetIssuerResponse>, Status> {
        Ok(Response::new(v1::GetIssuerResponse {
            issuer: ISSUER.to_owned(),
            organization_id: "acme".to_owned(),
            cluster_id: "test".to_owned(),
            default_audience: "moneyer".to_owned(),
            default_lifetime_seconds: 3600,
            minimum_lifetime_seconds: 60,
            maximum_lifetime_seconds: 86_400,
        }))
    }

    async fn mint_token(
        &self,
        request: Request<v1::MintTokenRequest>,
    ) -> Result<Response<v1::MintTokenResponse>, Status> {
        assert!(is_member(&request));
        self.mint(request.get_ref()).map(Response::new)
    }

    async fn mint_tokens(
        &self,
        request: Request<v1::MintTokensRequest>,
    ) -> Result<Response<v1::MintTokensResponse>, Status> {
        assert!(is_member(&request));
        let requests = request.into_inner().requests;
        self.records(|records| records.batches.push(requests.len()));
        let results = requests.iter().map(|request| {
            let result = match self.mint(request) {
                Ok(token) => v1::mint_token_result::Result::Token(token),
                Err(status) => v1::mint_token_result::Result::Refusal(v1::Refusal {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                }),
            };
            v1::MintTokenResult { result: Some(result) }
        });
        Ok(Response::new(v1::MintTokensResponse { results: results.collect() }))
    }

    async fn mint_system_token(
        &self,
        _: Request<v1::MintSystemTokenRequest>,
    ) -> Result<Response<v1::MintSystemTokenResponse>, Status> {
        Err(Status::permission_denied("not in this fake"))
    }

    async fn mint_jwt_svid(
        &self,
        request: Request<v1::MintJwtSvidRequest>,
    ) -> Result<Response<v1::MintJwtSvidResponse>, Status> {
        assert!(is_member(&request));
        let v1::MintJwtSvidRequest { sandbox_id, audience, .. } = request.into_inner();
        self.records(|records| {
            let spiffe_id = records.svid_subject(&sandbox_id)?;
            if audience.iter().any(|audience| audience == "forbidden") {
                return Err(Status::permission_denied("the audience is not allowed"));
            }
            records.jwt_svids += 1;
            let life = Duration::from_secs(records.svid_life.into());
            let token = v1::MintTokenResponse {
                token: records.spiffe.jwt_svid(&spiffe_id, &audience, life),
                expires_in_seconds: records.svid_life,
                expires_at: SystemClock.now().plus(life).0,
                key_id: "key".to_owned(),
                token_id: format!("{:032x}", records.jwt_svids),
            };
            Ok(Response::new(v1::MintJwtSvidResponse { token: Some(token), spiffe_id }))
        })
    }

    async fn sign_x509_svid(
        &self,
        request: Request<v1::SignX509SvidRequest>,
    ) -> Result<Response<v1::SignX509SvidResponse>, Status> {
        assert!(is_member(&request));
        let v1::SignX509SvidRequest { sandbox_id, certificate_request } = request.into_inner();
        self.records(|records| {
            let spiffe_id = records.svid_subject(&sandbox_id)?;
            records.x509_svids += 1;
            let now = SystemClock.now().0;
            Ok(Response::new(v1::SignX509SvidResponse {
                certificates: vec![records.spiffe.x509_svid(&spiffe_id, certificate_request)],
                spiffe_id,
                not_before: now,
                not_after: now + i64::from(records.svid_life),
                expires_in_seconds: records.svid_life,
            }))
        })
    }

    async fn exchange_subject_token(
        &self,
        request: Request<v1::ExchangeSubjectTokenRequest>,
    ) -> Result<Response<v1::ExchangeSubjectTokenResponse>, Status> {
        assert!(is_member(&request));
        let v1::ExchangeSubjectTokenRequest { sandbox_id, provider, credential, jwt_svid } =
            request.into_inner();
        self.records(|records| {
            records.svid_subject(&sandbox_id)?;
            assert_eq!(jwt_svid.split('.').count(), 3);
            if records.delegates {
                let access_token = format!("for-{sandbox_id}-by-{provider}-{credential}");
                let answer =
                    v1::ExchangeSubjectTokenResponse { access_token, expires_in_seconds: 60 };
                return Ok(Response::new(answer));
            }
            Err(Status::failed_precondition("the user's token has ended"))
        })
    }

    type WatchTrustBundlesStream = ReceiverStream<Result<v1::WatchTrustBundlesResponse, Status>>;

    async fn watch_trust_bundles(
        &self,
        request: Request<v1::WatchTrustBundlesRequest>,
    ) -> Result<Response<Self::WatchTrustBundlesStream>, Status> {
        assert!(is_member(&request));
        let (watcher, watching) = mpsc::channel(64);
        self.records(|records| {
            watcher.try_send(Ok(records.bundles())).unwrap();
            records.bundle_watchers.push(watcher);
        });
        Ok(Response::new(ReceiverStream::new(watching)))
    }

    type WatchSandboxesStream = ReceiverStream<Result<v1::WatchSandboxesResponse, Status>>;

    async fn watch_sandboxes(
        &self,
        request: Request<v1::WatchSandboxesRequest>,
    ) -> Result<Response<Self::WatchSandboxesStream>, Status> {
        assert!(is_member(&request));
        let (watcher, watching) = mpsc::channel(64);
        self.records(|records| {
            records.seen_generations.push(request.get_ref().seen_generation);
            let sandboxes = records.sandboxes.values().cloned().collect();
            let all = Change::All(v1::PlacedSandboxes { sandboxes, ..Default::default() });
            let generation = records.generation;
            let message =
                v1::WatchSandboxesResponse { generation, change: Some(all), ..Default::default() };
            watcher.try_send(Ok(message)).unwrap();
            records.watchers.push(watcher);
        });
        Ok(Response::new(ReceiverStream::new(watching)))
    }
}

/// The SPIFFE ID of a sandbox; those of the name `bare-…` have none, as with an older coordinator.
pub(crate) fn spiffe_id(sandbox: &str) -> String {
    if sandbox.starts_with("bare-") {
        return String::new();
    }
    format!("spiffe://{TRUST_DOMAIN}/sandbox/{sandbox}")
}

fn aws() -> v1::audience_profile::Sdk {
    let role_arn = "arn:aws:iam::123456789012:role/deploy".to_owned();
    v1::audience_profile::Sdk::Aws(v1::AwsSdk { role_arn })
}
