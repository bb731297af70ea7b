//! Settings from environment variables.
//!
//! `MONEYER__TOKENS__MAXIMUM_LIFETIME=12h` sets `tokens.maximum_lifetime`: two underscores
//! go one table deeper, a number picks an element of an array (or adds the next one). The
//! value is read as TOML if it is that, else as a string. A value that is TOML of the wrong
//! type, such as `2024` for a name, is tried as a string before it is called a mistake.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::position::{Place, Position};
use super::tree::{Content, Node, Origin, Step};
use super::{SettingsErrors, tree};

/// Tables below tables that a variable may name; no settings are half as deep.
const MAX_DEPTH: usize = 16;

/// A variable and its value.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

/// The variables whose name begins with `prefix` and two underscores, in order of name.
pub(super) fn read(prefix: &str) -> (Vec<Variable>, SettingsErrors) {
    let (mut variables, mut errors) = (Vec::new(), SettingsErrors::new());
    let start = format!("{prefix}__");
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(&start)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => variables.push(Variable { name: name.to_owned(), value }),
            Err(_) => errors.push(whole(name), "the value is not UTF-8"),
        }
    }
    variables.sort_by(|one, other| one.name.cmp(&other.name));
    (variables, errors)
}

/// Lays the variables over the tree.
pub(super) fn overlay(root: &mut Node, variables: &[Variable], prefix: &str) -> SettingsErrors {
    let mut errors = SettingsErrors::new();
    for (at, variable) in variables.iter().enumerate() {
        let path = variable.name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix("__"));
        let segments: Vec<_> =
            path.unwrap_or_default().split("__").map(str::to_ascii_lowercase).collect();
        if segments.iter().any(String::is_empty) || segments.len() > MAX_DEPTH {
            let right = format!("write {prefix}__SECTION__KEY");
            errors.push(whole(&variable.name), format!("the name leads to no setting; {right}"));
            continue;
        }
        let origin = Origin::Variable(at);
        if let Err(message) = place(root, &segments, parse(&variable.value, origin), origin) {
            errors.push(whole(&variable.name), message);
        }
    }
    errors
}

fn whole(name: &str) -> Position {
    Position { place: Place::Variable(name.to_owned()), key: String::new() }
}

/// The value as TOML, or else as a string.
fn parse(text: &str, origin: Origin) -> Node {
    match DeValue::parse(text) {
        Ok(value) => Node::of(value, &|_| origin),
        Err(_) => Node { content: Content::Text(text.to_owned()), ..Node::table(origin) },
    }
}

/// Puts `value` where the segments lead, making tables on the way.
fn place(root: &mut Node, segments: &[String], value: Node, origin: Origin) -> Result<(), String> {
    let mut node = root;
    let mut path = tree::Path::new();
    for segment in segments {
        let here = tree::shown(&path);
        node = match &mut node.content {
            Content::Table(table) => {
                path.push(Step::Key(segment.clone()));
                table.entry(segment.clone()).or_insert_with(|| Node::table(origin))
            }
            Content::Array(array) => {
                let index = element(array, segment).ok_or_else(|| {
                    let next = array.len();
                    format!("`{here}` is a list; write a number from 0 to {next} after it")
                })?;
                path.push(Step::Index(index));
                array.entry(index).or_insert_with(|| Node::table(origin))
            }
            _ => return Err(format!("`{here}` is a value and not a table; it has no `{segment}`")),
        };
    }
    *node = Node { key_at: origin, ..value };
    Ok(())
}

/// An index that exists, or the next one.
fn element(array: &BTreeMap<usize, Node>, segment: &str) -> Option<usize> {
    segment.parse().ok().filter(|index| *index <= array.len())
}
