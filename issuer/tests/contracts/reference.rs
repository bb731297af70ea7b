//! How the pages of `docs/reference` are made: from help texts, and from the schema of a configuration.
//!
//! Both daemons' pages are made here, so that they read alike.

use std::fmt::Write as _;

use clap::Command;
use moneyer_daemon::settings::Span;
use serde_json::Value;

/// As wide as a page of documentation.
const WIDTH: usize = 100;

/// A page of every help text of a program.
pub(crate) fn command_line(preface: &str, program: Command) -> String {
    let mut page = preface.to_owned();
    let mut command = program.term_width(WIDTH);
    command.build();
    let name = command.get_name().to_owned();
    describe(&mut page, &command, &name);
    page
}

fn describe(page: &mut String, command: &Command, name: &str) {
    let help = command.clone().term_width(WIDTH).render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end()).unwrap();
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(page, command, &format!("{name} {}", command.get_name()));
    }
}

/// A page of every key of a configuration.
pub(crate) fn configuration(preface: &str, schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut page = preface.to_owned();
    for Section { title, definition, .. } in sections(&schema) {
        let about = one_line(definition["description"].as_str().unwrap());
        write!(page, "\n## `{title}`\n\n{about}\n\n").unwrap();
        page.push_str("| Key | Value | Meaning |\n| --- | --- | --- |\n");
        for (key, property) in keys(&schema, definition, "") {
            let (value, meaning) = (value(&schema, property), one_line(meaning(property)));
            writeln!(page, "| `{key}` | {value} | {meaning} |").unwrap();
        }
    }
    page
}

/// A default that is documented is the default, and each key says whether it has one. Returns how many
/// could be compared.
pub(crate) fn every_key_says_its_default(schema: &str) -> usize {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut compared = 0;
    for Section { title, definition, default: of_section } in sections(&schema) {
        for (key, property) in keys(&schema, definition, "") {
            let meaning = one_line(meaning(property));
            let default =
                property.get("default").or_else(|| of_section.and_then(|of| of.get(&key)));
            let Some((_, said)) = meaning.split_once("Default: ") else {
                assert!(meaning.ends_with("Required."), "{title} {key} says no default");
                continue;
            };
            let Some(default) = default.filter(|value| !value.is_array()) else { continue };
            let said = match said.strip_prefix('`') {
                Some(quoted) => quoted.split('`').next().unwrap(),
                None => said.split([',', '.']).next().unwrap(),
            };
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let same_time = || Some(said.parse::<Span>().ok()? == default.parse::<Span>().ok()?);
            let same = said == default || said == "empty" && default.is_empty();
            assert!(same || same_time() == Some(true), "{title} {key}: {said}");
            compared += 1;
        }
    }
    compared
}

/// A section of a configuration.
struct Section<'a> {
    title: String,
    definition: &'a Value,
    default: Option<&'a Value>,
}

/// Every section, each followed by the lists of tables in it.
fn sections(schema: &Value) -> Vec<Section<'_>> {
    let mut all = Vec::new();
    for (name, reference) in schema["properties"].as_object().unwrap() {
        let (title, definition) = match tables(schema, reference) {
            Some(definition) => (format!("[[{name}]]"), definition),
            None => (format!("[{name}]"), resolve(schema, reference)),
        };
        all.push(Section { title, definition, default: reference.get("default") });
        for (key, property) in definition["properties"].as_object().unwrap() {
            let Some(definition) = tables(schema, property) else { continue };
            all.push(Section { title: format!("[[{name}.{key}]]"), definition, default: None });
        }
    }
    all
}

/// What each table of a list holds; `None` where it is no list of tables.
fn tables<'a>(schema: &'a Value, property: &'a Value) -> Option<&'a Value> {
    let definition = resolve(schema, property.get("items")?);
    definition["properties"].is_object().then_some(definition)
}

/// Every key of a section, and of the sections in it.
fn keys<'a>(schema: &'a Value, section: &'a Value, within: &str) -> Vec<(String, &'a Value)> {
    let mut all = Vec::new();
    for (key, property) in section["properties"].as_object().unwrap() {
        let (key, definition) = (format!("{within}{key}"), resolve(schema, given(property)));
        if definition["properties"].is_object() {
            all.extend(keys(schema, definition, &format!("{key}.")));
        } else {
            all.push((key, property));
        }
    }
    all
}

/// What stands there where it is given: a section may be left out.
fn given(property: &Value) -> &Value {
    property["anyOf"].get(0).unwrap_or(property)
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
    if tables(schema, property).is_some() {
        return "list of tables".to_owned();
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
    if let Some(choices) = definition["enum"].as_array() {
        let choices = choices.iter().map(|choice| format!("`{}`", choice.as_str().unwrap()));
        return choices.collect::<Vec<_>>().join(", ");
    }
    let name = property["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let kind = definition["type"].as_str().or_else(|| definition["type"][0].as_str());
    match (name, kind) {
        (Some("Span"), _) => "length of time",
        (Some("ListenAddress" | "CoordinatorAddress"), _) => "address",
        (Some("IssuerUrl"), _) => "URL",
        (Some("DocumentPath"), _) => "path",
        (Some("TrustDomain"), _) => "trust domain",
        (Some("Audience"), _) => "audience",
        (Some("RoleArn"), _) => "ARN",
        (Some("AgeRecipient"), _) => "age recipient",
        (Some(_), _) => "name",
        (None, Some("integer")) => "number",
        (None, Some("boolean")) => "`true` or `false`",
        (None, Some("string")) => "text",
        (None, other) => panic!("no word for {other:?}"),
    }
    .to_owned()
}
