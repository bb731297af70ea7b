//! Fields of a document, each read as what it has to be. What is wrong is noted with the path of the field, and
//! reading goes on.

use std::cell::RefCell;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::profiles::finding::{Finding, Findings, Severity};

/// Longest text that no type of its own bounds.
const MAXIMUM_TEXT_BYTES: usize = 4096;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Reading(RefCell<Vec<Finding>>);

impl Reading {
    pub(super) fn error(&self, field: impl Into<String>, message: impl Into<String>) {
        self.note(Severity::Error, field.into(), message.into());
    }

    fn note(&self, severity: Severity, field: String, message: String) {
        self.0.borrow_mut().push(Finding { severity, field, message });
    }

    pub(super) fn into_findings(self) -> Findings {
        Findings(self.0.into_inner())
    }
}

/// The fields of one object.
pub(super) struct Fields<'a> {
    reading: &'a Reading,
    map: Option<&'a Map<String, Value>>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The fields of a value that has to be an object with no other fields than these.
    pub(super) fn of(reading: &'a Reading, value: &'a Value, path: String, known: &[&str]) -> Self {
        let map = value.as_object();
        if map.is_none() {
            reading.error(path.clone(), "must be an object with named fields");
        }
        let fields = Self { reading, map, path };
        let names = fields.map.into_iter().flat_map(Map::keys);
        for name in names.filter(|name| !known.contains(&name.as_str())) {
            reading.error(fields.path_of(name), "is not a field of a profile");
        }
        fields
    }

    pub(super) fn reading(&self) -> &'a Reading {
        self.reading
    }

    /// The path of a field.
    pub(super) fn path_of(&self, name: &str) -> String {
        // A name is the document's own: it is shown without what would break a line.
        let name: String = name.chars().take(64).filter(|c| !c.is_control()).collect();
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    /// A fault of a field.
    pub(super) fn error(&self, name: &str, message: impl Into<String>) {
        self.reading.error(self.path_of(name), message);
    }

    /// Says of a field, where it is there, that it does nothing here.
    pub(super) fn remark(&self, name: &str, message: &str) {
        let empty = |value: &Value| match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(set) => !set,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if self.value(name).is_some_and(|value| !empty(value)) {
            self.reading.note(Severity::Warning, self.path_of(name), message.to_owned());
        }
    }

    /// What stands there; nothing where it is missing or null.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    /// A text; nothing where it is missing or blank.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.value(name)?;
        let text = text_of(self.reading, value, || self.path_of(name))?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// A text of a kind; nothing where it is missing, blank or wrong.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        parse(self.reading, text, || self.path_of(name))
    }

    /// The same of a field that must be there.
    pub(super) fn required<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        let wrong_kind = self.value(name).is_some_and(|value| !value.is_string());
        if self.text(name).is_none() && !wrong_kind {
            self.error(name, "is required");
        }
        if wrong_kind { None } else { self.parsed(name) }
    }

    /// Whether it is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        let Some(value) = self.value(name) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.error(name, "must be true or false");
            false
        })
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.value(name)?;
        let number = value.as_i64();
        if number.is_none() {
            self.error(name, "must be a whole number");
        }
        number
    }

    /// The items of a list, each with its path.
    pub(super) fn items(&self, name: &str, most: usize) -> Vec<(String, &'a Value)> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.error(name, "must be a list");
            return Vec::new();
        };
        if items.len() > most {
            self.error(name, format!("has more than {most} items"));
        }
        let path = self.path_of(name);
        let item = |(number, value)| (format!("{path}[{number}]"), value);
        items.iter().take(most).enumerate().map(item).collect()
    }

    /// The texts of a list, each of a kind. Those that are wrong are noted and left out.
    pub(super) fn all<T: FromStr<Err: Display>>(&self, name: &str, most: usize) -> Vec<T> {
        let items = self.items(name, most).into_iter();
        let read = |(path, value): (String, &'a Value)| {
            let text = text_of(self.reading, value, || path.clone())?;
            parse(self.reading, text, || path)
        };
        items.filter_map(read).collect()
    }
}

pub(super) fn text_of<'a>(
    reading: &Reading,
    value: &'a Value,
    path: impl Fn() -> String,
) -> Option<&'a str> {
    match value.as_str() {
        Some(text) if text.len() > MAXIMUM_TEXT_BYTES => {
            reading.error(path(), format!("is longer than {MAXIMUM_TEXT_BYTES} bytes"));
            None
        }
        Some(text) => Some(text),
        None => {
            reading.error(path(), "must be a text");
            None
        }
    }
}

fn parse<T: FromStr<Err: Display>>(
    reading: &Reading,
    text: &str,
    path: impl FnOnce() -> String,
) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            reading.error(path(), format!("{error}"));
            None
        }
    }
}
