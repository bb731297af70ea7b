//! P5, P11 and case 71: what is not recorded does not happen, and what happens is recorded by whom.

use std::time::Duration;

use moneyer_authority::audit::AuditError;
use moneyer_authority::enrollment::{EnrollmentError, MemberKind, Principal};
use moneyer_authority::keys::KeyCommand;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::RegistryError;
use moneyer_authority::store::{Collection, Store as _};
use moneyer_identity::{ErrorClass, IssuerUrl, MAXIMUM_TOKEN_BYTES};
use moneyer_testkit::MemberRequest;
use serde_json::{Value, json};

use crate::world::{
    DAY, HOUR, World, app, audience, operator, placement, runner, sandbox, workload,
};

/// The records since `before`, without their places and times.
fn since(world: &World, before: usize) -> Vec<Value> {
    let mut records = world.audit.records().split_off(before);
    for record in &mut records {
        let fields = record.as_object_mut().unwrap();
        assert!(fields.remove("seq").is_some_and(|seq| seq.is_u64()));
        assert_eq!(fields.remove("time"), Some(world.now().0.into()));
    }
    records
}

async fn world() -> World {
    let world = World::new().await;
    world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    world
}

#[tokio::test]
async fn p5_a_token_has_its_record_with_everything_it_says() {
    let world = world().await;
    let (one, _) = world.join("runner-1").await;
    let before = world.audit.records().len();
    let ask = Ask { audiences: vec![audience("aws")], ..Ask::default() };
    let minted = world.authority.mint(&one, &sandbox("web-1"), ask).await.unwrap();
    let (jti, kid) = (minted.token_id.as_str(), minted.key_id.as_str());
    let expected = json!({
        "who": "runner:runner-1", "decision": "allowed", "event": "token_minted",
        "sandbox": "web-1", "app": "web", "runner": "runner-1",
        "sub": "org:acme:app:web:sandbox:web-1", "aud": "aws",
        "jti": jti, "kid": kid, "exp": minted.expires_at.0,
    });
    assert_eq!(since(&world, before), [expected]);

    let before = world.audit.records().len();
    let system = world.authority.mint_system(&one, &workload("telemetry"), Ask::default()).await;
    let system = system.unwrap();
    world.authority.mint_any(&operator(), &sandbox("web-1"), Ask::default()).await.unwrap();
    world
        .authority
        .mint_system_any(&operator(), &workload("backup"), Ask::default())
        .await
        .unwrap();
    let records = since(&world, before);
    let who = |at: usize| records[at]["who"].as_str().unwrap();
    assert_eq!([who(0), who(1), who(2)], ["runner:runner-1", "operator:uid:0", "operator:uid:0"]);
    assert_eq!(records[0]["system_workload"], "telemetry");
    assert_eq!(records[0]["jti"], system.token_id.as_str());
    assert_eq!(records[0].get("sandbox"), None);
    assert_eq!(records[2]["system_workload"], "backup");
}

#[tokio::test]
async fn p5_every_token_of_a_batch_has_its_record_and_every_refusal_too() {
    let world = world().await;
    let (one, _) = world.join("runner-1").await;
    world.place("web-2", "web", "runner-1").await;
    let before = world.audit.records().len();
    let asked = ["web-1", "other", "web-2"].map(|id| (sandbox(id), Ask::default())).to_vec();
    let minted = world.authority.mint_all(&one, asked).await;
    let jti = |at: usize| minted[at].as_ref().unwrap().token_id.as_str();
    let records = since(&world, before);
    let found: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(found, ["token_refused", "token_minted", "token_minted"]);
    assert_eq!((&records[1]["jti"], &records[2]["jti"]), (&jti(0).into(), &jti(2).into()));
    let refused = json!({
        "who": "runner:runner-1", "decision": "refused", "event": "token_refused",
        "sandbox": "other", "class": "not_found", "count": 1,
        "reason": "no token for this caller: no such sandbox",
    });
    assert_eq!(records[0], refused);
}

#[tokio::test]
async fn p5_without_a_record_there_is_no_token() {
    let world = world().await;
    let (one, _) = world.join("runner-1").await;
    world.audit.set_failing(true);
    let authority = &world.authority;
    let sandbox = sandbox("web-1");
    let refusals = [
        authority.mint(&one, &sandbox, Ask::default()).await,
        authority.mint_any(&operator(), &sandbox, Ask::default()).await,
        authority.mint_system(&one, &workload("telemetry"), Ask::default()).await,
        authority.mint_system_any(&operator(), &workload("backup"), Ask::default()).await,
        authority.mint_all(&one, vec![(sandbox.clone(), Ask::default())]).await.remove(0),
    ];
    for refused in refusals {
        let error = refused.unwrap_err();
        assert!(matches!(error, MintError::Audit(AuditError::Failing(_))), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Unavailable);
        assert_eq!(error.told(), "no token can be minted at this time");
    }
    world.audit.set_failing(false);
    authority.mint(&one, &sandbox, Ask::default()).await.unwrap();
    // What was refused meanwhile is not forgotten.
    world.clock.advance(Duration::from_secs(60));
    authority.settle_refusals(false);
    let records = world.audit.records();
    let counted = |who: &str| {
        let refused = |record: &&Value| record["event"] == "token_refused" && record["who"] == who;
        records.iter().filter(refused).filter_map(|record| record["count"].as_u64()).sum::<u64>()
    };
    assert_eq!((counted("runner:runner-1"), counted("operator:uid:0")), (3, 2));
}

