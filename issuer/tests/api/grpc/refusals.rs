//! What a runner does not get (threats A 8 to 18, 24, 29).

use moneyer_proto::v1;
use moneyer_proto::v1::minting_client::MintingClient;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use crate::member::{Member, mint_request, seen};
use crate::world::{ISSUER, World};

async fn world() -> (World, Member, Member) {
    let world = World::start().await;
    let (one, two) = (world.join("runner-1").await, world.join("runner-2").await);
    world.place("web-1", "runner-1").await;
    (world, one, two)
}

/// Threat A 8, and 10 to the letter: equal names elsewhere are nobody's.
#[tokio::test]
async fn not_yours_and_unknown_are_one_answer() {
    let (_world, _one, two) = world().await;
    let not_yours = two.mint("web-1", &[]).await.unwrap_err();
    let unknown = two.mint("web-7", &[]).await.unwrap_err();
    assert_eq!(not_yours.code(), Code::NotFound);
    assert_eq!(seen(&not_yours), seen(&unknown));
    let batch = async |id: &str| {
        let request = v1::MintTokensRequest { requests: vec![mint_request(id, &[], 0)] };
        two.minting().mint_tokens(request).await.unwrap().into_inner()
    };
    assert_eq!(batch("web-1").await, batch("web-7").await);
    // Also where the request is wrong in what is looked at only for sandboxes that are there.
    let combined = ["moneyer", "https://rp.example"];
    let not_yours = two.mint("web-1", &combined).await.unwrap_err();
    let unknown = two.mint("web-7", &combined).await.unwrap_err();
    assert_eq!(seen(&not_yours), seen(&unknown));
}

/// Threat A 9.
#[tokio::test]
async fn after_an_acknowledged_move_only_the_new_runner_gets_tokens() {
    let (world, one, two) = world().await;
    one.mint("web-1", &[]).await.unwrap();
    world.place("web-1", "runner-2").await;
    assert_eq!(one.mint("web-1", &[]).await.unwrap_err().code(), Code::NotFound);
    two.mint("web-1", &[]).await.unwrap();
    world.take_away("web-1").await;
    for member in [one, two] {
        assert_eq!(member.mint("web-1", &[]).await.unwrap_err().code(), Code::NotFound);
    }
}

