//! Upstreams that show what they were sent, where `redact_echo` is on.

use moneyer_identity::grant::Protocol;

use super::fixtures::*;

fn redacting(world: &World) {
    let mut grants = grants("2", world.port());
    grants.endpoints[0].redact_echo = true;
    world.permissions.set("s", grants);
}

#[tokio::test]
async fn an_upstream_that_shows_what_it_was_sent_shows_no_token_where_the_endpoint_says_so() {
    let world = World::plain().await;
    let echo = "HTTP/1.1 200 OK\r\nX-Sent: Bearer canary-token-1\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n\
                7\r\na canar\r\n8\r\ny-token-\r\n7\r\n1 canar\r\n0\r\nX-End: canary-token-1\r\n\r\n";
    world.upstream.answer_with(echo);
    let asked = "Range: bytes=0-3\r\nAccept-Encoding: gzip\r\n";
    assert!(world.get("/", asked).await.contains("Bearer canary-token-1"), "it is not asked for");
    redacting(&world);
    world.upstream.answer_with(&echo.replace("token-1", "token-2").replace("\r\n1 ", "\r\n2 "));
    world.upstream.forget();
    let answer = world.get("/", asked).await;
    assert!(status(&answer) == "200" && !answer.contains("canary-"), "{answer}");
    assert!(answer.contains("Bearer **************\r\n"), "{answer}");
    let sent = world.upstream.received().to_lowercase();
    assert!(sent.contains("bearer canary-token-2"), "{sent}");
    assert!(sent.contains("accept-encoding: identity") && !sent.contains("range"), "{sent}");
}

#[tokio::test]
async fn an_answer_in_which_no_token_would_be_found_is_passed_to_nobody_where_one_is_to_be() {
    let world = World::plain().await;
    for head in ["Content-Encoding: gzip", "Content-Encoding: identity, br"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: 2\r\n\r\nok");
        world.upstream.answer_with(&answer);
        world.permissions.set("s", grants("1", world.port()));
        assert_eq!(status(&world.get("/", "").await), "200", "{head}");
        redacting(&world);
        let refused = world.get("/", "").await;
        assert!(status(&refused) == "502" && refused.contains("redact_echo"), "{refused}");
    }
    for answer in [
        "206 Partial Content\r\nContent-Range: bytes 0-1/9",
        "206 Partial Content",
        "200 OK\r\nContent-Range: bytes 0-1/9",
        "200 OK\r\nContent-Type: Multipart/X-ByteRanges; boundary=a",
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nok");
        world.upstream.answer_with(&answer);
        let refused = world.get("/", "Request-Range: bytes=0-1\r\n").await;
        assert!(status(&refused) == "502" && refused.contains("a part"), "{answer}: {refused}");
    }
    assert!(!world.upstream.received().to_lowercase().contains("range: bytes"));
    world.upstream.answer_with(
        "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!(status(&world.get("/", "").await), "200");
}

#[tokio::test]
async fn a_websocket_is_not_looked_into_so_none_is_opened_there() {
    let world = World::plain().await;
    let mut grants = grants("2", world.port());
    grants.endpoints[0].protocol = Protocol::Websocket;
    grants.endpoints[0].redact_echo = true;
    world.permissions.set("s", grants);
    let answer = world.get("/", super::websockets::UPGRADE).await;
    assert!(status(&answer) == "403" && answer.contains("redact_echo"), "{answer}");
    world.assert_untouched("a WebSocket");
}