#[tokio::test]
async fn f27_a_log_that_hangs_withholds_the_token_within_a_second() {
    let world = world().await;
    let (one, _) = world.join("runner-1").await;
    let before = world.audit.records().len();
    world.audit.set_hanging(true);
    let minted = world.authority.mint(&one, &sandbox("web-1"), Ask::default()).await;
    assert!(matches!(minted, Err(MintError::Audit(AuditError::Slow))), "{minted:?}");
    world.audit.set_hanging(false);
    let records = since(&world, before);
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["token_minted", "token_withheld"]);
    assert_eq!(records[0]["jti"], records[1]["jti"]);
    assert_eq!(
        (&records[1]["decision"], &records[1]["class"]),
        (&"withheld".into(), &"unavailable".into())
    );
}

#[tokio::test]
async fn case_71_a_change_that_cannot_be_recorded_fails_before_it_acts() {
    let world = world().await;
    world.put_app("empty").await;
    let (_, leaf) = world.join("runner-1").await;
    let token = world
        .authority
        .enrollment()
        .invite(&operator(), Principal::Runner(runner("runner-2")), HOUR, world.now())
        .await
        .unwrap();
    let (generation, recorded) = (world.store.generation(), world.audit.records().len());
    world.audit.set_failing(true);
    let (registry, desk) = (world.authority.registry(), world.authority.enrollment());
    let by = operator();
    let change = moneyer_authority::registry::AppChange {
        name: app("new"),
        audiences: vec![],
        accounts: None,
        spiffe_ending: moneyer_authority::registry::EndingChange::AsBefore,
    };
    let placed = placement("web-2", "web", "runner-1", world.now());
    let member = || "runner-1".to_owned();
    let unrecorded = [
        registry.put_app(&by, change, world.now()).await.map(drop),
        registry.remove_app(&by, app("empty")).await,
        registry.put_sandbox(&by, placed).await.map(drop),
        registry.remove_sandbox(&by, sandbox("web-1")).await.map(drop),
        registry.remove_member(&by, MemberKind::Runner, member()).await,
    ];
    for refused in unrecorded {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, RegistryError::Audit(_)), "{refused:?}");
        assert_eq!(refused.class(), ErrorClass::Unavailable);
    }
    let caller = world.authority.authenticate(&leaf).unwrap();
    let request = || MemberRequest::p256().der;
    let unrecorded = [
        desk.invite(&by, Principal::Runner(runner("runner-3")), HOUR, world.now()).await.map(drop),
        desk.join(token.expose(), request(), world.now()).await.map(drop),
        desk.renew(caller, leaf.clone(), request(), world.now()).await.map(drop),
        desk.withdraw(&by, MemberKind::Runner, "runner-2".to_owned()).await,
    ];
    for refused in unrecorded {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, EnrollmentError::Audit(_)), "{refused:?}");
        assert_eq!(refused.class(), ErrorClass::Unavailable);
    }
    assert_eq!((world.store.generation(), world.audit.records().len()), (generation, recorded));
    assert_eq!(registry.find_app(&app("new")), None);
    registry.find_sandbox(&sandbox("web-1")).unwrap();
    world.authority.authenticate(&leaf).unwrap();
    // Nothing was spent or half done: all of it succeeds once the log is back.
    world.audit.set_failing(false);
    desk.join(token.expose(), request(), world.now()).await.unwrap();
    registry.remove_sandbox(&by, sandbox("web-1")).await.unwrap();
}

#[tokio::test]
async fn every_change_is_recorded_with_who_made_it_and_no_change_is_not() {
    let world = World::new().await;
    let (_, leaf) = world.join("runner-1").await;
    world.put_app("web").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    world.place("web-1", "web", "runner-1").await;
    world.renew(&leaf).await.unwrap();
    world.take_away("web-1").await;
    world.take_away("web-1").await;
    world.authority.registry().remove_app(&operator(), app("web")).await.unwrap();
    world.authority.registry().remove_app(&operator(), app("web")).await.unwrap();
    world.remove_runner("runner-1").await;
    world.authority.command_keys(&operator(), &KeyCommand::Rotate).await.unwrap();
    world.authority.command_keys(&operator(), &KeyCommand::Rotate).await.unwrap();
    let moved = IssuerUrl::parse("https://moved.example.com").unwrap();
    world.authority.move_issuer(&operator(), &moved).await.unwrap();
    world.clock.advance(2 * DAY);
    world.authority.prune_issuers().await.unwrap();
    let mut records = world.audit.records();
    // The first key and authority: recorded as the coordinator's own, and as an exception.
    let first = records.split_off(4);
    let first = std::mem::replace(&mut records, first);
    assert_eq!((&first[0]["event"], &first[0]["who"]), (&"key_prepared".into(), &"system".into()));
    assert_eq!(first[1]["exception"], "first key");
    assert_eq!(first[1]["kid"], world.authority.keys().ring().keys()[0].record.key_id.as_str());
    let svids =
        |at: usize| (first[at]["event"].as_str().unwrap(), first[at]["who"].as_str().unwrap());
    assert_eq!(svids(2), ("x509_authority_prepared", "system"));
    assert_eq!(svids(3), ("x509_authority_activated", "system"));
    assert_eq!(first[3]["exception"], "first key");
    let pair = |record: &Value| {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        (text("event"), text("who"))
    };
    let found: Vec<_> = records.iter().map(pair).collect();
    let (operator, runner) = ("operator:uid:0", "runner:runner-1");
    let expected = [
        ("member_invited", operator),
        ("member_joined", runner),
        ("app_put", operator),
        ("sandbox_put", operator),
        ("member_renewed", runner),
        ("sandbox_removed", operator),
        ("app_removed", operator),
        ("member_removed", operator),
        ("rotation_requested", operator),
        ("issuer_moved", operator),
        ("issuer_ended", "system"),
    ];
    assert_eq!(found, expected.map(|(event, who)| (event.to_owned(), who.to_owned())));
    assert_eq!(records[3]["runner"], "runner-1");
    assert_eq!(records[7]["member"], "runner:runner-1");
}

