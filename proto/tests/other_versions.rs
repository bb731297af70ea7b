//! Messages of another version: what is unknown is passed over, and what is missing has its default.
#![expect(clippy::unwrap_used, reason = "tests")]

use moneyer_proto::v1;
use prost::Message;

/// Field 1000 of each kind there is on the wire: varint, 64 bits, bytes, 32 bits.
fn unknown_fields() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (wire_type, value) in
        [(0_u64, &[0x7f][..]), (1, &[1; 8]), (2, &[3, b'n', b'e', b'w']), (5, &[1; 4])]
    {
        prost::encoding::encode_varint((1000 << 3) | wire_type, &mut bytes);
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Encodes a message, with fields that it does not have around it, and reads it again.
fn from_a_newer_version<M: Message + Default>(message: &M) -> M {
    let mut bytes = unknown_fields();
    bytes.extend(message.encode_to_vec());
    bytes.extend(unknown_fields());
    M::decode(&*bytes).unwrap()
}

#[test]
fn unknown_fields_are_passed_over() {
    let request = v1::MintTokenRequest {
        sandbox_id: "web-1".to_owned(),
        audience: vec!["a".to_owned()],
        lifetime_seconds: 60,
    };
    assert_eq!(from_a_newer_version(&request), request);
    let placed = v1::PlacedSandbox { sandbox_id: "web-1".to_owned(), ..Default::default() };
    let change = v1::watch_sandboxes_response::Change::Placed(placed);
    let watched =
        v1::WatchSandboxesResponse { generation: 7, change: Some(change), ..Default::default() };
    assert_eq!(from_a_newer_version(&watched), watched);
    let trust = v1::Trust { trust_domain: "a".to_owned(), authorities: vec![vec![1]] };
    let certificate = v1::Certificate { leaf: vec![1], trust: Some(trust), ..Default::default() };
    assert_eq!(from_a_newer_version(&certificate), certificate);
    let sandbox = v1::Sandbox { id: "web-1".to_owned(), ..Default::default() };
    let put = v1::PutSandboxRequest { sandbox: Some(sandbox) };
    assert_eq!(from_a_newer_version(&put), put);
}

/// A kind of change that only a newer coordinator knows is no change, and no end of the stream.
#[test]
fn an_unknown_member_of_a_choice_is_none() {
    let newer = from_a_newer_version(&v1::WatchSandboxesResponse {
        generation: 7,
        reissue: "1.1".to_owned(),
        ..Default::default()
    });
    assert_eq!((newer.generation, newer.reissue.as_str(), newer.change), (7, "1.1", None));
    assert_eq!(from_a_newer_version(&v1::MintTokenResult { result: None }).result, None);
}

#[test]
fn an_unknown_value_of_an_enum_is_unspecified() {
    v1::TokenFileState::try_from(1000).unwrap_err();
    let file = v1::TokenFile { state: 1000, ..Default::default() };
    let read = v1::TokenFile::decode(&*file.encode_to_vec()).unwrap();
    assert_eq!(read.state(), v1::TokenFileState::Unspecified);
}

/// What an older version does not send: a message without a byte is one.
#[test]
fn what_is_missing_has_its_default() {
    assert_eq!(v1::MintTokenRequest::decode(&[][..]).unwrap(), v1::MintTokenRequest::default());
    let watch = v1::WatchSandboxesRequest::decode(&[][..]).unwrap();
    assert_eq!((watch.seen_generation, watch.receipt), (0, None));
    let answer = v1::WatchSandboxesResponse::decode(&[][..]).unwrap();
    assert_eq!((answer.reissue.as_str(), answer.receipt), ("", None));
    // That a sandbox has no SVIDs is not what an older version says: it says nothing.
    assert_eq!(v1::PlacedSandbox::decode(&[][..]).unwrap().spiffe_id, None);
    let none = v1::PlacedSandbox { spiffe_id: Some(String::new()), ..Default::default() };
    assert_eq!(v1::PlacedSandbox::decode(&*none.encode_to_vec()).unwrap(), none);
}
