//! Fault F6, promise P4: a store that was damaged while nobody used it. `moneyer serve` refuses it with
//! exit code 65 and says what is wrong, or everything that was acknowledged is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use moneyer_load::stand::Environment;

use crate::attempt::{Attempt, Ended};
use crate::kill::all_sandboxes;
use crate::rollback::copy;
use crate::stand::Stand;

/// What `EX_DATAERR` is.
pub(crate) const REFUSED: i32 = 65;

/// A stand that is stopped, and a copy of its store as it was left.
struct Victim {
    stand: Stand,
    store: PathBuf,
    whole: PathBuf,
    acknowledged: BTreeSet<String>,
}

impl Victim {
    async fn new() -> Self {
        let mut stand = Stand::start().await;
        let _runner = stand.runner("runner-1").await;
        let acknowledged: BTreeSet<_> = (0..20).map(|number| format!("web-{number}")).collect();
        for id in &acknowledged {
            stand.place(id, "runner-1").await;
        }
        stand.coordinator.kill().await.unwrap();
        let directory = stand.directory.path();
        let (store, whole) = (directory.join("store"), directory.join("whole"));
        copy(&store, &whole);
        Self { stand, store, whole, acknowledged }
    }

    /// Puts the store back as it was.
    fn heal(&self) {
        fs::remove_dir_all(&self.store).unwrap();
        copy(&self.whole, &self.store);
    }

    /// Starts it: its exit code and what it said, or the sandboxes it has where it got ready.
    async fn start(&self) -> Result<BTreeSet<String>, (i32, String)> {
        let mut attempt = Attempt::start(&self.stand, &Environment::new());
        let ready = attempt.until_ready().await;
        ready.map_err(|Ended { code, said }| (code.unwrap_or(-1), said))?;
        Ok(all_sandboxes(&self.stand).await)
    }
}

/// Every file below `directory` that holds something.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_or_a_missing_file_is_refused_with_65_or_costs_nothing() {
    let victim = Victim::new().await;
    let mut refused = Vec::new();
    for file in files(&victim.whole) {
        let name = file.strip_prefix(&victim.whole).unwrap();
        for (act, harm) in [("flipped", flip as fn(&Path)), ("removed", remove)] {
            victim.heal();
            harm(&victim.store.join(name));
            let what = format!("{} {act}", name.display());
            match victim.start().await {
                Ok(present) => assert_eq!(present, victim.acknowledged, "P4: {what} was silent"),
                Err((code, said)) => {
                    println!("{what}: {said}");
                    assert_eq!(code, REFUSED, "{what}: {said}");
                    let place = victim.store.to_str().unwrap();
                    assert!(said.contains(place), "{what}, and it is not said where: {said}");
                    refused.push(what);
                }
            }
        }
    }
    println!("refused: {refused:#?}");
    for name in ["CATALOGUE flipped", "CATALOGUE removed"] {
        assert!(refused.iter().any(|what| what == name), "{name}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_weeks_records_under_this_weeks_catalogue_are_refused_with_65() {
    let mut victim = Victim::new().await;
    victim.stand.coordinator = victim.stand.coordinator.restart().await.unwrap();
    victim.stand.place("this-week", "runner-1").await;
    victim.stand.coordinator.kill().await.unwrap();
    fs::remove_dir_all(victim.store.join("sled")).unwrap();
    copy(&victim.whole.join("sled"), &victim.store.join("sled"));
    let (code, said) = victim.start().await.unwrap_err();
    assert_eq!(code, REFUSED, "{said}");
    assert!(said.contains("this-week"), "the missing record is not named: {said}");
}
