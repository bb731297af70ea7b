//! `moneyer key import`: keys of another issuer, to verify with, in a running coordinator.
//!
//! The files are read here. Only public halves are sent.

use std::path::{Path, PathBuf};

use clap::Args;
use moneyer_identity::{KeyId, VerifyingKey};
use moneyer_signer::import::{ImportedPublicKey, MAXIMUM_KEY_FILE_BYTES};

use crate::adoption::{AdoptionError, SavedKeySet, read_named};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, time};
use crate::http::management::{ImportBody, ImportedView, PublicKeyBody};

/// What is imported.
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Files with one key each, private or public, PEM or DER.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The key set that the other issuer publishes, saved to a file: keys keep the `kid` it gives them.
    /// Without: RFC 7638 thumbprints.
    #[arg(long, value_name = "FILE")]
    key_set: Option<PathBuf>,
    /// Only say what would be done, or why not now.
    #[arg(long)]
    dry_run: bool,
}

/// A file and the key it holds, under the id that tokens name.
struct Found<'a> {
    file: &'a Path,
    key: VerifyingKey,
}

pub(super) async fn run(
    arguments: &ImportArguments,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let found = read(arguments)?;
    let keys = found.iter().map(|found| PublicKeyBody::from(found.key.jwk())).collect();
    let body = ImportBody { keys, dry_run: arguments.dry_run };
    let view: ImportedView = client()?.post("/api/v1/keys/import", &body).await?;
    output.record(&view, &described(&found, &view))
}

fn read(arguments: &ImportArguments) -> Result<Vec<Found<'_>>, Failure> {
    let key_set = arguments.key_set.as_deref().map(SavedKeySet::read).transpose();
    let key_set = key_set.map_err(|error| Failure::damaged(&error))?;
    let mut found = Vec::new();
    for file in &arguments.files {
        let key = key(file, key_set.as_ref()).map_err(|error| Failure::damaged(&error))?;
        found.push(Found { file, key });
    }
    Ok(found)
}

fn key(file: &Path, key_set: Option<&SavedKeySet>) -> Result<VerifyingKey, AdoptionError> {
    let path = || file.to_owned();
    let bytes = read_named(file, MAXIMUM_KEY_FILE_BYTES)
        .map_err(|source| AdoptionError::Look { path: path(), source })?;
    let parsed = ImportedPublicKey::parse(bytes.expose());
    let parsed = parsed.map_err(|cause| AdoptionError::Key { path: path(), cause })?;
    let key = parsed.verifying_key().clone();
    match key_set {
        None => Ok(key),
        Some(set) => set.key_id(file, parsed.key_id()).map(|key_id| key.named(key_id)),
    }
}

fn described(found: &[Found<'_>], view: &ImportedView) -> String {
    let begins = if view.dry_run { "would" } else { "did" };
    let line = |found: &Found<'_>| {
        let key_id: &KeyId = found.key.key_id();
        let (file, algorithm) = (found.file.display(), found.key.algorithm().as_str());
        match view.keys.iter().find(|key| key.key_id == *key_id) {
            Some(key) => format!(
                "{begins}: verify with {key_id} ({algorithm}) of {file} until {}",
                time(key.verifies_until)
            ),
            None => format!("known already: {key_id} ({algorithm}) of {file}"),
        }
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}
