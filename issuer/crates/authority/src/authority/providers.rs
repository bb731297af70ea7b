//! What operators say of profiles and providers, and what follows for a sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use moneyer_identity::grant::SandboxGrants;
use moneyer_identity::{AppName, CredentialName, ProviderName, SandboxId};
use serde_json::Value;

use super::open::Authority;
use crate::enrollment::{AuthenticatedOperator, Places as _};
use crate::profiles::ProfileId;
use crate::providers::{
    AttachedSandbox, Attachment, Detachment, NewCredential, NewProvider, Providers, ProvidersError,
};
use crate::registry::App;
use crate::store::Generation;
use crate::unbroken::unbroken;

impl Authority {
    /// The profiles and providers.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// What a sandbox of an app may reach now, and the tokens for it.
    #[must_use]
    pub fn grants_of(&self, app: &App, sandbox: &SandboxId) -> Arc<SandboxGrants> {
        self.providers.now().grants_of(app, sandbox)
    }

    /// Makes a provider profile, or says anew what it is; where a revision is said, only in place of that one.
    pub async fn put_provider_profile(
        &self,
        by: &AuthenticatedOperator,
        document: Value,
        asked: Option<Generation>,
    ) -> Result<Generation, ProvidersError> {
        let (providers, who) = (self.providers.clone(), by.actor());
        let put = async move { providers.put_profile(&who, &document, asked).await };
        unbroken(ProvidersError::Interrupted, put).await
    }

    /// Removes a provider profile that no provider is made of.
    pub async fn remove_provider_profile(
        &self,
        by: &AuthenticatedOperator,
        id: ProfileId,
        asked: Option<Generation>,
    ) -> Result<(), ProvidersError> {
        let (providers, who) = (self.providers.clone(), by.actor());
        let removal = async move { providers.remove_profile(&who, &id, asked).await };
        unbroken(ProvidersError::Interrupted, removal).await
    }

    /// Makes a provider.
    pub async fn create_provider(
        &self,
        by: &AuthenticatedOperator,
        new: NewProvider,
    ) -> Result<Generation, ProvidersError> {
        let (providers, who, now) = (self.providers.clone(), by.actor(), self.now());
        let creation = async move { providers.create(&who, new, now).await };
        unbroken(ProvidersError::Interrupted, creation).await
    }

    /// Hands a provider other credentials.
    pub async fn update_provider(
        &self,
        by: &AuthenticatedOperator,
        name: ProviderName,
        credentials: BTreeMap<CredentialName, NewCredential>,
        asked: Option<Generation>,
    ) -> Result<Generation, ProvidersError> {
        let (providers, who) = (self.providers.clone(), by.actor());
        let when = (asked, self.now());
        let update = async move { providers.update(&who, &name, credentials, when).await };
        unbroken(ProvidersError::Interrupted, update).await
    }

    /// Attaches a provider to an app that is there.
    pub async fn attach_provider_to_app(
        &self,
        by: &AuthenticatedOperator,
        name: ProviderName,
        app: AppName,
    ) -> Result<Generation, ProvidersError> {
        let found = self.registry.find_app(&app);
        let (found, _) = found.ok_or_else(|| ProvidersError::NoSuchApp(app.clone()))?;
        self.attach_provider(by, name, Attachment::App(app, found.uid.clone())).await
    }

    /// Attaches a provider to a sandbox that is there.
    pub async fn attach_provider_to_sandbox(
        &self,
        by: &AuthenticatedOperator,
        name: ProviderName,
        sandbox: SandboxId,
    ) -> Result<Generation, ProvidersError> {
        let missing = || ProvidersError::NoSuchSandbox(sandbox.clone());
        let placed = self.registry.find_sandbox(&sandbox).ok().ok_or_else(missing)?;
        let (app, _) = self.registry.find_app(&placed.sandbox.app).ok_or_else(missing)?;
        let whose = AttachedSandbox { app: app.name.clone(), app_uid: app.uid.clone() };
        self.attach_provider(by, name, Attachment::Sandbox(sandbox, whose)).await
    }

    async fn attach_provider(
        &self,
        by: &AuthenticatedOperator,
        name: ProviderName,
        to: Attachment,
    ) -> Result<Generation, ProvidersError> {
        let (providers, who) = (self.providers.clone(), by.actor());
        let attachment = async move { providers.attach(&who, &name, to).await };
        unbroken(ProvidersError::Interrupted, attachment).await
    }

    /// Detaches a provider from an app or a sandbox, which need not be there any more.
    pub async fn detach_provider(
        &self,
        by: &AuthenticatedOperator,
        name: ProviderName,
        from: Detachment,
    ) -> Result<Generation, ProvidersError> {
        let (providers, who) = (self.providers.clone(), by.actor());
        let detachment = async move { providers.detach(&who, &name, from).await };
        unbroken(ProvidersError::Interrupted, detachment).await
    }

    /// Removes a provider.
    pub async fn remove_provider(
        &self,
        by: &AuthenticatedOperator,
        name: ProviderName,
        asked: Option<Generation>,
    ) -> Result<(), ProvidersError> {
        let (providers, who) = (self.providers.clone(), by.actor());
        let removal = async move { providers.remove(&who, &name, asked).await };
        unbroken(ProvidersError::Interrupted, removal).await
    }
}
