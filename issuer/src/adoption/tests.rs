use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use moneyer_identity::{Algorithm, IssuerUrl, KeyId, UnixTime};
use moneyer_testkit::FixtureKey;
use tempfile::TempDir;

use super::{Adopted, AdoptionError, AdoptionTerms, LegacyServerDirectory, SavedKeySet};

/// A `server/` directory as the original system leaves it.
struct Server {
    _root: TempDir,
    path: PathBuf,
}

impl Server {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("server");
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o700);
        Self { _root: root, path }
    }

    /// One with a primary key.
    fn with(primary: FixtureKey) -> Self {
        Self::new().put("workload-identity.key", primary.pem())
    }

    fn put(self, name: &str, text: &str) -> Self {
        let path = self.path.join(name);
        let folder = path.parent().unwrap();
        if !folder.exists() {
            fs::create_dir(folder).unwrap();
            set_mode(folder, 0o700);
        }
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        self
    }

    fn read(&self, terms: &AdoptionTerms) -> Result<Adopted, AdoptionError> {
        LegacyServerDirectory::new(&self.path).read(terms)
    }

    fn adopted(&self) -> Adopted {
        self.read(&AdoptionTerms::default()).unwrap()
    }

    /// The error and its cause.
    fn refused(&self) -> String {
        crate::chain(&self.read(&AdoptionTerms::default()).unwrap_err())
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn issuer(text: &str) -> IssuerUrl {
    IssuerUrl::parse(text).unwrap()
}

fn thumbprint(key: FixtureKey) -> String {
    key.verifying_key().thumbprint().as_str().to_owned()
}

#[test]
fn a_whole_directory_is_adopted_each_key_once() {
    let server = Server::with(FixtureKey::RSA_2048_A)
        .put("workload-identity.key.prev", FixtureKey::ED25519_A.pem())
        .put("workload-identity.prev", FixtureKey::RSA_3072.pem())
        .put("workload-identity.d/b.pem", FixtureKey::P256_A.pem())
        .put("workload-identity.d/a.pem", FixtureKey::RSA_2048_B.pem())
        .put("workload-identity.d/c.pem", FixtureKey::RSA_2048_A.pem())
        .put("workload-identity.d/d.pem", FixtureKey::P256_A.pem())
        .put("workload-identity.anchor", "https://old.example.com 1970-01-02T00:00:00Z\n");
    let adopted = server.adopted();
    assert_eq!(adopted.primary.key.key_id().as_str(), thumbprint(FixtureKey::RSA_2048_A));
    assert_eq!(adopted.primary.file, server.path.join("workload-identity.key"));
    let live: Vec<_> = adopted.live.iter().map(|found| found.key.key_id().as_str()).collect();
    assert_eq!(live, [thumbprint(FixtureKey::RSA_2048_B), thumbprint(FixtureKey::P256_A)]);
    assert_eq!(adopted.live[0].file, server.path.join("workload-identity.d/a.pem"));
    let previous: Vec<_> =
        adopted.previous.iter().map(|found| found.key.key_id().as_str()).collect();
    assert_eq!(previous, [thumbprint(FixtureKey::ED25519_A), thumbprint(FixtureKey::RSA_3072)]);
    let [old] = adopted.previous_issuers.as_slice() else { panic!("one issuer") };
    assert_eq!(
        (old.issuer.as_str(), old.left_at),
        ("https://old.example.com", Some(UnixTime(86_400)))
    );
    assert!(adopted.skipped.is_empty());
}

#[test]
fn an_eddsa_cluster_brings_a_key_that_signs() {
    let adopted = Server::with(FixtureKey::ED25519_A).adopted();
    assert_eq!(adopted.primary.key.verifying_key().algorithm(), Algorithm::EdDsa);
    assert_eq!(*adopted.primary.key.handle(), FixtureKey::ED25519_A.handle());
    assert!(adopted.live.is_empty() && adopted.previous.is_empty());
    assert!(adopted.previous_issuers.is_empty());
}

#[test]
fn without_a_primary_key_it_is_the_wrong_directory() {
    let server = Server::new().put("workload-identity.prev", FixtureKey::ED25519_A.pem());
    let error = server.read(&AdoptionTerms::default()).unwrap_err();
    assert!(matches!(error, AdoptionError::NoPrimary { .. }), "{error:?}");
    assert!(error.to_string().contains("server/workload-identity.key"), "{error}");
    let missing = LegacyServerDirectory::new(server.path.join("none"));
    let error = missing.read(&AdoptionTerms::default()).unwrap_err();
    assert!(matches!(error, AdoptionError::Look { .. }), "{error:?}");
}

/// As in the original system: a previous key that is there and cannot be read stops the start.
#[test]
fn a_broken_previous_key_stops_with_its_name_even_if_others_may_be_skipped() {
    for name in ["workload-identity.key.prev", "workload-identity.prev"] {
        for broken in ["", "no key", FixtureKey::RSA_1024.pem()] {
            let server = Server::with(FixtureKey::RSA_2048_A).put(name, broken);
            let terms = AdoptionTerms { skip_unreadable: true, ..AdoptionTerms::default() };
            let error = server.read(&terms).unwrap_err();
            assert!(matches!(error, AdoptionError::Key { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("server/{name} ")), "{error}");
        }
    }
}

#[test]
fn a_previous_key_may_be_its_public_half() {
    let public = include_str!("../../crates/testkit/fixtures/ed25519-b.pub.pem");
    let server = Server::with(FixtureKey::RSA_2048_A).put("workload-identity.prev", public);
    let adopted = server.adopted();
    assert_eq!(adopted.previous[0].key.key_id().as_str(), thumbprint(FixtureKey::ED25519_B));
}

#[test]
fn unreadable_live_keys_are_all_named_and_skipped_only_on_order() {
    let server = Server::with(FixtureKey::RSA_2048_A)
        .put("workload-identity.d/a.pem", "no key")
        .put("workload-identity.d/b.pem", FixtureKey::P256_A.pem())
        .put("workload-identity.d/c.pem", FixtureKey::RSA_1024.pem());
    set_mode(&server.put_open("workload-identity.d/d.pem"), 0o644);
    let error = server.read(&AdoptionTerms::default()).unwrap_err();
    let AdoptionError::Unreadable(named) = &error else { panic!("{error:?}") };
    assert_eq!(named.len(), 3);
    for name in ["a.pem", "c.pem", "d.pem"] {
        assert!(error.to_string().contains(&format!("workload-identity.d/{name}")), "{error}");
    }
    let terms = AdoptionTerms { skip_unreadable: true, ..AdoptionTerms::default() };
    let adopted = server.read(&terms).unwrap();
    assert_eq!(adopted.live.len(), 1);
    let skipped: Vec<_> = adopted.skipped.iter().map(|one| one.file.file_name().unwrap()).collect();
    assert_eq!(skipped, ["a.pem", "c.pem", "d.pem"]);
}

impl Server {
    fn put_open(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, FixtureKey::RSA_2048_C.pem()).unwrap();
        path
    }
}

#[test]
fn case_170_what_others_can_touch_is_refused_with_the_command_that_mends_it() {
    let key = "workload-identity.key";
    for (name, mode, advice) in [
        (".", 0o750, "chmod 700"),
        ("workload-identity.d", 0o711, "chmod 700"),
        (key, 0o640, "chmod 600"),
        ("workload-identity.prev", 0o604, "chmod 600"),
        ("workload-identity.anchor", 0o666, "chmod 600"),
    ] {
        let server = Server::with(FixtureKey::RSA_2048_A)
            .put("workload-identity.prev", FixtureKey::ED25519_A.pem())
            .put("workload-identity.d/a.pem", FixtureKey::P256_A.pem())
            .put("workload-identity.anchor", "https://old.example.com");
        server.adopted();
        set_mode(&server.path.join(name), mode);
        let error = server.refused();
        assert!(error.contains(advice), "{name}: {error}");
    }
}

// Only root can give a file away.
#[test]
fn case_170_what_belongs_to_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let key = "workload-identity.key";
    for name in [".", key, "workload-identity.d", "workload-identity.prev"] {
        let server = Server::with(FixtureKey::RSA_2048_A)
            .put("workload-identity.prev", FixtureKey::ED25519_A.pem())
            .put("workload-identity.d/a.pem", FixtureKey::P256_A.pem());
        server.adopted();
        chown(server.path.join(name), Some(65_534), None).unwrap();
        let error = server.refused();
        assert!(error.contains("belongs to user 65534 and not to user 0"), "{name}: {error}");
    }
    // Nor is it the directory's owner who decides whose a file may be.
    let server = Server::with(FixtureKey::RSA_2048_A);
    chown(server.path.join(key), Some(65_534), None).unwrap();
    chown(&server.path, Some(65_534), None).unwrap();
    assert!(server.refused().contains("belongs to user 65534"));
}

