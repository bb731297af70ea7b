//! Promise P9: `Debug` shows no secret. Each public type that holds one is made with a known secret and shown,
//! and no type in the sources that holds one derives `Debug`.

use std::fmt::Debug;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use moneyer_authority::signer::{NewKey, Signer as _};
use moneyer_authority::store::{Change, Collection, Expected, Generation, Stored};
use moneyer_daemon::file::{SecretBytes, read_secret};
use moneyer_signer::import::ImportedKey;
use moneyer_signer::{LocalSigner, PoolLimits};
use moneyer_store::seal::{KeyEncryptionKey, RecoveryCopy, Seals};
use moneyer_store::{DatabaseUrl, PostgresOptions, Sealing, SledOptions, SledStore};
use moneyer_testkit::{FixtureKey, shown_as};

use crate::pages::root;
use crate::tables::sources;

/// Every type whose fields are looked at must wrap a secret in one that redacts. These hold something else
/// under such a name.
const NO_SECRET: [(&str, &str); 2] = [
    // The id of a seal key, which cannot be turned back.
    ("issuer/crates/authority/src/audit/event.rs", "Event"),
    // A key that lies in the repository.
    ("issuer/crates/testkit/src/certificates.rs", "TestCa"),
];

/// Types that show what they hold, or hold nothing but a secret.
const RAW_KINDS: [&str; 9] = [
    "Zeroizing<",
    "SecretBox<",
    "SecretString",
    "StaticSecret",
    "x25519::Identity",
    "PrivatePkcs8KeyDer",
    "PrivateKeyDer",
    "Vec<Identity>",
    "KeyPair",
];

/// What fields are called that hold one.
const SECRET_NAMES: [&str; 8] =
    ["pkcs8", "seed", "kek", "secret", "private_key", "passphrase", "scalar", "join_token"];

/// In what such a field would hold it in the open.
const OPEN_KINDS: [&str; 4] = ["Vec<u8>", "[u8", "String", "str"];

fn assert_hidden(shown: &[(&str, &dyn Debug)], secret: &[u8]) {
    for (name, value) in shown {
        assert_eq!(shown_as(*value, secret), None, "{name}");
    }
}

#[tokio::test]
async fn no_type_shows_the_private_key_it_holds() {
    let pkcs8 = FixtureKey::RSA_2048_A.pkcs8();
    // Its end is the private part; the modulus in the middle is public.
    let secret = &pkcs8[pkcs8.len() - 64..];
    let imported = ImportedKey::parse(&pkcs8).unwrap();
    let signer = LocalSigner::start(PoolLimits::default()).unwrap();
    let opened = signer.open(imported.verifying_key(), imported.handle()).await.unwrap();
    let handle = imported.handle().clone();
    let new = NewKey { verifying_key: imported.verifying_key().clone(), handle: handle.clone() };
    let (collection, id) = (Collection::Keys, "one".to_owned());
    let value = Some(pkcs8.clone().into());
    let change = Change { collection, id: id.clone(), expected: Expected::Absent, value };
    let stored = Stored { id, revision: Generation(1), value: pkcs8.clone().into() };
    let bytes = SecretBytes::new(pkcs8.clone());
    let shown: [(&str, &dyn Debug); 8] = [
        ("ImportedKey", &imported),
        ("KeyHandle", &handle),
        ("NewKey", &new),
        ("LocalSigner", &signer),
        ("an opened key", &opened),
        ("Change", &change),
        ("Stored", &stored),
        ("SecretBytes", &bytes),
    ];
    assert_hidden(&shown, secret);
    // The search finds it where it is shown.
    assert!(shown_as(&pkcs8, secret).is_some());
}

#[tokio::test]
async fn no_type_shows_the_seal_key_it_holds() {
    let secret = *b"\x01\x9b thirty-two bytes of a key...\xfe";
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("seal.key");
    std::fs::write(&file, secret).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let read = read_secret(&file, 32).unwrap();
    let kek = |bytes| KeyEncryptionKey::from_bytes(bytes).unwrap();
    let seals = Arc::new(Seals::new(kek(secret), Vec::new()).unwrap());
    let older = Seals::new(kek([9; 32]), vec![kek(secret)]).unwrap();
    let cluster = "id.example.com".to_owned();
    let sealing = Sealing { cluster: cluster.clone(), seals: Arc::clone(&seals), recovery: None };
    let mut options = SledOptions::default();
    options.sealing = Some(sealing.clone());
    let store = SledStore::open(&place.path().join("store"), &options).unwrap();
    let copy = Seals::new(kek(secret), Vec::new()).unwrap();
    let copy = RecoveryCopy { cluster, seals: copy };
    let shown: [(&str, &dyn Debug); 8] = [
        ("a secret file", &read),
        ("KeyEncryptionKey", &kek(secret)),
        ("Seals", &seals),
        ("an older key", &older),
        ("Sealing", &sealing),
        ("SledOptions", &options),
        ("SledStore", &store),
        ("RecoveryCopy", &copy),
    ];
    assert_hidden(&shown, &secret);
    store.close().await;
}

