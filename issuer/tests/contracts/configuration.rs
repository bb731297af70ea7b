//! docs/reference/config.schema.json and docs/reference/configuration.md, from the types.

use std::fmt::Write as _;

use moneyer::config::Config;
use moneyer_daemon::settings::{Span, schema};
use serde_json::Value;

use crate::pages::is_up_to_date;

const PREFACE: &str = "\
# The coordinator's configuration

Generated from the types that read it; a test compares them. One TOML file, by default
`/etc/moneyer/moneyer.toml`; `moneyer init` writes a commented one, `moneyer config check` reports every
mistake in it with its line, and `moneyer config show` prints what is in force. Unknown keys are mistakes.

Any key can be set by a variable: `MONEYER__TOKENS__DEFAULT_LIFETIME=30m` sets `tokens.default_lifetime`,
`MONEYER__AUDIENCE__0__NAME=aws` the name of the first audience profile. Lengths of time are written as
`30d`, `24h`, `1h30m`, `60s`.
";

#[test]
fn the_schema_is_that_of_the_types() {
    is_up_to_date("docs/reference/config.schema.json", &schema::<Config>());
}

#[test]
fn the_page_describes_every_key() {
    let schema: Value = serde_json::from_str(&schema::<Config>()).unwrap();
    let mut page = PREFACE.to_owned();
    for (section, reference) in schema["properties"].as_object().unwrap() {
        let (title, definition) = match reference.get("items") {
            Some(items) => (format!("[[{section}]]"), resolve(&schema, items)),
            None => (format!("[{section}]"), resolve(&schema, reference)),
        };
        let about = one_line(definition["description"].as_str().unwrap());
        write!(page, "\n## `{title}`\n\n{about}\n\n").unwrap();
        page.push_str("| Key | Value | Meaning |\n| --- | --- | --- |\n");
        for (key, property) in definition["properties"].as_object().unwrap() {
            let (value, meaning) = (value(&schema, property), one_line(meaning(property)));
            writeln!(page, "| `{key}` | {value} | {meaning} |").unwrap();
        }
    }
    is_up_to_date("docs/reference/configuration.md", &page);
}

/// A default that is documented is the default, and each key says whether it has one.
#[test]
fn every_key_says_its_default() {
    let schema: Value = serde_json::from_str(&schema::<Config>()).unwrap();
    let mut compared = 0;
    for (section, reference) in schema["properties"].as_object().unwrap() {
        let definition = resolve(&schema, reference.get("items").unwrap_or(reference));
        let of_section = reference.get("default");
        for (key, property) in definition["properties"].as_object().unwrap() {
            let said = meaning(property);
            let default = property.get("default").or_else(|| of_section.and_then(|of| of.get(key)));
            let Some((_, said)) = said.split_once("Default: ") else {
                assert!(said.ends_with("Required."), "{section}.{key} says no default");
                continue;
            };
            let Some(default) = default.filter(|value| !value.is_array()) else { continue };
            let said = said.split([',', '\n']).next().unwrap();
            let said = said.trim_end_matches('.').trim_matches('`');
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let same_time = || Some(said.parse::<Span>().ok()? == default.parse::<Span>().ok()?);
            assert!(said == default || same_time() == Some(true), "{section}.{key}: {said}");
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} defaults were found");
}

fn resolve<'a>(schema: &'a Value, reference: &'a Value) -> &'a Value {
    match reference["$ref"].as_str() {
        Some(path) => schema.pointer(path.trim_start_matches('#')).unwrap(),
        None => reference,
    }
}

fn meaning(property: &Value) -> &str {
    property["description"].as_str().expect("every key is documented")
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// What kind of value a key takes.
fn value(schema: &Value, property: &Value) -> String {
    if let Some(of) = property["anyOf"].as_array() {
        return value(schema, &of[0]);
    }
    if property["type"] == "array" {
        return format!("list of: {}", value(schema, &property["items"]));
    }
    let definition = resolve(schema, property);
    if let Some(choices) = definition["oneOf"].as_array() {
        let choices =
            choices.iter().map(|choice| format!("`{}`", choice["const"].as_str().unwrap()));
        return choices.collect::<Vec<_>>().join(", ");
    }
    let name = property["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let kind = definition["type"].as_str().or_else(|| definition["type"][0].as_str());
    match (name, kind) {
        (Some("Span"), _) => "length of time",
        (Some("ListenAddress"), _) => "address",
        (Some("IssuerUrl"), _) => "URL",
        (Some("DocumentPath"), _) => "path",
        (Some("TrustDomain"), _) => "trust domain",
        (Some("Audience"), _) => "audience",
        (Some("AgeRecipient"), _) => "age recipient",
        (Some(_), _) => "name",
        (None, Some("integer")) => "number",
        (None, Some("boolean")) => "`true` or `false`",
        (None, Some("string")) => "text",
        (None, other) => panic!("no word for {other:?}"),
    }
    .to_owned()
}
