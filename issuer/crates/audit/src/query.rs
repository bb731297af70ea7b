//! Which records are looked for.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::line;
use crate::read::Record;

/// Conditions that a record meets all of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Not before this time, in seconds since 1970.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// Fields that have these texts: their names and values.
    pub fields: Vec<(&'static str, String)>,
    /// The runner, whether it is where the holder is placed or who asked.
    pub runner: Option<String>,
}

impl Query {
    /// The fields of a record that meets every condition.
    #[must_use]
    pub fn find(&self, record: &Record) -> Option<Map<String, Value>> {
        // Most lines of a long log are not looked for, and a search of bytes tells so at a tenth of the
        // cost of parsing them.
        let text = std::str::from_utf8(&record.bytes).ok()?;
        let holds = |(name, value): &(&str, String)| text.contains(&written(name, value));
        if !self.fields.iter().all(holds) {
            return None;
        }
        line::fields(&record.bytes).ok().filter(|fields| self.is_met_by(fields))
    }

    fn is_met_by(&self, fields: &Map<String, Value>) -> bool {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let time = fields.get("time").and_then(Value::as_i64);
        let is_since = |since| time.is_some_and(|time| since <= time);
        let is_until = |until| time.is_some_and(|time| time < until);
        let on_runner = |runner: &String| {
            let actor = format!("runner:{runner}");
            text("runner") == Some(runner) || [text("who"), text("member")].contains(&Some(&*actor))
        };
        self.since.is_none_or(is_since)
            && self.until.is_none_or(is_until)
            && self.fields.iter().all(|(name, value)| text(name) == Some(value))
            && self.runner.as_ref().is_none_or(on_runner)
    }
}

/// A field as it stands in a line: names and values that are looked for need no escapes, or are written
/// with the same ones.
fn written(name: &str, value: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    write!(text, "\"{name}\":{}", Value::from(value)).ok();
    text
}
