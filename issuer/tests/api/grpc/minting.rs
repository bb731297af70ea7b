//! Minting: what a runner gets for its own sandboxes.

use moneyer_daemon::unix_http::Method;
use moneyer_identity::{
    Audience, Clock as _, Expectations, IssuerUrl, KeySet, MAXIMUM_TOKEN_BYTES, UnverifiedToken,
    VerifiedToken, Verifier,
};
use moneyer_proto::v1;
use moneyer_proto::v1::mint_token_result::Result as Either;
use serde_json::json;
use tonic::Code;

use crate::member::{Member, mint_request};
use crate::world::{ISSUER, World};

async fn world() -> (World, Member) {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    (world, member)
}

/// The token as a relying party sees it: by what the public listener serves.
async fn verified(world: &World, token: &str, audience: &str) -> VerifiedToken {
    let key_set = world.public(Method::GET, "/.well-known/jwks.json", &[]).await;
    let keys = KeySet::parse(&key_set.body).unwrap();
    let expectations = Expectations {
        several_audiences: true,
        ..Expectations::exactly(Audience::parse(audience).unwrap())
    };
    let verifier = Verifier::new(IssuerUrl::parse(ISSUER).unwrap(), keys);
    verifier.verify(token, &expectations, world.clock.now()).unwrap()
}

