//! Two lines of keys: what each signs, how each changes, how the second comes and goes.

use moneyer_authority::audiences::{AudiencePolicy, AwsExtras, ProfileSpec};
use moneyer_authority::keys::{KeyCommand, KeyKinds, KeyState, Line};
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::signer::KeyKind;
use moneyer_authority::{Authority, Charter};
use moneyer_identity::{Algorithm, KeyId, MintedToken, ProfileName, RelyingParty};

use crate::claims::verified;
use crate::world::{DAY, World, audience, charter, day, issuer, operator, sandbox};

const BOTH: KeyKinds = KeyKinds { primary: KeyKind::P256, second: Some(KeyKind::Rsa2048) };
const AZURE: &str = "api://AzureADTokenExchange";
const STS: &str = "sts.amazonaws.com";

fn two_lines() -> Charter {
    let audiences = AudiencePolicy::new(&issuer(), audience("moneyer"), day(), 4, Vec::new());
    Charter { key_kinds: BOTH, policy: audiences.unwrap(), ..charter() }
}

fn profile(party: RelyingParty, algorithm: Option<Algorithm>) -> ProfileSpec {
    ProfileSpec {
        name: ProfileName::parse(party.as_str()).unwrap(),
        preset: Some(party),
        audience: None,
        subject: None,
        default_lifetime: None,
        maximum_lifetime: None,
        algorithm,
        aws: AwsExtras::default(),
    }
}

async fn world_of(charter: Charter) -> World {
    let world = World::chartered(charter).await;
    world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    world
}

async fn mint(authority: &Authority, of: &[&str]) -> Result<MintedToken, MintError> {
    authority.mint_any(&operator(), &sandbox("web-1"), ask(of)).await
}

fn ask(of: &[&str]) -> Ask {
    Ask { audiences: of.iter().map(|text| audience(text)).collect(), ..Ask::default() }
}

/// The algorithm that a published key signs with.
fn algorithm(authority: &Authority, key_id: &KeyId) -> Algorithm {
    authority.published().key_set.find(key_id).unwrap().algorithm()
}

async fn signed_with(authority: &Authority, of: &str) -> Algorithm {
    let minted = mint(authority, &[of]).await.unwrap();
    algorithm(authority, &minted.key_id)
}

fn active(authority: &Authority, line: Line) -> Option<KeyId> {
    let ring = authority.keys().ring();
    let mut records = ring.records();
    let found = records.find(|key| key.line == line && key.state == KeyState::Active);
    found.map(|key| key.key_id.clone())
}

/// Documents are served, and what is due is done.
async fn look(authority: &Authority) {
    authority.keys().served(authority.published().key_set.iter().map(|k| k.key_id().clone()));
    for (step, outcome) in authority.rotate().await {
        outcome.unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }
}

#[tokio::test]
async fn each_audience_is_signed_by_the_line_that_its_party_takes_or_its_profile_names() {
    let world = world_of(two_lines()).await;
    let authority = &world.authority;
    for spec in [
        profile(RelyingParty::Azure, None),
        profile(RelyingParty::Aws, Some(Algorithm::RS256)),
        profile(RelyingParty::Snowflake, Some(Algorithm::RS256)),
    ] {
        authority.put_audience(&operator(), spec).await.unwrap();
    }
    assert_eq!(signed_with(authority, "moneyer").await, Algorithm::ES256);
    assert_eq!(signed_with(authority, "https://other.example").await, Algorithm::ES256);
    assert_eq!(signed_with(authority, AZURE).await, Algorithm::RS256);
    assert_eq!(signed_with(authority, STS).await, Algorithm::RS256);
    let set = &authority.published().key_set;
    assert_eq!(set.algorithms(), [Algorithm::ES256, Algorithm::RS256], "the primary is first");

    let refused = mint(authority, &[AZURE, "https://other.example"]).await.unwrap_err();
    assert!(matches!(refused, MintError::Combination), "{refused}");
    let unfit = profile(RelyingParty::Azure, Some(Algorithm::ES256));
    let refused = authority.put_audience(&operator(), unfit).await.unwrap_err();
    assert!(refused.to_string().contains("azure takes no ES256 signatures"), "{refused}");
}

