//! Which token files a sandbox gets: pure, from what was asked for and what the coordinator names.

use moneyer_identity::{SandboxId, TokenRequest};

use super::super::directory::TokenFileName;
use super::super::roster::ProfileChoice;
use super::error::AttachError;
use crate::coordinator::{PlacedSandbox, Profile};

/// The token files of a sandbox: `token`, and one for each chosen profile that the coordinator
/// names. A profile that was chosen and is no longer named has none.
pub(super) fn files(
    sandbox: &SandboxId,
    placed: Option<&PlacedSandbox>,
    choice: &ProfileChoice,
) -> Vec<(TokenFileName, TokenRequest)> {
    let request = |audiences| TokenRequest { sandbox: sandbox.clone(), audiences, lifetime: None };
    let default = (TokenFileName::Default, request(Vec::new()));
    let files = profiles(placed, choice).map(|profile| {
        (TokenFileName::Profile(profile.name.clone()), request(vec![profile.audience.clone()]))
    });
    std::iter::once(default).chain(files).collect()
}

/// The chosen profiles that the coordinator names, but for those whose tokens grants are obtained with.
pub(super) fn profiles<'a>(
    placed: Option<&'a PlacedSandbox>,
    choice: &'a ProfileChoice,
) -> impl Iterator<Item = &'a Profile> {
    let is_chosen = move |profile: &&Profile| match choice {
        ProfileChoice::All(()) => true,
        ProfileChoice::Named(names) => names.contains(&profile.name),
    };
    placed.into_iter().flat_map(move |placed| {
        let profiles = placed.profiles.iter().filter(is_chosen);
        profiles.filter(|profile| !placed.has_a_grant_by(&profile.audience))
    })
}

/// Refuses names that the coordinator does not name for the sandbox.
pub(super) fn check(placed: &PlacedSandbox, choice: &ProfileChoice) -> Result<(), AttachError> {
    let ProfileChoice::Named(names) = choice else { return Ok(()) };
    let known = &placed.profiles;
    let stranger = names.iter().find(|name| !known.iter().any(|profile| profile.name == **name));
    let Some(unknown) = stranger.cloned() else { return Ok(()) };
    let known: Vec<_> = known.iter().map(|profile| profile.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(AttachError::UnknownProfile { unknown, known })
}

#[cfg(test)]
mod tests {
    use moneyer_identity::{Audience, ProfileName};

    use super::*;
    use crate::coordinator::Occupant;
    use crate::fakes::{obtained_by, sandbox};
    use crate::svid::Subject;

    fn placed() -> PlacedSandbox {
        let profile = |name: &str| Profile {
            name: ProfileName::parse(name).unwrap(),
            audience: Audience::parse(&format!("for-{name}")).unwrap(),
            sdk: None,
        };
        let profiles = vec![profile("aws"), profile("vault")];
        PlacedSandbox {
            occupant: Occupant::of_app("web"),
            profiles,
            subject: Subject::Nobody,
            grants: std::sync::Arc::default(),
        }
    }

    fn named(names: &[&str]) -> ProfileChoice {
        ProfileChoice::Named(names.iter().map(|name| ProfileName::parse(name).unwrap()).collect())
    }

    fn shown(placed: Option<&PlacedSandbox>, choice: &ProfileChoice) -> Vec<String> {
        let files = files(&sandbox("s"), placed, choice);
        files.iter().map(|(name, request)| format!("{name} {}", request.audiences.len())).collect()
    }

    #[test]
    fn the_default_always_and_the_chosen_where_they_are_named() {
        let placed = placed();
        let all = ["token 0", "tokens/aws 1", "tokens/vault 1"];
        assert_eq!(shown(Some(&placed), &ProfileChoice::All(())), all);
        assert_eq!(shown(Some(&placed), &named(&["vault", "gone"])), ["token 0", "tokens/vault 1"]);
        assert_eq!(shown(None, &ProfileChoice::All(())), ["token 0"]);
    }

    #[test]
    fn a_profile_of_what_grants_are_obtained_with_has_no_file() {
        let mut placed = placed();
        placed.grants = std::sync::Arc::new(obtained_by("for-aws"));
        assert_eq!(shown(Some(&placed), &ProfileChoice::All(())), ["token 0", "tokens/vault 1"]);
        assert_eq!(shown(Some(&placed), &named(&["aws"])), ["token 0"]);
    }

    #[test]
    fn a_stranger_is_refused_with_what_there_is() {
        let placed = placed();
        check(&placed, &ProfileChoice::All(())).unwrap();
        check(&placed, &named(&["aws"])).unwrap();
        let told = |placed: &_, choice: &_| check(placed, choice).unwrap_err().to_string();
        assert!(told(&placed, &named(&["aws", "gcp"])).ends_with("there is: aws, vault"));
        let none = PlacedSandbox { profiles: Vec::new(), ..placed };
        assert!(told(&none, &named(&["aws"])).ends_with("there is: none"));
    }
}
