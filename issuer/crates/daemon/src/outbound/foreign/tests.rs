//! Real servers on this machine, known in one of the ways, that answer as servers should not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;
use moneyer_identity::error_chain;
use moneyer_identity::spiffe::{SpiffeId, TrustBundle, TrustBundles, TrustDomain, X509Authority};

use super::{ForeignDocument, MAXIMUM_REDIRECTS, ServerProof};
use crate::lifecycle::Shutdown;
use crate::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use crate::outbound::policy::{OutboundError, OutboundPolicy};
use crate::tls::fixtures::Authority;
use crate::tls::{ServerTls, TlsIdentity};

const ID: &str = "spiffe://other.example/bundle-endpoint";
const LIMIT: usize = 1024;

fn serve(identity: &TlsIdentity, router: Router) -> SocketAddr {
    let tls = Tls::On(ServerTls::server_only(identity).unwrap());
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    tokio::spawn(async move {
        listener.serve(router, Limits::default(), tls, &Shutdown::new()).await;
    });
    address
}

/// A server that redirects `/` to where it is told.
fn redirecting(identity: &TlsIdentity, to: String) -> String {
    let router = Router::new().route("/", get(move || async move { Redirect::temporary(&to) }));
    format!("https://localhost:{}/", serve(identity, router).port())
}

fn answering(identity: &TlsIdentity) -> String {
    let router = Router::new().route("/", get(|| async { "{}" }));
    format!("https://localhost:{}/", serve(identity, router).port())
}

fn document() -> ForeignDocument {
    let policy = OutboundPolicy::of_bundle(Duration::from_secs(20), LIMIT);
    ForeignDocument { policy, private_addresses: true, redirects: true }
}

fn web(authority: &Authority) -> ServerProof {
    ServerProof::NameUnder(authority.pem.clone().into_bytes())
}

fn svid(authority: &Authority) -> ServerProof {
    let trust_domain = TrustDomain::parse("other.example").unwrap();
    let authorities = vec![X509Authority::parse(&authority.certificate).unwrap()];
    let bundle = TrustBundle::new(trust_domain, authorities, Vec::new()).unwrap();
    ServerProof::SpiffeId(SpiffeId::parse(ID).unwrap(), TrustBundles::from_iter([bundle]))
}

async fn refused(url: &str, proof: &ServerProof) -> OutboundError {
    document().get(url, proof).await.unwrap_err()
}

#[tokio::test]
async fn f5_a_server_of_https_web_is_known_by_its_name_under_the_given_roots_and_no_others() {
    let authority = Authority::new();
    let url = answering(&authority.leaf_for_localhost());
    assert_eq!(document().get(&url, &web(&authority)).await.unwrap(), b"{}");
    for proof in [web(&Authority::new()), ServerProof::Name, svid(&authority)] {
        assert!(matches!(refused(&url, &proof).await, OutboundError::Fetch(e) if e.is_connect()));
    }
    let by_number = url.replace("localhost", "127.0.0.1");
    let unnamed = refused(&by_number, &web(&authority)).await;
    assert!(error_chain(&unnamed).contains("not valid for name"), "{}", error_chain(&unnamed));
    let empty = ServerProof::NameUnder(Vec::new());
    assert!(matches!(refused(&url, &empty).await, OutboundError::NoRoot));
}

#[tokio::test]
async fn f6_a_server_of_https_spiffe_is_exactly_the_one_that_was_named() {
    let authority = Authority::new();
    let url = answering(&authority.svid(ID));
    assert_eq!(document().get(&url, &svid(&authority)).await.unwrap(), b"{}");
    // Its name counts for nothing.
    let by_number = url.replace("localhost", "127.0.0.1");
    assert!(document().get(&by_number, &svid(&authority)).await.is_ok());
    let says = async |identity: &TlsIdentity, authority: &Authority, what: &str| {
        let error = error_chain(&refused(&answering(identity), &svid(authority)).await);
        assert!(error.contains(what), "{error}");
    };
    let other = "spiffe://other.example/another";
    says(&authority.svid(other), &authority, "another and not spiffe://other.example/bundle").await;
    says(&authority.svid(ID), &Authority::new(), "no path from the certificate").await;
    says(&authority.svid("spiffe://third.example/x"), &authority, "no bundle of the trust").await;
    // Of the right name for a browser, and no SVID.
    says(&authority.leaf_for_localhost(), &authority, "is not an X.509-SVID").await;
    says(&authority.expired_leaf(&[ID]), &authority, "is not an X.509-SVID").await;
}

#[tokio::test]
async fn f3_a_redirect_is_followed_only_to_what_meets_the_same_rules() {
    let authority = Authority::new();
    let leaf = authority.leaf_for_localhost();
    let good = answering(&leaf);
    let follow =
        async |to: &str| document().get(&redirecting(&leaf, to.to_owned()), &web(&authority)).await;
    assert_eq!(follow(&good).await.unwrap(), b"{}");
    let plain = good.replace("https://", "http://");
    assert!(matches!(follow(&plain).await, Err(OutboundError::NotHttps)));
    let with_user = good.replace("https://", "https://user:secret@");
    assert!(matches!(follow(&with_user).await, Err(OutboundError::NotHttps)));
    assert!(matches!(follow("file:///etc/passwd").await, Err(OutboundError::NotHttps)));
    // The server there proves itself anew.
    let strange = answering(&Authority::new().leaf_for_localhost());
    assert!(matches!(follow(&strange).await, Err(OutboundError::Fetch(e)) if e.is_connect()));
    for (url, to) in [("http://localhost/", "x"), ("https://user@localhost/", "x")] {
        assert!(matches!(refused(url, &web(&authority)).await, OutboundError::NotHttps), "{to}");
    }
}

