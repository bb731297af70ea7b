//! Faults F11, F12 and F13: a wall clock that is wrong, under a coordinator that runs and one that starts,
//! and clocks that are half a minute apart.
//!
//! libfaketime moves what the process takes for the wall clock and leaves the time since boot alone, as
//! somebody who sets the clock of a machine does. `make test` installs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_load::stand::{Environment, Membership, RunnerProxy};
use moneyer_proto::v1::minting_client::MintingClient;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, sleep};

use crate::recorder::key_set;
use crate::stand::{FAST_ROTATION, Stand, binary_directory, fetch, mint};

/// How soon a change of the clock is noticed, in either direction.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

/// Where Debian puts it, by architecture.
fn library() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap();
    let found = libraries
        .map(|entry| entry.unwrap().path().join("faketime/libfaketime.so.1"))
        .chain([PathBuf::from("/usr/lib/faketime/libfaketime.so.1")])
        .find(|path| path.is_file());
    found.expect("a wrong clock cannot be tried without libfaketime (Debian package `libfaketime`)")
}

/// Sets the clock this far from the right one: `-1h`.
fn set_clock(directory: &Path, shift: &str) {
    // By rename: the library never reads half a file.
    let (file, new) = (directory.join("clock"), directory.join("clock.new"));
    fs::write(&new, format!("{shift}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

/// What a process needs to take its time from `directory`.
fn faked(directory: &Path) -> Environment {
    let path = |path: PathBuf| path.display().to_string();
    [
        ("LD_PRELOAD", path(library())),
        ("FAKETIME_TIMESTAMP_FILE", path(directory.join("clock"))),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

async fn start() -> Stand {
    let directory = tempfile::tempdir().unwrap();
    set_clock(directory.path(), "+0");
    let environment = faked(directory.path());
    Stand::start_in(directory, environment).await
}

/// Waits until `/readyz` says of the clock what is expected.
async fn until_clock_is(stand: &Stand, right: bool) {
    let give_up = Instant::now() + NOTICED_WITHIN;
    while stand.problem("clock").is_none() != right {
        assert!(Instant::now() < give_up, "{:?}", stand.problem("clock"));
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minting_stops_while_it_is_wrong_and_goes_on_when_it_is_right() {
    let stand = start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    mint(&mut client, "web-1").await.unwrap();
    let keys = key_set(stand.coordinator.public()).unwrap();
    for shift in ["-1h", "+1y"] {
        set_clock(stand.directory.path(), shift);
        until_clock_is(&stand, false).await;
        let refused = mint(&mut client, "web-1").await;
        assert!(refused.is_err(), "a token was minted by a clock that is {shift} off");
        // Long enough for the loop that rotates and prunes to come by.
        sleep(Duration::from_secs(2)).await;
        let served = key_set(stand.coordinator.public());
        assert_eq!(served.as_ref(), Some(&keys), "a key left the key set at {shift}");

        set_clock(stand.directory.path(), "+0");
        until_clock_is(&stand, true).await;
        mint(&mut client, "web-1").await.unwrap();
    }
}

/// A coordinator that is started with a wrong clock, and not waited for: it does not get ready.
struct Wrong(Child);

impl Wrong {
    /// Stops the stand's coordinator, and starts one on its directory whose clock is this far off.
    async fn start(stand: &mut Stand, shift: &str, settings: &[(&str, &str)]) -> Self {
        stand.coordinator.kill().await.unwrap();
        let directory = stand.directory.path();
        set_clock(directory, shift);
        let child = Command::new(binary_directory().join("moneyer"))
            .arg("--config")
            .arg(directory.join("moneyer.toml"))
            .arg("serve")
            .envs(faked(directory))
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("wrong.log")).unwrap())
            .spawn()
            .unwrap();
        let mut wrong = Self(child);
        let give_up = Instant::now() + Duration::from_secs(30);
        while fetch(stand.coordinator.operations(), "/livez").is_none() {
            assert!(Instant::now() < give_up && wrong.0.try_wait().unwrap().is_none(), "not up");
            sleep(Duration::from_millis(20)).await;
        }
        wrong
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// `moneyer clock …`: what it printed, or why it failed.
fn clock(stand: &Stand, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(binary_directory().join("moneyer"))
        .arg("--config")
        .arg(stand.directory.path().join("moneyer.toml"))
        .args(["--output", "json", "clock"])
        .args(arguments)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// The true time, so many days off, as the command line takes it.
fn stated(days: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(SystemClock.now().0 + days * 86_400).unwrap();
    time.format(&Rfc3339).unwrap()
}

/// Mints as soon as it can: the coordinator's certificate may have to be made anew before.
async fn mint_soon(runner: &Membership) {
    let give_up = Instant::now() + 4 * NOTICED_WITHIN;
    loop {
        let refused = match runner.connect().await {
            Ok(channel) => match mint(&mut MintingClient::new(channel), "web-1").await {
                Ok(_) => return,
                Err(refused) => format!("{refused:?}"),
            },
            Err(error) => format!("{error:?}"),
        };
        assert!(Instant::now() < give_up, "{refused}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn start_minted() -> (Stand, Membership) {
    let mut stand = start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    mint_soon(&runner).await;
    // Told to end, it keeps the latest time it has seen.
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    (stand, runner)
}

// F11. Ten days: its own certificate is then one that has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_behind_the_latest_time_seen_mints_nothing_and_comes_right_by_itself() {
    let (mut stand, runner) = start_minted().await;
    let _behind = Wrong::start(&mut stand, "-10d", &[]).await;
    assert!(stand.problem("clock").is_some_and(|problem| problem.contains("behind")));
    assert!(key_set(stand.coordinator.public()).is_some());
    // The certificates may be from the future for a clock like that: either way there is no token.
    if let Ok(channel) = runner.connect().await {
        let refused = mint(&mut MintingClient::new(channel), "web-1").await;
        assert!(refused.is_err(), "a token was minted by a clock that is behind");
    }
    set_clock(stand.directory.path(), "+0");
    until_clock_is(&stand, true).await;
    mint_soon(&runner).await;
}

// F11: whoever removes the mark gains nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_is_removed_is_missed_and_holds_all_the_same() {
    let (mut stand, runner) = start_minted().await;
    fs::remove_file(stand.directory.path().join("store/CLOCK")).unwrap();
    let _behind = Wrong::start(&mut stand, "-1h", &[]).await;
    assert!(stand.problem("clock").is_some_and(|problem| problem.contains("behind")));
    assert_eq!(clock(&stand, &["show"]).unwrap()["mark_was_missing"], true);
    let log = fs::read_to_string(stand.directory.path().join("wrong.log")).unwrap();
    assert!(log.contains("the latest time seen was missing"), "{log}");
    set_clock(stand.directory.path(), "+0");
    until_clock_is(&stand, true).await;
    mint_soon(&runner).await;
}

// F12, across a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_far_ahead_waits_for_a_person_who_does_not_confirm_blind() {
    let (mut stand, runner) = start_minted().await;
    let _ahead = Wrong::start(&mut stand, "+40d", &[]).await;
    assert_eq!(clock(&stand, &["show"]).unwrap()["state"], "ahead");
    assert!(stand.problem("clock").is_some_and(|problem| problem.contains("40 days ahead")));
    let blind = clock(&stand, &["confirm", "--time", &stated(0)]).unwrap_err();
    assert!(blind.contains("more than a minute apart"), "{blind}");
    assert_eq!(clock(&stand, &["show"]).unwrap()["state"], "ahead");

    // Were it right, a person could say so; it was not, and a person can say that as well.
    let confirmed = clock(&stand, &["confirm", "--time", &stated(40)]).unwrap();
    assert_eq!(confirmed["state"], "sound");
    assert!(confirmed["settles_in_seconds"].as_u64().unwrap() > 25 * 3600, "{confirmed}");
    set_clock(stand.directory.path(), "+0");
    until_clock_is(&stand, false).await;
    let confirmed = clock(&stand, &["confirm", "--time", &stated(0)]).unwrap();
    assert_eq!(confirmed["state"], "sound");
    mint_soon(&runner).await;
}

// P24: nothing is retired early, though the clock says that every key but one is long dead.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_leaves_the_key_set_at_a_start_that_is_ahead() {
    let directory = tempfile::tempdir().unwrap();
    set_clock(directory.path(), "+0");
    let settings = FAST_ROTATION.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = faked(directory.path()).into_iter().chain(settings).collect();
    let mut stand = Stand::start_in(directory, environment).await;
    let public = stand.coordinator.public();
    let first: Vec<_> = key_set(public).unwrap().into_keys().collect();
    let give_up = Instant::now() + Duration::from_secs(60);
    while key_set(public).unwrap().len() < 4 {
        assert!(Instant::now() < give_up, "the keys do not change");
        sleep(Duration::from_millis(200)).await;
    }
    let before = key_set(public).unwrap();
    assert!(first.iter().all(|kid| before.contains_key(kid)));

    let _ahead = Wrong::start(&mut stand, "+20d", &FAST_ROTATION).await;
    // It may have been away so long. The library that fakes the clock errs for a moment now and then.
    until_clock_is(&stand, true).await;
    // As many looks of the loop that rotates and prunes.
    for _ in 0..20 {
        let served = key_set(public).unwrap();
        let gone = before.keys().find(|kid| !served.contains_key(*kid));
        assert_eq!(gone, None, "a key left the key set early");
        sleep(Duration::from_millis(200)).await;
    }
}

/// The times of a token, as a relying party reads them.
fn times(token: &str) -> (i64, i64) {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    (claims["nbf"].as_i64().unwrap(), claims["exp"].as_i64().unwrap())
}

// F13: relying parties without leeway, and runner hosts, half a minute off in either direction.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_files_verify_and_are_renewed_in_time_where_clocks_are_half_a_minute_apart() {
    let settings =
        [("MONEYER__TOKENS__DEFAULT_LIFETIME", "90s"), ("MONEYER__TOKENS__MAXIMUM_LIFETIME", "1h")];
    let stand = Stand::start_with(&settings).await;
    let mut hosts = Vec::new();
    for (host, shift) in [("slow", "-30s"), ("fast", "+30s")] {
        let directory = tempfile::tempdir().unwrap();
        set_clock(directory.path(), shift);
        let invitation = stand.coordinator.invite_runner(host).unwrap();
        let proxy =
            RunnerProxy::join(&stand.binaries, directory.path(), &stand.coordinator, &invitation);
        let mut proxy = proxy.await.unwrap();
        let sandbox = format!("{host}-1");
        stand.place(&sandbox, host).await;
        proxy.serve_in(&faked(directory.path())).await.unwrap();
        proxy.attach(&sandbox).await.unwrap();
        let file = directory.path().join(format!("run/sandboxes/{sandbox}/token"));
        hosts.push((host, directory, proxy, file, BTreeSet::new()));
    }
    let give_up = Instant::now() + Duration::from_secs(120);
    // The first token and one that was renewed.
    while hosts.iter().any(|(.., seen)| seen.len() < 2) {
        for (host, _, _, file, seen) in &mut hosts {
            let (not_before, expires) = times(&fs::read_to_string(file).unwrap());
            let now = SystemClock.now().0;
            assert!(not_before <= now - 30, "{host}: a verifier that is slow refuses it");
            assert!(now + 30 < expires, "{host}: a verifier that is fast refuses it");
            seen.insert(expires);
        }
        assert!(Instant::now() < give_up, "they are not renewed");
        sleep(Duration::from_millis(200)).await;
    }
}
