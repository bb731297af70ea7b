//! The calls, for one sandbox.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::stream::BoxStream;
use moneyer_daemon::listener::Limits;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{Clock, TokenRequest};
use moneyer_proto::workload::spiffe_workload_api_server::{
    SpiffeWorkloadApi, SpiffeWorkloadApiServer,
};
use moneyer_proto::workload::{
    JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse,
    X509svidRequest, X509svidResponse,
};
use tonic::{Code, Request, Response, Status};

use super::follow::{Sources, Teller, follow};
use super::profiles::Profiles;
use super::share::{Share, count_reflection};
use super::status::{Refusal, label};
use super::tellers::{JwtBundleTeller, X509BundleTeller, X509SvidTeller};
use super::{admission, audiences, validation};
use crate::config::UserRange;
use crate::coordinator::{KnownBundles, KnownPlacement};
use crate::metrics::{Metrics, WorkloadCall};
use crate::sandbox::{Ending, Stay};
use crate::svid::{Subject, SvidKeeper, SvidOffice, SvidSubject};
use crate::token::TokenSource;

/// Most bytes of a message: the 32 longest audiences have 16 KiB, the longest token 8 KiB.
const MAXIMUM_MESSAGE_BYTES: usize = 32 * 1024;

/// Age at which a connection is closed: none that a sandbox comes to. Its streams are to last, and a caller
/// proves nothing but being on the socket, which does not grow old.
const AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The Workload API of all sandboxes.
pub(crate) struct WorkloadApi {
    pub(crate) placement: Arc<KnownPlacement>,
    pub(crate) bundles: Arc<KnownBundles>,
    /// Where JWT-SVIDs come from.
    pub(crate) source: TokenSource,
    /// Where X.509-SVIDs come from.
    pub(crate) svids: SvidOffice,
    /// Who may call, where not everyone on the socket.
    pub(crate) users: Arc<[UserRange]>,
    /// By which JWT-SVIDs are validated.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// What of it is offered.
    pub(crate) profiles: Profiles,
}

impl WorkloadApi {
    /// The name of its socket in a sandbox's directory.
    pub(crate) const SOCKET: &str = "workload-api.sock";

    /// The limits of each sandbox's socket.
    pub(crate) fn limits(max_connections: usize) -> Limits {
        Limits { max_connections, age: AGE, ..Limits::default() }
    }

    /// What is served on the socket of one sandbox.
    pub(crate) fn on_socket_of(&self, stay: &Stay) -> Router {
        let subject = SvidSubject {
            placement: Arc::clone(&self.placement),
            sandbox: stay.sandbox().clone(),
            occupant: stay.occupant().clone(),
        };
        let share = Share::new();
        let service = Service {
            stay: stay.clone(),
            keeper: self.svids.keeper(subject, stay.end().clone()),
            bundles: Arc::clone(&self.bundles),
            source: self.source.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            share: share.clone(),
            profiles: self.profiles.clone(),
        };
        let server =
            SpiffeWorkloadApiServer::new(service).max_decoding_message_size(MAXIMUM_MESSAGE_BYTES);
        let users = Arc::clone(&self.users);
        let router = self.profiles.reflection().add_service(server).into_axum_router();
        let router = router.layer(axum::middleware::from_fn_with_state(share, count_reflection));
        router.layer(axum::middleware::from_fn_with_state(users, admission::admit))
    }
}

struct Service {
    stay: Stay,
    keeper: Arc<SvidKeeper>,
    bundles: Arc<KnownBundles>,
    source: TokenSource,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    share: Share,
    profiles: Profiles,
}

type Messages<M> = BoxStream<'static, Result<M, Status>>;

impl Service {
    /// The sandbox's SPIFFE ID.
    fn identity(&self) -> Result<SpiffeId, Refusal> {
        match self.stay.ending() {
            Some(Ending::Left) => return Err(Refusal::Left),
            Some(Ending::Closing) => return Err(Refusal::Closing),
            None => {}
        }
        match self.keeper.subject().now() {
            Subject::Of(id) => Ok(id),
            Subject::Nobody => Err(Refusal::NoIdentity),
            Subject::Unknown => Err(Refusal::Starting),
        }
    }