#[tokio::test]
async fn f3_a_redirect_of_https_spiffe_leads_to_the_same_id_or_nowhere() {
    let authority = Authority::new();
    let server = authority.svid(ID);
    let follow =
        async |to: String| document().get(&redirecting(&server, to), &svid(&authority)).await;
    assert_eq!(follow(answering(&server)).await.unwrap(), b"{}");
    for other in [
        authority.svid("spiffe://other.example/another"),
        authority.leaf_for_localhost(),
        Authority::new().svid(ID),
    ] {
        let error = follow(answering(&other)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Fetch(e) if e.is_connect()));
    }
}

#[tokio::test]
async fn f3_a_redirect_is_never_kept_and_a_circle_ends() {
    let authority = Authority::new();
    let leaf = authority.leaf_for_localhost();
    let target = answering(&leaf);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let permanently = move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
        Redirect::permanent(&target)
    };
    let router = Router::new()
        .route("/", get(permanently))
        .route("/circle", get(|| async { Redirect::temporary("/circle") }));
    let base = format!("https://localhost:{}", serve(&leaf, router).port());
    let document = document();
    for times in 1..=3 {
        document.get(&format!("{base}/"), &web(&authority)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
    let circle = document.get(&format!("{base}/circle"), &web(&authority)).await;
    assert!(matches!(circle, Err(OutboundError::TooManyRedirects(MAXIMUM_REDIRECTS))));
}

#[tokio::test]
async fn as_many_redirects_are_followed_as_are_allowed() {
    let authority = Authority::new();
    let leaf = authority.leaf_for_localhost();
    let mut url = answering(&leaf);
    for _ in 0..MAXIMUM_REDIRECTS {
        url = redirecting(&leaf, url);
    }
    assert!(document().get(&url, &web(&authority)).await.is_ok());
    let one_more = redirecting(&leaf, url);
    let error = refused(&one_more, &web(&authority)).await;
    assert!(matches!(error, OutboundError::TooManyRedirects(_)));
}

#[tokio::test]
async fn a_document_is_read_up_to_its_limit_and_a_server_that_drips_is_left() {
    let authority = Authority::new();
    let drip = || async {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        Body::from_stream(drops)
    };
    let router = Router::new()
        .route("/limit", get(|| async { vec![b' '; LIMIT] }))
        .route("/long", get(|| async { vec![b' '; LIMIT + 1] }))
        .route("/drip", get(drip))
        .route("/never", get(std::future::pending::<()>));
    let leaf = authority.leaf_for_localhost();
    let base = format!("https://localhost:{}", serve(&leaf, router).port());
    let proof = web(&authority);
    let limit = document().get(&format!("{base}/limit"), &proof).await;
    assert_eq!(limit.unwrap().len(), LIMIT);
    let long = refused(&format!("{base}/long"), &proof).await;
    assert!(matches!(long, OutboundError::TooLong(LIMIT)));
    assert!(matches!(refused(&format!("{base}/x"), &proof).await, OutboundError::Status(_)));
    let policy = OutboundPolicy::of_bundle(Duration::from_millis(500), LIMIT);
    let impatient = ForeignDocument { policy, private_addresses: true, redirects: true };
    for path in ["/drip", "/never"] {
        let error = impatient.get(&format!("{base}{path}"), &proof).await.unwrap_err();
        assert!(error.timed_out(), "{error}");
    }
}

/// A server that says what it was shown in `Authorization`.
fn echoing(identity: &TlsIdentity) -> String {
    let echo = async |headers: HeaderMap| {
        let shown = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        shown.unwrap_or_default()
    };
    let router = Router::new().route("/", get(echo));
    format!("https://localhost:{}/", serve(identity, router).port())
}

#[tokio::test]
async fn a_bearer_token_is_shown_to_the_named_server_and_carried_to_no_other() {
    let authority = Authority::new();
    let leaf = authority.leaf_for_localhost();
    let (url, proof) = (echoing(&leaf), web(&authority));
    let shown = document().get_as(&url, &proof, Some("canary")).await.unwrap();
    assert_eq!(shown, b"Bearer canary");
    assert_eq!(document().get(&url, &proof).await.unwrap(), b"");
    let away = redirecting(&leaf, url.clone());
    assert!(document().get(&away, &proof).await.is_ok(), "without one it is followed");
    let refused = document().get_as(&away, &proof, Some("canary")).await.unwrap_err();
    assert!(matches!(refused, OutboundError::Redirect(_)), "{refused:?}");
    let staying = ForeignDocument { redirects: false, ..document() };
    let refused = staying.get(&away, &proof).await.unwrap_err();
    assert!(matches!(refused, OutboundError::Redirect(_)), "{refused:?}");
}

#[tokio::test]
async fn private_addresses_are_asked_only_where_that_is_allowed() {
    let authority = Authority::new();
    let url = answering(&authority.leaf_for_localhost());
    let public = ForeignDocument { private_addresses: false, ..document() };
    let error = async |url: &str| public.get(url, &web(&authority)).await.unwrap_err();
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let url = url.replace("localhost", host);
        assert!(matches!(error(&url).await, OutboundError::Private(_)), "{url}");
    }
    assert!(matches!(error("https://169.254.169.254/").await, OutboundError::Private(_)));
    // A name is resolved by the resolver that leaves such addresses out, and by no other.
    let by_name = error_chain(&error("https://nobody.invalid/").await);
    assert!(by_name.contains("nobody.invalid cannot be looked up"), "{by_name}");
}
