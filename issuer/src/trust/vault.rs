//! Vault and `OpenBao`: a role of the JWT auth method.

use super::facts::{Form, TrustError, TrustFacts, Trusted};
use super::quote::{hcl, identifier, json, shell};

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> Result<String, TrustError> {
    match form {
        Form::Commands => Ok(commands(facts)),
        Form::Terraform => Ok(terraform(facts)),
        Form::Policy => Err(TrustError::Form("commands or terraform")),
    }
}

fn commands(facts: &TrustFacts) -> String {
    let issuer = facts.issuer.as_str();
    let (url, bound) =
        (shell(&format!("oidc_discovery_url={issuer}")), shell(&format!("bound_issuer={issuer}")));
    let role = shell(&format!("auth/jwt/role/{}", facts.app));
    let bound_subject = match &facts.trusted {
        Trusted::Subject(subject) => serde_json::json!({ "bound_subject": subject }),
        Trusted::AnySandbox(pattern) => {
            serde_json::json!({ "bound_claims_type": "glob", "bound_claims": { "sub": pattern } })
        }
    };
    let mut body = serde_json::json!({
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": [facts.audience],
        "token_policies": [facts.app],
        "token_ttl": "15m",
    });
    if let (Some(body), Some(bound)) = (body.as_object_mut(), bound_subject.as_object()) {
        body.extend(bound.clone());
    }
    format!(
        "# Once. A private CA: oidc_discovery_ca_pem=@ca.pem\n\
         vault auth enable jwt\n\
         vault write auth/jwt/config {url} {bound}\n\n\
         # The policy of the app's name says what it may read.\n\
         vault write {role} - <<'ROLE'\n{body:#}\nROLE\n"
    )
}

fn terraform(facts: &TrustFacts) -> String {
    let id = identifier(facts.app.as_str());
    let (issuer, audience) = (hcl(facts.issuer.as_str()), hcl(facts.audience.as_str()));
    let bound = match &facts.trusted {
        Trusted::Subject(subject) => format!("  bound_subject   = {}\n", hcl(subject)),
        Trusted::AnySandbox(pattern) => format!(
            "  bound_claims_type = \"glob\"\n  bound_claims    = {{ sub = {} }}\n",
            hcl(pattern)
        ),
    };
    let app = json(facts.app.as_str());
    format!(
        "resource \"vault_jwt_auth_backend\" \"moneyer\" {{\n  path               = \"jwt\"\n  \
         oidc_discovery_url = {issuer}\n  bound_issuer       = {issuer}\n}}\n\n\
         resource \"vault_jwt_auth_backend_role\" \"{id}\" {{\n  \
         backend         = vault_jwt_auth_backend.moneyer.path\n  role_name       = {app}\n  \
         role_type       = \"jwt\"\n  user_claim      = \"sub\"\n  \
         bound_audiences = [{audience}]\n{bound}  token_policies  = [{app}]\n  token_ttl       = 900\n}}\n"
    )
}