#[tokio::test]
async fn the_issuer_tells_a_runner_what_it_needs() {
    let (_world, member) = world().await;
    let told = member.minting().get_issuer(v1::GetIssuerRequest {}).await.unwrap().into_inner();
    let expected = v1::GetIssuerResponse {
        issuer: ISSUER.to_owned(),
        organization_id: "acme".to_owned(),
        cluster_id: "prod-1".to_owned(),
        default_audience: "moneyer".to_owned(),
        default_lifetime_seconds: 3600,
        minimum_lifetime_seconds: 60,
        maximum_lifetime_seconds: 86_400,
    };
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_token_verifies_by_the_published_key_set_alone() {
    let (world, member) = world().await;
    let minted = member.mint("web-1", &[]).await.unwrap();
    let token = verified(&world, &minted.token, "moneyer").await;
    assert_eq!(token.claim("sub"), Some(&json!("org:acme:app:web:sandbox:web-1")));
    assert_eq!(token.claim("runner_id"), Some(&json!("runner-1")));
    assert_eq!(token.claim("jti"), Some(&json!(minted.token_id)));
    assert_eq!(token.claim("exp"), Some(&json!(minted.expires_at)));
    assert_eq!(token.key_id().as_str(), minted.key_id);
    assert_eq!(minted.expires_in_seconds, 3600);
    assert_eq!(minted.expires_at, world.clock.now().0 + 3600);
}

#[tokio::test]
async fn a_jwt_svid_verifies_by_the_same_key_set_and_is_for_somebody() {
    let (world, member) = world().await;
    let ask = |audience: &[&str]| v1::MintJwtSvidRequest {
        sandbox_id: "web-1".to_owned(),
        audience: audience.iter().map(ToString::to_string).collect(),
        lifetime_seconds: 600,
    };
    let svid = member.minting().mint_jwt_svid(ask(&["vault"])).await.unwrap().into_inner();
    assert_eq!(svid.spiffe_id, "spiffe://id.example.com/app/web/sandbox/web-1");
    let minted = svid.token.unwrap();
    assert_eq!(minted.expires_in_seconds, 600);
    let token = verified(&world, &minted.token, "vault").await;
    assert_eq!(token.claim("sub"), Some(&json!(svid.spiffe_id)));
    assert_eq!(token.claim("aud"), Some(&json!("vault")));
    let refused = member.minting().mint_jwt_svid(ask(&[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let of_another = v1::MintJwtSvidRequest { sandbox_id: "web-2".to_owned(), ..ask(&["vault"]) };
    let refused = member.minting().mint_jwt_svid(of_another).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn an_audience_profile_decides_subject_and_lifetime() {
    let (world, member) = world().await;
    let minted = member.mint("web-1", &["sts.amazonaws.com"]).await.unwrap();
    let token = verified(&world, &minted.token, "sts.amazonaws.com").await;
    assert_eq!(token.claim("sub"), Some(&json!("org:acme:app:web")));
    assert_eq!(minted.expires_in_seconds, 900);
    let asked = mint_request("web-1", &["sts.amazonaws.com"], 3600);
    let minted = member.minting().mint_token(asked).await.unwrap().into_inner();
    assert_eq!(minted.expires_in_seconds, 3600);
    let too_long = mint_request("web-1", &["sts.amazonaws.com"], 3601);
    let refused = member.minting().mint_token(too_long).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("between 60 and 3600"), "{}", refused.message());
}

#[tokio::test]
async fn a_system_workload_of_runners_and_no_other() {
    let (world, member) = world().await;
    let ask = async |name: &str, audience: &[&str]| {
        let request = v1::MintSystemTokenRequest {
            system_workload: name.to_owned(),
            audience: audience.iter().map(|&text| text.to_owned()).collect(),
            lifetime_seconds: 60,
        };
        member.minting().mint_system_token(request).await
    };
    let minted = ask("telemetry", &[]).await.unwrap().into_inner().token.unwrap();
    let token = verified(&world, &minted.token, "moneyer").await;
    assert_eq!(token.claim("sub"), Some(&json!("org:acme:cluster:prod-1:system:telemetry")));
    assert_eq!(token.claim("identity_type"), Some(&json!("system")));
    // One that is not for runners is as unknown as one that does not exist.
    let (hidden, unknown) = (ask("backup", &[]).await, ask("nothing", &[]).await);
    let (hidden, unknown) = (hidden.unwrap_err(), unknown.unwrap_err());
    assert_eq!(hidden.code(), Code::NotFound);
    assert_eq!(crate::member::seen(&hidden), crate::member::seen(&unknown));
    assert_eq!(ask("a:b", &[]).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(ask("telemetry", &[""]).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_batch_has_1_to_64_requests_each_with_its_own_result() {
    let (world, member) = world().await;
    let batch =
        async |requests| member.minting().mint_tokens(v1::MintTokensRequest { requests }).await;
    for wrong in [0, 65, 1000] {
        let refused = batch(vec![mint_request("web-1", &[], 0); wrong]).await.unwrap_err();
        let told = (refused.code(), refused.message());
        assert_eq!(told, (Code::InvalidArgument, "a batch has 1 to 64 requests"), "{wrong}");
    }
    let results =
        batch(vec![mint_request("web-1", &[], 0); 64]).await.unwrap().into_inner().results;
    let mut ids = std::collections::BTreeSet::new();
    for result in results {
        let Some(Either::Token(minted)) = result.result else { panic!("a token was refused") };
        verified(&world, &minted.token, "moneyer").await;
        ids.insert(minted.token_id);
    }
    assert_eq!(ids.len(), 64);
}

#[tokio::test]
async fn one_refusal_in_a_batch_does_not_touch_the_others() {
    let (world, member) = world().await;
    let audiences = ["https://a.example", "https://b.example"];
    let requests = vec![
        mint_request("web-1", &audiences[..1], 0),
        mint_request("web-2", &[], 0),
        mint_request("web-1", &["two words"], 0),
        mint_request("web-1", &audiences[1..], 59),
        mint_request("web-1", &audiences[1..], 60),
    ];
    let request = v1::MintTokensRequest { requests };
    let results = member.minting().mint_tokens(request).await.unwrap().into_inner().results;
    let mut codes = Vec::new();
    for (result, audience) in results.into_iter().zip([0, 0, 0, 1, 1]) {
        codes.push(match result.result.unwrap() {
            Either::Token(minted) => {
                verified(&world, &minted.token, audiences[audience]).await;
                Code::Ok
            }
            Either::Refusal(refusal) => {
                assert!(!refusal.message.is_empty());
                Code::from_i32(refusal.code)
            }
        });
    }
    let invalid = Code::InvalidArgument;
    assert_eq!(codes, [Code::Ok, Code::NotFound, invalid, invalid, Code::Ok]);
}

/// What our own verifier would not read is not minted. Base64 makes four digits of three bytes, so the
/// longest token may be a little shorter than the limit.
#[tokio::test]
async fn a_token_never_exceeds_what_a_verifier_reads() {
    let world = World::with(&[("TOKENS__MAXIMUM_AUDIENCES", "32")]).await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let long: Vec<_> = (10..20).map(|n| format!("{n}{}", "a".repeat(510))).collect();
    let mint = async |last: usize| {
        let last = "b".repeat(last);
        let mut audiences: Vec<_> = long.iter().map(String::as_str).collect();
        audiences.push(&last);
        member.mint("web-1", &audiences).await
    };
    let (mut fits, mut exceeds) = (1, 512);
    assert!(mint(fits).await.is_ok());
    let refused = mint(exceeds).await.unwrap_err();
    let told = (refused.code(), refused.message());
    assert_eq!(
        told,
        (
            Code::InvalidArgument,
            "what the token names, such as audiences, roles or policies, is too long together"
        )
    );
    while exceeds - fits > 1 {
        let middle = usize::midpoint(fits, exceeds);
        match mint(middle).await {
            Ok(_) => fits = middle,
            Err(_) => exceeds = middle,
        }
    }
    let longest = mint(fits).await.unwrap().token;
    let spare = MAXIMUM_TOKEN_BYTES - longest.len();
    assert!(spare < 2, "one more byte would have fitted: {spare}");
    UnverifiedToken::parse(&longest).unwrap();
    verified(&world, &longest, &long[0]).await;
    assert!(mint(exceeds).await.is_err());
    // One audience always fits, however it has to be escaped.
    let worst = "\"".repeat(512);
    let minted = member.mint("web-1", &[&worst]).await.unwrap();
    verified(&world, &minted.token, &worst).await;
}
