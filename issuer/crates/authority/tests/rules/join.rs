//! Join tokens: who has one becomes a member, once.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_authority::enrollment::{EnrollmentError, MemberKind, PeerLeaf, Principal};
use moneyer_authority::store::{Change, Collection, Expected, Store as _};
use moneyer_identity::ErrorClass;
use moneyer_testkit::MemberRequest;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, World, controller, operator, runner};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most join tokens not yet spent.
const MAXIMUM_INVITATIONS: usize = 10_000;

async fn invite(world: &World, lifetime: Duration) -> Result<String, EnrollmentError> {
    let principal = Principal::Runner(runner("runner-1"));
    let enrollment = world.authority.enrollment();
    let token = enrollment.invite(&operator(), principal, lifetime, world.now()).await?;
    Ok(token.expose().to_owned())
}

/// The token with its contents changed.
fn altered(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let json = URL_SAFE_NO_PAD.decode(token.strip_prefix("mjt1.").unwrap()).unwrap();
    let mut contents = serde_json::from_slice(&json).unwrap();
    change(&mut contents);
    format!("mjt1.{}", URL_SAFE_NO_PAD.encode(contents.to_string()))
}

async fn is_refused(world: &World, token: &str) -> bool {
    match world.present(token).await {
        Err(error @ EnrollmentError::JoinToken) => {
            assert_eq!(error.class(), ErrorClass::Unauthenticated);
            true
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => false,
    }
}

#[tokio::test]
async fn an_invited_runner_and_an_invited_controller_become_members() {
    let world = World::new().await;
    let certificate = world.join_as(Principal::Runner(runner("runner-1"))).await;
    assert_eq!(certificate.id.as_str(), "spiffe://id.example.com/moneyer/runner/runner-1");
    let certificate = world.join_as(Principal::Controller(controller("scheduler"))).await;
    assert_eq!(certificate.id.as_str(), "spiffe://id.example.com/moneyer/controller/scheduler");
    let members = world.authority.registry().list_members();
    let members: Vec<_> = members.iter().map(|(it, _)| (it.kind, it.name.as_str())).collect();
    assert_eq!(members, [(MemberKind::Runner, "runner-1"), (MemberKind::Controller, "scheduler")]);
    assert_eq!(world.stored(Collection::JoinTokens).await, []);
}

#[tokio::test]
async fn a_removed_member_cannot_come_back_by_an_older_invitation() {
    let world = World::new().await;
    let (spent, unspent) =
        (invite(&world, HOUR).await.unwrap(), invite(&world, HOUR).await.unwrap());
    world.present(&spent).await.unwrap();
    let others = Principal::Runner(runner("runner-2"));
    let enrollment = world.authority.enrollment();
    let others = enrollment.invite(&operator(), others, HOUR, world.now()).await.unwrap();

    world.authority.remove_member(&operator(), MemberKind::Runner, "runner-1").await.unwrap();

    assert!(is_refused(&world, &unspent).await);
    world.present(others.expose()).await.unwrap();
    assert_eq!(world.stored(Collection::JoinTokens).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_who_present_one_token_one_joins() {
    let world = Arc::new(World::new().await);
    let token = invite(&world, HOUR).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (world, token) = (world.clone(), token.clone());
        tasks.spawn(async move { world.present(&token).await });
    }
    let (mut joined, mut refused) = (Vec::new(), 0);
    for outcome in tasks.join_all().await {
        match outcome {
            Ok(certificate) => joined.push(certificate),
            Err(EnrollmentError::JoinToken) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((joined.len(), refused), (1, 99));
    let leaf = PeerLeaf::parse(&joined[0].der).unwrap();
    assert!(world.authority.authenticate(&leaf).is_ok());
}

#[tokio::test]
async fn a_spent_token_stays_spent_after_a_restart() {
    let mut world = World::new().await;
    let (spent, kept) = (invite(&world, HOUR).await.unwrap(), invite(&world, HOUR).await.unwrap());
    world.present(&spent).await.unwrap();
    world.authority = world.reopened().await;
    assert!(is_refused(&world, &spent).await);
    assert!(!is_refused(&world, &kept).await);
}

#[tokio::test]
async fn a_token_lives_to_the_second() {
    let world = World::new().await;
    let (early, late) = (invite(&world, HOUR).await.unwrap(), invite(&world, HOUR).await.unwrap());
    world.clock.advance(Duration::from_secs(3599));
    assert!(!is_refused(&world, &early).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(is_refused(&world, &late).await);
}

#[tokio::test]
async fn an_invitation_lives_from_one_second_to_seven_days() {
    let world = World::new().await;
    let second = Duration::from_secs(1);
    for lifetime in [second, DAY, WEEK] {
        assert!(invite(&world, lifetime).await.is_ok(), "{lifetime:?}");
    }
    for lifetime in [Duration::ZERO, Duration::from_millis(999), WEEK + second, Duration::MAX] {
        let refused = invite(&world, lifetime).await.unwrap_err();
        assert!(matches!(refused, EnrollmentError::Lifetime), "{lifetime:?}");
        assert_eq!(refused.class(), ErrorClass::Invalid);
    }
}

#[tokio::test]
async fn what_is_not_a_token_of_ours_is_refused_with_one_text() {
    let (world, other) = (World::new().await, World::new().await);
    let token = invite(&world, HOUR).await.unwrap();
    let foreign = invite(&other, HOUR).await.unwrap();
    let wrong_secret = altered(&token, |it| it["secret"] = json!("00".repeat(32)));
    let no_secret = altered(&token, |it| it["secret"] = json!(""));
    let unknown = altered(&token, |it| it["id"] = json!("0000000000000000"));
    let shapeless = altered(&token, |it| it["secret"] = json!(7));
    let unlabelled = token.replacen("mjt1.", "mjt2.", 1);
    let longer = format!("{token}\n");
    let longest = format!("mjt1.{}", "A".repeat(2048));
    let hash_for_secret = {
        let stored = world.stored(Collection::JoinTokens).await;
        let record: Value = serde_json::from_slice(&stored[0].value).unwrap();
        altered(&token, |it| it["secret"] = record["secret_sha256"].clone())
    };
    for bad in [
        "",
        "mjt1.",
        "mjt1.!!!",
        "mjt1.e30",
        "mjt1.bnVsbA",
        &foreign,
        &wrong_secret,
        &no_secret,
        &unknown,
        &shapeless,
        &unlabelled,
        &longer,
        &longest,
        &hash_for_secret,
    ] {
        assert!(is_refused(&world, bad).await, "{bad}");
    }
    assert!(!is_refused(&world, &token).await, "a refusal spends nothing");
}

#[tokio::test]
async fn the_name_is_the_invitations_whatever_the_token_says() {
    let world = World::new().await;
    let token = invite(&world, HOUR).await.unwrap();
    let renamed = altered(&token, |it| {
        it["kind"] = json!("controller");
        it["name"] = json!("scheduler");
        it["td"] = json!("evil.example.com");
    });
    let certificate = world.present(&renamed).await.unwrap();
    assert_eq!(certificate.id.as_str(), "spiffe://id.example.com/moneyer/runner/runner-1");
}

#[tokio::test]
async fn a_refused_request_does_not_spend_the_token() {
    let world = World::new().await;
    let token = invite(&world, HOUR).await.unwrap();
    let bad = MemberRequest::badly_signed().der;
    let refused = world.authority.enrollment().join(&token, bad, world.now()).await.unwrap_err();
    assert!(matches!(refused, EnrollmentError::Certificate(_)));
    assert!(!is_refused(&world, &token).await);
}

#[tokio::test]
async fn a_join_that_is_not_stored_spends_nothing_and_admits_nobody() {
    let world = World::new().await;
    let token = invite(&world, HOUR).await.unwrap();
    world.store.set_unavailable(true);
    let failed = world.present(&token).await.unwrap_err();
    assert!(matches!(failed, EnrollmentError::Store(_)));
    assert!(world.authority.registry().list_members().is_empty());
    assert!(invite(&world, HOUR).await.is_err());
    world.store.set_unavailable(false);
    assert!(!is_refused(&world, &token).await);
}

#[tokio::test]
async fn only_so_many_tokens_are_unspent_and_expired_ones_make_room() {
    let mut world = World::new().await;
    invite(&world, HOUR).await.unwrap();
    let pattern = world.stored(Collection::JoinTokens).await.remove(0);
    let copy = |number: usize| {
        let mut record: Value = serde_json::from_slice(&pattern.value).unwrap();
        let id = format!("{number:016x}");
        record["id"] = json!(id);
        let value = Some(record.to_string().into_bytes().into());
        Change { collection: Collection::JoinTokens, id, expected: Expected::Absent, value }
    };
    let copies = (2..MAXIMUM_INVITATIONS).map(copy).collect();
    world.store.commit(copies).await.unwrap();
    world.authority = world.reopened().await;
    let last = invite(&world, HOUR).await.unwrap();
    let refused = invite(&world, HOUR).await.unwrap_err();
    assert!(matches!(refused, EnrollmentError::TooMany));
    assert_eq!(refused.class(), ErrorClass::Exhausted);
    world.present(&last).await.unwrap();
    invite(&world, HOUR + HOUR).await.unwrap();
    world.clock.advance(HOUR);
    invite(&world, HOUR).await.unwrap();
    assert_eq!(world.stored(Collection::JoinTokens).await.len(), 2, "the expired are swept");
}

#[tokio::test]
async fn a_token_is_shown_by_expose_alone_and_stored_as_a_hash() {
    let world = World::new().await;
    let principal = Principal::Runner(runner("runner-1"));
    let enrollment = world.authority.enrollment();
    let token = enrollment.invite(&operator(), principal, HOUR, world.now()).await.unwrap();
    assert_eq!(format!("{token:?}"), "JoinToken(redacted)");
    let json = URL_SAFE_NO_PAD.decode(token.expose().strip_prefix("mjt1.").unwrap()).unwrap();
    let contents: Value = serde_json::from_slice(&json).unwrap();
    let secret = contents["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 64);
    for record in world.stored(Collection::JoinTokens).await {
        assert!(!std::str::from_utf8(&record.value).unwrap().contains(secret));
    }
    assert!(!format!("{enrollment:?}").contains(secret));
    // What a joiner pins on first contact.
    let authority = enrollment.authority().certificate();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, authority);
    let pin: String =
        digest.as_ref().iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
    assert_eq!((&contents["ca"], &contents["td"]), (&json!(pin), &json!("id.example.com")));
}
