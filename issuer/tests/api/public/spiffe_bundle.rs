//! `GET /.well-known/spiffe-bundle`, `/.well-known/spiffe-jwks.json` and `/.well-known/spiffe-bundle.pem`.

use moneyer_authority::keys::{KeyCommand, Line};
use moneyer_daemon::unix_http::Method;
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use moneyer_identity::{Clock as _, KeySet};

use crate::public::{behaves_as, behaves_as_a_document};
use crate::world::{World, json, operator};

const BUNDLE: &str = "/.well-known/spiffe-bundle";
const KEYS: &str = "/.well-known/spiffe-jwks.json";
const CERTIFICATES: &str = "/.well-known/spiffe-bundle.pem";

/// Cached no longer than the refresh hint says.
const JSON: (&str, u32) = ("application/json", 300);

async fn bundle(world: &World) -> TrustBundle {
    let whole = behaves_as(world, BUNDLE, JSON).await;
    let trust_domain = TrustDomain::parse("id.example.com").unwrap();
    TrustBundle::parse(trust_domain, &whole.body).unwrap()
}

#[tokio::test]
async fn the_bundle_holds_the_key_that_signs_under_the_kid_it_has_everywhere() {
    let world = World::start().await;
    let bundle = bundle(&world).await;
    assert_eq!(bundle.sequence(), u64::try_from(world.clock.now().0).ok());
    let ring = world.authority().keys().ring();
    let kid = &ring.keys()[0].record.key_id;
    assert!(bundle.jwt_authority(kid).is_some());
    let keys = behaves_as(&world, KEYS, JSON).await;
    assert!(KeySet::parse(&keys.body).unwrap().find(kid).is_some(), "stock libraries read it");
    let key_set = behaves_as_a_document(&world, "/.well-known/jwks.json").await;
    assert_eq!(json(&key_set)["keys"][0]["kid"], kid.as_str());
}

#[tokio::test]
async fn f4_it_is_json_and_the_certificates_are_pem() {
    let world = World::start().await;
    behaves_as(&world, BUNDLE, JSON).await;
    behaves_as(&world, CERTIFICATES, ("application/pem-certificate-chain", 300)).await;
}

#[tokio::test]
async fn it_follows_the_keys() {
    let world = World::start().await;
    let before = bundle(&world).await.sequence();
    world.authority().command_keys(&operator(), &KeyCommand::Prepare(Line::Primary)).await.unwrap();
    let ring = world.authority().keys().ring();
    let kids: Vec<_> = ring.keys().iter().map(|key| key.record.key_id.as_str()).collect();
    assert_eq!(kids.len(), 2);
    let has_all = |body: &[u8]| {
        let text = String::from_utf8_lossy(body);
        kids.iter().all(|kid| text.contains(kid))
    };
    for path in [BUNDLE, KEYS] {
        tokio::time::timeout(std::time::Duration::from_secs(10), async {
            while !has_all(&world.public(Method::GET, path, &[]).await.body) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
    assert_eq!(bundle(&world).await.sequence(), before.map(|number| number + 1));
}
