//! Whatever is wrong with a JWT-SVID, everybody is told the same, and the audit log knows better.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_authority::mint::Ask;
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

/// The three parts of a token.
fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// The claims of a good token, as text.
fn claims_of(token: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(parts(token)[1]).unwrap()).unwrap()
}

/// Without a signature, or with that of another header.
fn of_another_algorithm(good: &str) -> Vec<String> {
    let [_, payload, signature] = parts(good);
    let both = |alg: &str| {
        let header = encode(json!({ "alg": alg, "kid": "one", "typ": "JWT" }).to_string());
        [format!("{header}.{payload}."), format!("{header}.{payload}.{signature}")]
    };
    let algorithms = ["none", "None", "nOnE", "", "HS256", "EdDSA", "ES256K", "RS256"];
    algorithms.into_iter().flat_map(both).collect()
}

/// Signed by the right key, with a header that is none.
fn of_another_header(foreign: &ForeignIssuer, claims: &str) -> Vec<String> {
    let with = |members| svid_with(foreign, "/x", members, json!({}));
    let exactly = |header: &str| foreign.signed(header, claims);
    vec![
        // A key in the token, or a place to fetch one.
        with(json!({ "jwk": foreign.jwk() })),
        with(json!({ "x5u": "https://other.example/x" })),
        with(json!({ "x5c": [] })),
        with(json!({ "crit": ["exp"], "exp": 1 })),
        with(json!({ "b64": false, "crit": ["b64"] })),
        with(json!({ "cty": "JWT" })),
        with(json!({ "zip": "DEF" })),
        with(json!({ "typ": "at+jwt" })),
        with(json!({ "typ": "wit+jwt" })),
        with(json!({ "alg": null })),
        with(json!({ "alg": ["ES256"] })),
        // `kid` names a key and no file, and no key is tried that is not named.
        with(json!({ "kid": null })),
        with(json!({ "kid": "" })),
        with(json!({ "kid": "../../../../dev/null" })),
        with(json!({ "kid": "one' OR '1'='1" })),
        with(json!({ "kid": 1 })),
        exactly(r#"{"alg":"none","alg":"ES256","kid":"one"}"#),
        exactly(r#"{"alg":"ES256","kid":"one","kid":"one"}"#),
        exactly(r#"["ES256","one"]"#),
        exactly("{}"),
        exactly(""),
    ]
}

/// Signed by the right key, with claims that are none.
fn of_other_claims(foreign: &ForeignIssuer, claims: &str, now: i64) -> Vec<String> {
    let header = json!({ "alg": "ES256", "kid": "one" }).to_string();
    let twice = claims.replacen('{', r#"{"sub":"spiffe://other.example/x","#, 1);
    let with = |members| svid_with(foreign, "/x", json!({}), members);
    vec![
        with(json!({ "exp": null })),
        with(json!({ "exp": "9999999999" })),
        with(json!({ "exp": 1e300 })),
        with(json!({ "exp": -1 })),
        with(json!({ "nbf": now + 600 })),
        with(json!({ "nbf": "soon" })),
        with(json!({ "aud": null })),
        with(json!({ "aud": [] })),
        with(json!({ "aud": "" })),
        with(json!({ "aud": { LOGIN: true } })),
        with(json!({ "aud": [[LOGIN]] })),
        with(json!({ "aud": format!("{LOGIN}/") })),
        with(json!({ "aud": LOGIN.to_uppercase() })),
        with(json!({ "sub": null })),
        with(json!({ "sub": "spiffe://other.example" })),
        with(json!({ "sub": "spiffe://other.example/" })),
        with(json!({ "sub": "spiffe://other.example/../x" })),
        with(json!({ "sub": "spiffe://other.example/%78" })),
        with(json!({ "sub": "spiffe://OTHER.example/x" })),
        with(json!({ "sub": "spiffe://other.example:443/x" })),
        with(json!({ "sub": "spiffe://x@other.example/x" })),
        with(json!({ "sub": "spiffe://id.example.com/app/web/sandbox/web-1" })),
        with(json!({ "sub": ["spiffe://other.example/x"] })),
        foreign.signed(&header, &twice),
        foreign.signed(&header, "[]"),
    ]
}

/// Texts that are no token, though one may be in them.
fn of_another_form(good: &str) -> Vec<String> {
    let [header, payload, signature] = parts(good);
    vec![
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
        format!("{header}.{}.{signature}", encode(claims_of(good).replace("/x", "/y"))),
        good.replace('.', "\u{ff0e}"),
        format!("Bearer {good}"),
        "x".repeat(20_000),
        ".".repeat(8_000),
    ]
}

#[tokio::test]
async fn no_forgery_of_a_jwt_gets_in() {
    let (world, foreign) = world().await;
    world.let_in(&["*:read", "*:write"]).await;
    let good = svid(&foreign, "/x");
    let claims = claims_of(&good);
    let now = world.authority().now().0;
    let forged = [
        of_another_algorithm(&good),
        of_another_header(&foreign, &claims),
        of_other_claims(&foreign, &claims, now),
        of_another_form(&good),
    ];
    for token in forged.concat() {
        refused(&world.log_in(&token).await, &token);
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
    let minted = authority.mint_any(&crate::world::operator(), &id, Ask::default()).await.unwrap();
    refused(&world.log_in(minted.token.expose()).await, "a token of a sandbox");
}
