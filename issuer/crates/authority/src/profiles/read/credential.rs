//! One credential of a profile.

use moneyer_identity::CredentialName;
use moneyer_identity::grant::{HeaderPlacement, TokenHeader};
use serde_json::Value;

use super::fields::{Fields, Reading};
use super::grant::{self, Unplaced};
use crate::profiles::profile::Credential;

/// Most environment variables that one credential names.
const MAXIMUM_VARIABLES: usize = 16;

const KNOWN: [&str; 10] = [
    "name",
    "description",
    "env_vars",
    "required",
    "auth_style",
    "header_name",
    "query_param",
    "path_template",
    "refresh",
    "token_grant",
];

/// What a credential that is a user's token may not have: it never leaves the coordinator.
pub(super) const NOT_OF_A_SUBJECT: [&str; 7] = [
    "env_vars",
    "auth_style",
    "header_name",
    "query_param",
    "path_template",
    "refresh",
    "token_grant",
];

pub(super) fn read(reading: &Reading, value: &Value, path: String) -> Option<Credential> {
    let fields = Fields::of(reading, value, path, &KNOWN);
    let name = fields.required::<CredentialName>("name");
    fields.text("description");
    fields.all::<String>("env_vars", MAXIMUM_VARIABLES);
    let required = fields.flag("required");
    let Some(granted) = fields.value("token_grant") else {
        check_style(&fields);
        return Some(Credential { name: name?, required, grant: None });
    };
    let placement = read_placement(&fields);
    for name in ["query_param", "path_template", "refresh"] {
        if fields.value(name).is_some() {
            fields.error(name, "does not go with token_grant: the token stands in a header");
        }
    }
    fields.remark("env_vars", "is not set: the sandbox never sees the token");
    let grant = grant::read(reading, granted, fields.path_of("token_grant"));
    if grant.as_ref().is_some_and(Unplaced::is_jwt_svid) && fields.text("auth_style").is_none() {
        // It is nothing that a server takes from where it expects an access token.
        fields.error("auth_style", "is required by grant_type jwt_svid: header, or bearer");
    }
    let grant = grant.zip(placement).map(|(grant, placement)| grant.placed(placement));
    Some(Credential { name: name?, required, grant: Some(grant?) })
}

/// How a token stands on a request. A style that names its header has to name it.
fn read_placement(fields: &Fields<'_>) -> Option<HeaderPlacement> {
    let style = fields.text("auth_style").unwrap_or_default();
    let named = fields.text("header_name").is_some();
    let header = fields.parsed::<TokenHeader>("header_name");
    if named && header.is_none() {
        return None;
    }
    match style {
        "bearer" | "header" if !named => {
            fields.error("header_name", format!("is required by auth_style {style}"));
            None
        }
        "" | "bearer" => {
            Some(header.map_or_else(HeaderPlacement::default, HeaderPlacement::Bearer))
        }
        "header" => header.map(HeaderPlacement::Header),
        _ => {
            fields.error("auth_style", "of a credential with token_grant must be bearer or header");
            None
        }
    }
}

fn check_style(fields: &Fields<'_>) {
    let needed = match fields.text("auth_style").unwrap_or_default() {
        "" | "basic" => return,
        "bearer" | "header" => "header_name",
        "query" => "query_param",
        "path" => "path_template",
        _ => {
            let styles = "must be basic, bearer, header, query or path, or empty";
            fields.error("auth_style", styles);
            return;
        }
    };
    if fields.text(needed).is_none() {
        fields.error(needed, "is required by auth_style");
    }
}
