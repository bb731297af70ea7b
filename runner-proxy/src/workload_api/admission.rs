//! What lets a call in, before anything is looked at (Workload Endpoint, section 3).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use moneyer_daemon::listener::{Peer, PeerAddress};

use super::status::Refusal;
use crate::config::UserRange;

/// The header that a request forged by way of a service does not carry.
const SECURITY_HEADER: &str = "workload.spiffe.io";

/// Lets calls through that carry the security header and come from one of these users; with none named,
/// from every user that reaches the socket.
pub(super) async fn admit(
    State(users): State<Arc<[UserRange]>>,
    request: Request,
    next: Next,
) -> Response {
    if !has_security_header(request.headers()) {
        return Refusal::SecurityHeader.into_status().into_http();
    }
    let uid = request.extensions().get::<Arc<Peer>>().and_then(|peer| match peer.address {
        PeerAddress::Unix { uid, .. } => Some(uid),
        PeerAddress::Tcp(_) => None,
    });
    let is_named = uid.is_some_and(|uid| users.iter().any(|range| range.contains(uid)));
    if !users.is_empty() && !is_named {
        tracing::warn!(
            peer.uid = uid,
            "a call of a user that sandboxes.users does not name was refused"
        );
        return Refusal::User.into_status().into_http();
    }
    next.run(request).await
}

/// Whether the header is there exactly once, with the exact value.
fn has_security_header(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(SECURITY_HEADER).iter();
    let (first, second) = (values.next(), values.next());
    first.is_some_and(|value| value.as_bytes() == b"true") && second.is_none()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use http::HeaderValue;
    use tower::ServiceExt as _;

    use super::*;

    async fn code(users: &[&str], headers: &[&'static str], uid: u32) -> Option<String> {
        let users: Arc<[_]> = users.iter().map(|text| text.parse().unwrap()).collect();
        let router = Router::new()
            .fallback(|| async { "in" })
            .layer(axum::middleware::from_fn_with_state(users, admit));
        let mut request = Request::new(Body::empty());
        for value in headers {
            request.headers_mut().append(SECURITY_HEADER, HeaderValue::from_static(value));
        }
        let address = PeerAddress::Unix { uid, gid: 0, pid: None };
        request.extensions_mut().insert(Arc::new(Peer::plain(address)));
        let response = router.oneshot(request).await.unwrap();
        response.headers().get("grpc-status").map(|code| code.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn the_header_is_there_once_and_exactly() {
        assert_eq!(code(&[], &["true"], 1).await, None);
        let odd: [&[&str]; 7] =
            [&[], &["True"], &["TRUE"], &["false"], &["1"], &["true", "true"], &["true, true"]];
        for headers in odd {
            assert_eq!(code(&[], headers, 1).await.as_deref(), Some("3"), "{headers:?}");
        }
    }

    #[tokio::test]
    async fn the_named_users_only_where_any_are_named() {
        for (users, uid, expected) in [
            (&[][..], 12, None),
            (&["12"][..], 12, None),
            (&["12"][..], 13, Some("7")),
            (&["0", "100000-165535"][..], 165_535, None),
            (&["0", "100000-165535"][..], 165_536, Some("7")),
        ] {
            assert_eq!(code(users, &["true"], uid).await.as_deref(), expected, "{users:?} {uid}");
        }
    }
}
