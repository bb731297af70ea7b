//! How Moneyer gets its token from Vault, and keeps it.
//!
//! A log-in with a Kubernetes service account or an AppRole gives a token with a lease, which is renewed at
//! two thirds of its length; one that is not lengthened any more, since its longest life is near, is replaced
//! by a new log-in. A token that somebody else keeps in a file, such as Vault's agent, is read again whenever
//! it is refused, and its file is looked at every few seconds: by its content, since a watch on a file is lost
//! when the directory it lies in is swapped, as Kubernetes does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::error::VaultError;
use super::names::VaultPath;

/// Longest file with a secret of a log-in, in bytes: a service account's token has two thousand or less.
pub(super) const MAXIMUM_SECRET_BYTES: usize = 16 * 1024;

/// How Moneyer logs in to Vault.
#[derive(Debug, Clone)]
pub enum VaultLogin {
    /// As a Kubernetes service account, whose token is read from a file at every log-in.
    Kubernetes {
        /// Where the method is mounted, under `auth/`.
        mount: VaultPath,
        /// The role.
        role: String,
        /// The service account's token.
        jwt_file: PathBuf,
    },
    /// By a role's id and secret.
    AppRole {
        /// Where the method is mounted, under `auth/`.
        mount: VaultPath,
        /// The role's id.
        role_id: String,
        /// A file with the secret id, read at every log-in.
        secret_id_file: PathBuf,
    },
    /// With a token that somebody else keeps in a file.
    TokenFile(PathBuf),
}

impl VaultLogin {
    /// Path and body of a log-in, or the token itself.
    pub(super) async fn ask(&self) -> Result<Asked, VaultError> {
        match self {
            Self::Kubernetes { mount, role, jwt_file } => {
                let jwt = secret(jwt_file).await?;
                let body = sealed(&Kubernetes { role, jwt: jwt.expose_secret() })?;
                Ok(Asked::LogIn { path: format!("auth/{mount}/login"), body })
            }
            Self::AppRole { mount, role_id, secret_id_file } => {
                let id = secret(secret_id_file).await?;
                let body = sealed(&AppRole { role_id, secret_id: id.expose_secret() })?;
                Ok(Asked::LogIn { path: format!("auth/{mount}/login"), body })
            }
            Self::TokenFile(path) => secret(path).await.map(Asked::Token),
        }
    }

    /// The file whose content is the token.
    pub(super) fn token_file(&self) -> Option<&Path> {
        match self {
            Self::TokenFile(path) => Some(path),
            Self::Kubernetes { .. } | Self::AppRole { .. } => None,
        }
    }
}

#[derive(Serialize)]
struct Kubernetes<'a> {
    role: &'a str,
    jwt: &'a str,
}

#[derive(Serialize)]
struct AppRole<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

/// A body with a secret in it, wiped when it was sent.
fn sealed(value: &impl Serialize) -> Result<Bytes, VaultError> {
    // Reserved at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAXIMUM_SECRET_BYTES));
    let written = serde_json::to_writer(&mut *bytes, value);
    written.map_err(|error| VaultError::Request(error.into()))?;
    Ok(Bytes::from_owner(bytes))
}

/// What a log-in begins with.
pub(super) enum Asked {
    LogIn { path: String, body: Bytes },
    Token(SecretString),
}

/// Reads a secret: one line, without the white space around it.
pub(super) async fn secret(path: &Path) -> Result<SecretString, VaultError> {
    let shown = || path.display().to_string();
    let failed = |cause| VaultError::File { path: shown(), cause };
    let wrong = |what| VaultError::NoSecret { path: shown(), what };
    let found = tokio::fs::metadata(path).await.map_err(failed)?;
    if !found.is_file() || found.len() > MAXIMUM_SECRET_BYTES as u64 {
        return Err(wrong("it is no file, or longer than 16 KiB"));
    }
    let bytes = Zeroizing::new(tokio::fs::read(path).await.map_err(failed)?);
    let text = std::str::from_utf8(&bytes).map_err(|_not_text| wrong("it is no text"))?.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("it is empty, or more than one line of visible ASCII"));
    }
    Ok(SecretString::from(text))
}

/// A token and how long it is good for.
pub(super) struct Lease {
    /// Tells it from those before it.
    pub(super) serial: u64,
    token: SecretString,
    header: HeaderValue,
    life: Option<Life>,
}

/// How long a token is good for, where it ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    /// What a log-in gives.
    pub(super) granted: Duration,
    pub(super) renewable: bool,
    pub(super) renew_at: Instant,
}

impl Life {
    /// One that begins now; `None`: without an end.
    pub(super) fn begin(seconds: u64, renewable: bool) -> Option<Self> {
        let granted = Duration::from_secs(seconds);
        (seconds > 0).then(|| Self {
            granted,
            renewable,
            renew_at: Instant::now() + granted * 2 / 3,
        })
    }
}

impl Lease {
    pub(super) fn new(
        serial: u64,
        token: SecretString,
        life: Option<Life>,
    ) -> Result<Self, VaultError> {
        let header = HeaderValue::from_str(token.expose_secret());
        let mut header =
            header.map_err(|_not_a_header| VaultError::Answer("the token is no visible ASCII"))?;
        header.set_sensitive(true);
        Ok(Self { serial, token, header, life })
    }

    /// The same token with another end.
    pub(super) fn lasting(&self, life: Option<Life>) -> Self {
        let (serial, token, header) = (self.serial, self.token.clone(), self.header.clone());
        Self { serial, token, header, life }
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    pub(super) fn life(&self) -> Option<Life> {
        self.life
    }

    pub(super) fn is(&self, token: &SecretString) -> bool {
        self.token.expose_secret() == token.expose_secret()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("serial", &self.serial).finish_non_exhaustive()
    }
}
