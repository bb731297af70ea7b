//! What a program inherits of the environment of whoever starts it: what an allow list names, and nothing else.
//!
//! A variable is a place where secrets lie, and everything in the sandbox can read it. What looks like authority,
//! such as a token, a key or the address of an agent, cannot be added by name either; the sandbox's own variables come
//! last and cannot be replaced.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::str::FromStr;

/// Always inherited. `LC_` and what follows as well.
const INHERITED: [&str; 7] = ["PATH", "LANG", "LANGUAGE", "TERM", "COLORTERM", "TZ", "NO_COLOR"];

/// Where programs are looked for if the caller does not say.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Parts of names, between underscores, of what gives its holder something.
const WORDS_OF_AUTHORITY: [&str; 23] = [
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "CREDENTIAL",
    "CREDENTIALS",
    "KEY",
    "KEYS",
    "APIKEY",
    "AUTH",
    "AUTHORIZATION",
    "COOKIE",
    "COOKIES",
    "JWT",
    "SVID",
    "SOCK",
    "SOCKET",
    "PROXY",
    "CERT",
];

/// Beginnings of names that are a daemon's own, an agent's or the loader's.
const BEGINNINGS_OF_AUTHORITY: [&str; 8] =
    ["MONEYER_", "SPIFFE_", "ACTIONS_", "LISTEN_", "WATCHDOG_", "DBUS_", "LD_", "GPG_"];

/// Whole names of the same.
const NAMES_OF_AUTHORITY: [&str; 7] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "DOCKER_HOST",
    "KUBECONFIG",
    "PGPASSFILE",
    "CREDENTIALS_DIRECTORY",
];

/// The name of a variable that may be inherited beside the allow list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VariableName(String);

/// Why a variable is not inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VariableNameError {
    /// Letters, digits and underscores.
    #[error("is not the name of a variable")]
    Form,
    /// A secret, an agent, a proxy, or a variable of Moneyer's.
    #[error("names what gives authority, or leads around the proxy; a sandbox never inherits it")]
    Authority,
}

impl FromStr for VariableName {
    type Err = VariableNameError;

    fn from_str(name: &str) -> Result<Self, VariableNameError> {
        let letters = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'_';
        let begins = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if !begins || !name.bytes().all(letters) {
            return Err(VariableNameError::Form);
        }
        if carries_authority(name) {
            Err(VariableNameError::Authority)
        } else {
            Ok(Self(name.to_owned()))
        }
    }
}

pub(super) fn carries_authority(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES_OF_AUTHORITY.contains(&name.as_str())
        || BEGINNINGS_OF_AUTHORITY.iter().any(|beginning| name.starts_with(beginning))
        || name.split('_').any(|word| WORDS_OF_AUTHORITY.contains(&word))
}

/// An environment of which nothing was inherited that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scrubbed(BTreeMap<OsString, OsString>);

impl Scrubbed {
    /// What is left of `from`, with these variables besides.
    pub(crate) fn of(
        from: impl IntoIterator<Item = (OsString, OsString)>,
        kept: &[VariableName],
    ) -> Self {
        let stays = |name: &OsStr| {
            name.to_str().is_some_and(|name| {
                INHERITED.contains(&name)
                    || (name.starts_with("LC_") && !carries_authority(name))
                    || kept.iter().any(|kept| kept.0 == name)
            })
        };
        let mut variables: BTreeMap<_, _> =
            from.into_iter().filter(|(name, _)| stays(name)).collect();
        variables.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
        Self(variables)
    }

    /// Sets a variable of the sandbox or its user, over one that was inherited.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// Name and value of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

/// The variables of a sandbox's file `env`, a line each.
pub(super) fn lines(text: &str) -> Vec<(String, String)> {
    let line =
        |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &Scrubbed) -> Vec<&str> {
        of.iter().map(|(name, _)| name.to_str().unwrap()).collect()
    }

    fn host(names: &[&str]) -> Vec<(OsString, OsString)> {
        names.iter().map(|name| ((*name).into(), "x".into())).collect()
    }

    #[test]
    fn nothing_is_inherited_but_what_is_listed() {
        let host = host(&[
            "PATH",
            "LANG",
            "LC_ALL",
            "TERM",
            "TZ",
            "HOME",
            "GITHUB_TOKEN",
            "PWD",
            "LC_TOKEN",
            "MONEYER__X",
            "FOO",
        ]);
        assert_eq!(
            names(&Scrubbed::of(host.clone(), &[])),
            ["LANG", "LC_ALL", "PATH", "TERM", "TZ"]
        );
        let kept = ["FOO".parse::<VariableName>().unwrap()];
        assert_eq!(
            names(&Scrubbed::of(host, &kept)),
            ["FOO", "LANG", "LC_ALL", "PATH", "TERM", "TZ"]
        );
        assert_eq!(names(&Scrubbed::of([], &[])), ["PATH"]);
    }

    #[test]
    fn what_carries_authority_cannot_be_added_by_name() {
        for name in [
            "GITHUB_TOKEN",
            "github_token",
            "TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "ANTHROPIC_API_KEY",
            "PGPASSWORD_X_PASSWORD",
            "SPIFFE_ENDPOINT_SOCKET",
            "MONEYER__COORDINATOR__ADDRESS",
            "MONEYER_TOKEN_SECRET",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "SSH_AUTH_SOCK",
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "DBUS_SESSION_BUS_ADDRESS",
            "HTTPS_PROXY",
            "all_proxy",
            "LD_PRELOAD",
            "DOCKER_HOST",
            "KUBECONFIG",
            "SSL_CERT_FILE",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "CREDENTIALS_DIRECTORY",
        ] {
            assert_eq!(name.parse::<VariableName>(), Err(VariableNameError::Authority), "{name}");
        }
        for name in ["", "1A", "A=B", "A B", "Ä"] {
            assert_eq!(name.parse::<VariableName>(), Err(VariableNameError::Form), "{name}");
        }
        for name in ["CI", "KEYBOARD", "EDITOR", "_", "MY_SETTING", "TOKENIZERS_PARALLELISM"] {
            name.parse::<VariableName>().unwrap();
        }
    }

    #[test]
    fn the_sandboxs_own_variables_come_last() {
        let kept = ["FOO".parse::<VariableName>().unwrap()];
        let mut scrubbed = Scrubbed::of(host(&["FOO"]), &kept);
        for (name, value) in lines("FOO=own=1\nBAR=\nnone\n") {
            scrubbed.set(&name, &value);
        }
        let values: Vec<_> =
            scrubbed.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())).collect();
        assert!(values.contains(&(OsStr::new("FOO"), OsStr::new("own=1"))), "{values:?}");
        assert!(values.contains(&(OsStr::new("BAR"), OsStr::new(""))), "{values:?}");
    }
}
