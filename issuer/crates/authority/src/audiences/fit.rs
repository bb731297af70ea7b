//! Whether a relying party would take an app's tokens.
//!
//! Asked when an app is registered and when a profile is put, so that a subject that is too long is found
//! by whoever chose the name; and once more when a token is drafted, since a sandbox's id may be part of
//! its subject.

use moneyer_identity::{
    AppName, ProfileName, RelyingParty, SandboxId, SourceIdentity, Subject, SubjectParts,
};

use crate::audiences::profile::AudienceProfile;

/// Why a relying party would refuse tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The subject is too long.
    #[error(
        "the subject {subject} of the audience profile {profile} has {} bytes, and {} takes at most \
         {longest}; choose a shorter name, or another form of subject for the profile",
        subject.len(), party.as_str()
    )]
    Subject {
        /// Which profile.
        profile: ProfileName,
        /// Whose limit.
        party: RelyingParty,
        /// The subject.
        subject: String,
        /// Its greatest length in bytes.
        longest: usize,
    },
    /// The source identity is too short.
    #[error(
        "{text} is too short for a source identity of the audience profile {profile}: AWS takes no \
         less than two characters"
    )]
    SourceIdentity {
        /// Which profile.
        profile: ProfileName,
        /// What it would be.
        text: String,
    },
}

/// Why the profile's relying party would refuse every token of an app of this name, whatever the ids of
/// its sandboxes.
pub(crate) fn misfit(
    profile: &AudienceProfile,
    parts: &SubjectParts,
    app: &AppName,
) -> Option<Misfit> {
    // The shortest there is: where the subject names the sandbox, it is no shorter.
    let subject = subject(profile, parts, app, "0");
    subject.and_then(|subject| profile.misfit(subject.as_str())).or_else(|| {
        let by_app = profile.aws.source_identity == Some(SourceIdentity::App);
        by_app.then(|| profile.short_identity(app.as_str())).flatten()
    })
}

/// The subject of an app's tokens, with `SANDBOX` for a sandbox's id.
pub(crate) fn shown_subject(
    profile: &AudienceProfile,
    parts: &SubjectParts,
    app: &AppName,
) -> String {
    let subject = subject(profile, parts, app, "SANDBOX");
    subject.map_or_else(String::new, |subject| subject.as_str().to_owned())
}

fn subject(
    profile: &AudienceProfile,
    parts: &SubjectParts,
    app: &AppName,
    sandbox: &str,
) -> Option<Subject> {
    let sandbox = SandboxId::parse(sandbox).ok()?;
    Some(parts.sandbox(profile.subject, app, &sandbox))
}

impl AudienceProfile {
    /// Why its relying party would refuse this subject.
    pub(crate) fn misfit(&self, subject: &str) -> Option<Misfit> {
        let party = self.relying_party?;
        let longest = party.longest_subject()?;
        (subject.len() > longest).then(|| Misfit::Subject {
            profile: self.name.clone(),
            party,
            subject: subject.to_owned(),
            longest,
        })
    }

    /// Why AWS would refuse this source identity.
    pub(crate) fn short_identity(&self, text: &str) -> Option<Misfit> {
        let refused = !SourceIdentity::is_taken(text);
        refused
            .then(|| Misfit::SourceIdentity { profile: self.name.clone(), text: text.to_owned() })
    }
}