#[test]
fn case_170_links_are_not_followed() {
    let server = Server::with(FixtureKey::RSA_2048_A);
    let elsewhere = server.put_open("elsewhere.pem");
    set_mode(&elsewhere, 0o600);
    for name in ["workload-identity.prev", "workload-identity.issuer"] {
        symlink(&elsewhere, server.path.join(name)).unwrap();
        assert!(server.refused().contains("is a symbolic link"), "{name}");
        fs::remove_file(server.path.join(name)).unwrap();
    }
    // One that leads nowhere is there all the same.
    symlink("nowhere", server.path.join("workload-identity.prev")).unwrap();
    assert!(server.refused().contains("is a symbolic link"));
    fs::remove_file(server.path.join("workload-identity.prev")).unwrap();
    symlink(&server.path, server.path.join("workload-identity.d")).unwrap();
    assert!(server.refused().contains("is not a directory"));
    let link = server.path.with_file_name("link");
    symlink(&server.path, &link).unwrap();
    let error = LegacyServerDirectory::new(link).read(&AdoptionTerms::default()).unwrap_err();
    assert!(matches!(error, AdoptionError::NotADirectory { .. }), "{error:?}");
}

#[test]
fn files_have_a_largest_size_and_live_keys_a_largest_number() {
    let long = |bytes: usize| {
        let text = "https://old.example.com\n#";
        format!("{text}{}", "x".repeat(bytes - text.len()))
    };
    let server =
        Server::with(FixtureKey::RSA_2048_A).put("workload-identity.issuer", &long(16_384));
    assert_eq!(server.adopted().previous_issuers.len(), 1);
    let server = server.put("workload-identity.issuer", &long(16_385));
    assert!(server.refused().contains("is larger than 16384 bytes"));
    let padded = format!("{}{}", FixtureKey::RSA_2048_A.pem(), "\n".repeat(65_536));
    let server = Server::new().put("workload-identity.key", &padded);
    assert!(server.refused().contains("is larger than 65536 bytes"));

    let mut server = Server::with(FixtureKey::RSA_2048_A);
    for number in 0..16 {
        let name = format!("workload-identity.d/{number}.pem");
        server = server.put(&name, FixtureKey::ED25519_A.pem());
    }
    assert_eq!(server.adopted().live.len(), 1);
    let server = server.put("workload-identity.d/16.pem", FixtureKey::ED25519_A.pem());
    let error = server.read(&AdoptionTerms::default()).unwrap_err();
    assert!(matches!(error, AdoptionError::TooMany { .. }), "{error:?}");
}

