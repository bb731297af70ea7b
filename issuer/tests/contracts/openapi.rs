//! docs/reference/openapi.json and docs/reference/api.md, from the types that the API reads and writes.

use std::fmt::Write as _;

use serde_json::Value;

use crate::pages::is_up_to_date;

const PREFACE: &str = "\
# The management API

Generated from `openapi.json` beside it, which is OpenAPI 3.1 and made of the types that the coordinator reads and writes; a
test compares them, and another one asks a running coordinator. It is served at `/api/v1/openapi.json` too.

Operators of the machine use `listen.management`, a Unix socket: `curl --unix-socket /run/moneyer/management.sock
http://localhost/api/v1/keys`. From elsewhere it is `listen.management_remote`, with the token of a [log-in](../login.md), which
needs the permission that is named. Mappings and scopes are explained in [token exchange](../token-exchange.md). Every error is a
problem of RFC 9457: `title`, `status`, `detail` and `request_id`.
";

#[test]
fn the_document_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&moneyer::openapi()).unwrap();
    is_up_to_date("docs/reference/openapi.json", &format!("{text}\n"));
}

#[test]
fn the_page_lists_every_operation_and_every_schema() {
    is_up_to_date("docs/reference/api.md", &page(&moneyer::openapi()));
}

/// A schema in a cell: its type, or where it is described.
fn cell(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let choices: Vec<_> = choices.iter().map(cell).collect();
        return choices.join(" or ");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", cell(&schema["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn one_line(text: &Value) -> String {
    let words: Vec<_> = text.as_str().unwrap_or_default().split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn page(document: &Value) -> String {
    let mut page = PREFACE.to_owned();
    page.push_str("\n## Operations\n");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            operation_of(&mut page, document, &name, operation);
        }
    }
    page.push_str("\n## Schemas\n");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        schema_of(&mut page, name, schema);
    }
    page
}

fn operation_of(page: &mut String, document: &Value, name: &str, operation: &Value) {
    write!(page, "\n### `{name}`\n\n{}.\n\n", one_line(&operation["summary"])).unwrap();
    page.push_str("| | |\n| --- | --- |\n");
    if let Some(permission) = operation["x-permission"].as_str() {
        writeln!(page, "| Permission | `{permission}` |").unwrap();
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (place, name) =
            (parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap());
        let needed = if parameter["required"] == true { "" } else { ", may be left out" };
        let schema = cell(&parameter["schema"]);
        writeln!(page, "| `{name}` in the {place} | {schema}{needed} |").unwrap();
    }
    for (media_type, content) in
        operation["requestBody"]["content"].as_object().into_iter().flatten()
    {
        let example = content["example"].to_string();
        writeln!(page, "| Sent | {}, `{media_type}` |", cell(&content["schema"])).unwrap();
        writeln!(page, "| Example | `{}` |", example.replace('|', "\\|")).unwrap();
    }
    for (status, answer) in operation["responses"].as_object().unwrap() {
        let good = status.starts_with('2');
        let shared = answer["$ref"].as_str().and_then(|at| document.pointer(at.strip_prefix('#')?));
        let answer = shared.unwrap_or(answer);
        let content = answer["content"].as_object().into_iter().flatten().next();
        let body = content
            .filter(|_| good)
            .map(|(media_type, content)| format!(" {}, `{media_type}`", cell(&content["schema"])));
        let headers = answer["headers"].as_object().filter(|_| good).into_iter().flatten();
        let headers: Vec<_> = headers.map(|(name, _)| format!("`{name}`")).collect();
        let headers = if headers.is_empty() {
            String::new()
        } else {
            format!(" With {}.", headers.join(", "))
        };
        let meaning = one_line(&answer["description"]);
        writeln!(page, "| {status} | {meaning}{}{headers} |", body.unwrap_or_default()).unwrap();
    }
}

fn schema_of(page: &mut String, name: &str, schema: &Value) {
    write!(page, "\n### {name}\n\n").unwrap();
    let about = one_line(&schema["description"]);
    if !about.is_empty() {
        write!(page, "{about}\n\n").unwrap();
    }
    let Some(properties) = schema["properties"].as_object() else {
        let pattern = schema["pattern"].as_str();
        let pattern = pattern.map(|pattern| format!(", as `{pattern}`")).unwrap_or_default();
        writeln!(page, "{}{pattern}", cell(schema)).unwrap();
        return;
    };
    page.push_str("| Member | Value | Meaning |\n| --- | --- | --- |\n");
    let needed: Vec<_> = schema["required"].as_array().cloned().unwrap_or_default();
    for (member, property) in properties {
        let optional =
            if needed.iter().any(|one| one == member) { "" } else { ", may be left out" };
        let (value, meaning) = (cell(property), one_line(&property["description"]));
        writeln!(page, "| `{member}` | {value}{optional} | {meaning} |").unwrap();
    }
}
