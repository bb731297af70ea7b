//! The operations of the exchange listener.

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::operation::{Access, Errors, Operation};
use crate::http::exchange::{LoginBody, LoginView, TokenView};

/// A form, whose repeated parameters are lists.
fn form(_: &mut SchemaGenerator) -> Schema {
    let text = json!({ "type": "string" });
    let token_type = json!({ "type": "string", "enum": [
        "urn:ietf:params:oauth:token-type:jwt",
        "urn:ietf:params:oauth:token-type:access_token",
        "urn:ietf:params:oauth:token-type:id_token",
    ] });
    schemars::json_schema!({
        "type": "object",
        "description": "RFC 8693 section 2.1.",
        "properties": {
            "grant_type": { "const": "urn:ietf:params:oauth:grant-type:token-exchange" },
            "subject_token": text,
            "subject_token_type": token_type,
            "actor_token": text,
            "actor_token_type": token_type,
            "requested_token_type": token_type,
            "resource": {
                "description": "Whom the token speaks for, then services it is for.",
                "type": "array", "items": text, "minItems": 1,
            },
            "audience": { "description": "Services it is for.", "type": "array", "items": text },
            "scope": { "description": "Scopes with blanks between them.", "type": "string" },
        },
        "required": ["grant_type", "subject_token", "subject_token_type", "resource"],
    })
}

fn answered(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "string", "const": "OK" })
}

/// Every operation.
pub(super) fn operations() -> Vec<Operation> {
    let example = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "resource": ["pc1"],
        "audience": ["https://api.example"],
        "scope": "read",
    });
    let login = json!({ "jwt_svid": "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl", "lifetime": 300 });
    vec![
        Operation::post("/token", "Exchange a token for one of this cluster (RFC 8693)")
            .access(Access::Open)
            .sends("application/x-www-form-urlencoded", form, example)
            .gives::<TokenView<'static>>(200)
            .refused_only(Errors::Oauth, &[400, 403, 413, 429, 500, 503]),
        Operation::post("/v1/login/spiffe", "Log in with an SVID")
            .access(Access::Svid)
            .takes::<LoginBody>(login)
            .or_nothing()
            .gives::<LoginView<'static>>(200)
            .refused_only(Errors::Problem, &[400, 401, 413, 429, 500, 503]),
        Operation::get("/health", "Does somebody answer")
            .access(Access::Open)
            .answers(200, "text/plain", answered)
            .refused_only(Errors::Problem, &[]),
    ]
}
