//! Google Cloud: a provider of a workload identity pool, and who may impersonate a service account.
//!
//! The provider pins issuer and audience, the member subject or app.

use std::fmt::Write as _;

use super::facts::{Form, TrustError, TrustFacts, Trusted};
use super::quote::{hcl, identifier, shell};

/// The parts of a provider's name.
struct Provider<'a> {
    number: &'a str,
    pool: &'a str,
    name: &'a str,
}

impl<'a> Provider<'a> {
    fn of(facts: &'a TrustFacts) -> Result<Self, TrustError> {
        let audience = facts.audience.as_str();
        let audience = audience.strip_prefix("https:").unwrap_or(audience);
        let parts: Vec<&str> = audience.split('/').collect();
        match parts[..] {
            [
                "",
                "",
                "iam.googleapis.com",
                "projects",
                number,
                "locations",
                "global",
                "workloadIdentityPools",
                pool,
                "providers",
                name,
            ] => Ok(Self { number, pool, name }),
            _ => Err(TrustError::Provider(facts.audience.clone())),
        }
    }
}

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> Result<String, TrustError> {
    let provider = Provider::of(facts)?;
    match form {
        Form::Commands => Ok(commands(facts, &provider)),
        Form::Terraform => Ok(terraform(facts, &provider)),
        Form::Policy => Err(TrustError::Form("commands or terraform")),
    }
}

/// What the provider asks of every token. All apps have one provider, so that who is trusted is said where
/// a role is given: a member names the app or its subject.
const CONDITION: &str = "assertion.identity_type == 'sandbox'";

/// Who is given a role. It counts for the whole pool: another issuer in it could say the same.
fn member(facts: &TrustFacts, provider: &Provider<'_>) -> String {
    let Provider { number, pool, .. } = provider;
    let pool = format!(
        "iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}"
    );
    match &facts.trusted {
        Trusted::Subject(subject) => format!("principal://{pool}/subject/{subject}"),
        Trusted::AnySandbox(_) => format!("principalSet://{pool}/attribute.app/{}", facts.app),
    }
}

/// What becomes of claims at Google. An app's uid changes when the app is made again.
const MAPPING: &str = "google.subject=assertion.sub,attribute.app=assertion.app";

fn commands(facts: &TrustFacts, provider: &Provider<'_>) -> String {
    let Provider { number, pool, name } = provider;
    let pool_flags = format!("--project={} --location=global", shell(number));
    let (pool, name) = (shell(pool), shell(name));
    let (issuer, audience) = (shell(facts.issuer.as_str()), shell(facts.audience.as_str()));
    let (condition, member) = (shell(CONDITION), shell(&member(facts, provider)));
    let account = facts.accounts.google_service_account.as_ref();
    let grant = match account {
        Some(account) => format!(
            "gcloud iam service-accounts add-iam-policy-binding {} \\\n  \
             --role=roles/iam.workloadIdentityUser --member={member}\n",
            shell(account.as_str())
        ),
        None => format!(
            "# No service account is impersonated: give roles to the sandboxes themselves, as\n\
             #   gcloud projects add-iam-policy-binding PROJECT --role=ROLE --member={member}\n"
        ),
    };
    format!(
        "# Once for each issuer, with a pool of its own: what a member says counts for all of a pool.\n\
         gcloud iam workload-identity-pools create {pool} {pool_flags}\n\
         gcloud iam workload-identity-pools providers create-oidc {name} \\\n  \
         --workload-identity-pool={pool} {pool_flags} \\\n  \
         --issuer-uri={issuer} \\\n  --allowed-audiences={audience} \\\n  \
         --attribute-mapping={MAPPING} \\\n  --attribute-condition={condition}\n{grant}"
    )
}

fn terraform(facts: &TrustFacts, provider: &Provider<'_>) -> String {
    let id = identifier(facts.app.as_str());
    let (pool, name) = (hcl(provider.pool), hcl(provider.name));
    let (issuer, audience) = (hcl(facts.issuer.as_str()), hcl(facts.audience.as_str()));
    let (condition, member) = (hcl(CONDITION), hcl(&member(facts, provider)));
    let mut text = format!(
        "resource \"google_iam_workload_identity_pool_provider\" \"moneyer\" {{\n  \
         workload_identity_pool_id          = {pool}\n  \
         workload_identity_pool_provider_id = {name}\n  \
         attribute_condition                = {condition}\n  \
         attribute_mapping = {{\n    \"google.subject\" = \"assertion.sub\"\n    \
         \"attribute.app\"  = \"assertion.app\"\n  }}\n  \
         oidc {{\n    issuer_uri        = {issuer}\n    allowed_audiences = [{audience}]\n  }}\n}}\n"
    );
    if let Some(account) = &facts.accounts.google_service_account {
        let project = account.as_str().split(['@', '.']).nth(1).unwrap_or_default();
        let account = hcl(&format!("projects/{project}/serviceAccounts/{account}"));
        write!(
            text,
            "\nresource \"google_service_account_iam_member\" \"{id}\" {{\n  \
             service_account_id = {account}\n  role               = \"roles/iam.workloadIdentityUser\"\n  \
             member             = {member}\n}}\n"
        )
        .ok();
    }
    text
}
