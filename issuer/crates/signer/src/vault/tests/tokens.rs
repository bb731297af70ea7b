//! Log-ins: each way in, what becomes of a token, and files that change.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use moneyer_authority::signer::{KeyKind, Signer as _, SignerError};
use serde_json::json;

use super::{VaultLogin, VaultOptions, World, path, sign, verify};

const HOUR: Duration = Duration::from_secs(3600);

fn approle(world: &Path) -> VaultLogin {
    let secret_id_file = world.join("secret-id");
    std::fs::write(&secret_id_file, "s3cret").unwrap();
    VaultLogin::AppRole { mount: path("approle"), role_id: "moneyer".to_owned(), secret_id_file }
}

/// A world whose signer logs in by AppRole, with tokens of an hour.
fn by_approle(directory: &tempfile::TempDir) -> World {
    let login = approle(directory.path());
    let world = World::with(|options| VaultOptions { login, ..options });
    let wanted = json!({"role_id": "moneyer", "secret_id": "s3cret"});
    world.model().accept_login("approle", wanted, HOUR);
    world
}

fn logins(calls: &[String]) -> usize {
    calls.iter().filter(|call| call.ends_with("/login")).count()
}

#[tokio::test]
async fn a_kubernetes_service_account_logs_in_with_the_token_of_the_moment() {
    let directory = tempfile::tempdir().unwrap();
    let jwt_file = directory.path().join("jwt");
    std::fs::write(&jwt_file, "first.jwt\n").unwrap();
    let login = VaultLogin::Kubernetes {
        mount: path("clusters/blue"),
        role: "moneyer".to_owned(),
        jwt_file: jwt_file.clone(),
    };
    let world = World::with(|options| VaultOptions { login, ..options });
    let wanted = |jwt: &str| json!({"role": "moneyer", "jwt": jwt});
    world.model().accept_login("clusters/blue", wanted("first.jwt"), HOUR);
    let key = world.key().await;
    std::fs::write(&jwt_file, "second.jwt\n").unwrap();
    world.model().accept_login("clusters/blue", wanted("second.jwt"), HOUR);
    world.model().revoke_tokens();
    verify(&[&key], &sign(&*key).await.unwrap());
    assert_eq!(logins(&world.model().calls()), 1);
}

