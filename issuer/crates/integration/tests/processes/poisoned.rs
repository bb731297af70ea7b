//! Fault F28: what no client of ours would send costs its sender an error and the coordinator nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use moneyer_proto::v1::minting_client::MintingClient;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::stand::{Stand, mint};

/// Bytes as they are, where a message is expected.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// Calls `path` with `body` for its message.
pub(crate) async fn call(
    channel: &Channel,
    path: &'static str,
    body: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let answer = client.unary(Request::new(body), PathAndQuery::from_static(path), Raw).await?;
    Ok(answer.into_inner())
}

/// Sends bytes over a connection of their own, and reads until the other side has had enough of it.
fn throw(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    // Either may fail: the coordinator may close before it has read everything.
    drop(stream.write_all(bytes));
    drop(stream.read(&mut [0; 1024]));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_and_frames_end_no_process() {
    let stand = Stand::start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let channel = runner.connect().await.unwrap();
    let messages: [Vec<u8>; 6] = [
        // A varint without an end, a length beyond the message, a group that is not closed.
        vec![0xff; 64],
        vec![0x0a, 0xff, 0xff, 0xff, 0x7f, b'x'],
        vec![0x0b; 200],
        // Text that is no UTF-8, a number where text belongs, and field 0.
        vec![0x0a, 0x02, 0xc3, 0x28],
        vec![0x08, 0x01],
        vec![0x00, 0x00],
    ];
    for path in ["/moneyer.v1.Minting/MintToken", "/moneyer.v1.Minting/MintTokens", "/no/such"] {
        for message in &messages {
            let refused = call(&channel, path, message.clone()).await;
            assert!(refused.is_err(), "{path} took {message:02x?}");
        }
    }
    let (grpc, public) = (stand.coordinator.grpc(), stand.coordinator.public());
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff"[..],
        &[0; 4096],
        &[0xff; 4096],
    ] {
        throw(grpc, bytes);
        throw(public, bytes);
    }
    // Nothing starts it again if it has ended.
    mint(&mut MintingClient::new(channel), "web-1").await.unwrap();
}
