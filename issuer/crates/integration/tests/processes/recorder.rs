//! The outside recorder: it keeps what a coordinator acknowledged, every token it handed out and every
//! key set it served, and holds them against the promises afterwards.
//!
//! It trusts nothing the coordinator says of itself but the key set, which it reads as a relying party
//! would, every 100 ms. P1: a token verifies with every key set from its key's publication on. P2: its key
//! was served before it signed. P3: what was acknowledged is there. P5: its `jti` is in the audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::SystemClock;
use serde_json::Value;

use crate::stand::{Stand, fetch, moneyer};

/// How often the key set is fetched.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Claims and the schedule are in whole seconds: what is told of a moment is good to one on either side.
const WHOLE_SECONDS: Duration = Duration::from_secs(2);

/// A key is served so long after its last token is dead, but for the seconds above.
const LINGERS: Duration = Duration::from_secs(5 * 60 - 2);

/// A key as it was served: modulus and exponent.
pub(crate) type ServedKey = (Vec<u8>, Vec<u8>);

/// The keys of a key set, and when it was served.
struct Poll {
    at: Duration,
    kids: Arc<BTreeSet<String>>,
}

/// What of a token is held against promises.
struct Received {
    token: String,
    kid: String,
    jti: String,
    iat: Duration,
    exp: Duration,
}

#[derive(Default)]
struct Kept {
    acknowledged: BTreeSet<String>,
    tokens: Vec<Received>,
    polls: Vec<Poll>,
    served: BTreeMap<String, ServedKey>,
    unanswered: usize,
}

impl Kept {
    /// Keeps a key set. Most are like the one before, and share its list.
    fn keep(&mut self, at: Duration, keys: BTreeMap<String, ServedKey>) {
        let kids: BTreeSet<_> = keys.keys().cloned().collect();
        for (kid, key) in keys {
            let before = self.served.entry(kid).or_insert_with(|| key.clone());
            assert_eq!(*before, key, "another key is served under the same kid");
        }
        let before = self.polls.last().map(|poll| poll.kids.clone());
        let kids = before.filter(|before| **before == kids).unwrap_or_else(|| Arc::new(kids));
        self.polls.push(Poll { at, kids });
    }

    /// For each key the runs of polls, by number, that had it.
    fn runs(&self) -> BTreeMap<&str, Vec<Range<usize>>> {
        let mut runs = BTreeMap::<_, Vec<Range<usize>>>::new();
        for (number, poll) in self.polls.iter().enumerate() {
            for kid in poll.kids.iter() {
                let runs = runs.entry(kid.as_str()).or_default();
                match runs.last_mut() {
                    Some(run) if run.end == number => run.end += 1,
                    _ => runs.push(number..number + 1),
                }
            }
        }
        runs
    }
}

/// Records until it is dropped.
pub(crate) struct Recorder {
    kept: Arc<Mutex<Kept>>,
    done: Arc<AtomicBool>,
    poller: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to fetch the key set.
    pub(crate) fn start(stand: &Stand) -> Self {
        Self::polling(stand.coordinator.public())
    }

