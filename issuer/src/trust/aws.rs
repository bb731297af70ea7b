//! AWS: an OIDC provider in IAM, and a role's trust policy.

use serde_json::{Map, Value, json};

use super::facts::{Form, TrustFacts, Trusted};
use super::quote::{hcl, identifier, shell};

/// Partition, account and name of the role that an app assumes.
struct Role<'a> {
    partition: &'a str,
    account: &'a str,
    /// With both slashes.
    path: &'a str,
    name: &'a str,
}

/// What stands for the account where it is not known.
const ACCOUNT: &str = "ACCOUNT_ID";

impl<'a> Role<'a> {
    /// That which the app was put with; else one of its name, in an account to be filled in.
    fn of(facts: &'a TrustFacts) -> Self {
        let known = facts.accounts.aws_role.as_ref().and_then(|arn| {
            let mut parts = arn.as_str().split(':').skip(1);
            let (partition, account, role) = (parts.next()?, parts.nth(2)?, parts.next()?);
            let role = role.strip_prefix("role")?;
            let (path, name) = role.split_at_checked(role.rfind('/')?.checked_add(1)?)?;
            Some(Self { partition, account, path, name })
        });
        known.unwrap_or(Self {
            partition: "aws",
            account: ACCOUNT,
            path: "/",
            name: facts.app.as_str(),
        })
    }
}

pub(super) fn configuration(facts: &TrustFacts, form: Form) -> String {
    let role = Role::of(facts);
    let policy = format!("{:#}", policy(facts, &role));
    match form {
        Form::Policy => format!("{policy}\n"),
        Form::Commands => format!("{}{}", notes(facts), commands(facts, &role, &policy)),
        Form::Terraform => format!("{}{}", notes(facts), terraform(facts, &role, &policy)),
    }
}

/// What is said in comments, where the form has them.
fn notes(facts: &TrustFacts) -> String {
    format!("{}{}", note(facts), gateway(facts))
}

/// Ceph's RADOS Gateway knows a key by the certificate in the key set; AWS knows a host by its TLS root,
/// so the thumbprint must not stand in what AWS is told.
fn gateway(facts: &TrustFacts) -> String {
    let Some(thumbprint) = &facts.key_certificate else { return String::new() };
    format!(
        "# For Ceph's RADOS Gateway, not for AWS: the provider's thumbprint is that of the key that signs now.\n\
         # Another key has another:\n\
         #   --thumbprint-list {thumbprint}\n"
    )
}

/// What has to be filled in.
fn note(facts: &TrustFacts) -> String {
    match facts.accounts.aws_role {
        Some(_) => String::new(),
        None => format!(
            "# Put your account in place of {ACCOUNT}, or put the app with its role first:\n\
             #   moneyer app put {} --aws-role ARN\n",
            facts.app
        ),
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
    let path = shell(role.path);
    format!(
        "# Once for each account. If the provider is there already, add the audience to it:\n\
         #   aws iam add-client-id-to-open-id-connect-provider\n\
         aws iam create-open-id-connect-provider --url {issuer} --client-id-list {audience}\n\n\
         cat > {file} <<'POLICY'\n{policy}\nPOLICY\n\
         # A role that is there gets the policy with: aws iam update-assume-role-policy\n\
         aws iam create-role --role-name {name} --path {path} \\\n  \
         --assume-role-policy-document file://{file}\n"
    )
}

fn terraform(facts: &TrustFacts, role: &Role<'_>, policy: &str) -> String {
    let id = identifier(facts.app.as_str());
    let (issuer, audience) = (hcl(facts.issuer.as_str()), hcl(facts.audience.as_str()));
    let (name, path, policy) = (hcl(role.name), hcl(role.path), hcl(policy));
    format!(
        "resource \"aws_iam_openid_connect_provider\" \"moneyer\" {{\n  \
         url            = {issuer}\n  client_id_list = [{audience}]\n}}\n\n\
         resource \"aws_iam_role\" \"{id}\" {{\n  \
         name               = {name}\n  path               = {path}\n  assume_role_policy = {policy}\n  \
         depends_on         = [aws_iam_openid_connect_provider.moneyer]\n}}\n"
    )
}
