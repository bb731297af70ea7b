//! The checks every signer passes.

#![expect(clippy::missing_panics_doc, reason = "a check fails by panicking")]
#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{
    AppName, AppUid, Audience, Audiences, AwsClaims, ClaimSet, ClusterId, Expectations,
    IdentityType, IssuerUrl, KeySet, OrganizationId, RunnerId, SandboxId, SubjectForm,
    SubjectParts, TokenId, UnsignedToken, Verifier,
};

use super::independent::{check_signature, decode};
use crate::clock::START;
use crate::fixture_key::FixtureKey;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://rp.example.com";

/// Signatures asked for at once: more than any pool has threads.
const AT_ONCE: usize = 200;

/// Runs every check. Makes two keys of RSA-2048 and of P-256 and one each of RSA-3072 and RSA-4096.
pub async fn suite(signer: &dyn Signer) {
    let kinds = [KeyKind::Rsa2048, KeyKind::P256, KeyKind::Rsa3072, KeyKind::Rsa4096];
    let mut keys = Vec::new();
    for kind in kinds {
        let key = signer.generate(kind).await.expect("a key is made");
        check_kind(kind, &key);
        keys.push(key);
    }
    for key in &keys {
        // Twice from the same handle: opening uses nothing up.
        for _ in 0..2 {
            let opened = open(signer, key).await;
            assert_eq!(opened.verifying_key().key_id(), key.verifying_key.key_id());
            check_token(&*opened).await;
        }
        refuses_damaged_handles(signer, key).await;
        shows_no_key(signer, key).await;
    }
    for key in &keys {
        for other in keys.iter().filter(|other| other.handle != key.handle) {
            refuses_the_wrong_half(signer, key, other).await;
        }
    }
    for (kind, first) in kinds.into_iter().zip(&keys).take(2) {
        let second = signer.generate(kind).await.expect("a second key is made");
        assert_ne!(first.verifying_key.key_id(), second.verifying_key.key_id(), "{kind:?}");
        refuses_the_wrong_half(signer, first, &second).await;
        refuses_a_token_of_another_key(signer, first, &second).await;
        signs_at_once(open(signer, first).await).await;
    }
}

/// Checks a signer with keys it never makes: Ed25519, from their handles.
pub async fn adopted_suite(signer: &dyn Signer) {
    let keys = FixtureKey::ADOPTED
        .map(|key| NewKey { verifying_key: key.verifying_key(), handle: key.handle() });
    existing_suite(signer, &keys).await;
}

/// Checks a signer with two keys of one algorithm that somebody else made.
pub async fn existing_suite(signer: &dyn Signer, keys: &[NewKey; 2]) {
    for key in keys {
        for _ in 0..2 {
            check_token(&*open(signer, key).await).await;
        }
        refuses_damaged_handles(signer, key).await;
        shows_no_key(signer, key).await;
        signs_at_once(open(signer, key).await).await;
    }
    let [first, second] = keys;
    refuses_the_wrong_half(signer, first, second).await;
    refuses_a_token_of_another_key(signer, first, second).await;
}

async fn open(signer: &dyn Signer, key: &NewKey) -> Arc<dyn SigningKey> {
    signer.open(&key.verifying_key, &key.handle).await.expect("the key opens from its handle")
}

fn check_kind(kind: KeyKind, key: &NewKey) {
    assert_eq!(key.verifying_key.algorithm(), kind.algorithm());
    assert_eq!(key.verifying_key.key_id(), key.verifying_key.thumbprint());
    let bytes = match kind {
        KeyKind::Rsa2048 => 256,
        KeyKind::Rsa3072 => 384,
        KeyKind::Rsa4096 => 512,
        KeyKind::P256 => return,
    };
    let jwk = key.verifying_key.jwk();
    assert_eq!(decode(jwk.n.as_deref().unwrap_or_default()).len(), bytes, "{kind:?}");
    assert_eq!(jwk.e.as_deref(), Some("AQAB"), "{kind:?}");
}

async fn check_token(key: &dyn SigningKey) {
    let token = key.sign(unsigned(key.verifying_key().key_id())).await.expect("it signs");
    let set = KeySet::new(vec![key.verifying_key().clone()]).expect("one key is a set");
    let verifier = Verifier::new(IssuerUrl::parse(ISSUER).expect("an issuer"), set);
    let audience = Audience::parse(AUDIENCE).expect("an audience");
    let accepted = verifier
        .verify(token.expose(), &Expectations::exactly(audience), START)
        .expect("the verifier takes the token");
    assert_eq!(accepted.key_id(), key.verifying_key().key_id());
    check_signature(key.verifying_key(), token.expose());
    let header = token.expose().split('.').next().unwrap_or_default();
    let header: serde_json::Value = serde_json::from_slice(&decode(header)).expect("JSON");
    let expected = serde_json::json!({
        "alg": key.verifying_key().algorithm(),
        "kid": key.verifying_key().key_id(),
        "typ": "JWT",
    });
    assert_eq!(header, expected);
}

