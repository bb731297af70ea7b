//! `limits.connections` and `limits.connections_per_address`, at their end and one past it.

use std::net::SocketAddr;
use std::time::Duration;

use moneyer_daemon::listener::ListenAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::World;

fn address(world: &World) -> SocketAddr {
    match world.app.addresses().public {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("the public listener is bound to a TCP port"),
    }
}

/// Asks on a connection that stays open.
async fn ask(connection: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let request = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.write_all(request).await?;
    let mut answer = vec![0; 4096];
    let length = connection.read(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

async fn open(world: &World, count: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = TcpStream::connect(address(world)).await.unwrap();
        assert!(ask(&mut connection).await.unwrap().starts_with(b"HTTP/1.1 200"));
        connections.push(connection);
    }
    connections
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let world = World::with(&[("LIMITS__CONNECTIONS_PER_ADDRESS", "3")]).await;
    let _open = open(&world, 3).await;
    let mut beyond = TcpStream::connect(address(&world)).await.unwrap();
    // Closed at once: the end of the stream, or a reset where the request was under way.
    let answer = ask(&mut beyond).await;
    assert!(answer.as_ref().is_err() || answer.as_ref().unwrap().is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_full_listener_lets_the_next_one_wait() {
    let world = World::with(&[("LIMITS__CONNECTIONS", "2")]).await;
    let mut open = open(&world, 2).await;
    let mut waiting = TcpStream::connect(address(&world)).await.unwrap();
    let mut answer = Box::pin(ask(&mut waiting));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err(), "served beyond the limit");
    open.pop();
    let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
    assert!(answer.expect("still waiting").unwrap().starts_with(b"HTTP/1.1 200"));
}
