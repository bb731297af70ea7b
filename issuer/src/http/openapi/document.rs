//! The document, put together.

use serde_json::{Map, Value, json};

use super::operation::{Access, AnswerField, Describe, Errors, Operation, of};
use super::schemas::{Schemas, rename};
use super::{exchange, management};
use crate::http::authenticate::asked;
use crate::http::error::Body as Problem;
use crate::http::oauth_error::Body as OauthProblem;

/// The version of the API, which is that of its paths.
const VERSION: &str = "1";

/// Where the refusals are in the document.
const REFUSALS: &str = "#/components/responses/";

const ABOUT: &str = "\
The management API is served at a Unix socket (`listen.management`), where the kernel says who asks, and at \
`listen.management_remote` for whoever shows the token of a log-in. What a token may do is said by policies: \
`x-permission` names what an operation needs. The operations with the tags `token`, `login` and `health` are those of \
`listen.exchange`, where the public documents are too. Every error is a problem of RFC 9457; those of `POST /token` have \
the codes of RFC 6749 and RFC 8693.";

/// The `OpenAPI` 3.1 document of the management API and of the exchange listener.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let (mut paths, mut refusals) = (Map::new(), Map::new());
    for operation in management::operations().into_iter().chain(exchange::operations()) {
        for status in &operation.refusals {
            let refusal = operation.errors.refusal(*status, &mut schemas);
            refusals.insert(operation.errors.named(*status), refusal);
        }
        let described = describe(&operation, &mut schemas);
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(operation.method.as_str().to_ascii_lowercase(), described);
        }
    }
    let (named, renamed) = schemas.named();
    // Only what is sent has references to such names left.
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        for part in ["requestBody", "parameters"] {
            if let Some(part) = operation.get_mut(part) {
                rename(part, &renamed);
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Moneyer",
            "version": VERSION,
            "summary": "A per-cluster OIDC workload identity issuer",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": named, "responses": refusals, "securitySchemes": security_schemes(),
        },
    })
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The token of a log-in. At the Unix socket none is needed.",
        },
        "jwt_svid": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A JWT-SVID of a trust domain that may log in.",
        },
        "x509_svid": {
            "type": "mutualTLS",
            "description": "An X.509-SVID of a trust domain that may log in.",
        },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id(),
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "security": security(operation.access),
        "responses": answers(operation, schemas),
    });
    let Some(members) = described.as_object_mut() else { return described };
    let parameters = parameters(operation, schemas);
    if !parameters.is_empty() {
        members.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(sent) = &operation.sent {
        let content = json!({ "schema": schemas.sent(sent.schema), "example": sent.example });
        let body = json!({ "required": sent.needed, "content": { sent.media_type: content } });
        members.insert("requestBody".to_owned(), body);
    }
    let permission = asked(&operation.method, operation.path);
    if let (Access::Permitted, Some(permission)) = (operation.access, permission) {
        members.insert("x-permission".to_owned(), permission.to_string().into());
    }
    described
}

/// What it is about: the first word of the path.
fn tag(path: &str) -> &str {
    let path = path.trim_start_matches("/api/v1").trim_start_matches("/v1");
    path.split('/').find(|word| !word.is_empty()).unwrap_or_default()
}

fn security(access: Access) -> Value {
    match access {
        Access::Permitted => json!([{ "bearer": [] }]),
        Access::Open => json!([]),
        // In the body it is no security scheme.
        Access::Svid => json!([{ "jwt_svid": [] }, { "x509_svid": [] }, {}]),
    }
}

