//! The variables a sandbox needs to find its identity.
//!
//! `MONEYER_*` always; beside them the variables that a cloud's own SDK reads, for each audience
//! profile that has a token file. Values never hold a blank or a line end, so that the file `env`
//! is read the same by a shell, by systemd and by a container runtime, without quoting.

use std::fmt;
use std::path::Path;

use moneyer_identity::{IssuerUrl, ProfileName, SandboxId};

use super::directory::TokenFileName;
use super::secret::SandboxSecret;

/// The name of the profile whose file AWS SDKs are pointed at.
const AWS_PROFILE: &str = "aws";

/// What the environment is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) sandbox: &'a SandboxId,
    pub(crate) secret: &'a SandboxSecret,
    /// The sandbox's directory as the sandbox sees it.
    pub(crate) directory: &'a Path,
    /// Unknown until the coordinator was reached for the first time.
    pub(crate) issuer: Option<&'a IssuerUrl>,
    pub(crate) token_url: &'a str,
    /// The profiles with a token file.
    pub(crate) profiles: &'a [ProfileName],
}

/// Variables in the order they are shown. Holds a secret: `Debug` shows names only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Environment(Vec<(&'static str, String)>);

impl Environment {
    /// The variables of one sandbox.
    pub(crate) fn of(from: Surroundings<'_>) -> Self {
        let file = |name: TokenFileName| path(from.directory, &name.to_string());
        let mut variables = vec![("MONEYER_TOKEN_FILE", file(TokenFileName::Default))];
        variables.extend(from.issuer.map(|issuer| ("MONEYER_ISSUER", issuer.as_str().to_owned())));
        variables.push(("MONEYER_TOKEN_URL", from.token_url.to_owned()));
        variables.push(("MONEYER_TOKEN_SECRET", from.secret.expose().to_owned()));
        variables.push(("MONEYER_IDENTITY_SOCKET", path(from.directory, "identity.sock")));
        for profile in from.profiles {
            let token = file(TokenFileName::Profile(profile.clone()));
            variables.extend(variables_of_profile(profile, token, from.sandbox));
        }
        Self(variables)
    }

    /// Name and value of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// One `NAME=value` a line.
    pub(crate) fn lines(&self) -> String {
        self.iter().flat_map(|(name, value)| [name, "=", value, "\n"]).collect()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The variables that point an SDK at a profile's token file.
fn variables_of_profile(
    profile: &ProfileName,
    token: String,
    sandbox: &SandboxId,
) -> Vec<(&'static str, String)> {
    match profile.as_str() {
        AWS_PROFILE => vec![
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
            ("AWS_ROLE_SESSION_NAME", sandbox.to_string()),
        ],
        _ => Vec::new(),
    }
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(profiles: &[&str], issuer: Option<&str>) -> Environment {
        let profiles: Vec<_> =
            profiles.iter().map(|name| ProfileName::parse(name).unwrap()).collect();
        Environment::of(Surroundings {
            sandbox: &SandboxId::parse("s-1").unwrap(),
            secret: &SandboxSecret::try_from("5a".repeat(32)).unwrap(),
            directory: Path::new("/run/moneyer/sandboxes/s-1"),
            issuer: issuer.map(|text| IssuerUrl::parse(text).unwrap()).as_ref(),
            token_url: "http://127.0.0.1:8484/v1/sandboxes/s-1/token",
            profiles: &profiles,
        })
    }

    #[test]
    fn names_and_values_are_the_documented_ones() {
        let expected = "\
MONEYER_TOKEN_FILE=/run/moneyer/sandboxes/s-1/token
MONEYER_ISSUER=https://id.example.com
MONEYER_TOKEN_URL=http://127.0.0.1:8484/v1/sandboxes/s-1/token
MONEYER_TOKEN_SECRET=5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a
MONEYER_IDENTITY_SOCKET=/run/moneyer/sandboxes/s-1/identity.sock
AWS_WEB_IDENTITY_TOKEN_FILE=/run/moneyer/sandboxes/s-1/tokens/aws
AWS_ROLE_SESSION_NAME=s-1
";
        assert_eq!(
            environment(&["aws", "vault"], Some("https://id.example.com")).lines(),
            expected
        );
        let without = environment(&[], None).lines();
        assert!(!without.contains("AWS") && !without.contains("ISSUER"), "{without}");
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", environment(&[], None));
        assert!(shown.contains("MONEYER_TOKEN_SECRET") && !shown.contains("5a5a"), "{shown}");
    }
}
