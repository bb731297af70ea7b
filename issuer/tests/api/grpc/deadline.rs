//! Threat A 28: nobody keeps a call longer than it may last.

use std::time::Duration;

use futures_util::stream;
use http::{Request, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;
use tonic::Code;

use crate::member::Member;
use crate::world::World;

/// Begins a call whose message never comes, and gives the code it ended with and how long it took.
async fn stalled(world: &World, member: &Member, timeout: Option<&str>) -> (String, Duration) {
    let address = format!("https://{}", world.grpc_address()).parse().unwrap();
    let connection = world.tls(Some(&member.identity)).connector().connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), connection).await.unwrap();
    let driven = tokio::spawn(connection);
    let mut request = Request::post("http://coordinator/moneyer.v1.Minting/MintToken")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers");
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let never = StreamBody::new(stream::pending::<Result<Frame<bytes::Bytes>, std::io::Error>>());
    let since = Instant::now();
    let answer = sender.send_request(request.body(never).unwrap()).await.unwrap();
    let took = since.elapsed();
    driven.abort();
    (answer.headers()["grpc-status"].to_str().unwrap().to_owned(), took)
}

#[tokio::test]
async fn a_callers_deadline_holds_and_ours_is_the_longest() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let exceeded = i32::from(Code::DeadlineExceeded).to_string();
    let (code, took) = stalled(&world, &member, Some("1m")).await;
    assert_eq!(code, exceeded);
    assert!(took < Duration::from_secs(4), "{took:?}");
    // Ten years, and nothing said at all.
    let (years, none) =
        tokio::join!(stalled(&world, &member, Some("87600H")), stalled(&world, &member, None));
    for (code, took) in [years, none] {
        assert_eq!(code, exceeded);
        assert!(took >= Duration::from_secs(5), "{took:?}");
    }
}
