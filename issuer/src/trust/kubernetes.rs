//! Kubernetes: an issuer of the API server's `AuthenticationConfiguration`.

use super::facts::{Form, TrustError, TrustFacts, Trusted};
use super::quote::json;

/// What stands before the user's name, so that no subject is a user of another kind.
const PREFIX: &str = "moneyer:";

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> Result<String, TrustError> {
    if form != Form::Commands {
        return Err(TrustError::Form("commands"));
    }
    let (issuer, audience) = (json(facts.issuer.as_str()), json(facts.audience.as_str()));
    let (expression, group) = match &facts.trusted {
        Trusted::Subject(subject) => (format!("claims.sub == {}", json(subject)), None),
        Trusted::AnySandbox(pattern) => {
            let prefix = json(pattern.trim_end_matches('*'));
            (format!("claims.sub.startsWith({prefix})"), Some(()))
        }
    };
    let expression = json(&expression);
    let app = format!("{PREFIX}app:{}", facts.app);
    let subject = match (group, &facts.trusted) {
        (None, Trusted::Subject(subject)) => {
            format!("    kind: User\n    name: {}", json(&format!("{PREFIX}{subject}")))
        }
        _ => format!("    kind: Group\n    name: {}", json(&app)),
    };
    Ok(format!(
        "# For kube-apiserver --authentication-config; it reads the file anew when it changes.\n\
         apiVersion: apiserver.config.k8s.io/v1\n\
         kind: AuthenticationConfiguration\n\
         jwt:\n\
         - issuer:\n    url: {issuer}\n    audiences: [{audience}]\n  \
         claimValidationRules:\n  - expression: {expression}\n    \
         message: not a token of this app\n  \
         claimMappings:\n    username:\n      claim: sub\n      prefix: \"{PREFIX}\"\n    \
         groups:\n      expression: {groups}\n\
         ---\n\
         # What it may do: a binding of your own role.\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRoleBinding\n\
         metadata:\n  name: {name}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\n\
         subjects:\n  - apiGroup: rbac.authorization.k8s.io\n{subject}\n",
        groups = json(&format!("[\"{PREFIX}app:\" + claims.app]")),
        name = json(&format!("moneyer-{}", facts.app)),
    ))
}