    fn sources(&self) -> Result<Sources, Refusal> {
        self.identity()?;
        let place = self.share.stream()?;
        Ok(Sources {
            stay: self.stay.clone(),
            keeper: Arc::clone(&self.keeper),
            bundles: self.bundles.follow(),
            placement: self.keeper.subject().changes(),
            stock: None,
            _place: (place, self.metrics.stream()),
        })
    }

    async fn bundle_stream<T: Teller>(&self, teller: T) -> Result<Messages<T::Message>, Refusal> {
        follow(teller, self.sources()?).await
    }

    async fn x509_svids(&self) -> Result<Messages<X509svidResponse>, Refusal> {
        let mut sources = self.sources()?;
        let stock = self.keeper.ask();
        let asked_after = self.keeper.answered(&stock.borrow());
        sources.stock = Some(stock);
        follow(X509SvidTeller { asked_after, told: None }, sources).await
    }

    async fn jwt_svids(&self, request: JwtsvidRequest) -> Result<JwtsvidResponse, Refusal> {
        let audiences = audiences::read(&request.audience)?;
        let id = self.identity()?;
        if !request.spiffe_id.is_empty() && request.spiffe_id != id.as_str() {
            return Err(Refusal::NotEntitled);
        }
        let sandbox = self.stay.sandbox().clone();
        let asked = TokenRequest { sandbox, audiences, lifetime: None };
        let minted = self.source.jwt_svid(id.clone(), asked).await?;
        let svid = minted.token.expose().to_owned();
        let svid = Jwtsvid { spiffe_id: id.to_string(), svid, hint: String::new() };
        Ok(JwtsvidResponse { svids: vec![svid] })
    }

    async fn validate(
        &self,
        request: ValidateJwtsvidRequest,
    ) -> Result<ValidateJwtsvidResponse, Refusal> {
        if request.audience.is_empty() {
            return Err(Refusal::NoAudience);
        }
        if request.svid.is_empty() {
            return Err(Refusal::NoSvid);
        }
        self.identity()?;
        let bundles = self.bundles.now().ok_or(Refusal::Starting)?;
        let now = self.clock.now();
        let ValidateJwtsvidRequest { audience, svid } = request;
        let check = move || validation::validate(&svid, &audience, bundles.all(), now);
        Ok(self.share.check(check).await??)
    }

    /// Carries the call out where its profile is offered, counts it, and says how it went to the caller and to the log.
    async fn answer<T>(
        &self,
        call: WorkloadCall,
        answer: impl Future<Output = Result<T, Refusal>> + Send,
    ) -> Result<Response<T>, Status> {
        let result = match self.profiles.check(call) {
            Ok(()) => answer.await,
            Err(refusal) => Err(refusal),
        };
        let answer = result.map(Response::new).map_err(|refusal| {
            tracing::debug!(
                sandbox.id = %self.stay.sandbox(), rpc.method = call.as_str(),
                error.cause = crate::chain(&refusal),
                "a call of the Workload API was refused"
            );
            refusal.into_status()
        });
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        self.metrics.workload_call(call, label(code));
        answer
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for Service {
    type FetchX509SVIDStream = Messages<X509svidResponse>;

    async fn fetch_x509svid(
        &self,
        _request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        self.answer(WorkloadCall::FetchX509Svid, self.x509_svids()).await
    }

    type FetchX509BundlesStream = Messages<X509BundlesResponse>;

    async fn fetch_x509_bundles(
        &self,
        _request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let bundles = self.bundle_stream(X509BundleTeller::default());
        self.answer(WorkloadCall::FetchX509Bundles, bundles).await
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        self.answer(WorkloadCall::FetchJwtSvid, self.jwt_svids(request.into_inner())).await
    }

    type FetchJWTBundlesStream = Messages<JwtBundlesResponse>;

    async fn fetch_jwt_bundles(
        &self,
        _request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let bundles = self.bundle_stream(JwtBundleTeller::default());
        self.answer(WorkloadCall::FetchJwtBundles, bundles).await
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        self.answer(WorkloadCall::ValidateJwtSvid, self.validate(request.into_inner())).await
    }
}
