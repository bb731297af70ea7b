//! What the running coordinator says of itself.

use std::collections::HashMap;
use std::time::Duration;

use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{AppName, SandboxId, SubjectForm, SubjectParts, Token};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::sandbox;
use crate::doctor::{Inside, InsideKey, OwnToken, SubjectLengths};
use crate::http::management::{
    AppView, AudienceView, IssuerView, KeyView, MintBody, MintView, SandboxView,
};

/// Asks for it, and for a token.
pub(super) async fn ask(client: &Client) -> Result<Inside, Failure> {
    let issuer: IssuerView = client.get("/api/v1/issuer").await?;
    let keys: Vec<KeyView> = client.get("/api/v1/keys").await?;
    let apps: Vec<AppView> = client.get("/api/v1/apps").await?;
    let audiences: Vec<AudienceView> = client.get("/api/v1/audiences").await?;
    let mut longest = HashMap::new();
    sandbox::each(client, None, None, |sandbox| keep_longest(&mut longest, sandbox)).await?;
    let token = mint(client, &apps, &longest).await;
    Ok(Inside {
        subjects: subjects(&issuer, &forms(&audiences), apps, &longest)?,
        publish_before_use: Duration::from_secs(issuer.publish_before_use_seconds),
        issuer: issuer.issuer,
        jwks_uri: issuer.jwks_uri,
        keys: keys.into_iter().map(InsideKey::from).collect(),
        token,
    })
}

/// A token for a sandbox of the first app that has one, for an audience that it may ask for.
async fn mint(
    client: &Client,
    apps: &[AppView],
    longest: &HashMap<AppName, SandboxId>,
) -> OwnToken {
    let placed = apps.iter().find_map(|app| Some((app, longest.get(&app.name)?)));
    let Some((app, sandbox)) = placed else { return OwnToken::NoSandbox };
    let path = format!("/api/v1/sandboxes/{sandbox}/token");
    let audiences = app.audiences.first().cloned().into_iter().collect();
    let body = MintBody { audiences, ..MintBody::default() };
    match client.post::<MintView>(&path, &body).await {
        Ok(minted) => OwnToken::Minted(Token::new(minted.token)),
        Err(failure) => OwnToken::Refused(failure.reason().to_owned()),
    }
}

impl From<KeyView> for InsideKey {
    fn from(key: KeyView) -> Self {
        Self { key_id: key.key_id, state: key.state, published: key.published_at.is_some() }
    }
}

/// How subjects are written: as for an audience without a profile, and as profiles say.
fn forms(audiences: &[AudienceView]) -> Vec<SubjectForm> {
    let mut forms = vec![SubjectForm::default()];
    for audience in audiences {
        if !forms.contains(&audience.subject) {
            forms.push(audience.subject);
        }
    }
    forms
}

/// The longest subject of every app in each of these forms, by the sandboxes it has now. One without
/// sandboxes has only the forms that name none.
fn subjects(
    issuer: &IssuerView,
    forms: &[SubjectForm],
    apps: Vec<AppView>,
    longest: &HashMap<AppName, SandboxId>,
) -> Result<Vec<SubjectLengths>, Failure> {
    let trust_domain = TrustDomain::parse(&issuer.trust_domain)
        .map_err(|error| Failure::of("cannot read the trust domain", &error))?;
    let organization = issuer.organization_id.clone();
    let parts = SubjectParts { organization, cluster: None, trust_domain };
    let of = |app: AppView| {
        let nobody = SandboxId::parse(app.name.as_str());
        let nobody =
            nobody.map_err(|error| Failure::of("cannot read the name of an app", &error))?;
        let sandbox = longest.get(&app.name);
        let names_one = [SubjectForm::Sandbox, SubjectForm::SpiffeSandbox];
        let forms = forms.iter().filter(|form| sandbox.is_some() || !names_one.contains(form));
        let subject = |&form: &SubjectForm| {
            (form, parts.sandbox(form, &app.name, sandbox.unwrap_or(&nobody)))
        };
        let longest = forms.map(subject).collect();
        Ok(SubjectLengths { longest, app: app.name })
    };
    apps.into_iter().map(of).collect()
}

/// Of each app's sandboxes the one with the longest id.
fn keep_longest(longest: &mut HashMap<AppName, SandboxId>, sandbox: SandboxView) {
    let SandboxView { app, id, .. } = sandbox;
    let shorter = |known: &SandboxId| known.as_str().len() < id.as_str().len();
    if longest.get(&app).is_none_or(shorter) {
        longest.insert(app, id);
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::{IssuerUrl, OrganizationId, RunnerId, UnixTime};
    use serde_json::json;

    use super::*;

    #[test]
    fn subjects_are_as_long_as_those_of_the_sandboxes_there_are() {
        let issuer = IssuerView {
            issuer: IssuerUrl::parse("https://id.example.com").unwrap(),
            since: UnixTime(0),
            jwks_uri: String::new(),
            trust_domain: "td".to_owned(),
            organization_id: Some(OrganizationId::parse("acme").unwrap()),
            publish_before_use_seconds: 0,
            previous: Vec::new(),
        };
        let app = |name: &str| {
            let view = json!({
                "name": name, "uid": "", "audiences": [], "created_at": 0, "sandboxes": 0,
            });
            serde_json::from_value::<AppView>(view).unwrap()
        };
        let sandbox = |id: &str| SandboxView {
            id: SandboxId::parse(id).unwrap(),
            app: AppName::parse("web").unwrap(),
            runner: RunnerId::parse("r").unwrap(),
            role: None,
            placed_at: UnixTime(0),
        };
        let mut longest = HashMap::new();
        for id in ["a", "abc", "ab"] {
            keep_longest(&mut longest, sandbox(id));
        }
        let every = [
            SubjectForm::Sandbox,
            SubjectForm::App,
            SubjectForm::SpiffeSandbox,
            SubjectForm::SpiffeApp,
        ];
        let found = subjects(&issuer, &every, vec![app("web"), app("api")], &longest).unwrap();
        let texts = |at: usize| {
            let longest = found[at].longest.iter();
            longest.map(|(_, subject)| subject.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            texts(0),
            [
                "org:acme:app:web:sandbox:abc",
                "org:acme:app:web",
                "spiffe://td/app/web/sandbox/abc",
                "spiffe://td/app/web",
            ]
        );
        assert_eq!(texts(1), ["org:acme:app:api", "spiffe://td/app/api"]);
    }
}
