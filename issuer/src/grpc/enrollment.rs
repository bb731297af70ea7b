//! The Enrollment service.

use moneyer_authority::Authority;
use moneyer_authority::enrollment::EnrollmentError;
use moneyer_identity::UnixTime;
use moneyer_proto::v1;
use moneyer_proto::v1::enrollment_server::Enrollment;
use tonic::{Request, Response, Status};

use crate::grpc::limit::MintLimits;
use crate::grpc::{caller, convert, status};

/// Serves whoever joins, and members that renew.
#[derive(Debug, Clone)]
pub(super) struct EnrollmentService {
    pub(super) authority: Authority,
    pub(super) limits: MintLimits,
}

impl EnrollmentService {
    fn certifying_time(&self) -> Result<UnixTime, Status> {
        let sound = self.authority.sound_time().map_err(EnrollmentError::Clock);
        sound.map_err(|error| status::enrollment(&error))
    }
}

#[tonic::async_trait]
impl Enrollment for EnrollmentService {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let v1::JoinRequest { token, csr } = request.into_inner();
        self.authority.latest().await;
        let enrollment = self.authority.enrollment();
        let joined = enrollment.join(&token, csr, self.certifying_time()?).await;
        let certificate = joined.map_err(|error| status::enrollment(&error))?;
        let certificate = Some(convert::certificate(certificate, enrollment.authority()));
        Ok(Response::new(v1::JoinResponse { certificate }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let leaf = caller::leaf(&request)?;
        let member = caller::member(&self.authority, &request).await?;
        self.limits.take_renewal(&leaf)?;
        self.authority.latest().await;
        let csr = request.into_inner().csr;
        let enrollment = self.authority.enrollment();
        let renewed = enrollment.renew(member, leaf, csr, self.certifying_time()?).await;
        let certificate = renewed.map_err(|error| status::enrollment(&error))?;
        let certificate = Some(convert::certificate(certificate, enrollment.authority()));
        Ok(Response::new(v1::RenewResponse { certificate }))
    }

    async fn get_trust(
        &self,
        _request: Request<v1::GetTrustRequest>,
    ) -> Result<Response<v1::GetTrustResponse>, Status> {
        let trust = Some(convert::trust(self.authority.enrollment().authority()));
        Ok(Response::new(v1::GetTrustResponse { trust }))
    }
}