#[tokio::test]
async fn a_batch_of_both_lines_is_signed_each_with_its_own() {
    let world = world_of(two_lines()).await;
    let (runner, _) = world.join("runner-2").await;
    world.place("web-2", "web", "runner-2").await;
    let azure = profile(RelyingParty::Azure, None);
    world.authority.put_audience(&operator(), azure).await.unwrap();
    let order = [AZURE, "moneyer", AZURE, "https://other.example", AZURE];
    let mut asked: Vec<_> = order.iter().map(|of| (sandbox("web-2"), ask(&[of]))).collect();
    asked.insert(2, (sandbox("other"), ask(&[])));
    let mut minted = world.authority.mint_all(&runner, asked).await;
    assert!(minted.remove(2).is_err());
    for (minted, of) in minted.iter().zip(order) {
        let minted = minted.as_ref().unwrap();
        verified(&world, minted, of);
        let expected = if of == AZURE { Algorithm::RS256 } else { Algorithm::ES256 };
        assert_eq!(algorithm(&world.authority, &minted.key_id), expected, "{of}");
    }
}

#[tokio::test]
async fn both_lines_change_their_keys_by_themselves() {
    let kinds = KeyKinds { primary: KeyKind::P256, second: Some(KeyKind::P256) };
    let world = World::of_many_keys_as(Charter { key_kinds: kinds, ..charter() }).await;
    let authority = &world.authority;
    let firsts = [Line::Primary, Line::Second].map(|line| active(authority, line).unwrap());
    look(authority).await;
    for _ in 0..32 {
        world.clock.advance(DAY);
        look(authority).await;
        look(authority).await;
    }
    for (line, first) in [Line::Primary, Line::Second].into_iter().zip(firsts) {
        assert_ne!(active(authority, line).unwrap(), first, "{line:?}");
    }
    let set = authority.published().key_set;
    let first = set.iter().next().unwrap().key_id().clone();
    assert_eq!(Some(first), active(authority, Line::Primary));
}

#[tokio::test]
async fn a_second_line_that_comes_later_signs_once_it_was_published_long_enough() {
    let world = world_of(charter()).await;
    let aws = profile(RelyingParty::Aws, None);
    world.authority.put_audience(&operator(), aws).await.unwrap();
    let authority = world.reopened_as(two_lines()).await;
    let asks = profile(RelyingParty::Aws, Some(Algorithm::RS256));
    authority.put_audience(&operator(), asks).await.unwrap();
    assert_eq!(active(&authority, Line::Second), None);
    look(&authority).await;
    look(&authority).await;
    let prepared = authority.keys().ring().records().filter(|key| key.line == Line::Second).count();
    assert_eq!(prepared, 1);
    assert_eq!(signed_with(&authority, STS).await, Algorithm::ES256, "AWS takes it meanwhile");
    world.clock.advance(DAY);
    look(&authority).await;
    assert_eq!(signed_with(&authority, STS).await, Algorithm::RS256);
    assert_eq!(signed_with(&authority, "moneyer").await, Algorithm::ES256);
}

#[tokio::test]
async fn lines_that_change_places_sign_on_as_each_profile_asks() {
    let world = world_of(two_lines()).await;
    let asks = profile(RelyingParty::Vault, Some(Algorithm::RS256));
    let asks = ProfileSpec { audience: Some(audience("https://vault.example.com")), ..asks };
    world.authority.put_audience(&operator(), asks).await.unwrap();
    world.authority.put_audience(&operator(), profile(RelyingParty::Azure, None)).await.unwrap();
    let swapped = KeyKinds { primary: KeyKind::Rsa2048, second: Some(KeyKind::P256) };
    let authority = world.reopened_as(Charter { key_kinds: swapped, ..two_lines() }).await;
    assert_eq!(signed_with(&authority, "https://vault.example.com").await, Algorithm::RS256);
    assert_eq!(signed_with(&authority, AZURE).await, Algorithm::RS256);
    assert_eq!(signed_with(&authority, "moneyer").await, Algorithm::RS256, "the primary's");
    for line in Line::ALL {
        let ring = authority.keys().ring();
        let key = ring.signing_key_of(line, world.now()).unwrap().verifying_key().algorithm();
        assert_eq!(Some(key), swapped.algorithm(line));
    }
}

#[tokio::test]
async fn a_key_that_the_other_line_waits_for_signs_on_there() {
    // One line of ES256; then RS256 is the primary's, and ES256 is what the second is made of.
    let world = world_of(charter()).await;
    let aws = profile(RelyingParty::Aws, Some(Algorithm::ES256));
    world.authority.put_audience(&operator(), aws).await.unwrap();
    let first = active(&world.authority, Line::Primary).unwrap();
    let kinds = KeyKinds { primary: KeyKind::Rsa2048, second: Some(KeyKind::P256) };
    let authority = world.reopened_as(Charter { key_kinds: kinds, ..two_lines() }).await;
    authority.rotate().await;
    // The second line's own key is not seen in time.
    let ring = authority.keys().ring();
    let seen = ring.records().filter(|key| key.line == Line::Primary);
    let seen: Vec<_> = seen.map(|key| key.key_id.clone()).collect();
    assert_eq!((seen.len(), ring.records().count()), (2, 3));
    authority.keys().served(seen);
    authority.rotate().await;
    world.clock.advance(DAY);
    authority.rotate().await;
    assert_eq!(active(&authority, Line::Second), Some(first), "it signs on");
    assert_eq!(signed_with(&authority, "moneyer").await, Algorithm::RS256);
    assert_eq!(signed_with(&authority, STS).await, Algorithm::ES256);
}

