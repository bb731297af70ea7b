//! Faults F1 and F30: a coordinator ends at a call that changes a file, before it or after it, while it
//! starts, registers, moves and removes sandboxes, activates, prepares and withdraws keys, mints, is backed
//! up and seals everything anew. Started again, it is as it was before the change that was under way or
//! as it would be after it, and never in between.
//!
//! What the states between two changes are is learnt from a run that nothing disturbs. By default one call
//! of each kind is taken; `MONEYER_ABORT_POINTS=all` takes every one (`make soak`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use moneyer_identity::{Clock as _, SystemClock, UnixTime};
use moneyer_load::stand::Environment;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::attempt::Attempt;
use crate::disk::in_memory;
use crate::recorder::{assert_log_is_whole, jti_of, key_set, kid_of, minted, verifies};
use crate::rollback::copy;
use crate::stand::{Stand, moneyer};
use crate::write_points::{Act, CHANGES, ENDED, Order, Point, When, WritePoints};

/// One change after the other: method, path and body of a management call.
const SCRIPT: [(&str, &str, &str); 10] = [
    ("PUT", "sandboxes/web-2", r#"{"app":"web","runner":"runner-1"}"#),
    ("PUT", "sandboxes/web-1", r#"{"app":"web","runner":"runner-2"}"#),
    ("DELETE", "sandboxes/web-0", "{}"),
    ("POST", "keys", r#"{"command":"activate"}"#),
    ("POST", "keys", r#"{"command":"prepare"}"#),
    ("POST", MINT, "{}"),
    ("POST", "store/backup", r#"{"file":"@DIR@/backup"}"#),
    ("POST", "store/rekey", "{}"),
    ("POST", "keys", r#"{"command":"emergency"}"#),
    ("POST", MINT, "{}"),
];

const MINT: &str = "sandboxes/web-1/token";

/// Where in the script.
const BACKUP: usize = 6;
const REKEY: usize = 7;
const EMERGENCY: usize = 8;

/// The size at which the audit log begins a new file.
const ROTATE_BYTES: u64 = 65536;

/// What a coordinator says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// Where each sandbox is.
    sandboxes: BTreeMap<String, String>,
    /// Each key by the part it plays here, and its state.
    keys: Vec<(String, String)>,
}

/// A run of the script.
#[derive(Default)]
struct Run {
    /// How many changes were acknowledged.
    acknowledged: usize,
    /// The state before the first change and after each, in a run that observes them.
    states: Vec<State>,
    tokens: Vec<String>,
    /// Whether the coordinator was ended.
    ended: bool,
}

/// A stopped coordinator whose store holds three sandboxes, a key that signs and one that may, with its
/// audit log about to begin a new file; and a copy of it to begin each run with.
struct Theatre {
    stand: Stand,
    settings: Environment,
    points: WritePoints,
    /// The keys by the time they were made.
    keys: Vec<String>,
}

impl Theatre {
    async fn new() -> Self {
        // What is lost with the power is for `crash_image`.
        let directory = in_memory();
        let points = WritePoints::build(directory.path());
        let settings = settings();
        let mut stand = Stand::start_in(directory, settings.clone()).await;
        for runner in ["runner-1", "runner-2"] {
            stand.runner(runner).await;
        }
        for id in ["web-0", "web-1"] {
            stand.place(id, "runner-1").await;
        }
        call(&stand, "POST", "keys", r#"{"command":"prepare"}"#).unwrap();
        let activate = json!({"command": "activate", "dry_run": true});
        until("the key is published for long enough", || {
            stand.management().call("POST", "keys", &activate).unwrap().is_ok()
        })
        .await;
        let log = stand.directory.path().join("audit");
        let line = |before: u64| size_of(&log) - before;
        let (mut before, mut longest) = (size_of(&log), 0);
        while size_of(&log) + 2 * longest < ROTATE_BYTES {
            call(&stand, "POST", MINT, "{}").unwrap();
            longest = longest.max(line(before));
            before = size_of(&log);
        }
        let keys = call(&stand, "GET", "keys", "{}").unwrap();
        let mut keys: Vec<_> = keys.as_array().unwrap().iter().collect();
        keys.sort_by_key(|key| key["created_at"].as_i64());
        let keys = keys.iter().map(|key| text(&key["key_id"])).collect();
        until_kept(&stand, SystemClock.now()).await;
        stand.coordinator.kill().await.unwrap();
        let theatre = Self { stand, settings, points, keys };
        let directory = theatre.directory();
        fs::create_dir(directory.join("kept")).unwrap();
        for part in ["store", "audit"] {
            copy(&directory.join(part), &directory.join("kept"));
        }
        fs::write(directory.join("seal.key"), [8; 32]).unwrap();
        let older = directory.join("older.key");
        fs::write(&older, [7; 32]).unwrap();
        fs::set_permissions(&older, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        theatre
    }

    fn directory(&self) -> &Path {
        self.stand.directory.path()
    }

    /// Settings of a coordinator that seals by a new key and opens by both.
    fn both_seal_keys(&self) -> Environment {
        let older = format!("[{:?}]", self.directory().join("older.key"));
        let mut environment = self.settings.clone();
        environment.insert("MONEYER__SEAL__OLDER_KEY_FILES".to_owned(), older);
        environment
    }

    /// Begins anew, plays the script until the coordinator ends, and keeps what it said.
    async fn play(&self, order: &Order<'_>) -> Run {
        for part in ["store", "audit"] {
            fs::remove_dir_all(self.directory().join(part)).unwrap();
            copy(&self.directory().join("kept").join(part), self.directory());
        }
        fs::remove_file(self.directory().join("backup")).ok();
        self.points.order(order);
        let mut environment = self.both_seal_keys();
        environment.extend(self.points.environment());
        let mut run = Run::default();
        let mut attempt = Attempt::start(&self.stand, &environment);
        if let Err(ended) = attempt.until_ready().await {
            assert_eq!(ended.code, Some(ENDED), "{}", ended.said);
            run.ended = true;
            return run;
        }
        let observes = order.act == Act::Note;
        for (method, path, body) in SCRIPT {
            if observes {
                run.states.push(self.state());
            }
            let body = body.replace("@DIR@", self.directory().to_str().unwrap());
            let Some(answer) = call(&self.stand, method, path, &body) else {
                let ended =
                    attempt.until_ended(&format!("{path} was not answered: {order:?}")).await;
                assert_eq!(ended.code, Some(ENDED), "{}", ended.said);
                run.ended = true;
                return run;
            };
            run.tokens.extend(answer["token"].as_str().map(str::to_owned));
            run.acknowledged += 1;
        }
        if observes {
            run.states.push(self.state());
        }
        run
    }

    /// A run that nothing disturbs, and the calls of it that change a file.
    async fn rehearse(&self) -> (Run, Vec<Point>) {
        let path = self.directory().to_str().unwrap();
        let (act, when, number, calls) = (Act::Note, When::Before, 0, CHANGES);
        let run = self.play(&Order { act, when, number, calls, path }).await;
        assert_eq!((run.acknowledged, run.ended), (SCRIPT.len(), false));
        (run, self.points.taken())
    }

    fn state(&self) -> State {
        let keys = call(&self.stand, "GET", "keys", "{}").unwrap();
        let part = |kid: &str| match self.keys.iter().position(|known| known == kid) {
            Some(number) => format!("key {number}"),
            None => "new key".to_owned(),
        };
        let key = |key: &Value| (part(&text(&key["key_id"])), text(&key["state"]));
        let mut keys: Vec<_> = keys.as_array().unwrap().iter().map(key).collect();
        // One that never signed is forgotten as soon as somebody looks.
        keys.retain(|(name, state)| (name.as_str(), state.as_str()) != ("new key", "withdrawn"));
        keys.sort();
        let page = call(&self.stand, "GET", "sandboxes", "{}").unwrap();
        let sandbox = |sandbox: &Value| (text(&sandbox["id"]), text(&sandbox["runner"]));
        State {
            sandboxes: page["sandboxes"].as_array().unwrap().iter().map(sandbox).collect(),
            keys,
        }
    }

    /// Starts it again, undisturbed, and holds it against what was acknowledged.
    async fn judge(&self, run: &Run, states: &[State], what: &str) {
        self.points.nothing();
        let mut attempt = Attempt::start(&self.stand, &self.both_seal_keys());
        if let Err(ended) = attempt.until_ready().await {
            panic!("{what}: it does not start again: {ended:?}");
        }
        let (now, at) = (self.state(), run.acknowledged);
        let possible = &states[at..(at + 2).min(states.len())];
        assert!(possible.contains(&now), "P3: {what}, after {at}: {now:?} is none of {possible:?}");
        let token = text(&call(&self.stand, "POST", MINT, "{}").unwrap()["token"]);
        let served = key_set(self.stand.coordinator.public()).unwrap();
        for token in run.tokens.iter().chain([&token]) {
            let kid = kid_of(token);
            let known = self.keys.contains(&kid);
            assert!(known || at >= EMERGENCY, "P2: {what}: {kid} signs and was not published");
            // Only a key that was withdrawn may be missing.
            let withdrawn = at >= EMERGENCY && known;
            let verifies = served.get(&kid).is_some_and(|key| verifies(token, key));
            assert!(verifies || withdrawn, "P1: {what}: nothing verifies what {kid} signed");
        }
        drop(attempt);
        let (directory, log) = (self.directory(), self.directory().join("audit"));
        assert_log_is_whole(directory, &log);
        let minted = minted(&log);
        for token in run.tokens.iter().chain([&token]) {
            assert!(minted.contains(&jti_of(token)), "P5: {what}: a token is not in the audit log");
        }
        if at == BACKUP + 1 {
            self.command(&["store", "restore", "@DIR@/backup"], Some("restored"), what);
            fs::remove_dir_all(directory.join("restored")).unwrap();
        }
        if at > REKEY {
            // The configuration names the new key alone.
            self.command(&["store", "check"], None, what);
        }
    }

    /// A command that must succeed, on the store or another in its place.
    fn command(&self, arguments: &[&str], store: Option<&str>, what: &str) {
        let place = self.directory().to_str().unwrap();
        let mut command = moneyer(self.directory());
        command.args(arguments.iter().map(|argument| argument.replace("@DIR@", place)));
        if let Some(store) = store {
            command.env("MONEYER__STORE__PATH", self.directory().join(store));
            command.envs(self.both_seal_keys());
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{what}: {arguments:?}: {done:?}");
    }
}

fn settings() -> Environment {
    [
        ("MONEYER__KEYS__PUBLISH_BEFORE_USE", "1s"),
        ("MONEYER__KEYS__MAX_AGE", "1s"),
        ("MONEYER__AUDIT__ROTATE_BYTES", "65536"),
        ("MONEYER__AUDIT__RESERVE_BYTES", "1048576"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A management call that is not refused; `None` where the coordinator ended.
fn call(stand: &Stand, method: &str, path: &str, body: &str) -> Option<Value> {
    let body = serde_json::from_str(body).unwrap();
    let answer = stand.management().call(method, path, &body)?;
    Some(answer.unwrap_or_else(|refused| panic!("{method} {path}: {refused:?}")))
}

/// Until the latest time seen, as it is kept for the next start, is after this one: of what comes then, no
/// more is certain, to the second.
async fn until_kept(stand: &Stand, time: UnixTime) {
    let file = stand.directory.path().join("store/CLOCK");
    let kept =
        || fs::read_to_string(&file).unwrap().lines().next().unwrap().parse::<i64>().unwrap();
    until("the time is kept", || kept() > time.0).await;
}

/// Until something is true; it takes seconds, whatever the machine does.
async fn until(what: &str, is_true: impl Fn() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// The size of the newest file of an audit log.
fn size_of(log: &Path) -> u64 {
    let paths = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let newest: Option<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).max();
    newest.map_or(0, |path| fs::metadata(path).unwrap().len())
}

/// One of the calls of a run, found again in the next: threads take turns differently, so it is counted
/// among those of its name on such a file.
#[derive(Debug)]
struct Moment {
    kind: String,
    calls: String,
    path: String,
    number: u64,
}

/// The first call of each kind, or every call.
fn moments(points: &[Point], below: &Path, all: bool) -> Vec<Moment> {
    let (mut kinds, mut moments) = (BTreeSet::new(), Vec::new());
    for (at, point) in points.iter().enumerate() {
        let kind = point.kind(below);
        if !kinds.insert(kind.clone()) && !all {
            continue;
        }
        let named = kind.split(['#', ' ']).nth(1).unwrap_or_default();
        let path = format!("{}/{named}", below.display()).trim_end_matches('/').to_owned();
        let alike = |other: &&Point| {
            other.call == point.call && other.path.to_str().unwrap().contains(&path)
        };
        let number = points[..=at].iter().filter(alike).count() as u64;
        moments.push(Moment { kind, calls: format!("{},", point.call), path, number });
    }
    moments
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_at_any_call_that_changes_a_file_it_is_as_before_or_as_after() {
    let all = std::env::var_os("MONEYER_ABORT_POINTS").is_some_and(|points| points == "all");
    let theatre = Theatre::new().await;
    let directory = theatre.directory().to_owned();
    let (undisturbed, points) = theatre.rehearse().await;
    theatre.judge(&undisturbed, &undisturbed.states, "undisturbed").await;
    let moments = moments(&points, &directory, all);
    let kinds: BTreeSet<_> = points.iter().map(|point| point.kind(&directory)).collect();
    let (mut tried, mut ended_at) = (0, BTreeSet::new());
    for (turn, moment) in moments.iter().enumerate() {
        // The call before is often that after another: in turn is enough where not all are taken.
        let both = [When::Before, When::After];
        for when in if all { &both[..] } else { &both[turn % 2..][..1] } {
            let Moment { kind, calls, path, number } = moment;
            let order = Order { act: Act::Abort, when: *when, number: *number, calls, path };
            let run = theatre.play(&order).await;
            let at = theatre.points.taken().pop().filter(|_| run.ended);
            tried += usize::from(run.ended);
            ended_at.extend(at.map(|point| point.kind(&directory)));
            let what = format!("ended {when:?} {kind}, the {number}th");
            theatre.judge(&run, &undisturbed.states, &what).await;
        }
    }
    let missed: Vec<_> = kinds.difference(&ended_at).collect();
    println!(
        "{} calls of {} kinds; ended {tried} times; {missed:?} missed",
        points.len(),
        kinds.len()
    );
    assert!(missed.len() * 10 <= kinds.len(), "not tried: {missed:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "P3: invented, after 2")]
async fn a_change_that_was_acknowledged_and_is_not_there_is_noticed() {
    let theatre = Theatre::new().await;
    let (undisturbed, _) = theatre.rehearse().await;
    let path = theatre.directory().join("store/CATALOGUE");
    let (act, when, number, calls) = (Act::Abort, When::Before, 1, "write,");
    let path = path.to_str().unwrap();
    let mut run = theatre.play(&Order { act, when, number, calls, path }).await;
    assert_eq!((run.acknowledged, run.ended), (0, true));
    run.acknowledged = 2;
    theatre.judge(&run, &undisturbed.states, "invented").await;
}
