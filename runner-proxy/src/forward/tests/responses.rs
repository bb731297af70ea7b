//! What an upstream may do to a sandbox, and to the proxy.

use moneyer_daemon::tls::WebAlpn;
use tokio::io::AsyncWriteExt as _;

use super::fixtures::*;

#[tokio::test]
async fn redirects_and_challenges_pass_and_nobody_follows_them() {
    let world = World::plain().await;
    for code in ["301", "302", "307", "308"] {
        let to = "http://u:p@evil.test/";
        world.upstream.answer_with(&format!(
            "HTTP/1.1 {code} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
        ));
        world.upstream.forget();
        let answer = world.get("/", "").await;
        assert!(status(&answer) == code && answer.contains(to), "{answer}");
        assert!(!answer.contains("canary"), "{answer}");
        assert_eq!(world.upstream.received().matches("GET ").count(), 1);
    }
}

#[tokio::test]
async fn a_refused_token_is_told_once_and_no_other_is_sent_in_its_place() {
    let world = World::plain().await;
    world.upstream.answer_with(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = world.get("/", "").await;
    assert!(
        status(&answer) == "401" && answer.to_lowercase().contains("www-authenticate: negotiate")
    );
    assert_eq!(*world.tokens.refused.lock().unwrap(), ["canary-token-1"]);
    assert_eq!(world.upstream.received().matches("GET ").count(), 1);
}

#[tokio::test]
async fn an_answer_that_two_readers_end_differently_is_passed_to_nobody() {
    let world = World::plain().await;
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    ] {
        world.upstream.answer_with(answer);
        let passed = world.get("/", "").await;
        assert_eq!(status(&passed), "502", "{answer}: {passed}");
    }
}

#[tokio::test]
async fn two_answers_to_one_request_are_one() {
    let world = World::encrypted().await;
    world.upstream.answer_with(&format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    for _ in 0..2 {
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
        stream.write_all(get.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_not_read_to_its_end() {
    let world = World::plain().await;
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024));
    world.upstream.answer_with(&long);
    assert_eq!(status(&world.get("/", "").await), "502");
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(10_000));
    world.upstream.answer_with(&many);
    assert_eq!(status(&world.get("/", "").await), "502");
}

#[tokio::test]
async fn interim_answers_are_no_answer_however_many_there_are() {
    let world = World::plain().await;
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    world.upstream.answer_with(&format!("{}{OK}", interim.repeat(1000)));
    let answer = world.get("/", "").await;
    assert!(status(&answer) == "200" && answer.ends_with("ok"), "{answer}");
    assert!(!answer.contains("103"), "{answer}");
}

#[tokio::test]
async fn an_answer_before_the_request_is_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::at(listener.local_addr().unwrap(), &WebAuthority::new()).await;
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut tcp, _)) = listener.accept().await {
            let early = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";
            tcp.write_all(early.as_bytes()).await.unwrap();
            open.push(tcp);
        }
    });
    // Whatever it has to do with this one, the next one has none of it.
    for _ in 0..2 {
        let answer = world.get("/", "").await;
        assert!(matches!(status(&answer), "502" | "200"), "{answer}");
        assert_eq!(answer.matches("early").count() > 0, status(&answer) == "200", "{answer}");
    }
}