#[tokio::test]
async fn a_change_that_was_recorded_and_failed_is_recorded_as_failed() {
    let world = world().await;
    let before = world.audit.records().len();
    world.store.set_unavailable(true);
    world.try_place("web-2", "web", "runner-1").await.unwrap_err();
    let records = since(&world, before);
    assert_eq!(records[0]["event"], "sandbox_put");
    let failed = json!({
        "who": "operator:uid:0", "decision": "withheld", "event": "change_failed",
        "of": before + 1, "class": "unavailable",
        "reason": "the store is unavailable: the test made it so",
    });
    assert_eq!(records[1..], [failed]);
}

#[tokio::test]
async fn a_hostile_runner_fills_no_log_with_refusals() {
    let world = world().await;
    let (one, _) = world.join("runner-1").await;
    let before = world.audit.records().len();
    for number in 0..1000 {
        let made_up = sandbox(&format!("made-up-{number}"));
        world.authority.mint(&one, &made_up, Ask::default()).await.unwrap_err();
    }
    assert_eq!(world.audit.records().len() - before, 10, "the first ten in a minute, each");
    world.clock.advance(Duration::from_secs(59));
    world.authority.settle_refusals(false);
    assert_eq!(world.audit.records().len() - before, 10);
    world.clock.advance(Duration::from_secs(1));
    world.authority.settle_refusals(false);
    let records = world.audit.records().split_off(before);
    assert_eq!(records.len(), 11);
    assert_eq!((&records[10]["count"], &records[10]["class"]), (&990.into(), &"not_found".into()));
    assert_eq!(records[10].get("sandbox"), None);
    // Another minute, another ten; and before the end everything is told.
    for _ in 0..12 {
        world.authority.mint(&one, &sandbox("other"), Ask::default()).await.unwrap_err();
    }
    world.authority.settle_refusals(true);
    let records = world.audit.records().split_off(before + 11);
    assert_eq!((records.len(), &records[10]["count"]), (11, &2.into()));
}

#[tokio::test]
async fn p11_no_token_secret_or_key_is_in_any_record() {
    let world = world().await;
    let (one, _) = world.join("runner-1").await;
    let invited = world
        .authority
        .enrollment()
        .invite(&operator(), Principal::Runner(runner("runner-2")), HOUR, world.now())
        .await
        .unwrap();
    let mut secrets = vec![invited.expose().to_owned()];
    for _ in 0..3 {
        let minted = world.authority.mint(&one, &sandbox("web-1"), Ask::default()).await.unwrap();
        secrets.extend(minted.token.expose().split('.').map(str::to_owned));
    }
    let long = "x".repeat(MAXIMUM_TOKEN_BYTES);
    world.authority.refused(&one, ErrorClass::Invalid, &long);
    for stored in world.stored(Collection::Keys).await {
        let record: Value = serde_json::from_slice(&stored.value).unwrap();
        secrets.push(record["handle"].as_str().unwrap().to_owned());
    }
    let text = serde_json::to_string(&world.audit.records()).unwrap();
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
    assert!(!text.contains(&long), "a reason has a longest length");
}

#[tokio::test]
async fn case_71_the_issuer_moves_on_record_alone() {
    let world = World::new().await;
    let next = IssuerUrl::parse("https://next.example.com").unwrap();
    let before = world.audit.records().len();
    world.audit.set_failing(true);
    let refused = world.authority.move_issuer(&operator(), &next).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Unavailable);
    assert_ne!(world.authority.issuer(), next);
    world.audit.set_failing(false);
    world.authority.move_issuer(&operator(), &next).await.unwrap();
    let moved = json!({
        "who": "operator:uid:0", "decision": "allowed", "event": "issuer_moved",
        "from": crate::world::ISSUER, "to": "https://next.example.com",
    });
    assert_eq!(since(&world, before), [moved]);
}
