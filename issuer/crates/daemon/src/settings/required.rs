//! Which keys a table must have, by the schema of the settings.
//!
//! serde names one missing key at a time and cannot go on without it; the schema, which is
//! derived from the same type, names the others.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde_json::Value;

use super::tree::Step;

/// References followed in a row; a schema that needs more refers to itself.
const MAX_REFERENCES: usize = 16;

/// The schema of a settings type.
pub(super) struct Required(Value);

impl Required {
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self(schemars::schema_for!(T).to_value())
    }

    /// The required keys of the table at `path`; none if the schema does not say.
    pub(super) fn in_table(&self, path: &[Step]) -> BTreeSet<String> {
        let found = path.iter().try_fold(&self.0, |schema, step| self.step(schema, step));
        let required = found.map(|schema| self.resolve(schema)).and_then(|s| s.get("required"));
        let names = required.and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn step<'a>(&'a self, schema: &'a Value, step: &Step) -> Option<&'a Value> {
        let schema = self.resolve(schema);
        match step {
            Step::Index(_) => schema.get("items"),
            Step::Key(key) => schema
                .get("properties")
                .and_then(|properties| properties.get(key))
                .or_else(|| schema.get("additionalProperties").filter(|any| any.is_object())),
        }
    }

    /// Follows `$ref`, a lone `allOf`, and the one alternative that is not `null`.
    fn resolve<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..MAX_REFERENCES {
            let reference = schema.get("$ref").and_then(Value::as_str);
            let only = ["allOf", "anyOf"].into_iter().find_map(|of| {
                let listed = schema.get(of)?.as_array()?;
                let mut real = listed.iter().filter(|s| s.get("type") != Some(&"null".into()));
                real.next().filter(|_| real.next().is_none())
            });
            let next = reference
                .and_then(|to| self.0.pointer(to.strip_prefix('#').unwrap_or(to)))
                .or(only);
            match next {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }
}