#[test]
fn no_type_shows_the_password_of_the_database() {
    let secret = b"a password of the database";
    let text = "postgres://moneyer:a%20password%20of%20the%20database@db.example/moneyer";
    let url = DatabaseUrl::parse(text).unwrap();
    let options = PostgresOptions::new(url.clone());
    let shown: [(&str, &dyn Debug); 2] = [("DatabaseUrl", &url), ("PostgresOptions", &options)];
    assert_hidden(&shown, secret);
    assert_hidden(&shown, b"a%20password");
}

#[test]
fn no_type_with_a_secret_derives_debug() {
    let mut looked_at = 0;
    let mut open = Vec::new();
    for folder in ["issuer/src", "issuer/crates", "runner-proxy/src", "proto/src"] {
        for file in sources(&root().join(folder)) {
            let path = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            for (name, fields) in derived(&text) {
                looked_at += 1;
                if holds_a_secret(&fields) && !NO_SECRET.contains(&(path.as_str(), name.as_str())) {
                    open.push(format!("{path} {name}"));
                }
            }
        }
    }
    assert!(looked_at > 200, "the sources were not found");
    assert!(open.is_empty(), "Debug is derived and shows a secret: {open:?}");
}

/// The types of a source that derive `Debug`, with their fields.
fn derived(text: &str) -> Vec<(String, String)> {
    let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut types = Vec::new();
    for rest in code.split("#[derive(").skip(1) {
        let Some((derives, rest)) = rest.split_once(")]") else { continue };
        let word = |word: &&str| matches!(*word, "struct" | "enum");
        let mut words = rest.split_whitespace().skip_while(|text| !word(text));
        let (Some(_), Some(name)) = (words.next(), words.next()) else { continue };
        let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
        if derives.split(',').any(|trait_| trait_.trim() == "Debug") {
            let (_, body) = rest.split_once(&name).unwrap();
            types.push((name.clone(), fields(body)));
        }
    }
    types
}

/// Up to the bracket that closes the first one, or to the semicolon of a type without fields.
fn fields(text: &str) -> String {
    let (mut fields, mut depth) = (String::new(), 0);
    for letter in text.chars() {
        match letter {
            '{' | '(' => depth += 1,
            '}' | ')' if depth == 1 => return fields,
            '}' | ')' => depth -= 1,
            ';' if depth == 0 => return fields,
            _ => {}
        }
        fields.push(letter);
    }
    fields
}

fn holds_a_secret(fields: &str) -> bool {
    let named = |line: &str| {
        line.split_once(':').is_some_and(|(name, kind)| {
            let name = name.split_whitespace().last().unwrap_or_default();
            SECRET_NAMES.contains(&name) && OPEN_KINDS.iter().any(|open| kind.contains(open))
        })
    };
    RAW_KINDS.iter().any(|kind| fields.contains(kind)) || fields.lines().any(named)
}

#[test]
fn a_derived_debug_of_a_secret_is_found() {
    let found = |text: &str| derived(text).iter().any(|(_, fields)| holds_a_secret(fields));
    assert!(found("#[derive(Clone, Debug)]\npub struct Key(Zeroizing<[u8; 32]>);"));
    assert!(found("#[derive(Debug)]\nstruct Key {\n    id: u8,\n    seed: [u8; 32],\n}"));
    assert!(found("#[derive(Debug)]\n#[serde(x)]\nenum Key {\n    A { private_key: String },\n}"));
    for other in [
        "#[derive(Clone)]\nstruct Key(Zeroizing<[u8; 32]>);",
        "#[derive(Debug)]\nstruct Key { key: KeyHandle }\nfn f(seed: Vec<u8>) {}",
        "#[derive(Debug)]\nstruct Unit;\nstruct Key(Zeroizing<Vec<u8>>);",
        "#[derive(Debug)]\nstruct Key {\n    // Zeroizing<Vec<u8>>\n    secret: SandboxSecret,\n}",
    ] {
        assert!(!found(other), "{other}");
    }
}
