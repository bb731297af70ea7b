//! Plain HTTP: who asks, what is sent on, and what comes back.

use moneyer_identity::ErrorClass;
use moneyer_identity::grant::{HeaderPlacement, TokenHeader};

use tokio::io::AsyncWriteExt as _;

use super::fixtures::*;

#[tokio::test]
async fn a_request_has_the_token_and_nothing_of_the_connection() {
    let world = World::plain().await;
    let own = "Authorization: Bearer own\r\nauthorization: second\r\nCookie: a=b\r\n\
               Connection: authorization, x-own\r\nX-Own: 1\r\nTE: trailers\r\n";
    let answer = world.get("/a%41?q=%2f", own).await;
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(
        answer.ends_with("ok") && answer.to_lowercase().contains("via: 1.1 moneyer"),
        "{answer}"
    );
    let received = world.upstream.received();
    assert!(received.starts_with("GET /aA?q=%2f HTTP/1.1\r\n"), "{received}");
    assert!(received.contains(&format!("\r\nhost: {}\r\n", world.authority())), "{received}");
    assert_eq!(received.to_lowercase().matches("authorization").count(), 1, "{received}");
    assert!(received.contains("authorization: Bearer canary-token-1\r\n"), "{received}");
    assert!(received.contains("cookie: a=b\r\n") && received.contains("via: "), "{received}");
    for gone in ["own", "te:", "proxy-", "connection", world.secret.expose()] {
        assert!(!received.to_lowercase().contains(gone), "{gone}: {received}");
    }
}

#[tokio::test]
async fn who_is_not_known_keeps_no_connection() {
    let world = World::plain().await;
    let authority = world.authority();
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let head = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&read_to_close(stream).await), "407");
}

#[tokio::test]
async fn a_body_passes_as_it_is() {
    let world = World::plain().await;
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let head = format!("POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}");
    let sized = format!("{head}Content-Length: 5\r\n\r\nhello");
    assert_eq!(status(&world.exchange(&sized).await), "200");
    assert!(world.upstream.received().ends_with("\r\n\r\nhello"), "{}", world.upstream.received());
    world.upstream.forget();
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(status(&world.exchange(&chunked).await), "200");
    let received = world.upstream.received();
    assert!(
        received.contains("transfer-encoding: chunked") && received.contains("hello"),
        "{received}"
    );
}

#[tokio::test]
async fn several_tokens_stand_in_headers_of_their_own() {
    let world = World::plain().await;
    let mut grants = grants("1", world.port());
    let raw = HeaderPlacement::Header(TokenHeader::parse("X-Svid").unwrap());
    grants.bindings.push(binding(world.port(), "raw", raw));
    world.permissions.set("s", grants);
    assert_eq!(status(&world.get("/", "X-SVID: own\r\n").await), "200");
    let received = world.upstream.received();
    assert!(received.contains("authorization: Bearer canary-token-1\r\n"), "{received}");
    assert!(
        received.contains("x-svid: canary-raw-2\r\n") && !received.contains("own"),
        "{received}"
    );
}

#[tokio::test]
async fn without_credentials_of_its_own_nobody_is_served() {
    let world = World::plain().await;
    let authority = world.authority();
    let head = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n");
    let good = world.credentials_line();
    let other = good.replace("Basic ", "Basic QQ");
    for lines in [String::new(), other, format!("{good}{good}")] {
        let answer = world.exchange(&format!("{head}{lines}\r\n")).await;
        assert_eq!(status(&answer), "407", "{lines}");
        assert!(answer.to_lowercase().contains("proxy-authenticate: basic"), "{answer}");
    }
    let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    assert_eq!(status(&world.exchange(&connect).await), "407");
    world.credentials.remove(&crate::fakes::sandbox("s"));
    assert_eq!(status(&world.get("/", "").await), "407");
    world.assert_untouched("credentials");
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let world = World::plain().await;
    for (class, expected) in [(ErrorClass::Denied, "502"), (ErrorClass::Unavailable, "503")] {
        *world.tokens.fails.lock().unwrap() = Some(class);
        let answer = world.get("/", "").await;
        assert_eq!(status(&answer), expected, "{answer}");
        let body = r#"{"error":"token_grant_failed","detail":"dynamic token grant failed"}"#;
        assert!(answer.ends_with(body), "{answer}");
        assert_eq!(answer.to_lowercase().contains("retry-after"), expected == "503");
    }
    assert_eq!(world.upstream.received(), "");
}

#[tokio::test]
async fn a_destination_without_a_token_is_reached_as_it_is() {
    let world = World::plain().await;
    let mut grants = grants("1", world.port());
    grants.bindings.clear();
    world.permissions.set("s", grants);
    assert_eq!(status(&world.get("/", "Authorization: Bearer own\r\n").await), "200");
    assert!(world.upstream.received().contains("authorization: Bearer own"));
    assert_eq!(world.tokens.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn each_request_of_a_connection_is_judged_by_itself() {
    let world = World::plain().await;
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let get = |authority: &str| {
        format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n")
    };
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let both = format!("{}{}", get(&authority), get("other.test"));
    stream.write_all(both.as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    assert_eq!(status(&read_answer(&mut stream).await), "403");
    assert_eq!(world.upstream.received().matches("GET ").count(), 1);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_502() {
    let world = World::plain().await;
    let (authority, credentials) = ("api.test:1", world.credentials_line());
    let mut grants = grants("1", 1);
    grants.bindings.clear();
    world.permissions.set("s", grants);
    let head =
        format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n");
    let answer = world.exchange(&head).await;
    assert!(status(&answer) == "502" && answer.contains("upstream_unreachable"), "{answer}");
}
