//! Azure: a federated credential of an application, or of a managed identity.

use super::facts::{Form, TrustError, TrustFacts};
use super::quote::{hcl, identifier, shell};

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> Result<String, TrustError> {
    let subject = facts.exact_subject()?;
    let client = facts.accounts.azure_client_id.as_ref().ok_or(TrustError::Identity)?;
    // A credential's name has from 3 to 120 letters.
    let name = format!("moneyer-{}", facts.app);
    match form {
        Form::Commands => {
            let parameters = serde_json::json!({
                "name": name,
                "issuer": facts.issuer,
                "subject": subject,
                "audiences": [facts.audience],
            });
            Ok(format!(
                "# Of an application. Of a managed identity: az identity federated-credential create\n\
                 az ad app federated-credential create --id {client} \\\n  --parameters {}\n",
                shell(&parameters.to_string())
            ))
        }
        Form::Terraform => {
            let id = identifier(facts.app.as_str());
            let (issuer, audience) = (hcl(facts.issuer.as_str()), hcl(facts.audience.as_str()));
            let (name, subject) = (hcl(&name), hcl(subject));
            Ok(format!(
                "data \"azuread_application\" \"{id}\" {{\n  client_id = \"{client}\"\n}}\n\n\
                 resource \"azuread_application_federated_identity_credential\" \"{id}\" {{\n  \
                 application_id = data.azuread_application.{id}.id\n  display_name   = {name}\n  \
                 issuer         = {issuer}\n  subject        = {subject}\n  \
                 audiences      = [{audience}]\n}}\n"
            ))
        }
        Form::Policy => Err(TrustError::Form("commands or terraform")),
    }
}
