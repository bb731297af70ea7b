//! What a token says, all of it from records and configuration (promises P8, P10, P11).

use std::collections::BTreeSet;

use moneyer_authority::mint::{Ask, PermittedIssuer};
use moneyer_authority::registry::Sandbox;
use moneyer_identity::{
    Audience, ErrorClass, Expectations, Lifetime, MintedToken, RoleName, SystemTokenRequest,
    TokenIssuer as _, TokenRequest, VerifiedToken, Verifier,
};
use moneyer_testkit::START;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, audience, issuer, operator, placement, runner, sandbox, workload};

/// The token as a relying party sees it: by the published key set alone.
pub(crate) fn verified(world: &World, minted: &MintedToken, of: &str) -> VerifiedToken {
    let document = serde_json::to_vec(&world.authority.published().key_set).unwrap();
    let keys = moneyer_identity::KeySet::parse(&document).unwrap();
    let expectations =
        Expectations { several_audiences: true, ..Expectations::exactly(audience(of)) };
    let token = Verifier::new(issuer(), keys)
        .verify(minted.token.expose(), &expectations, world.now())
        .unwrap();
    assert_eq!(token.key_id(), &minted.key_id);
    assert_eq!(token.expires_at(), minted.expires_at);
    assert_eq!(token.claim("jti"), Some(&json!(minted.token_id.as_str())));
    token
}

async fn placed() -> (World, moneyer_authority::enrollment::AuthenticatedRunner) {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    let role = Some(RoleName::parse("reader").unwrap());
    let placed = Sandbox { role, ..placement("web-1", "web", "runner-1", START) };
    world.authority.registry().put_sandbox(&operator(), placed).await.unwrap();
    (world, one)
}