    /// The same of the coordinator at this public address.
    pub(crate) fn polling(public: SocketAddr) -> Self {
        let (kept, done) = (Arc::<Mutex<Kept>>::default(), Arc::<AtomicBool>::default());
        let (into, until) = (kept.clone(), done.clone());
        let poller = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                let at = SystemClock.since_epoch();
                let keys = key_set(public);
                let mut kept = into.lock().unwrap();
                match keys {
                    Some(keys) => kept.keep(at, keys),
                    None => kept.unanswered += 1,
                }
                drop(kept);
                std::thread::sleep(POLL_EVERY);
            }
        });
        Self { kept, done, poller: Some(poller) }
    }

    /// The coordinator has acknowledged this sandbox.
    pub(crate) fn acknowledged(&self, sandbox: String) {
        self.kept.lock().unwrap().acknowledged.insert(sandbox);
    }

    /// The coordinator has handed out this token.
    pub(crate) fn received(&self, token: String) {
        let (header, claims) = (part_of(&token, 0), part_of(&token, 1));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (kid, jti) = (text(&header["kid"]), text(&claims["jti"]));
        let time = |value: &Value| Duration::from_secs(value.as_u64().unwrap());
        let (iat, exp) = (time(&claims["iat"]), time(&claims["exp"]));
        self.kept.lock().unwrap().tokens.push(Received { token, kid, jti, iat, exp });
    }

    /// How many tokens it has.
    pub(crate) fn tokens(&self) -> usize {
        self.kept.lock().unwrap().tokens.len()
    }

    /// Key sets that were asked for and not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.kept.lock().unwrap().unanswered
    }

    /// Keys that signed what was received.
    pub(crate) fn signing_keys(&self) -> usize {
        let kept = self.kept.lock().unwrap();
        kept.tokens.iter().map(|token| &token.kid).collect::<BTreeSet<_>>().len()
    }

    /// The `jti` of every token received that this key signed.
    pub(crate) fn signed_by(&self, kid: &str) -> BTreeSet<String> {
        let kept = self.kept.lock().unwrap();
        let signed = kept.tokens.iter().filter(|token| token.kid == kid);
        signed.map(|token| token.jti.clone()).collect()
    }

    /// What was acknowledged and is missing.
    pub(crate) fn lost(&self, present: &BTreeSet<String>) -> Vec<String> {
        self.kept.lock().unwrap().acknowledged.difference(present).cloned().collect()
    }

    /// P3: nothing that was acknowledged is missing.
    pub(crate) fn assert_nothing_lost(&self, present: &BTreeSet<String>) {
        let lost = self.lost(present);
        let all = self.kept.lock().unwrap().acknowledged.len();
        assert!(lost.is_empty(), "P3: {} of {all} lost: {lost:?}", lost.len());
    }

    /// P1 and P2, for keys that are published `before_use`.
    pub(crate) fn assert_every_token_verifies(&self, before_use: Duration) {
        let kept = self.kept.lock().unwrap();
        assert!(!kept.tokens.is_empty() && !kept.polls.is_empty(), "nothing was recorded");
        let runs = kept.runs();
        for Received { token, kid, jti, iat, exp } in &kept.tokens {
            let Some(runs) = runs.get(kid.as_str()) else {
                panic!("P2: {kid} signed {jti}, unpublished")
            };
            assert!(verifies(token, &kept.served[kid]), "P1: {jti} does not verify with {kid}");
            let since = kept.polls[runs[0].start].at;
            // The first key of a cluster is the exception: it was there at the first look.
            let published = runs[0].start == 0 || since + before_use <= *iat + WHOLE_SECONDS;
            assert!(published, "P2: {kid} was served at {since:?} and signed {jti} at {iat:?}");
            let (from, until) = ((*iat + WHOLE_SECONDS).saturating_sub(before_use), *exp + LINGERS);
            let first = kept.polls.partition_point(|poll| poll.at < from);
            let end = kept.polls.partition_point(|poll| poll.at <= until);
            let throughout = runs.iter().any(|run| run.start <= first && end <= run.end);
            assert!(throughout, "P1: {kid} of {jti} was not served from {from:?} until {until:?}");
        }
    }

    /// P5 and P6: each token's `jti` is in the audit log, and the log's chain is whole.
    pub(crate) fn assert_every_token_is_in_the_log(&self, directory: &Path, log: &Path) {
        assert_log_is_whole(directory, log);
        self.assert_every_token_is_among(&minted(log));
    }

    pub(crate) fn assert_every_token_is_among(&self, minted: &BTreeSet<String>) {
        let kept = self.kept.lock().unwrap();
        for Received { jti, .. } in &kept.tokens {
            assert!(minted.contains(jti), "P5: {jti} is not in the audit log");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(poller) = self.poller.take() {
            drop(poller.join());
        }
    }
}

