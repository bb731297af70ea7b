//! Which audiences may be asked for, and what follows from each.
//!
//! An audience is matched by exact bytes. One that has a profile takes its subject form and lifetimes;
//! any other takes the default ones. The issuer's own URL is never an audience, and the default
//! audience, which the cluster's own services take, never stands beside another: each relying party of
//! a token with several audiences could replay it at the others.

use std::collections::HashMap;
use std::sync::Arc;

use moneyer_identity::{
    Audience, AudienceError, Audiences, IssuerUrl, Lifetime, LifetimeRange, ProfileName,
    SubjectForm,
};

use crate::mint::error::MintError;
use crate::registry::App;

/// What is configured for one audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceProfile {
    /// The name of its token file.
    pub name: ProfileName,
    /// The value of `aud`.
    pub audience: Audience,
    /// How the subject is written.
    pub subject: SubjectForm,
    /// The lifetimes that may be asked for.
    pub lifetimes: LifetimeRange,
}

/// Why profiles do not form a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Two profiles have one name.
    #[error("two audience profiles are named {0}")]
    Name(ProfileName),
    /// Two profiles have one audience.
    #[error("two audience profiles are for {0}")]
    Audience(Audience),
    /// A profile, or the default audience, is the issuer itself.
    #[error("the issuer's own URL cannot be an audience")]
    Issuer,
    /// The issuer's URL is too long to be compared with audiences.
    #[error("the issuer's own URL is no audience that could be refused")]
    IssuerUrl(#[source] AudienceError),
    /// No audience or too many may be named in one token.
    #[error("a token names from 1 to 32 audiences")]
    Maximum,
}

/// What a token is to be like, after policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) audiences: Audiences,
    pub(super) subject: SubjectForm,
    pub(super) lifetime: Lifetime,
}

/// The audience policy of a cluster.
#[derive(Debug, Clone)]
pub struct AudiencePolicy {
    default_audience: Audience,
    lifetimes: LifetimeRange,
    maximum_audiences: usize,
    issuer: Audience,
    profiles: Arc<[AudienceProfile]>,
    by_audience: HashMap<Audience, usize>,
}

impl AudiencePolicy {
    /// A policy. `lifetimes` are for audiences without a profile.
    pub fn new(
        issuer: &IssuerUrl,
        default_audience: Audience,
        lifetimes: LifetimeRange,
        maximum_audiences: usize,
        profiles: Vec<AudienceProfile>,
    ) -> Result<Self, PolicyError> {
        if !(1..=32).contains(&maximum_audiences) {
            return Err(PolicyError::Maximum);
        }
        let issuer = Audience::parse(issuer.as_str()).map_err(PolicyError::IssuerUrl)?;
        if default_audience == issuer {
            return Err(PolicyError::Issuer);
        }
        let mut by_audience = HashMap::new();
        let mut names = std::collections::HashSet::new();
        for (index, profile) in profiles.iter().enumerate() {
            if profile.audience == issuer {
                return Err(PolicyError::Issuer);
            }
            if !names.insert(&profile.name) {
                return Err(PolicyError::Name(profile.name.clone()));
            }
            if by_audience.insert(profile.audience.clone(), index).is_some() {
                return Err(PolicyError::Audience(profile.audience.clone()));
            }
        }
        let profiles = profiles.into();
        Ok(Self { default_audience, lifetimes, maximum_audiences, issuer, profiles, by_audience })
    }

    /// The audience of a token that was asked for without one.
    #[must_use]
    pub fn default_audience(&self) -> &Audience {
        &self.default_audience
    }

    /// The lifetimes of audiences without a profile.
    #[must_use]
    pub fn lifetimes(&self) -> &LifetimeRange {
        &self.lifetimes
    }

    /// The profiles whose audience this app may ask for: its sandboxes get a token file for each.
    pub fn profiles_of<'a>(&'a self, app: &'a App) -> impl Iterator<Item = &'a AudienceProfile> {
        self.profiles.iter().filter(|profile| may_ask(app, &profile.audience))
    }

    /// Applies the policy to what a sandbox asks for.
    pub(super) fn choose(
        &self,
        app: &App,
        asked: Vec<Audience>,
        lifetime: Option<Lifetime>,
    ) -> Result<Chosen, MintError> {
        let audiences = self.shape(asked)?;
        // The default audience needs no allowance: without it a sandbox could not talk to its cluster.
        let denied =
            |audience: &&Audience| **audience != self.default_audience && !may_ask(app, audience);
        if let Some(audience) = audiences.as_slice().iter().find(denied) {
            return Err(MintError::AudienceDenied(audience.clone()));
        }
        self.settle(audiences, lifetime)
    }

    /// Applies the policy to what a part of the platform asks for: no app limits it.
    pub(super) fn choose_unlimited(
        &self,
        asked: Vec<Audience>,
        lifetime: Option<Lifetime>,
    ) -> Result<Chosen, MintError> {
        let audiences = self.shape(asked)?;
        self.settle(audiences, lifetime)
    }

    /// How many, all distinct, none the issuer: before anything is looked up.
    fn shape(&self, asked: Vec<Audience>) -> Result<Audiences, MintError> {
        let asked = if asked.is_empty() { vec![self.default_audience.clone()] } else { asked };
        let audiences =
            Audiences::several(asked, self.maximum_audiences).map_err(MintError::Audiences)?;
        if audiences.as_slice().contains(&self.issuer) {
            return Err(MintError::AudienceDenied(self.issuer.clone()));
        }
        Ok(audiences)
    }

    /// The subject form and lifetime that all these audiences agree on.
    fn settle(
        &self,
        audiences: Audiences,
        lifetime: Option<Lifetime>,
    ) -> Result<Chosen, MintError> {
        let list = audiences.as_slice();
        if list.len() > 1 && list.contains(&self.default_audience) {
            return Err(MintError::Combination);
        }
        let (mut subject, mut chosen) = (None, None);
        for audience in list {
            let profile = self.by_audience.get(audience).and_then(|&at| self.profiles.get(at));
            let form = profile.map_or(SubjectForm::Sandbox, |profile| profile.subject);
            let lifetimes = profile.map_or(&self.lifetimes, |profile| &profile.lifetimes);
            let lifetime = lifetimes.choose(lifetime).map_err(MintError::Lifetime)?;
            if *subject.get_or_insert(form) != form {
                return Err(MintError::Combination);
            }
            // Unasked, the shortest default of the audiences holds.
            chosen = Some(chosen.map_or(lifetime, |shortest: Lifetime| shortest.min(lifetime)));
        }
        match (subject, chosen) {
            (Some(subject), Some(lifetime)) => Ok(Chosen { audiences, subject, lifetime }),
            _ => Err(MintError::Combination),
        }
    }
}

fn may_ask(app: &App, audience: &Audience) -> bool {
    app.audiences.is_empty() || app.audiences.contains(audience)
}
