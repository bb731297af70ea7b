//! Whatever is wrong with a JWT-SVID, everybody is told the same, and the audit log knows better.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_testkit::ForeignIssuer;
use serde_json::{Value, json};

use super::{LOGIN, refused, svid, svid_with, world};
use crate::world::World;

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The reason that was recorded last.
async fn reason(world: &World) -> String {
    let path = world.directory.path().join("audit");
    world.authority().settle_refusals(true);
    let mut files: Vec<_> =
        std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    // The record is on its way to the disk; nobody waits for it but this test.
    for _ in 0..2000 {
        let text = std::fs::read_to_string(files.last().unwrap()).unwrap();
        let last = text.lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(last) = last.filter(|record| record["event"] == "login_refused") {
            return last["reason"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("no refusal was recorded");
}

#[tokio::test]
async fn the_refusals_of_the_requirement_have_one_text_and_reasons_of_their_own() {
    let foreign = ForeignIssuer::new("other.example", "one");
    let now_svid = |header, claims| svid_with(&foreign, "/x", header, claims);
    let unknown = ForeignIssuer::new("unknown.example", "one");
    let forger = ForeignIssuer::new("other.example", "one");
    let other_audience =
        svid_with(&foreign, "/x", json!({}), json!({ "aud": ["https://id.example.com"] }));
    for (what, token, why) in [
        ("an unknown domain", svid(&unknown, "/x"), "unknown.example may not log in"),
        ("a wrong audience", other_audience, "not meant for an expected audience"),
        ("an expired one", now_svid(json!({}), json!({ "exp": 1 })), "has expired"),
        (
            "one with an extra header",
            now_svid(json!({ "jku": "https://x" }), json!({})),
            "has more than alg",
        ),
        ("another domain's key", svid(&forger, "/x"), "signature does not match"),
        ("named by no policy", svid(&foreign, "/nobody"), "no policy names"),
        ("kept out by a policy", svid(&foreign, "/rogue"), "the policy rogue denies"),
    ] {
        let world = super::world_of(&[&foreign], "").await;
        let body = json!({ "patterns": ["spiffe://other.example/x"], "effect": "allow" });
        world.put_policy("x", &body).await;
        let body = json!({ "patterns": ["spiffe://other.example/rogue"], "effect": "deny" });
        world.put_policy("rogue", &body).await;
        refused(&world.log_in(&token).await, what);
        let told = reason(&world).await;
        assert!(told.contains(why), "{what}: {told}");
    }
}

#[tokio::test]
async fn no_forgery_of_a_jwt_gets_in() {
    let (world, foreign) = world().await;
    world.let_in(&["*:read", "*:write"]).await;
    let good = svid(&foreign, "/x");
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let with_header = |members| svid_with(&foreign, "/x", members, json!({}));
    let with_claims = |members| svid_with(&foreign, "/x", json!({}), members);
    let headed = |header: &str| foreign.signed(header, &claims);
    let unsigned = |alg: &str| {
        let header = encode(json!({ "alg": alg, "kid": "one", "typ": "JWT" }).to_string());
        [format!("{header}.{payload}."), format!("{header}.{payload}.{signature}")]
    };
    let key = foreign.jwk();
    let now = world.authority().now().0;
    let mut hostile: Vec<String> =
        ["none", "None", "nOnE", "", "HS256", "EdDSA", "ES256K", "RS256"]
            .iter()
            .flat_map(|alg| unsigned(alg))
            .collect();
    hostile.extend([
        // A key in the token, or a place to fetch one.
        with_header(json!({ "jwk": key })),
        with_header(json!({ "x5u": "https://other.example/x" })),
        with_header(json!({ "x5c": [] })),
        with_header(json!({ "crit": ["exp"], "exp": 1 })),
        with_header(json!({ "b64": false, "crit": ["b64"] })),
        with_header(json!({ "cty": "JWT" })),
        with_header(json!({ "zip": "DEF" })),
        with_header(json!({ "typ": "at+jwt" })),
        with_header(json!({ "typ": "wit+jwt" })),
        with_header(json!({ "alg": null })),
        with_header(json!({ "alg": ["ES256"] })),
        // `kid` names a key and no file, and no key is tried that is not named.
        with_header(json!({ "kid": null })),
        with_header(json!({ "kid": "" })),
        with_header(json!({ "kid": "../../../../dev/null" })),
        with_header(json!({ "kid": "one' OR '1'='1" })),
        with_header(json!({ "kid": 1 })),
        headed(r#"{"alg":"none","alg":"ES256","kid":"one"}"#),
        headed(r#"{"alg":"ES256","kid":"one","kid":"one"}"#),
        headed(r#"["ES256","one"]"#),
        headed("{}"),
        headed(""),
        // Claims.
        with_claims(json!({ "exp": null })),
        with_claims(json!({ "exp": "9999999999" })),
        with_claims(json!({ "exp": 1e300 })),
        with_claims(json!({ "exp": -1 })),
        with_claims(json!({ "nbf": now + 600 })),
        with_claims(json!({ "nbf": "soon" })),
        with_claims(json!({ "aud": null })),
        with_claims(json!({ "aud": [] })),
        with_claims(json!({ "aud": "" })),
        with_claims(json!({ "aud": { LOGIN: true } })),
        with_claims(json!({ "aud": [[LOGIN]] })),
        with_claims(json!({ "aud": format!("{LOGIN}/") })),
        with_claims(json!({ "aud": LOGIN.to_uppercase() })),
        with_claims(json!({ "sub": null })),
        with_claims(json!({ "sub": "spiffe://other.example" })),
        with_claims(json!({ "sub": "spiffe://other.example/" })),
        with_claims(json!({ "sub": "spiffe://other.example/../x" })),
        with_claims(json!({ "sub": "spiffe://other.example/%78" })),
        with_claims(json!({ "sub": "spiffe://OTHER.example/x" })),
        with_claims(json!({ "sub": "spiffe://other.example:443/x" })),
        with_claims(json!({ "sub": "spiffe://x@other.example/x" })),
        with_claims(json!({ "sub": "spiffe://id.example.com/app/web/sandbox/web-1" })),
        with_claims(json!({ "sub": ["spiffe://other.example/x"] })),
        foreign.signed(
            &json!({ "alg": "ES256", "kid": "one" }).to_string(),
            &claims.replacen('{', r#"{"sub":"spiffe://other.example/x","#, 1),
        ),
        foreign.signed(&json!({ "alg": "ES256", "kid": "one" }).to_string(), "[]"),
        // The form.
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        format!("{header}.{payload}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{}", encode([0; 64])),
        format!("{header}.{payload}.{}", encode([])),
        format!("{header}.{}.{signature}", encode(claims.replace("/x", "/y"))),
        good.replace('.', "\u{ff0e}"),
        format!("Bearer {good}"),
        "x".repeat(20_000),
        ".".repeat(8_000),
    ]);
    for token in &hostile {
        refused(&world.log_in(token).await, token);
    }
    // The one that all of them were made of is good.
    world.token(&good).await;
}

#[tokio::test]
async fn a_token_of_the_cluster_itself_is_no_svid_and_an_svid_is_not_used_up() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let good = svid(&foreign, "/x");
    let token = world.token(&good).await;
    refused(&world.log_in(&token).await, "the token of a log-in");
    world.token(&good).await;
    let id = moneyer_identity::SandboxId::parse("web-1").unwrap();
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let authority = world.authority();
    let minted =
        authority.mint_any(&crate::world::operator(), &id, Default::default()).await.unwrap();
    refused(&world.log_in(minted.token.expose()).await, "a token of a sandbox");
}
