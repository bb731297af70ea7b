//! What an operator hands to a provider: users' tokens, from files that nobody else may read or from a log-in.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use moneyer_authority::profiles::ProfileId;
use moneyer_authority::providers::{CredentialValue, MAXIMUM_CREDENTIAL_BYTES};
use moneyer_daemon::file::read_secret;
use moneyer_identity::grant::OAuthClientId;
use moneyer_identity::{Clock as _, CredentialName, SystemClock, UnixTime};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::joined;
use crate::cli::profile;
use crate::http::management::{CredentialBody, SecretText};

#[derive(Debug, Args)]
pub(super) struct HeldArguments {
    /// A credential, from a file that nobody else may read. May be given several times. With --from-oidc-token: the
    /// name of the one it becomes.
    #[arg(long = "credential", value_name = "NAME=@FILE")]
    credentials: Vec<String>,
    /// When a credential ends, in seconds since 1970. May be given several times.
    #[arg(long = "credential-expires-at", value_name = "NAME=SECONDS")]
    expires_at: Vec<String>,
    /// What an OpenID provider answered when a user logged in: the whole answer as JSON, or her access token alone. From
    /// a file that nobody else may read, or `-` for standard input. It becomes the one subject token of the profile,
    /// ends when it says, and is renewed where the answer has a refresh token.
    #[arg(long, value_name = "FILE")]
    from_oidc_token: Option<PathBuf>,
    /// By what a credential is renewed when it ends, from a file that nobody else may read. May be given several times.
    #[arg(long = "refresh-token", value_name = "NAME=@FILE")]
    refresh_tokens: Vec<String>,
    /// The public client that refresh tokens were given to. Without it the coordinator shows its own assertion.
    #[arg(long, value_name = "CLIENT")]
    client_id: Option<OAuthClientId>,
}

impl HeldArguments {
    /// What is to be held, from the files.
    pub(super) async fn read(
        &self,
        client: &Client,
        profile: &ProfileId,
    ) -> Result<BTreeMap<CredentialName, CredentialBody>, Failure> {
        let mut credentials = BTreeMap::new();
        if let Some(file) = &self.from_oidc_token {
            let name = self.destination(client, profile).await?;
            credentials.insert(name, LoginAnswer::read(&secret(file)?)?.body(now()));
        } else {
            for given in &self.credentials {
                let (name, value) = named_secret("--credential", given)?;
                credentials.insert(name, CredentialBody::bare(value));
            }
        }
        for given in &self.expires_at {
            let usage = || Failure::usage("--credential-expires-at is NAME=SECONDS");
            let (name, seconds) = given.split_once('=').ok_or_else(usage)?;
            let seconds = seconds.parse().ok().ok_or_else(usage)?;
            let body = credentials.get_mut(&credential_name(name)?).ok_or_else(usage)?;
            body.expires_at = Some(UnixTime(seconds));
        }
        for given in &self.refresh_tokens {
            let (name, value) = named_secret("--refresh-token", given)?;
            let usage = || Failure::usage("--refresh-token is for a credential that is given too");
            credentials.get_mut(&name).ok_or_else(usage)?.refresh_token = Some(value);
        }
        for body in credentials.values_mut().filter(|body| body.refresh_token.is_some()) {
            body.client_id.clone_from(&self.client_id);
        }
        Ok(credentials)
    }

    /// Which credential a token becomes: the one that was named, else the only one that the profile exchanges.
    async fn destination(
        &self,
        client: &Client,
        profile: &ProfileId,
    ) -> Result<CredentialName, Failure> {
        let subjects: Vec<_> = (profile::show(client, profile).await?.row.credentials.into_iter())
            .filter(|credential| credential.subject_token)
            .map(|credential| credential.name)
            .collect();
        let named = match self.credentials.as_slice() {
            [] => None,
            [name] if !name.contains('=') => Some(credential_name(name)?),
            _ => {
                let usage = "with --from-oidc-token, --credential is one NAME without a file";
                return Err(Failure::usage(usage));
            }
        };
        match (named, subjects.as_slice()) {
            (Some(name), subjects) if subjects.contains(&name) => Ok(name),
            (None, [only]) => Ok(only.clone()),
            (_, subjects) => Err(Failure::new(format!(
                "name the credential that the token becomes with --credential; the profile {profile} exchanges: {}",
                joined(subjects)
            ))),
        }
    }
}

fn credential_name(text: &str) -> Result<CredentialName, Failure> {
    CredentialName::parse(text)
        .map_err(|error| Failure::usage(format!("the name of a credential {error}")))
}

