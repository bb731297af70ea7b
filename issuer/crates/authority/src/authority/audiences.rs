//! What operators and controllers say of apps and audiences, where one has to fit the other.
//!
//! A relying party limits subjects; an app's name is part of them. So an app is checked against the
//! profiles its sandboxes may ask for, and a profile against the apps that may ask for it, and the one
//! who says what does not fit learns it. Two who say so at once may both pass: a token is checked again.

use std::sync::Arc;

use moneyer_identity::ProfileName;

use super::open::Authority;
use crate::audiences::{
    AudienceProfile, AudiencesError, Misfit, ProfileSpec, Profiles, may_ask, misfit, shown_subject,
};
use crate::enrollment::{AuthenticatedOperator, Places};
use crate::registry::{App, AppChange, RegistryError};
use crate::unbroken::unbroken;

/// An app beside an audience profile.
#[derive(Debug)]
pub struct AppFit {
    /// The app.
    pub app: Arc<App>,
    /// The subject of its tokens, with `SANDBOX` for a sandbox's id.
    pub subject: String,
    /// Why the profile's relying party would refuse them.
    pub misfit: Option<Misfit>,
}

impl Authority {
    /// The audience profiles.
    #[must_use]
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Makes an app, or changes what it may do.
    pub async fn put_app(
        &self,
        by: &impl Places,
        change: AppChange,
    ) -> Result<Arc<App>, RegistryError> {
        let policy = self.profiles.policy();
        let unfit = policy
            .profiles_allowed(&change.audiences)
            .find_map(|profile| misfit(profile, &self.charter.parts, &change.name));
        if let Some(misfit) = unfit {
            return Err(RegistryError::Misfit(misfit));
        }
        self.registry.put_app(by, change, self.now()).await
    }

    /// Every registered app that may ask for this profile's audience, and how it fits.
    pub fn apps_of<'a>(
        &'a self,
        profile: &'a AudienceProfile,
    ) -> impl Iterator<Item = AppFit> + 'a {
        let apps = self.registry.list_apps().into_iter().map(|(app, _)| app);
        let allowed = apps.filter(|app| may_ask(&app.audiences, &profile.audience));
        allowed.map(|app| {
            let misfit = misfit(profile, &self.charter.parts, &app.name);
            let subject = shown_subject(profile, &self.charter.parts, &app.name);
            AppFit { app, subject, misfit }
        })
    }

    /// Makes an audience profile, or changes it.
    pub async fn put_audience(
        &self,
        by: &AuthenticatedOperator,
        spec: ProfileSpec,
    ) -> Result<(), AudiencesError> {
        let profile = self.profiles.judge(spec.clone())?;
        if let Some(misfit) = self.apps_of(&profile).find_map(|fit| fit.misfit) {
            return Err(AudiencesError::Misfit(misfit));
        }
        let (profiles, who) = (self.profiles.clone(), by.actor());
        let put = async move { profiles.put(&who, spec).await };
        unbroken(AudiencesError::Interrupted, put).await
    }

    /// Removes an audience profile that an operator has put.
    pub async fn remove_audience(
        &self,
        by: &AuthenticatedOperator,
        name: ProfileName,
    ) -> Result<(), AudiencesError> {
        let (profiles, who) = (self.profiles.clone(), by.actor());
        let removal = async move { profiles.remove(&who, &name).await };
        unbroken(AudiencesError::Interrupted, removal).await
    }
}
