//! Snowflake: a service user with a workload identity.

use super::facts::{Form, TrustError, TrustFacts};
use super::quote::{identifier, sql};

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> Result<String, TrustError> {
    if form != Form::Commands {
        return Err(TrustError::Form("commands"));
    }
    let user = identifier(facts.app.as_str());
    let (issuer, subject) = (sql(facts.issuer.as_str()), sql(facts.exact_subject()?));
    let audience = sql(facts.audience.as_str());
    Ok(format!(
        "CREATE USER {user}\n  TYPE = SERVICE\n  WORKLOAD_IDENTITY = (\n    TYPE = OIDC\n    \
         ISSUER = {issuer}\n    SUBJECT = {subject}\n    OIDC_AUDIENCE_LIST = ({audience})\n  );\n"
    ))
}