#[test]
fn issuers_come_from_records_and_from_the_operator() {
    let server = Server::with(FixtureKey::RSA_2048_A)
        .put("workload-identity.anchor", "https://now.example.com\n")
        .put("workload-identity.issuer", r#"{"issuer": "https://old.example.com"}"#);
    let terms = AdoptionTerms {
        issuer: Some(issuer("https://now.example.com")),
        previous_issuers: vec![
            issuer("https://older.example.com"),
            issuer("https://old.example.com"),
        ],
        ..AdoptionTerms::default()
    };
    let adopted = server.read(&terms).unwrap();
    let issuers: Vec<_> = adopted.previous_issuers.iter().map(|one| one.issuer.as_str()).collect();
    assert_eq!(issuers, ["https://old.example.com", "https://older.example.com"]);
    // Adopted under a new name, the one that tokens name today is a previous one.
    assert_eq!(server.adopted().previous_issuers.len(), 2);
    let server = server.put("workload-identity.anchor", "nothing");
    assert!(server.refused().contains("workload-identity.anchor does not say which issuer"));
}

#[test]
fn the_issuer_is_the_one_that_the_records_name_last_unless_ordered_otherwise() {
    let server = Server::with(FixtureKey::RSA_2048_A)
        .put("workload-identity.anchor", "https://now.example.com\n")
        .put("workload-identity.issuer", "https://old.example.com 1970-01-02T00:00:00Z\n");
    let terms = |text: &str, issuer_changes| AdoptionTerms {
        issuer: Some(issuer(text)),
        issuer_changes,
        ..AdoptionTerms::default()
    };
    assert_eq!(
        server.read(&terms("https://now.example.com", false)).unwrap().previous_issuers.len(),
        1
    );
    let refused = server.read(&terms("https://new.example.com", false)).unwrap_err();
    assert!(matches!(refused, AdoptionError::OtherIssuer { .. }), "{refused:?}");
    assert!(refused.to_string().contains("set issuer.url to https://now.example.com"), "{refused}");
    let ordered = server.read(&terms("https://new.example.com", true)).unwrap();
    assert_eq!(ordered.previous_issuers.len(), 2);
}

#[test]
fn keys_keep_the_ids_of_the_saved_key_set_and_one_that_lacks_a_key_is_refused() {
    let server = Server::with(FixtureKey::ED25519_A)
        .put("workload-identity.prev", FixtureKey::RSA_3072.pem())
        .put("workload-identity.d/a.pem", FixtureKey::P256_A.pem());
    let saved = |keys: &[(FixtureKey, &str)]| {
        let named = |(key, id): &(FixtureKey, &str)| {
            key.verifying_key().named(KeyId::parse(id).unwrap()).jwk().clone()
        };
        let keys: Vec<_> = keys.iter().map(named).collect();
        let path = server.path.with_file_name("jwks.json");
        fs::write(&path, serde_json::json!({ "keys": keys }).to_string()).unwrap();
        let key_set = Some(SavedKeySet::read(&path).unwrap());
        server.read(&AdoptionTerms { key_set, ..AdoptionTerms::default() })
    };
    let (first, second, third) = (
        (FixtureKey::ED25519_A, "first"),
        (FixtureKey::RSA_3072, "second"),
        (FixtureKey::P256_A, "third"),
    );
    let (primary, others) = saved(&[first, second, third]).unwrap().into_imports();
    assert_eq!(primary.key_id().as_str(), "first");
    let others: Vec<_> = others.iter().map(|import| import.key_id().as_str()).collect();
    assert_eq!(others, ["third", "second"]);
    for (kept, lacking) in [
        ([second, third], "workload-identity.key"),
        ([first, third], "workload-identity.prev"),
        ([first, second], "workload-identity.d/a.pem"),
    ] {
        let refused = saved(&kept).unwrap_err();
        assert!(matches!(refused, AdoptionError::NotInKeySet { .. }), "{refused:?}");
        assert!(refused.to_string().contains(lacking), "{refused}");
    }
}

#[test]
fn nothing_of_a_key_is_shown() {
    let adopted = Server::with(FixtureKey::ED25519_A)
        .put("workload-identity.d/a.pem", FixtureKey::P256_A.pem())
        .adopted();
    let shown = format!("{adopted:?} {adopted:#?}");
    for key in [FixtureKey::ED25519_A, FixtureKey::P256_A] {
        let secret = key.pkcs8();
        let tail = &secret[secret.len() - 12..];
        assert!(!shown.contains(&format!("{tail:?}")), "{shown}");
        assert!(!shown.contains(key.pem().lines().nth(1).unwrap()), "{shown}");
    }
}
