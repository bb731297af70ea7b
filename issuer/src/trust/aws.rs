//! AWS: an OIDC provider in IAM, and a role's trust policy.

use serde_json::{Map, Value, json};

use super::facts::{Form, TrustError, TrustFacts, Trusted};
use super::quote::{hcl, identifier, shell};

/// Partition, account and name of the role that an app assumes.
struct Role<'a> {
    partition: &'a str,
    account: &'a str,
    name: &'a str,
}

impl<'a> Role<'a> {
    fn of(facts: &'a TrustFacts) -> Result<Self, TrustError> {
        let unknown = || TrustError::Account(facts.app.clone());
        let arn = facts.accounts.aws_role.as_ref().ok_or_else(unknown)?.as_str();
        let mut parts = arn.split(':').skip(1);
        let (partition, account) = (parts.next(), parts.nth(2));
        let name = arn.rsplit('/').next();
        let all = partition.zip(account).zip(name).ok_or_else(unknown)?;
        let ((partition, account), name) = all;
        Ok(Self { partition, account, name })
    }
}

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> Result<String, TrustError> {
    let role = Role::of(facts)?;
    let policy = format!("{:#}", policy(facts, &role));
    match form {
        Form::Policy => Ok(format!("{policy}\n")),
        Form::Commands => Ok(commands(facts, &role, &policy)),
        Form::Terraform => Ok(terraform(facts, &role, &policy)),
    }
}

/// The issuer as condition keys and ARNs name it: without its scheme.
fn provider(facts: &TrustFacts) -> &str {
    let issuer = facts.issuer.as_str();
    issuer.split_once("://").map_or(issuer, |(_, rest)| rest)
}

fn policy(facts: &TrustFacts, role: &Role<'_>) -> Value {
    let provider = provider(facts);
    let mut actions = vec!["sts:AssumeRoleWithWebIdentity"];
    if !facts.aws.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    if facts.aws.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    let (mut equal, mut like) = (Map::new(), Map::new());
    equal.insert(format!("{provider}:aud"), json!(facts.audience));
    match &facts.trusted {
        Trusted::Subject(subject) => equal.insert(format!("{provider}:sub"), json!(subject)),
        Trusted::AnySandbox(pattern) => like.insert(format!("{provider}:sub"), json!(pattern)),
    };
    let mut condition = Map::new();
    condition.insert("StringEquals".to_owned(), Value::Object(equal));
    if !like.is_empty() {
        condition.insert("StringLike".to_owned(), Value::Object(like));
    }
    if !facts.aws.roles.is_empty() {
        // A token that names no roles is refused, too.
        condition.insert("Bool".to_owned(), json!({ "sts:RoleAuthorizedByIdp": "true" }));
    }
    let Role { partition, account, .. } = role;
    let federated = format!("arn:{partition}:iam::{account}:oidc-provider/{provider}");
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": federated },
            "Action": actions,
            "Condition": condition,
        }],
    })
}

fn commands(facts: &TrustFacts, role: &Role<'_>, policy: &str) -> String {
    let (issuer, audience) = (shell(facts.issuer.as_str()), shell(facts.audience.as_str()));
    let (file, name) = (shell(&format!("{}-trust.json", role.name)), shell(role.name));
    format!(
        "# Once for each account. If the provider is there already, add the audience to it:\n\
         #   aws iam add-client-id-to-open-id-connect-provider\n\
         aws iam create-open-id-connect-provider --url {issuer} --client-id-list {audience}\n\n\
         cat > {file} <<'POLICY'\n{policy}\nPOLICY\n\
         # A role that is there gets the policy with: aws iam update-assume-role-policy\n\
         aws iam create-role --role-name {name} --assume-role-policy-document file://{file}\n"
    )
}

fn terraform(facts: &TrustFacts, role: &Role<'_>, policy: &str) -> String {
    let id = identifier(facts.app.as_str());
    let (issuer, audience) = (hcl(facts.issuer.as_str()), hcl(facts.audience.as_str()));
    let (name, policy) = (hcl(role.name), hcl(policy));
    format!(
        "resource \"aws_iam_openid_connect_provider\" \"moneyer\" {{\n  \
         url            = {issuer}\n  client_id_list = [{audience}]\n}}\n\n\
         resource \"aws_iam_role\" \"{id}\" {{\n  \
         name               = {name}\n  assume_role_policy = {policy}\n  \
         depends_on         = [aws_iam_openid_connect_provider.moneyer]\n}}\n"
    )
}
