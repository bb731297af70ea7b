//! The settings as a tree whose every node knows where it was written.
//!
//! Each node is handed to serde under a made-up span that is its number, so an error that
//! comes back names exactly one node, whether it came from the file or the environment.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use toml::value::Datetime;

/// One step into the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    /// The index as written, which stays when elements before it are removed.
    Index(usize),
}

/// The way from the root to a node.
pub(super) type Path = Vec<Step>;

/// Where a node was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// At this byte of the file.
    File(usize),
    /// In this variable, by its place in the list.
    Variable(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where the value stands, and the key that leads to it.
    pub(super) value_at: Origin,
    pub(super) key_at: Origin,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Text(String),
    Boolean(bool),
    Datetime(Datetime),
    /// A number in TOML's own spelling.
    Number(String),
    Array(BTreeMap<usize, Node>),
    Table(BTreeMap<String, Node>),
}

/// What a made-up span stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: Path,
    /// The key and not the value behind it.
    pub(super) is_key: bool,
}

impl Node {
    pub(super) fn table(at: Origin) -> Self {
        Self { value_at: at, key_at: at, content: Content::Table(BTreeMap::new()) }
    }

    pub(super) fn of(value: Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> Origin) -> Self {
        let at = origin(value.span().start);
        let content = match value.into_inner() {
            DeValue::Table(table) => Content::Table(
                table
                    .into_iter()
                    .map(|(key, value)| {
                        let key_at = origin(key.span().start);
                        (key.into_inner().into_owned(), Self { key_at, ..Self::of(value, origin) })
                    })
                    .collect(),
            ),
            DeValue::Array(array) => Content::Array(
                array.into_iter().map(|value| Self::of(value, origin)).enumerate().collect(),
            ),
            DeValue::String(text) => Content::Text(text.into_owned()),
            DeValue::Boolean(value) => Content::Boolean(value),
            DeValue::Datetime(value) => Content::Datetime(value),
            DeValue::Integer(number) => Content::Number(number.to_string()),
            DeValue::Float(number) => Content::Number(number.to_string()),
        };
        Self { value_at: at, key_at: at, content }
    }

    pub(super) fn find(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match (&node.content, step) {
            (Content::Table(table), Step::Key(key)) => table.get(key),
            (Content::Array(array), Step::Index(index)) => array.get(index),
            _ => None,
        })
    }

    pub(super) fn find_mut(&mut self, path: &[Step]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, step| match (&mut node.content, step) {
            (Content::Table(table), Step::Key(key)) => table.get_mut(key),
            (Content::Array(array), Step::Index(index)) => array.get_mut(index),
            _ => None,
        })
    }

    /// Takes a node out. `None` if there is none, or if it is the root.
    pub(super) fn remove(&mut self, path: &[Step]) -> Option<Self> {
        let (last, parent) = path.split_last()?;
        match (&mut self.find_mut(parent)?.content, last) {
            (Content::Table(table), Step::Key(key)) => table.remove(key),
            (Content::Array(array), Step::Index(index)) => array.remove(index),
            _ => None,
        }
    }

    /// The tree as serde takes it, and what each made-up span stands for.
    pub(super) fn numbered(&self) -> (Spanned<DeTable<'_>>, Vec<Target>) {
        let mut targets = Vec::new();
        let value = self.number(&mut Vec::new(), &mut targets);
        let span = value.span();
        let table = match value.into_inner() {
            DeValue::Table(table) => table,
            _ => DeTable::new(),
        };
        (Spanned::new(span, table), targets)
    }

    fn number(&self, path: &mut Path, targets: &mut Vec<Target>) -> Spanned<DeValue<'_>> {
        let own = note(path, false, targets);
        let value = match &self.content {
            Content::Text(text) => DeValue::String(text.as_str().into()),
            Content::Boolean(value) => DeValue::Boolean(*value),
            Content::Datetime(value) => DeValue::Datetime(*value),
            Content::Number(number) => match DeValue::parse(number) {
                Ok(value) => value.into_inner(),
                Err(_) => DeValue::String(number.as_str().into()),
            },
            Content::Array(array) => {
                let mut values = DeArray::new();
                for (index, node) in array {
                    path.push(Step::Index(*index));
                    values.push(node.number(path, targets));
                    path.pop();
                }
                DeValue::Array(values)
            }
            Content::Table(table) => {
                let mut values = DeTable::new();
                for (key, node) in table {
                    path.push(Step::Key(key.clone()));
                    let key = Spanned::new(note(path, true, targets), key.as_str().into());
                    values.insert(key, node.number(path, targets));
                    path.pop();
                }
                DeValue::Table(values)
            }
        };
        Spanned::new(own, value)
    }
}

fn note(path: &Path, is_key: bool, targets: &mut Vec<Target>) -> std::ops::Range<usize> {
    let number = targets.len();
    targets.push(Target { path: path.clone(), is_key });
    number..number + 1
}

/// A path as it is shown: `audience[2].name`.
pub(super) fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
        }
    }
    text
}