/// Threats A 11 and 12.
#[tokio::test]
async fn an_id_that_is_none_is_refused_and_not_repaired() {
    let (_world, one, _) = world().await;
    let megabyte = "a".repeat(1 << 20);
    for id in [
        "",
        " ",
        "web-1 ",
        " web-1",
        "web-1\n",
        "web-1\0",
        "web\0-1",
        "../web-1",
        "%2e%2e",
        "web%2D1",
        "web:1",
        "web/1",
        "*",
        "web-?",
        "-web",
        "web-",
        ".web",
        "web.",
        "w\u{435}b-1",
        "WEB\u{200d}",
        "web\u{202e}",
        "we\u{301}b",
        &"a".repeat(64),
        &megabyte,
    ] {
        let refused = one.mint(id, &[]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{id:.20?}");
        assert!(refused.message().starts_with("sandbox_id "), "{}", refused.message());
        assert!(refused.message().len() < 200, "a refusal does not repeat what it refuses");
    }
    // Another case is another sandbox.
    assert_eq!(one.mint("WEB-1", &[]).await.unwrap_err().code(), Code::NotFound);
}

/// Threats A 12, 13, 16 and 17.
#[tokio::test]
async fn audiences_are_exact_distinct_and_few() {
    let (_world, one, _) = world().await;
    let long = "a".repeat(513);
    let many: Vec<_> = (0..1000).map(|n| format!("https://{n}.example")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let wrong: [&[&str]; 12] = [
        &[""],
        &["   "],
        &["a b"],
        &["a\n"],
        &["\u{430}ws"],
        &["a\u{200d}"],
        &["a", "a"],
        &["a", ""],
        &[&long],
        &many[..5],
        &many[..33],
        &many,
    ];
    for audiences in wrong {
        let refused = one.mint("web-1", audiences).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{} audiences", audiences.len());
    }
    one.mint("web-1", &many[..4]).await.unwrap();
    one.mint("web-1", &[&"a".repeat(512)]).await.unwrap();
}

/// Threats A 14 and 15.
#[tokio::test]
async fn what_an_app_may_not_ask_for_is_denied_by_exact_bytes() {
    let (world, one, _) = world().await;
    let refused = one.mint("web-1", &[ISSUER]).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "the issuer itself is nobody's audience");
    let refused = one.mint("web-1", &["moneyer", "https://rp.example"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "the cluster's own stands alone");
    let body = r#"{"audiences":["https://vault.example.com"]}"#;
    let limited = world.manage(moneyer_daemon::unix_http::Method::PUT, "/apps/web", body).await;
    assert_eq!(limited.status, 200);
    for near in [
        "https://vault.example.com/",
        "https://vault.example.com:443",
        "https://vault.example.com.",
        "https://Vault.example.com",
        "https://vault.example.co",
        "vault.example.com",
        "sts.amazonaws.com",
    ] {
        let refused = one.mint("web-1", &[near]).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{near}");
        assert!(!refused.message().contains("vault"), "{}", refused.message());
    }
    one.mint("web-1", &["https://vault.example.com"]).await.unwrap();
    one.mint("web-1", &[]).await.unwrap();
}

/// Threat A 18: refused with the range, never clamped.
#[tokio::test]
async fn a_lifetime_out_of_range_is_refused_with_the_range() {
    let (_world, one, _) = world().await;
    let ask = async |seconds| one.minting().mint_token(mint_request("web-1", &[], seconds)).await;
    for seconds in [1, 59, 86_401, u32::MAX] {
        let refused = ask(seconds).await.unwrap_err();
        let told = (refused.code(), refused.message());
        let text = "the lifetime must be between 60 and 86400 seconds";
        assert_eq!(told, (Code::InvalidArgument, text), "{seconds}");
    }
    for (asked, given) in [(0, 3600), (60, 60), (86_400, 86_400)] {
        assert_eq!(ask(asked).await.unwrap().into_inner().expires_in_seconds, given);
    }
}

/// Threat A 24: who calls is the certificate's word alone.
#[tokio::test]
async fn metadata_that_names_a_caller_is_ignored() {
    let (_world, one, two) = world().await;
    let claims = [
        ("x-forwarded-client-cert", "URI=spiffe://id.example.com/moneyer/runner/runner-1"),
        ("authorization", "Bearer runner-1"),
        ("x-runner-id", "runner-1"),
        ("x-spiffe-id", "spiffe://id.example.com/moneyer/runner/runner-1"),
    ];
    let ask = |mut member: MintingClient<tonic::transport::Channel>| async move {
        let mut request = Request::new(mint_request("web-1", &[], 0));
        for (name, value) in claims {
            request.metadata_mut().insert(name, MetadataValue::from_static(value));
        }
        member.mint_token(request).await
    };
    ask(one.minting()).await.unwrap();
    assert_eq!(ask(two.minting()).await.unwrap_err().code(), Code::NotFound);
}

/// Threat A 29.
#[tokio::test]
async fn there_is_no_other_service() {
    let (_world, one, _) = world().await;
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/moneyer.v1.Minting/MintEverything",
        "/moneyer.v1.Control/AttachSandbox",
        "/moneyer.v2.Minting/MintToken",
    ] {
        let mut client = tonic::client::Grpc::new(one.channel.clone());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<v1::GetIssuerRequest, v1::GetIssuerResponse>::new();
        let request = Request::new(v1::GetIssuerRequest {});
        let refused = client.unary(request, path.parse().unwrap(), codec).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
}

/// Threat A 23: more than the listener's body limit never becomes a message; what fits and holds too much
/// is refused by what is in it.
#[tokio::test]
async fn a_message_is_4_mib_at_most() {
    let (_world, one, _) = world().await;
    let ask = async |bytes| one.mint(&"a".repeat(bytes), &[]).await.unwrap_err().code();
    assert_eq!(ask(4 * 1024 * 1024 - 100).await, Code::InvalidArgument);
    let beyond = ask(4 * 1024 * 1024 + 1).await;
    assert_ne!(beyond, Code::InvalidArgument, "it was read whole");
    assert_ne!(beyond, Code::Ok);
    one.mint("web-1", &[]).await.unwrap();
}
