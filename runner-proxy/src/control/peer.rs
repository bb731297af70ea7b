//! Who may give commands.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use moneyer_daemon::listener::{Peer, PeerAddress};
use tonic::Status;

/// Lets requests through whose sender (`SO_PEERCRED`) is this process's user or root.
pub(super) async fn admit(request: Request, next: Next) -> Response {
    let own = rustix::process::geteuid().as_raw();
    let uid = request.extensions().get::<Arc<Peer>>().and_then(|peer| match peer.address {
        PeerAddress::Unix { uid, .. } => Some(uid),
        PeerAddress::Tcp(_) => None,
    });
    if uid.is_some_and(|uid| uid == 0 || uid == own) {
        return next.run(request).await;
    }
    tracing::warn!(peer.uid = uid, "a command of another user was refused");
    let refused = "only the runner proxy's own user and root may give commands";
    Status::permission_denied(refused).into_http()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(address: Option<PeerAddress>) -> Option<String> {
        let router =
            Router::new().layer(axum::middleware::from_fn(admit)).fallback(|| async { "in" });
        let router = router.layer(axum::middleware::from_fn(admit));
        let mut request = Request::new(Body::empty());
        if let Some(address) = address {
            let peer = Peer::plain(address);
            request.extensions_mut().insert(Arc::new(peer));
        }
        let response = router.oneshot(request).await.unwrap();
        response.headers().get("grpc-status").map(|code| code.to_str().unwrap().to_owned())
    }

    fn unix(uid: u32) -> PeerAddress {
        PeerAddress::Unix { uid, gid: 0, pid: None }
    }

    #[tokio::test]
    async fn own_user_and_root_only() {
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(status(Some(unix(own))).await, None);
        assert_eq!(status(Some(unix(0))).await, None);
        let denied = Some("7".to_owned());
        assert_eq!(status(Some(unix(own + 12_345))).await, denied);
        assert_eq!(status(None).await, denied);
        let tcp = PeerAddress::Tcp("127.0.0.1:1".parse().unwrap());
        assert_eq!(status(Some(tcp)).await, denied);
    }
}