async fn refuses_the_wrong_half(signer: &dyn Signer, key: &NewKey, other: &NewKey) {
    let opened = signer.open(&key.verifying_key, &other.handle).await;
    if key.verifying_key.algorithm() == other.verifying_key.algorithm() {
        assert!(matches!(opened, Err(SignerError::Mismatch)), "{opened:?}");
    } else {
        let refused = matches!(opened, Err(SignerError::Mismatch | SignerError::Open(_)));
        assert!(refused, "{opened:?}");
    }
}

async fn refuses_a_token_of_another_key(signer: &dyn Signer, key: &NewKey, other: &NewKey) {
    let opened = open(signer, key).await;
    let token = opened.sign(unsigned(other.verifying_key.key_id())).await;
    assert!(matches!(token, Err(SignerError::Mismatch)), "{token:?}");
}

async fn refuses_damaged_handles(signer: &dyn Signer, key: &NewKey) {
    let whole = key.handle.expose();
    let mut flipped = whole.to_vec();
    let middle = flipped.len() / 2;
    if let Some(byte) = flipped.get_mut(middle) {
        *byte ^= 0x10;
    }
    let cut = whole.get(..middle).unwrap_or_default().to_vec();
    for damaged in [Vec::new(), vec![0; whole.len()], cut, flipped] {
        let opened = signer.open(&key.verifying_key, &KeyHandle::new(damaged)).await;
        let refused = matches!(opened, Err(SignerError::Open(_) | SignerError::Mismatch));
        assert!(refused, "{opened:?}");
    }
}

async fn shows_no_key(signer: &dyn Signer, key: &NewKey) {
    let opened = open(signer, key).await;
    let handle = key.handle.expose();
    let tail = handle.get(handle.len().saturating_sub(12)..).unwrap_or_default();
    let shapes: [&dyn Debug; 4] = [key, &key.handle, &opened, &signer];
    for shown in shapes {
        let text = format!("{shown:?} {shown:#?}");
        // As text, as a list of decimal bytes and as one of hexadecimal bytes.
        let forms = [STANDARD.encode(handle), format!("{tail:?}"), format!("{tail:x?}")];
        for form in forms {
            assert!(!text.to_lowercase().contains(&form.to_lowercase()), "Debug shows the key");
        }
    }
}

async fn signs_at_once(key: Arc<dyn SigningKey>) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let key = key.clone();
        tasks.spawn(async move { check_token(&*key).await });
    }
    assert_eq!(tasks.join_all().await.len(), AT_ONCE);
}

fn unsigned(key_id: &moneyer_identity::KeyId) -> UnsignedToken {
    UnsignedToken::new(key_id.clone(), &sample_claims()).expect("claims are JSON")
}

/// What a sandbox's token says, minted at [`START`] for an hour.
#[must_use]
pub fn sample_claims() -> ClaimSet {
    let app = AppName::parse("web").expect("an app's name");
    let sandbox = SandboxId::parse("web-1").expect("a sandbox's id");
    let parts = SubjectParts {
        organization: Some(OrganizationId::parse("acme").expect("an organization")),
        cluster: Some(ClusterId::parse("prod-1").expect("a cluster")),
        trust_domain: TrustDomain::parse("id.example.com").expect("a trust domain"),
    };
    ClaimSet {
        iss: IssuerUrl::parse(ISSUER).expect("an issuer"),
        sub: parts.sandbox(SubjectForm::Sandbox, &app, &sandbox),
        aud: Audiences::one(Audience::parse(AUDIENCE).expect("an audience")),
        iat: START,
        nbf: START.minus(Duration::from_secs(30)),
        exp: START.plus(Duration::from_secs(3600)),
        jti: TokenId::random().expect("random bytes"),
        organization_id: parts.organization,
        cluster_id: parts.cluster,
        app: Some(app),
        app_uid: Some(AppUid::random().expect("random bytes")),
        sandbox_id: Some(sandbox),
        runner_id: Some(RunnerId::parse("runner-1").expect("a runner's id")),
        identity_type: IdentityType::Sandbox,
        system_workload: None,
        role: None,
        spiffe_id: None,
        policies: Vec::new(),
        exchanged: None,
        aws: AwsClaims::default(),
    }
}