fn parameters(operation: &Operation, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    for (name, describe, example) in &operation.named {
        let schema = schemas.sent(*describe);
        parameters.push(json!({
            "in": "path", "name": name, "required": true, "schema": schema, "example": example,
        }));
    }
    for (name, mut schema, needed) in
        operation.query.map(|query| schemas.members(query)).unwrap_or_default()
    {
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter =
            json!({ "in": "query", "name": name, "required": needed, "schema": schema });
        if let (Some(about), Some(parameter)) = (about, parameter.as_object_mut()) {
            parameter.insert("description".to_owned(), about);
        }
        parameters.push(parameter);
    }
    if operation.if_match {
        parameters.push(json!({
            "in": "header", "name": "If-Match", "required": false,
            "description": "The `ETag` of the revision that the change is about. `*`, and none: any.",
            "schema": { "type": "string", "pattern": r#"^(\*|"[0-9]{1,19}")$"# },
        }));
    }
    parameters
}

fn answers(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut answers = Map::new();
    let mut good = Map::new();
    good.insert("description".to_owned(), meaning(operation.status).into());
    if let Some((media_type, describe)) = operation.given {
        let schema = schemas.given(describe);
        good.insert("content".to_owned(), json!({ media_type: { "schema": schema } }));
    }
    if let Some(field) = operation.field {
        let fields = match field {
            AnswerField::Etag => json!({ "ETag": {
                "description": "The revision, for `If-Match`.", "schema": { "type": "string" },
            } }),
            AnswerField::Link => json!({ "Link": {
                "description": "RFC 8288: the next page, where there is one.", "schema": { "type": "string" },
            } }),
        };
        good.insert("headers".to_owned(), fields);
    }
    answers.insert(operation.status.to_string(), good.into());
    for status in &operation.refusals {
        let name = operation.errors.named(*status);
        answers.insert(status.to_string(), json!({ "$ref": format!("{REFUSALS}{name}") }));
    }
    answers.into()
}

impl Errors {
    /// The name of a refusal among the answers that operations share.
    fn named(self, status: u16) -> String {
        match self {
            Self::Problem => format!("Problem{status}"),
            Self::Oauth => format!("OauthError{status}"),
        }
    }

    fn refusal(self, status: u16, schemas: &mut Schemas) -> Value {
        let (media_type, describe) = match self {
            Self::Problem => ("application/problem+json", of::<Problem<'static>> as Describe),
            Self::Oauth => ("application/json", of::<OauthProblem<'static>> as Describe),
        };
        let mut refusal = Map::new();
        refusal.insert("description".to_owned(), meaning(status).into());
        // What is too long is refused before anybody reads it.
        if status != 413 {
            let content = json!({ media_type: { "schema": schemas.given(describe) } });
            refusal.insert("content".to_owned(), content);
        }
        if status == 401 {
            let scheme = json!({ "schema": { "type": "string", "const": "Bearer" } });
            refusal.insert("headers".to_owned(), json!({ "WWW-Authenticate": scheme }));
        }
        refusal.into()
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "It is so.",
        201 => "It was made.",
        204 => "It was done.",
        400 => "The request cannot succeed as it stands.",
        401 => "What was shown is not accepted.",
        403 => "Whoever asks may not do that.",
        404 => "There is no such thing.",
        409 => {
            "Something stands in the way: it is there already, it is in use, or it is another revision."
        }
        413 => "It is too long.",
        429 => "There are too many, or it was asked too often.",
        503 => "The store, the audit log, the clock or somebody else is away. Try again later.",
        _ => "Something went wrong; the log says what, under the request id.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_needs_a_permission_unless_it_is_open() {
        let document = document();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                let is_open = operation["security"].as_array().unwrap().is_empty();
                let permission = operation.get("x-permission").is_some();
                let managed = path.starts_with("/api/v1/") && !is_open;
                assert_eq!(permission, managed, "{method} {path}");
            }
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_referred_to() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            let reference = format!("\"#/components/schemas/{name}\"");
            assert!(text.contains(&reference), "nobody refers to {name}");
        }
        let refusals = document["components"]["responses"].as_object().unwrap();
        for (place, known) in [("#/components/schemas/", schemas), (REFUSALS, refusals)] {
            for reference in text.split(place).skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(known.contains_key(name), "there is no {name}");
            }
        }
    }
}
