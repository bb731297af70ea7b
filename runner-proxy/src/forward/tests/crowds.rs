//! Sandboxes that share an address, and one of them that wants all of it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, pause};

use super::fixtures::*;
use crate::coordinator::Occupant;
use crate::fakes::sandbox;
use crate::sandbox::SandboxSecret;

/// A request of another sandbox at the same address.
fn of_another(world: &World) -> String {
    let secret = SandboxSecret::random().unwrap();
    world.credentials.insert(sandbox("other"), secret.clone(), Occupant::of_app("web"));
    world.permissions.set("other", grants("1", world.port()));
    let (authority, pair) =
        (world.authority(), STANDARD.encode(format!("other:{}", secret.expose())));
    format!(
        "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: Basic {pair}\r\n\r\n"
    )
}

fn own(world: &World) -> String {
    let (authority, credentials) = (world.authority(), world.credentials_line());
    format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n")
}

async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

#[tokio::test]
async fn a_sandbox_has_its_connections_and_one_at_the_same_address_has_others() {
    let world = World::plain().await;
    let (own, of_another) = (own(&world), of_another(&world));
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(status(&ask(&mut stream, &own).await), "200");
        held.push(stream);
    }
    let mut fifth = TcpStream::connect(world.address).await.unwrap();
    let answer = ask(&mut fifth, &own).await;
    assert!(status(&answer) == "503" && answer.contains("too_many_connections"), "{answer}");
    assert_eq!(read_to_close(fifth).await, "");
    assert_eq!(status(&world.exchange(&of_another).await), "200");
    // Those that are open are used as before, and one that ends leaves room.
    assert_eq!(status(&ask(&mut held[0], &own).await), "200");
    held.pop();
    let again = async {
        while status(&world.exchange(&own).await) != "200" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn connections_that_say_nothing_shut_nobody_out() {
    let world = World::plain().await;
    let of_another = of_another(&world);
    let mut silent = Vec::new();
    for _ in 0..STRANGERS * 4 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    assert_eq!(status(&world.exchange(&of_another).await), "200");
    // The ones that waited longest are closed, and the last ones as soon as their time is over.
    let mut last = silent.pop().unwrap();
    assert_eq!(read_to_close(silent.remove(0)).await, "");
    pause();
    let began = Instant::now();
    assert_eq!(last.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(began.elapsed() <= Duration::from_secs(12), "{:?}", began.elapsed());
}
