//! Promise P9, in memory: what root finds of private keys in a coordinator that runs.
//!
//! Root may read every page, which is what a core file that root takes would hold. A key that signs is among
//! them and must be: parsed, and as the handle in its record, by which the record is written again. That is
//! found here, so the search works. What must not be there is the text of the seal key once it was read,
//! and a key that was withdrawn: neither parsed nor serialized. In the text of a record it may be found, as
//! base64: that is not wiped yet between the store and its reader.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::disk::may_mount;
use crate::private_keys::{RSA_PKCS1, encoded};
use crate::recorder::{key_set, kid_of};
use crate::stand::Stand;

/// Read at a time.
const PIECE: usize = 1024 * 1024;

/// How soon a key is out of memory once it is withdrawn: what is under way with it ends first.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a number by which it is looked for: none other begins so.
const TELLING: usize = 48;

/// What the kernel gives a process at a time, never written.
const ZEROS: [u8; PAGE] = [0; PAGE];

/// Bytes of it.
const PAGE: usize = 4096;

/// In the text of a record.
const TEXT: &str = "text";

/// What a needle is called, and its bytes.
type Needle = (&'static str, Vec<u8>);

/// Every page of a process that it may write, in runs.
fn memory_of(pid: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).expect("only root reads this memory");
    let mut runs = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|edge| u64::from_str_radix(edge, 16).unwrap());
        if !rest.starts_with("rw") {
            continue;
        }
        let (mut run, mut at) = (Vec::new(), start);
        while at < end {
            let mut piece = vec![0; PIECE.min(usize::try_from(end - at).unwrap())];
            // Pages of the kernel's own, such as its clock, are not given.
            let Ok(length @ 1..) = memory.read_at(&mut piece, at) else { break };
            run.extend_from_slice(&piece[..length]);
            at += length as u64;
        }
        runs.push(run);
    }
    runs
}

/// Where in memory each needle is: its number among the needles, and the bytes from there on.
fn places<'a>(runs: &'a [Vec<u8>], needles: &[Needle]) -> Vec<(usize, &'a [u8])> {
    let mut by_first_byte = vec![Vec::new(); 256];
    for (number, (_, needle)) in needles.iter().enumerate() {
        by_first_byte[usize::from(needle[0])].push(number);
    }
    let mut places = Vec::new();
    for run in runs {
        // Most pages were never written; none of what is looked for begins with zeros.
        let written =
            run.chunks(PAGE).enumerate().filter(|(_, page)| **page != ZEROS[..page.len()]);
        for (page, bytes) in written {
            for (at, byte) in bytes.iter().enumerate() {
                let here = &run[page * PAGE + at..];
                let possible = by_first_byte[usize::from(*byte)].iter();
                let there = possible.filter(|number| here.starts_with(&needles[**number].1));
                places.extend(there.map(|number| (*number, here)));
            }
        }
    }
    places
}

/// How often each of the needles is there, by name.
fn count(runs: &[Vec<u8>], needles: &[Needle]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (number, _) in places(runs, needles) {
        *counts.entry(needles[number].0).or_default() += 1;
    }
    counts
}

/// The first INTEGER of DER, without a leading zero, and what follows it.
fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, length) = match *der.get(1)? {
        0x82 => (4, usize::from(u16::from_be_bytes([*der.get(2)?, *der.get(3)?]))),
        0x81 => (3, usize::from(*der.get(2)?)),
        short => (2, usize::from(short)),
    };
    let (number, rest) = der.get(head..)?.split_at_checked(length)?;
    Some((number.strip_prefix(&[0]).unwrap_or(number), rest))
}

/// The secret numbers of the key of this modulus, where it is found serialized: private exponent and primes.
fn secrets_of(runs: &[Vec<u8>], modulus: &[u8]) -> Option<[Vec<u8>; 3]> {
    let found = places(runs, &[("PKCS#1", RSA_PKCS1.to_vec())]);
    found.into_iter().find_map(|(_, here)| {
        let (_version, rest) = integer(here)?;
        let (n, rest) = integer(rest)?;
        let (_exponent, rest) = integer(rest)?;
        let (d, rest) = integer(rest)?;
        let (p, rest) = integer(rest)?;
        let (q, _) = integer(rest)?;
        (n == modulus).then(|| [d.to_vec(), p.to_vec(), q.to_vec()])
    })
}

/// Forms in which the numbers may lie: serialized, in the text of a record, and parsed, which is with the
/// least byte first.
fn forms(secrets: &[Vec<u8>; 3]) -> Vec<Needle> {
    let mut needles = Vec::new();
    for number in secrets {
        let beginning = &number[..TELLING];
        needles.push(("serialized", beginning.to_vec()));
        needles.extend(encoded(beginning).into_iter().map(|text| (TEXT, text)));
        needles.push(("parsed", number.iter().rev().take(TELLING).copied().collect()));
    }
    needles
}

fn call(stand: &Stand, path: &str, body: &Value) -> Value {
    stand.management().call("POST", path, body).unwrap().unwrap()
}

fn mint(stand: &Stand) -> String {
    let minted = call(stand, "sandboxes/web-1/token", &json!({}));
    minted["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn root_finds_the_key_that_signs_and_neither_one_that_was_withdrawn_nor_the_seal_key() {
    if !may_mount("what root finds in memory") {
        return;
    }
    let mut stand = Stand::start().await;
    stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    // The same seal key, in another form; and the signing key is read from the store.
    let (seal_file, seal_key) = (stand.directory.path().join("seal.key"), "07".repeat(32));
    fs::write(&seal_file, &seal_key).unwrap();
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    let kid = kid_of(&mint(&stand));
    let (modulus, _) = key_set(stand.coordinator.public()).unwrap().remove(&kid).unwrap();
    let pid = stand.coordinator.process_number();
    let runs = memory_of(pid);
    let secrets = secrets_of(&runs, &modulus).expect("the search finds no key that signs");
    let needles = forms(&secrets);
    let signing = count(&runs, &needles);
    assert!(signing.contains_key("parsed"), "the search finds no parsed key: {signing:?}");
    let read = [
        ("its path", seal_file.display().to_string().into_bytes()),
        ("its text", seal_key.into_bytes()),
    ];
    let read = count(&runs, &read);
    assert!(read.contains_key("its path"), "the search finds no text");
    assert!(!read.contains_key("its text"), "P9: the text of the seal key is in memory");

    call(&stand, "keys", &json!({ "command": "emergency" }));
    assert_ne!(kid_of(&mint(&stand)), kid);
    let give_up = Instant::now() + GONE_WITHIN;
    loop {
        let withdrawn = count(&memory_of(pid), &needles);
        if withdrawn.is_empty() {
            break;
        }
        assert!(Instant::now() < give_up, "P9: a withdrawn key is in memory: {withdrawn:?}");
        sleep(Duration::from_millis(500)).await;
    }
}
