//! Two coordinators on one PostgreSQL: one that is killed costs what it had in hand, keys change once, and a database
//! that is away stops changes alone (faults F7, F21).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use moneyer_load::stand::{Coordinator, Environment, Membership};
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_testkit::postgres::PostgresServer;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::recorder::{Recorder, assert_log_is_whole, minted};
use crate::stand::{FAST_ROTATION, Management, PUBLISHED_BEFORE_USE, Stand, fetch, mint, number};

/// How long the database is away: `MONEYER_DATABASE_AWAY_SECONDS` asks for more.
const AWAY_SECONDS: u64 = 8;

/// What one coordinator was told the other goes by so soon.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(5);

/// Two coordinators of one cluster; `stand` has the first.
struct Several {
    server: PostgresServer,
    stand: Stand,
    other: Coordinator,
    other_directory: tempfile::TempDir,
}

impl Several {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let server = PostgresServer::start();
        let directory = tempfile::tempdir().unwrap();
        let url_file = directory.path().join("database.url");
        std::fs::write(&url_file, server.url(&server.create_database())).unwrap();
        make_private(&url_file);
        let own = |settings: &[(&str, &str)]| -> Environment {
            settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let mut environment = own(settings);
        environment.extend(own(&[
            ("MONEYER__STORE__BACKEND", "postgres"),
            ("MONEYER__STORE__URL_FILE", url_file.to_str().unwrap()),
            // Less than the time in which a caller is told.
            ("MONEYER__STORE__TIMEOUT", "1500ms"),
            ("MONEYER__STORE__CONNECT_TIMEOUT", "1500ms"),
        ]));
        let seal_key = directory.path().join("seal.key");
        let stand = Stand::start_in(directory, environment.clone()).await;
        assert!(seal_key.exists(), "the stand keeps its seal key elsewhere");
        let url = format!("http://{}", stand.coordinator.public());
        environment.extend(own(&[
            ("MONEYER__ISSUER__URL", &url),
            ("MONEYER__SEAL__KEY_FILE", seal_key.to_str().unwrap()),
        ]));
        let other_directory = tempfile::tempdir().unwrap();
        let other = Coordinator::start_in(&stand.binaries, other_directory.path(), environment);
        let other = other.await.unwrap();
        Self { server, stand, other, other_directory }
    }

    /// A runner with a sandbox, and how it asks each coordinator.
    async fn runner(&self) -> (Membership, [MintingClient<tonic::transport::Channel>; 2]) {
        let runner = self.stand.runner("runner-1").await;
        self.stand.place("web-1", "runner-1").await;
        let first = MintingClient::new(runner.connect().await.unwrap());
        let second = MintingClient::new(runner.connect_at(self.other.grpc()).await.unwrap());
        (runner, [first, second])
    }

    fn managements(&self) -> [Management; 2] {
        [self.stand.management(), Management::in_directory(self.other_directory.path())]
    }
}

fn make_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The key ids that a management API lists, with their states.
fn keys(management: &Management) -> Vec<(String, String)> {
    let listed = management.call("GET", "keys", &Value::Null).unwrap().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed = listed.as_array().unwrap().iter();
    let mut keys: Vec<_> = listed.map(|key| (text(&key["key_id"]), text(&key["state"]))).collect();
    keys.sort();
    keys
}

async fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < give_up, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_under_load_costs_the_calls_in_its_hands_and_no_key_set() {
    let mut several = Several::start(&FAST_ROTATION).await;
    let (_runner, clients) = several.runner().await;
    // Relying parties read the other's key set; half of the tokens come from the one that will be killed.
    let recorder = Arc::new(Recorder::polling(several.other.public()));
    let killed = Arc::new(AtomicBool::new(false));
    let refused_before = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for (at, client) in clients.iter().enumerate() {
        for _ in 0..4 {
            let (mut client, recorder) = (client.clone(), recorder.clone());
            let (killed, refused) = (killed.clone(), refused_before.clone());
            tasks.spawn(async move {
                let mut after = 0;
                while after < 200 {
                    match mint(&mut client, "web-1").await {
                        Ok(token) => recorder.received(token),
                        Err(_) if at == 0 && killed.load(Ordering::SeqCst) => return after,
                        Err(_) => drop(refused.fetch_add(1, Ordering::SeqCst)),
                    }
                    after += usize::from(killed.load(Ordering::SeqCst));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                after
            });
        }
    }
    let give_up = Instant::now() + Duration::from_secs(60);
    while recorder.signing_keys() < 3 {
        assert!(Instant::now() < give_up, "keys did not change");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Said before it is done: a call that fails in between is one in its hands.
    killed.store(true, Ordering::SeqCst);
    several.stand.coordinator.kill().await.unwrap();
    let mut went_on = 0;
    while let Some(after) = tasks.join_next().await {
        went_on += usize::from(after.unwrap() == 200);
    }
    assert_eq!(refused_before.load(Ordering::SeqCst), 0, "a token was refused that need not be");
    assert_eq!(went_on, 4, "the tasks of the other went on");
    assert_eq!(recorder.unanswered(), 0, "a key set was not served");
    recorder.assert_every_token_verifies(PUBLISHED_BEFORE_USE);
    // Every token of either is in the log of the one that minted it, and both logs are whole.
    let logs = [several.stand.directory.path(), several.other_directory.path()];
    let among: std::collections::BTreeSet<_> =
        logs.iter().flat_map(|directory| minted(&directory.join("audit"))).collect();
    recorder.assert_every_token_is_among(&among);
    for directory in logs {
        assert_log_is_whole(directory, &directory.join("audit"));
    }
    // It comes back to what happened meanwhile.
    let Several { stand, other, .. } = several;
    let Stand { coordinator, directory, .. } = stand;
    let back = coordinator.restart().await.unwrap();
    let management = Management::in_directory(directory.path());
    until("the key sets are the same", FOLLOWS_WITHIN, || {
        let of = |coordinator: &Coordinator| {
            fetch(coordinator.public(), "/.well-known/jwks.json").map(|(_, body)| body)
        };
        of(&back).is_some_and(|served| Some(served) == of(&other))
    })
    .await;
    // Under the name it had: nobody waits for another that is gone, and keys change again.
    let signs = |management: &Management| {
        keys(management).into_iter().find(|(_, state)| state == "active").map(|(key, _)| key)
    };
    let before = signs(&management);
    until("the key changes", Duration::from_secs(60), || signs(&management) != before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_rotate_at_the_same_instant_make_one_new_key() {
    let several = Several::start(&[]).await;
    let managements = several.managements();
    let before = keys(&managements[0]);
    assert_eq!(before.len(), 1);
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let asked = managements.clone().map(|management| {
        let barrier = barrier.clone();
        std::thread::spawn(move || {
            barrier.wait();
            management.call("POST", "keys", &json!({ "command": "rotate" })).unwrap()
        })
    });
    let answers = asked.map(|thread| thread.join().unwrap());
    assert!(answers.iter().any(Result::is_ok), "{answers:?}");
    for answer in &answers {
        if let Err((status, text)) = answer {
            assert_eq!(*status, 409, "{text}");
        }
    }
    until("both have the same keys", FOLLOWS_WITHIN, || {
        let all = managements.clone().map(|management| keys(&management));
        all[0] == all[1] && all[0].len() == 2
    })
    .await;
    // Each looks every second, and both were asked for one.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(keys(&managements[0]).len(), 2);
    assert_eq!(keys(&managements[0]), keys(&managements[1]));
    let states: Vec<_> = keys(&managements[0]).into_iter().map(|(_, state)| state).collect();
    assert!(states.contains(&"prepared".to_owned()), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_while_the_database_is_away_tokens_are_minted_and_changes_are_refused_at_once() {
    let several = Several::start(&[]).await;
    let (_runner, mut clients) = several.runner().await;
    let away = Duration::from_secs(number("MONEYER_DATABASE_AWAY_SECONDS", AWAY_SECONDS));
    let recorder = Recorder::polling(several.other.public());
    for client in &mut clients {
        recorder.received(mint(client, "web-1").await.unwrap());
    }
    let app = json!({ "audiences": ["vault"] });
    several.server.crash();
    let until_then = Instant::now() + away;
    let mut refused = 0;
    while Instant::now() < until_then {
        for client in &mut clients {
            recorder.received(mint(client, "web-1").await.unwrap());
        }
        for management in several.managements() {
            let asked = Instant::now();
            let answer = management.call("PUT", "apps/late", &app).unwrap();
            let (status, text) = answer.unwrap_err();
            assert_eq!(status, 503, "{text}");
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
            refused += 1;
        }
        let health = [several.stand.coordinator.operations(), several.other.operations()];
        for operations in health {
            let (status, body) = fetch(operations, "/readyz").unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((status, &body["state"]), (200, &json!("degraded")), "{body}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(refused > 0);
    several.server.start_again();
    let managements = several.managements();
    until("changes are made again", Duration::from_secs(20), || {
        managements[0].call("PUT", "apps/late", &app).unwrap().is_ok()
    })
    .await;
    until("the other goes by it", FOLLOWS_WITHIN, || {
        managements[1].call("GET", "apps/late", &Value::Null).unwrap().is_ok()
    })
    .await;
    assert_eq!(recorder.unanswered(), 0, "a key set was not served");
    // What was minted and what was refused meanwhile is recorded, with no gap.
    let logs = [several.stand.directory.path(), several.other_directory.path()];
    let among = logs.iter().flat_map(|directory| minted(&directory.join("audit"))).collect();
    recorder.assert_every_token_is_among(&among);
    for directory in logs {
        assert_log_is_whole(directory, &directory.join("audit"));
    }
}