/// `NAME=@FILE`, with what is in the file.
fn named_secret(option: &str, given: &str) -> Result<(CredentialName, SecretText), Failure> {
    let usage = || Failure::usage(format!("{option} is NAME=@FILE"));
    let (name, file) = given.split_once("=@").ok_or_else(usage)?;
    let value = SecretText(CredentialValue::new(secret(Path::new(file))?));
    Ok((credential_name(name)?, value))
}

/// A secret without the line end that editors leave behind it.
fn secret(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let limit = MAXIMUM_CREDENTIAL_BYTES.saturating_mul(4);
    let text = if file == Path::new("-") {
        let mut text = Zeroizing::new(String::with_capacity(limit));
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        let read = std::io::stdin().lock().take(most).read_to_string(&mut text);
        read.map_err(|error| {
            Failure::of("cannot read the credential from standard input", &error)
        })?;
        text
    } else {
        let bytes = read_secret(file, limit)
            .map_err(|error| Failure::of("cannot read the credential", &error))?;
        let text = std::str::from_utf8(bytes.expose())
            .map_err(|_not_text| Failure::new(format!("{} holds no text", file.display())))?;
        Zeroizing::new(text.to_owned())
    };
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// What came of a user's log-in (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct LoginAnswer {
    access_token: Zeroizing<String>,
    #[serde(default)]
    expires_in: Option<i64>,
    #[serde(default)]
    refresh_token: Option<Zeroizing<String>>,
}

impl LoginAnswer {
    /// The whole answer, or a token alone.
    fn read(text: &Zeroizing<String>) -> Result<Self, Failure> {
        if !text.trim_start().starts_with('{') {
            return Ok(Self { access_token: text.clone(), expires_in: None, refresh_token: None });
        }
        // The parser's own words quote what it found, which may be the token.
        serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::new(format!(
                "the answer of the log-in has no access_token, or is no JSON (line {line}, column {column})"
            ))
        })
    }

    /// What is handed over. The end is the nearest that anything says.
    fn body(self, now: UnixTime) -> CredentialBody {
        let said = self.expires_in.filter(|seconds| *seconds > 0);
        let said = said.map(|seconds| UnixTime(now.0.saturating_add(seconds)));
        let expires_at = ends_at(&self.access_token).into_iter().chain(said).min();
        let text = |text| SecretText(CredentialValue::new(text));
        CredentialBody {
            expires_at,
            refresh_token: self.refresh_token.map(text),
            ..CredentialBody::bare(text(self.access_token))
        }
    }
}

fn now() -> UnixTime {
    SystemClock.now()
}

/// The end that a JWT names; nothing of it is checked, since it only makes the end known earlier.
fn ends_at(token: &str) -> Option<UnixTime> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1)?;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("exp")?.as_i64().map(UnixTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_itself_when_it_ends() {
        // {"exp":1900000000}
        assert_eq!(ends_at("e30.eyJleHAiOjE5MDAwMDAwMDB9.c2ln"), Some(UnixTime(1_900_000_000)));
        for opaque in ["", "opaque", "a.b.c", "e30.e30.c2ln"] {
            assert_eq!(ends_at(opaque), None, "{opaque}");
        }
    }
    #[test]
    fn a_log_in_is_its_whole_answer_or_a_token_alone() {
        let read = |text: &str| LoginAnswer::read(&Zeroizing::new(text.to_owned()));
        let body = |text: &str| read(text).unwrap().body(UnixTime(1000));
        let alone = body("opaque");
        assert_eq!((alone.value.0.expose(), alone.expires_at), ("opaque", None));
        let whole =
            body(r#"{"access_token":"a","expires_in":60,"refresh_token":"r","id_token":"x"}"#);
        assert_eq!((whole.value.0.expose(), whole.expires_at), ("a", Some(UnixTime(1060))));
        assert_eq!(whole.refresh_token.unwrap().0.expose(), "r");
        let sooner = r#"{"access_token":"e30.eyJleHAiOjEwMTB9.c2ln","expires_in":60}"#;
        assert_eq!(body(sooner).expires_at, Some(UnixTime(1010)));
        for bad in [
            "{",
            "{}",
            r#"{"access_token":["canary"]}"#,
            r#"{"access_token":"a","expires_in":"canary"}"#,
        ] {
            let told = read(bad).err().unwrap().to_string();
            assert!(!told.contains("canary"), "{told}");
        }
    }
}