/// Claims in the order they are written, as text.
fn payload(minted: &MintedToken) -> String {
    use base64::Engine as _;
    let part = minted.token.expose().split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_sandboxes_token_to_the_byte() {
    let (world, one) = placed().await;
    let minted = world.authority.mint(&one, &sandbox("web-1"), Ask::default()).await.unwrap();
    let jti = minted.token_id.as_str();
    let apps = world.authority.registry().list_apps();
    let uid = apps[0].0.uid.as_str();
    let expected = format!(
        concat!(
            r#"{{"iss":"https://id.example.com","sub":"org:acme:app:web:sandbox:web-1","#,
            r#""aud":"moneyer","iat":1800000000,"nbf":1799999970,"exp":1800003600,"#,
            r#""jti":"{}","organization_id":"acme","cluster_id":"prod-1","app":"web","#,
            r#""app_uid":"{}","sandbox_id":"web-1","runner_id":"runner-1","#,
            r#""identity_type":"sandbox","role":"reader"}}"#
        ),
        jti, uid
    );
    assert_eq!(payload(&minted), expected);
    verified(&world, &minted, "moneyer");
    assert_eq!((minted.expires_in.seconds(), minted.expires_at.0), (3600, START.0 + 3600));
    assert!(!format!("{minted:?}").contains(minted.token.expose()));
}

#[tokio::test]
async fn a_system_workloads_token_to_the_byte() {
    let (world, one) = placed().await;
    let of = |jti: &str, name: &str, on: &str| {
        format!(
            concat!(
                r#"{{"iss":"https://id.example.com","sub":"org:acme:cluster:prod-1:system:{}","#,
                r#""aud":"moneyer","iat":1800000000,"nbf":1799999970,"exp":1800003600,"#,
                r#""jti":"{}","organization_id":"acme","cluster_id":"prod-1","sandbox_id":"","#,
                r#"{}"identity_type":"system","system_workload":"{}"}}"#
            ),
            name, jti, on, name
        )
    };
    let authority = &world.authority;
    let minted = authority.mint_system(&one, &workload("telemetry"), Ask::default()).await.unwrap();
    let on = r#""runner_id":"runner-1","#;
    assert_eq!(payload(&minted), of(minted.token_id.as_str(), "telemetry", on));
    verified(&world, &minted, "moneyer");
    let by = operator();
    let minted = authority.mint_system_any(&by, &workload("backup"), Ask::default()).await.unwrap();
    assert_eq!(payload(&minted), of(minted.token_id.as_str(), "backup", ""));
    verified(&world, &minted, "moneyer");
}

#[tokio::test]
async fn a_token_says_where_its_sandbox_is_now() {
    let (world, _) = placed().await;
    let (two, _) = world.join("runner-2").await;
    world.place("web-1", "web", "runner-2").await;
    let minted = world.authority.mint(&two, &sandbox("web-1"), Ask::default()).await.unwrap();
    let token = verified(&world, &minted, "moneyer");
    assert_eq!(token.claim("runner_id"), Some(&json!(runner("runner-2"))));
    assert_eq!(token.claim("role"), None, "the role of the new placement");
}

#[tokio::test]
async fn an_app_made_anew_is_told_apart() {
    let (world, one) = placed().await;
    let mint = async || {
        let minted = world.authority.mint(&one, &sandbox("web-1"), Ask::default()).await.unwrap();
        verified(&world, &minted, "moneyer").claim("app_uid").cloned().unwrap()
    };
    let before = mint().await;
    world.take_away("web-1").await;
    world.authority.registry().remove_app(&operator(), crate::world::app("web")).await.unwrap();
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    assert_ne!(mint().await, before);
}

#[tokio::test]
async fn no_two_tokens_have_one_id() {
    let (world, one) = placed().await;
    let mut ids = BTreeSet::new();
    for _ in 0..200 {
        let minted = world.authority.mint(&one, &sandbox("web-1"), Ask::default()).await.unwrap();
        ids.insert(minted.token_id.as_str().to_owned());
    }
    assert_eq!(ids.len(), 200);
    assert!(ids.iter().all(|id| id.len() == 32), "128 bits");
}

#[tokio::test]
async fn the_authority_is_a_token_issuer_in_its_own_process() {
    let (world, _) = placed().await;
    let permitted = PermittedIssuer::new(world.authority.clone(), operator());
    assert_eq!(permitted.issuer_url().await.unwrap(), issuer());
    let lifetime = Some(Lifetime::from_seconds(60));
    let request = |id: &str| TokenRequest {
        sandbox: sandbox(id),
        audiences: vec![audience("https://rp.example.com")],
        lifetime,
    };
    let minted = permitted.issue_token(request("web-1")).await.unwrap();
    verified(&world, &minted, "https://rp.example.com");
    assert_eq!(minted.expires_in.seconds(), 60);
    let refused = permitted.issue_token(request("web-2")).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
    let request =
        SystemTokenRequest { workload: workload("backup"), audiences: Vec::new(), lifetime };
    let minted = permitted.issue_system_token(request).await.unwrap();
    verified(&world, &minted, "moneyer");
}

fn asked() -> impl Strategy<Value = (String, Option<u32>)> {
    // Any audience there can be, and some that look like what a forger would want elsewhere.
    let audience = prop_oneof![
        "[!-~]{1,512}",
        Just(r#"","sub":"org:acme:app:admin"#.to_owned()),
        Just("org:acme:app:admin:sandbox:admin-1".to_owned()),
        Just(r"\u0022,\u0022iss\u0022".to_owned()),
    ];
    (audience, proptest::option::of(60..=86_400_u32))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    // Promise P8, and that every token verifies.
    #[test]
    fn nothing_a_request_says_reaches_another_claim(
        asks in prop::collection::vec(asked(), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (world, one) = placed().await;
            let plain = world.authority.mint(&one, &sandbox("web-1"), Ask::default()).await.unwrap();
            let plain = fixed(&verified(&world, &plain, "moneyer"));
            for (text, seconds) in asks {
                if text == issuer().as_str() {
                    continue;
                }
                let audiences = vec![Audience::parse(&text).unwrap()];
                let ask = Ask { audiences, lifetime: seconds.map(Lifetime::from_seconds), ..Ask::default() };
                let minted = world.authority.mint(&one, &sandbox("web-1"), ask).await.unwrap();
                let token = verified(&world, &minted, &text);
                assert_eq!(token.claim("aud"), Some(&json!(text)));
                let life = token.expires_at().since(token.issued_at()).as_secs();
                assert_eq!(life, u64::from(seconds.unwrap_or(3600)));
                assert_eq!(fixed(&token), plain);
            }
        });
    }
}

/// Every claim but those a request or the moment decides.
fn fixed(token: &VerifiedToken) -> Value {
    let mut claims = token.claims().clone();
    for name in ["aud", "exp", "jti"] {
        claims.remove(name);
    }
    Value::Object(claims)
}
