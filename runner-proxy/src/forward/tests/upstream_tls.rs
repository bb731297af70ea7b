//! The handshake with an upstream: verified as any client would, or no request goes out.

use moneyer_daemon::tls::WebAlpn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fixtures::*;

async fn get(world: &World) -> String {
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
    stream.write_all(get.as_bytes()).await.unwrap();
    read_answer(&mut stream).await
}

#[tokio::test]
async fn an_upstream_whose_certificate_is_not_its_own_gets_no_request() {
    let web = WebAuthority::new();
    let other = WebAuthority::new();
    for tls in [web.server("other.test"), other.server(HOST), web.expired_server(HOST)] {
        let upstream = FakeUpstream::start(Some(tls)).await;
        let world = World::before(upstream, &web);
        let answer = get(&world).await;
        assert!(status(&answer) == "502" && answer.contains("upstream_tls_failed"), "{answer}");
        assert_eq!(world.upstream.received(), "");
    }
}

#[tokio::test]
async fn an_upstream_that_chooses_tls_1_0_gets_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::at(listener.local_addr().unwrap(), &WebAuthority::new()).await;
    let serving = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        tcp.read_exact(&mut hello).await.unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        tcp.read_exact(&mut rest).await.unwrap();
        // A ServerHello (RFC 2246 section 7.4.1.3) that chooses TLS_RSA_WITH_AES_128_CBC_SHA.
        let chosen = [&[2, 0, 0, 38, 3, 1][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
        let length = u8::try_from(chosen.len()).unwrap();
        tcp.write_all(&[&[22, 3, 1, 0, length][..], &chosen].concat()).await.unwrap();
        let mut received = Vec::new();
        tcp.read_to_end(&mut received).await.ok();
        received
    });
    let answer = get(&world).await;
    assert!(status(&answer) == "502" && answer.contains("upstream_tls_failed"), "{answer}");
    let received = tokio::time::timeout(SOON, serving).await.unwrap().unwrap();
    // An alert (RFC 5246 section 7.2) and nothing else.
    assert!(received.first() == Some(&21) && received.len() == 7, "{received:?}");
}

#[tokio::test]
async fn an_upstream_that_needs_a_clients_certificate_reads_no_request_and_one_that_asks_for_it_does()
 {
    let web = WebAuthority::new();
    let needs = World::before(FakeUpstream::start(Some(web.demanding_server(HOST))).await, &web);
    assert_eq!(status(&get(&needs).await), "502");
    assert_eq!(needs.upstream.received(), "");
    // As API servers of Kubernetes do, who take tokens as well.
    let asks = World::before(FakeUpstream::start(Some(web.server(HOST).asking())).await, &web);
    assert_eq!(status(&get(&asks).await), "200");
}