/// `moneyer audit verify` with the configuration in `directory`, for the log at `log`.
pub(crate) fn assert_log_is_whole(directory: &Path, log: &Path) {
    let verified = moneyer(directory)
        .args(["audit", "verify"])
        .env("MONEYER__AUDIT__PATH", log)
        .output()
        .unwrap();
    assert!(verified.status.success(), "P6: {verified:?}");
}

/// Every `jti` of a `token_minted` in the log.
pub(crate) fn minted(log: &Path) -> BTreeSet<String> {
    let mut minted = BTreeSet::new();
    for entry in std::fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            if record["event"] == "token_minted" {
                minted.insert(record["jti"].as_str().unwrap().to_owned());
            }
        }
    }
    minted
}

pub(crate) fn key_set(public: SocketAddr) -> Option<BTreeMap<String, ServedKey>> {
    let (status, body) = fetch(public, "/.well-known/jwks.json")?;
    let set: Value = (status == 200).then(|| serde_json::from_slice(&body).unwrap())?;
    let bytes = |text: &Value| URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap();
    let key = |key: &Value| {
        (key["kid"].as_str().unwrap().to_owned(), (bytes(&key["n"]), bytes(&key["e"])))
    };
    Some(set["keys"].as_array().unwrap().iter().map(key).collect())
}

/// A part of a token, as it is.
fn part_of(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(crate) fn kid_of(token: &str) -> String {
    part_of(token, 0)["kid"].as_str().unwrap().to_owned()
}

pub(crate) fn jti_of(token: &str) -> String {
    part_of(token, 1)["jti"].as_str().unwrap().to_owned()
}

pub(crate) fn verifies(token: &str, (n, e): &ServedKey) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = RsaPublicKeyComponents { n, e };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
}

/// A recorder that finds nothing wrong anywhere would pass every test here.
mod control {
    use super::*;

    fn recorder(kept: Kept) -> Recorder {
        Recorder { kept: Arc::new(Mutex::new(kept)), done: Arc::default(), poller: None }
    }

    fn received() -> Received {
        let (token, kid, jti) = (String::new(), "k2".to_owned(), "j".to_owned());
        let (iat, exp) = (Duration::from_secs(20), Duration::from_secs(80));
        Received { token, kid, jti, iat, exp }
    }

    #[test]
    #[should_panic(expected = "P2: k2 signed j, unpublished")]
    fn a_key_that_was_never_served_is_noticed() {
        let mut kept = Kept::default();
        kept.keep(Duration::from_secs(10), BTreeMap::new());
        kept.tokens.push(received());
        recorder(kept).assert_every_token_verifies(Duration::from_secs(3));
    }

    #[test]
    #[should_panic(expected = "P5: j is not in the audit log")]
    fn a_token_without_a_record_is_noticed() {
        let kept = Kept { tokens: vec![received()], ..Kept::default() };
        recorder(kept).assert_every_token_is_among(&["another".to_owned()].into());
    }

    #[test]
    fn runs_end_where_a_key_is_missing() {
        let mut kept = Kept::default();
        for (second, there) in [true, true, false, true].into_iter().enumerate() {
            let keys = there.then(|| ("k1".to_owned(), (vec![1], vec![3])));
            kept.keep(Duration::from_secs(second as u64), keys.into_iter().collect());
        }
        assert_eq!(kept.runs()["k1"], [0..2, 3..4]);
    }

    #[test]
    #[should_panic(expected = "P3: 1 of 1 lost")]
    fn a_lost_acknowledgement_is_noticed() {
        let kept = Kept { acknowledged: ["web-1".to_owned()].into(), ..Kept::default() };
        recorder(kept).assert_nothing_lost(&BTreeSet::new());
    }
}