#[tokio::test]
async fn a_second_line_that_goes_signs_no_more_and_its_tokens_verify_to_their_end() {
    let world = world_of(two_lines()).await;
    let azure = profile(RelyingParty::Aws, Some(Algorithm::RS256));
    world.authority.put_audience(&operator(), azure.clone()).await.unwrap();
    let old = mint(&world.authority, &[STS]).await.unwrap();
    world.authority.remove_audience(&operator(), azure.name).await.unwrap();
    let authority = world.reopened_as(charter()).await;
    assert_eq!(active(&authority, Line::Second), None);
    assert!(authority.published().key_set.find(&old.key_id).is_some(), "its token lives");
    let ring = authority.keys().ring();
    let record = ring.records().find(|key| key.key_id == old.key_id).unwrap();
    assert_eq!((record.state, record.handle.is_none()), (KeyState::Retiring, true));
    let events = world.audit.records();
    let retired = events
        .iter()
        .any(|record| record["event"] == "key_retired" && record["kid"] == old.key_id.as_str());
    assert!(retired, "nobody was told");
    for _ in 0..40 {
        world.clock.advance(DAY);
        look(&authority).await;
    }
    assert!(authority.published().key_set.find(&old.key_id).is_none(), "it is never forgotten");
    assert_eq!(authority.keys().ring().records().filter(|key| !key.line.is_primary()).count(), 0);
}

#[tokio::test]
async fn a_stored_profile_that_asks_for_a_line_that_went_stops_the_start_with_its_name() {
    let world = world_of(two_lines()).await;
    let asks = profile(RelyingParty::Aws, Some(Algorithm::RS256));
    world.authority.put_audience(&operator(), asks).await.unwrap();
    let refused = world.try_reopened_as(charter()).await.unwrap_err();
    let told = moneyer_identity::error_chain(&refused);
    assert!(told.contains("aws"), "{told}");
    assert!(told.contains("has no keys that sign RS256"), "{told}");
    let back = world.try_reopened_as(two_lines()).await.unwrap();
    assert_eq!(signed_with(&back, STS).await, Algorithm::RS256, "nothing was lost by it");
}

#[tokio::test]
async fn an_emergency_replaces_the_key_of_its_line_and_takes_prepared_keys_of_both() {
    let kinds = KeyKinds { primary: KeyKind::P256, second: Some(KeyKind::P256) };
    let world = World::of_many_keys_as(Charter { key_kinds: kinds, ..charter() }).await;
    let authority = &world.authority;
    for line in Line::ALL {
        authority.command_keys(&operator(), &KeyCommand::Prepare(line)).await.unwrap();
    }
    let [primary, second] = Line::ALL.map(|line| active(authority, line).unwrap());
    let command = KeyCommand::Emergency(Some(second.clone()));
    authority.command_keys(&operator(), &command).await.unwrap();
    assert_eq!(active(authority, Line::Primary), Some(primary));
    let replaced = active(authority, Line::Second).unwrap();
    assert_ne!(replaced, second);
    let ring = authority.keys().ring();
    let withdrawn = ring.records().filter(|key| key.state == KeyState::Withdrawn).count();
    assert_eq!(withdrawn, 3, "the key, and what lay beside it");
    assert!(!ring.publishes(&second));

    let signed = Line::ALL.map(|line| active(authority, line).unwrap());
    authority.command_keys(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    let ring = authority.keys().ring();
    for (line, before) in Line::ALL.into_iter().zip(signed) {
        assert!(!ring.publishes(&before), "{line:?} still signs with a key that may be known");
        assert!(active(authority, line).is_some());
    }
}

#[tokio::test]
async fn a_key_of_a_line_that_is_not_there_is_not_made() {
    let world = World::new().await;
    let command = KeyCommand::Prepare(Line::Second);
    let refused = world.authority.command_keys(&operator(), &command).await.unwrap_err();
    assert!(refused.to_string().contains("keys.second_algorithm"), "{refused}");
}
