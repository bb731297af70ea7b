//! The schemas of everything that is sent and answered.
//!
//! What is sent may leave out what has a default, and what is answered does not: one type can have two schemas. Where
//! they differ, and where they name one that does, the one for what is sent has `Sent` before its name.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::operation::Describe;

/// Where schemas are in the document.
const PLACE: &str = "#/components/schemas/";

/// Makes schemas and keeps those that have a name.
pub(super) struct Schemas {
    sent: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings
        };
        Self {
            sent: settings().for_deserialize().into_generator(),
            given: settings().for_serialize().into_generator(),
        }
    }

    /// Of what is sent.
    pub(super) fn sent(&mut self, describe: Describe) -> Value {
        value(describe(&mut self.sent))
    }

    /// Of what is answered.
    pub(super) fn given(&mut self, describe: Describe) -> Value {
        value(describe(&mut self.given))
    }

    /// The members of an object, each with its schema, and whether it is needed.
    pub(super) fn members(&mut self, describe: Describe) -> Vec<(String, Value, bool)> {
        let schema = describe(&mut self.sent);
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(PLACE));
        let object = match name {
            // It stands in the query alone, member by member.
            Some(name) => self.sent.definitions_mut().remove(name).unwrap_or_default(),
            None => value(schema),
        };
        let needed: Vec<_> =
            object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let members =
            object.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let member = |(name, schema): (String, Value)| {
            let is_needed = needed.iter().any(|one| one.as_str() == Some(&name));
            (name, schema, is_needed)
        };
        members.into_iter().map(member).collect()
    }

    /// Every schema that has a name, and the names of those that are of what is sent alone.
    pub(super) fn named(mut self) -> (Map<String, Value>, BTreeSet<String>) {
        let mut named = self.given.take_definitions(true);
        let sent = self.sent.take_definitions(true);
        let renamed = differing(&sent, &named);
        for (name, mut schema) in sent {
            rename(&mut schema, &renamed);
            let name = if renamed.contains(&name) { sent_name(&name) } else { name };
            named.insert(name, schema);
        }
        (named, renamed)
    }
}

/// What is there twice and not the same, and what is there twice and refers to such a one.
fn differing(sent: &Map<String, Value>, given: &Map<String, Value>) -> BTreeSet<String> {
    let both = || sent.iter().filter_map(|(name, schema)| Some((name, schema, given.get(name)?)));
    let differ = both().filter(|(_, sent, given)| sent != given);
    let mut found: BTreeSet<String> = differ.map(|(name, ..)| name.clone()).collect();
    loop {
        let refers = both().filter(|(_, sent, _)| refers_to(sent, &found));
        let more: Vec<_> = refers.map(|(name, ..)| name.clone()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

fn refers_to(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(member, value)| {
            referred(member, value).is_some_and(|name| names.contains(name))
                || refers_to(value, names)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, names)),
        _ => false,
    }
}

fn referred<'a>(member: &str, value: &'a Value) -> Option<&'a str> {
    if member == "$ref" { value.as_str()?.strip_prefix(PLACE) } else { None }
}

/// Lets references to these lead to those of what is sent.
pub(super) fn rename(schema: &mut Value, names: &BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (member, value) in members {
                let name = referred(member, value).filter(|name| names.contains(*name));
                match name.map(sent_name) {
                    Some(name) => *value = format!("{PLACE}{name}").into(),
                    None => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

fn sent_name(name: &str) -> String {
    format!("Sent{name}")
}

fn value(schema: Schema) -> Value {
    schema.into()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::super::operation::of;
    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Inner {
        #[serde(default)]
        left_out: Vec<String>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Outer {
        inner: Inner,
        same: Same,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Same {
        one: String,
    }

    #[test]
    fn what_may_be_left_out_has_a_schema_of_its_own_and_so_has_whatever_names_it() {
        let mut schemas = Schemas::new();
        let mut sent = schemas.sent(of::<Outer>);
        assert_eq!(schemas.given(of::<Outer>), sent);
        let (named, renamed) = schemas.named();
        let mut found: Vec<_> = named.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, ["Inner", "Outer", "Same", "SentInner", "SentOuter"]);
        rename(&mut sent, &renamed);
        assert_eq!(sent["$ref"], "#/components/schemas/SentOuter");
        let outer = &named["SentOuter"]["properties"];
        assert_eq!(outer["inner"]["$ref"], "#/components/schemas/SentInner");
        assert_eq!(outer["same"]["$ref"], "#/components/schemas/Same");
        assert_eq!(named["Inner"]["required"], serde_json::json!(["left_out"]));
        assert_eq!(named["SentInner"].get("required"), None);
    }
}
