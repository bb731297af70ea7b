//! Which token files a sandbox gets: pure, from what was asked for and what the coordinator names.

use moneyer_identity::{ProfileName, SandboxId, TokenRequest};

use super::super::directory::TokenFileName;
use super::super::roster::ProfileChoice;
use super::error::AttachError;
use crate::coordinator::PlacedSandbox;

/// The token files of a sandbox: `token`, and one for each chosen profile that the coordinator
/// names. A profile that was chosen and is no longer named has none.
pub(super) fn files(
    sandbox: &SandboxId,
    placed: Option<&PlacedSandbox>,
    choice: &ProfileChoice,
) -> Vec<(TokenFileName, TokenRequest)> {
    let request = |audiences| TokenRequest { sandbox: sandbox.clone(), audiences, lifetime: None };
    let default = (TokenFileName::Default, request(Vec::new()));
    let profiles = placed.into_iter().flat_map(|placed| &placed.profiles);
    let chosen = profiles.filter(|profile| match choice {
        ProfileChoice::All(()) => true,
        ProfileChoice::Named(names) => names.contains(&profile.name),
    });
    let files = chosen.map(|profile| {
        (TokenFileName::Profile(profile.name.clone()), request(vec![profile.audience.clone()]))
    });
    std::iter::once(default).chain(files).collect()
}

/// Refuses names that the coordinator does not name for the sandbox.
pub(super) fn check(
    placed: Option<&PlacedSandbox>,
    choice: &ProfileChoice,
) -> Result<(), AttachError> {
    let ProfileChoice::Named(names) = choice else { return Ok(()) };
    let known = placed.map(|placed| placed.profiles.as_slice()).unwrap_or_default();
    let stranger = names.iter().find(|name| !known.iter().any(|profile| profile.name == **name));
    let Some(unknown) = stranger.cloned() else { return Ok(()) };
    let known: Vec<_> = known.iter().map(|profile| profile.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(AttachError::UnknownProfile { unknown, known })
}

/// The profiles among these files.
pub(super) fn profiles(files: &[(TokenFileName, TokenRequest)]) -> Vec<ProfileName> {
    let profile = |(name, _): &(TokenFileName, TokenRequest)| match name {
        TokenFileName::Default => None,
        TokenFileName::Profile(name) => Some(name.clone()),
    };
    files.iter().filter_map(profile).collect()
}
