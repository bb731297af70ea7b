//! The files of `fixtures/import`.

use std::fs;
use std::path::Path;

use moneyer_testkit::FixtureKey;

/// Names and bytes of a folder's files, in order.
pub(crate) fn folder(name: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/fixtures/import");
    let entries = fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() > 10, "the fixtures were not found");
    files
}

/// The key that a file's name begins with.
pub(crate) fn key_of(file: &str) -> FixtureKey {
    let keys = [FixtureKey::RSA_2048_A, FixtureKey::RSA_3072, FixtureKey::RSA_4096]
        .into_iter()
        .chain([FixtureKey::P256_A, FixtureKey::ED25519_A]);
    let mut named = keys.filter(|key| file.starts_with(&format!("{}.", key.name)));
    named.next().unwrap_or_else(|| panic!("{file} is named after no key"))
}
