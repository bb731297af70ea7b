//! A coordinator that was started on an adopted cluster, asked as relying parties ask. The command is
//! run as an operator runs it; promise P2 is checked by the served documents alone.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use moneyer_authority::mint::Ask;
use moneyer_authority::signer::Signer as _;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::{
    Audience, Audiences, ClaimSet, Clock as _, Expectations, IssuerUrl, KeyId, KeySet, SystemClock,
    SystemWorkloadName, UnixTime, UnsignedToken, Verifier,
};
use moneyer_testkit::signer::{FixtureSigner, sample_claims};
use moneyer_testkit::{FixtureKey, ManualClock};
use tempfile::TempDir;

use crate::world::{ISSUER, World, operator, prepare};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The clusters before: what signed there, and under which ids.
const PRIMARY: (FixtureKey, &str) = (FixtureKey::ED25519_A, "cluster-key-2");
const PREVIOUS: (FixtureKey, &str) = (FixtureKey::ED25519_B, "cluster-key-1");
const PREVIOUS_ISSUER: &str = "https://old.example.com";

fn put(path: &Path, text: &str) {
    let folder = path.parent().unwrap();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Lays out a `server/` directory and adopts it.
fn adopt(directory: &TempDir) {
    let path = |name: &str| directory.path().join(name);
    put(&path("server/workload-identity.key"), PRIMARY.0.pem());
    put(&path("server/workload-identity.key.prev"), PREVIOUS.0.pem());
    let keys = [PRIMARY, PREVIOUS]
        .map(|(key, id)| key.verifying_key().named(KeyId::parse(id).unwrap()).jwk().clone());
    put(&path("jwks.json"), &serde_json::json!({ "keys": keys }).to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_moneyer"))
        .env_clear()
        .current_dir(directory.path())
        .args(["--config", "moneyer.toml", "key", "adopt", "server", "--key-set", "jwks.json"])
        .args(["--previous-issuer", PREVIOUS_ISSUER])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A token as the old issuer signed it a moment ago, to live a day.
async fn old_token((key, id): (FixtureKey, &str), issuer: &str, now: UnixTime) -> String {
    let named = key.verifying_key().named(KeyId::parse(id).unwrap());
    let signing = FixtureSigner::default().open(&named, &key.handle()).await.unwrap();
    let claims = ClaimSet {
        iss: IssuerUrl::parse(issuer).unwrap(),
        aud: Audiences::one(Audience::parse("moneyer").unwrap()),
        iat: now,
        nbf: now,
        exp: now.plus(DAY),
        ..sample_claims()
    };
    let unsigned = UnsignedToken::new(named.key_id().clone(), &claims).unwrap();
    signing.sign(unsigned).await.unwrap().expose().to_owned()
}

impl World {
    /// Verifies a token by what is served now.
    async fn verify(&self, token: &str) {
        let served = self.public(Method::GET, "/.well-known/jwks.json", &[]).await;
        let keys = KeySet::parse(&served.body).unwrap();
        let issuers = [ISSUER, PREVIOUS_ISSUER].map(|url| IssuerUrl::parse(url).unwrap());
        let [issuer, previous] = issuers;
        let verifier = Verifier::new(issuer, keys).with_previous([previous]);
        let expected = Expectations::exactly(Audience::parse("moneyer").unwrap());
        let now = self.clock.now();
        let outcome = verifier.verify(token, &expected, now);
        outcome.unwrap_or_else(|error| panic!("{error} at {now}"));
    }

    /// Carries out what is due until the served documents are those of the ring.
    async fn settle(&self) {
        // The second round writes down that a new key is served. The coordinator's own loop may be faster.
        for _ in 0..2 {
            self.authority().rotate().await;
            let ring = self.authority().keys().ring();
            let ids: Vec<_> = ring.keys().iter().map(|key| key.record.key_id.as_str()).collect();
            self.until_served(&ids).await;
        }
    }

    async fn mint_one(&self) -> (String, String) {
        let backup = SystemWorkloadName::parse("backup").unwrap();
        let minted = self.authority().mint_system_any(&operator(), &backup, Ask::default()).await;
        let minted = minted.unwrap();
        (minted.token.expose().to_owned(), minted.key_id.as_str().to_owned())
    }
}

async fn adopted() -> World {
    let directory = tempfile::tempdir().unwrap();
    prepare(&directory);
    adopt(&directory);
    moneyer_daemon::tls::install_provider();
    let clock = ManualClock::default();
    clock.set(SystemClock.now());
    World::start_in(directory, clock, &[]).await
}

#[tokio::test]
async fn tokens_of_before_verify_until_they_expire_and_the_eddsa_key_ends_after_its_successor() {
    let world = adopted().await;
    let start = world.clock.now();
    let of_before = [
        old_token(PRIMARY, ISSUER, start).await,
        old_token(PRIMARY, PREVIOUS_ISSUER, start).await,
        old_token(PREVIOUS, PREVIOUS_ISSUER, start).await,
    ];
    let (mut living, mut successor, mut ended) = (Vec::new(), None, None);
    for _ in 0..6 * 36 {
        world.settle().await;
        let passed = world.clock.now().since(start);
        if passed < DAY {
            for token in &of_before {
                world.verify(token).await;
            }
        }
        let (token, key_id) = world.mint_one().await;
        living.push((token, world.clock.now().plus(HOUR)));
        living.retain(|(_, expires_at)| *expires_at > world.clock.now());
        for (token, _) in &living {
            world.verify(token).await;
        }
        if key_id != PRIMARY.1 {
            successor.get_or_insert(passed);
        }
        let ring = world.authority().keys().ring();
        if ring.records().all(|record| record.key_id.as_str() != PRIMARY.1) {
            ended.get_or_insert(passed);
        }
        world.clock.advance(4 * HOUR);
    }
    let (successor, ended) = (successor.unwrap(), ended.unwrap());
    assert!((DAY..=DAY + 8 * HOUR).contains(&successor), "{successor:?}");
    assert!(ended > 34 * DAY && ended < 35 * DAY, "{ended:?}");
}

#[tokio::test]
async fn an_adopted_okp_key_stands_in_the_key_set_and_the_previous_issuer_is_served() {
    let world = adopted().await;
    let served = world.public(Method::GET, "/.well-known/jwks.json", &[]).await;
    let keys = crate::world::json(&served)["keys"].clone();
    assert_eq!((&keys[0]["kty"], &keys[0]["kid"]), (&"OKP".into(), &PRIMARY.1.into()));
    assert_eq!(world.mint_one().await.1, PRIMARY.1);
    let discovery = "/.well-known/openid-configuration";
    let old = world.public_when(discovery, &[("host", "old.example.com")], 200).await;
    assert_eq!(crate::world::json(&old)["issuer"], PREVIOUS_ISSUER);
}