#[tokio::test]
async fn a_refused_token_costs_one_log_in_however_many_ask() {
    let directory = tempfile::tempdir().unwrap();
    let world = by_approle(&directory);
    let key = world.key().await;
    world.model().revoke_tokens();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let key = key.clone();
        asking.spawn(async move { sign(&*key).await });
    }
    for token in asking.join_all().await {
        verify(&[&key], &token.unwrap());
    }
    assert_eq!(logins(&world.model().calls()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_lengthened_ahead_of_its_end_and_replaced_at_its_longest() {
    let directory = tempfile::tempdir().unwrap();
    let world = by_approle(&directory);
    let key = world.key().await;
    world.keep_for(HOUR * 3).await;
    let calls = world.model().calls();
    let renewals = |calls: &[String]| calls.iter().filter(|c| c.ends_with("renew-self")).count();
    assert_eq!((renewals(&calls), logins(&calls)), (4, 0), "every forty minutes");
    sign(&*key).await.unwrap();
    world.model().renew_at_most(0);
    // Twenty minutes are left until it is lengthened next, and it is looked again forty after that.
    world.keep_for(HOUR / 6 * 5).await;
    let calls = world.model().calls();
    assert_eq!(logins(&calls), 1, "{calls:?}");
    sign(&*key).await.unwrap();
    assert_eq!(world.model().calls().len(), 1, "nothing was refused meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_lengthened_takes_nothing_from_a_log_in_since() {
    let directory = tempfile::tempdir().unwrap();
    let world = by_approle(&directory);
    let key = world.key().await;
    tokio::time::advance(HOUR * 2 / 3).await;
    world.wire.late_ms.store(1_000, Ordering::Relaxed);
    let meanwhile = async {
        while !world.model().calls().iter().any(|call| call.ends_with("renew-self")) {
            tokio::task::yield_now().await;
        }
        world.wire.late_ms.store(0, Ordering::Relaxed);
        world.model().revoke_tokens();
        sign(&*key).await.unwrap();
    };
    tokio::join!(world.keep_for(Duration::from_secs(2)), meanwhile);
    drop(world.model().calls());
    sign(&*key).await.unwrap();
    assert_eq!(world.model().calls().len(), 1, "by the newer token");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ended_while_nobody_looked_is_replaced_when_it_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let world = by_approle(&directory);
    let key = world.key().await;
    tokio::time::advance(HOUR * 2).await;
    verify(&[&key], &sign(&*key).await.unwrap());
    assert_eq!(world.model().calls().len(), 3, "refused, logged in, signed");
}

/// Puts another token where the file is, as Kubernetes swaps a directory of secrets.
fn swap(directory: &Path, version: u32, token: &str) {
    let versioned = directory.join(format!("..{version}"));
    std::fs::create_dir(&versioned).unwrap();
    std::fs::write(versioned.join("token"), token).unwrap();
    let fresh = directory.join("..data_tmp");
    std::os::unix::fs::symlink(&versioned, &fresh).unwrap();
    std::fs::rename(fresh, directory.join("..data")).unwrap();
    std::fs::remove_dir_all(directory.join(format!("..{}", version - 1))).ok();
}

/// A world with its token behind such a directory.
fn swapped(directory: &Path) -> World {
    swap(directory, 1, "s.first");
    let file = directory.join("token");
    std::os::unix::fs::symlink("..data/token", &file).unwrap();
    World::with(|options| VaultOptions { login: VaultLogin::TokenFile(file), ..options })
}

#[tokio::test(start_paused = true)]
async fn a_token_file_that_is_swapped_three_times_in_a_row_is_read_three_times() {
    let directory = tempfile::tempdir().unwrap();
    let world = swapped(directory.path());
    let key = world.key().await;
    for (version, token) in [(2, "s.second"), (3, "s.third"), (4, "s.fourth")] {
        swap(directory.path(), version, token);
        world.model().accept_token(token);
        world.keep_for(Duration::from_secs(2)).await;
        drop(world.model().calls());
        sign(&*key).await.unwrap();
        assert_eq!(world.model().calls().len(), 1, "{token} is in use before any other is refused");
    }
}

#[tokio::test]
async fn a_token_file_is_read_whenever_its_token_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let world = swapped(directory.path());
    let key = world.key().await;
    for (version, token) in [(2, "s.second"), (3, "s.third"), (4, "s.fourth")] {
        swap(directory.path(), version, token);
        world.model().revoke_tokens();
        world.model().accept_token(token);
        verify(&[&key], &sign(&*key).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_without_a_token_is_an_outage_that_ends_with_it() {
    let world = World::new();
    let key = world.key().await;
    world.model().revoke_tokens();
    std::fs::write(world.token_file(), "").unwrap();
    let refused = sign(&*key).await.unwrap_err();
    assert!(matches!(refused, SignerError::Unavailable(_)), "{refused:?}");
    let told = super::problem(&*key).unwrap();
    assert!(told.contains("holds no secret of Vault's log-in: it is empty"), "{told}");
    std::fs::write(world.token_file(), "s.second").unwrap();
    world.model().accept_token("s.second");
    world.keep_for(Duration::from_secs(3)).await;
    assert_eq!(super::problem(&*key), None);
    sign(&*key).await.unwrap();
}

#[tokio::test]
async fn files_that_are_no_secrets_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let longest = super::super::login::MAXIMUM_SECRET_BYTES;
    std::fs::write(&file, "a".repeat(longest)).unwrap();
    assert!(super::super::login::secret(&file).await.is_ok());
    for bad in ["a".repeat(longest + 1), "two\nlines".to_owned(), " \n".to_owned()] {
        std::fs::write(&file, bad).unwrap();
        assert!(super::super::login::secret(&file).await.is_err());
    }
    assert!(super::super::login::secret(directory.path()).await.is_err());
}

#[tokio::test]
async fn a_policy_that_forbids_new_keys_hinders_no_signature() {
    let world = World::new();
    let key = world.key().await;
    world.model().revoke_tokens();
    world.model().accept_token_for("s.first", &["sign/", "keys/moneyer-ecdsa-p256?"]);
    let refused = world.signer.generate(KeyKind::P256).await.unwrap_err();
    assert!(matches!(refused, SignerError::Generate(_)), "{refused:?}");
    let told = moneyer_identity::error_chain(&refused);
    assert!(told.contains("Vault denies GET transit/keys/moneyer-ecdsa-p256"), "{told}");
    verify(&[&key], &sign(&*key).await.unwrap());
}

#[tokio::test]
async fn nothing_shows_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let world = by_approle(&directory);
    world.key().await;
    let shown = format!("{:?} {:#?}", world.signer, world.signer);
    for secret in ["s.model", "s3cret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
