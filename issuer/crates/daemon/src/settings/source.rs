//! The text of the settings before they have types.

use std::path::Path;

use toml::de::DeTable;

use super::environment::{self, Variable};
use super::position::{Place, Position, line_and_column};
use super::tree::{self, Node, Origin, Step};
use super::{SettingsErrors, input};

/// A settings file and the variables that override it.
#[derive(Debug, Clone)]
pub struct Source {
    file: String,
    text: String,
    variables: Vec<Variable>,
    tree: Node,
    /// What was wrong before any type was looked at.
    early: SettingsErrors,
    /// Whether the file could not be parsed, so that the tree means little.
    unparsed: bool,
}

impl Source {
    /// Reads the file at `path` and the variables that begin with `prefix` and `__`.
    ///
    /// # Errors
    /// When the file cannot be read at all. What is wrong inside it is for
    /// [`super::load`] to report, together with everything else.
    pub fn read(path: &Path, prefix: &str) -> Result<Self, SettingsErrors> {
        let file = path.display().to_string();
        let (variables, odd) = environment::read(prefix);
        let mut source = match input::read(path) {
            Ok(text) => Self::build(file, text, variables, prefix),
            Err(message) => {
                let whole = Position { place: Place::File { file }, key: String::new() };
                return Err(SettingsErrors::one(whole, message));
            }
        };
        source.early.append(odd);
        Ok(source)
    }

    /// Takes the variables alone, for a daemon started without a file.
    #[must_use]
    pub fn without_file(prefix: &str) -> Self {
        let (variables, odd) = environment::read(prefix);
        let mut source = Self::build("settings".to_owned(), String::new(), variables, prefix);
        source.early.append(odd);
        source
    }

    /// Takes a text and variables as given. `file` is the name that errors show.
    #[must_use]
    pub fn from_parts(file: &str, text: &str, prefix: &str, variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| Variable { name: (*name).into(), value: (*value).into() })
            .collect();
        Self::build(file.to_owned(), text.to_owned(), variables, prefix)
    }

    fn build(file: String, text: String, variables: Vec<Variable>, prefix: &str) -> Self {
        let (table, syntax) = DeTable::parse_recoverable(&text);
        let mut early = SettingsErrors::new();
        let mut last_line = 0;
        for error in &syntax {
            let offset = error.span().map_or(0, |span| span.start);
            let (line, column) = line_and_column(&text, offset);
            // What follows an error in its line is mostly a consequence of it.
            if line != last_line {
                let place = Place::Line { file: file.clone(), line, column };
                let message = error.message().trim().replace('\n', ", ");
                early.push(Position { place, key: String::new() }, message);
                last_line = line;
            }
        }
        let span = table.span();
        let root = toml::Spanned::new(span, toml::de::DeValue::Table(table.into_inner()));
        let mut tree = Node::of(root, &Origin::File);
        early.append(environment::overlay(&mut tree, &variables, prefix));
        Self { file, text, variables, tree, early, unparsed: !syntax.is_empty() }
    }

    /// Where `key` (such as `tokens.maximum_lifetime` or `audience[0].name`) was written.
    ///
    /// If it was not, the place of the nearest table above it that was.
    #[must_use]
    pub fn position(&self, key: &str) -> Position {
        self.locate(&steps(key), true)
    }

    /// The place of a key or its value.
    pub(super) fn locate(&self, path: &[Step], is_key: bool) -> Position {
        let key = tree::shown(path);
        let mut known = path;
        let place = loop {
            if let Some(node) = self.tree.find(known).filter(|_| !known.is_empty()) {
                let whole_key = is_key || known.len() < path.len();
                break self.place(if whole_key { node.key_at } else { node.value_at });
            }
            match known.split_last() {
                Some((_, above)) => known = above,
                None => break Place::File { file: self.file.clone() },
            }
        };
        Position { place, key }
    }

    fn place(&self, origin: Origin) -> Place {
        match origin {
            Origin::File(offset) => {
                let (line, column) = line_and_column(&self.text, offset);
                Place::Line { file: self.file.clone(), line, column }
            }
            Origin::Variable(at) => Place::Variable(
                self.variables.get(at).map_or_else(String::new, |variable| variable.name.clone()),
            ),
        }
    }

    pub(super) fn tree(&self) -> &Node {
        &self.tree
    }

    pub(super) fn early(&self) -> &SettingsErrors {
        &self.early
    }

    pub(super) fn is_parsed(&self) -> bool {
        !self.unparsed
    }

    /// The text of the variable that set a node, if one did.
    pub(super) fn variable_text(&self, origin: Origin) -> Option<&str> {
        match origin {
            Origin::File(_) => None,
            Origin::Variable(at) => self.variables.get(at).map(|found| found.value.as_str()),
        }
    }
}

/// The steps of a path as it is shown.
fn steps(key: &str) -> tree::Path {
    key.split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_suffix(']').map(str::parse) {
            Some(Ok(index)) => Step::Index(index),
            _ => Step::Key(part.to_owned()),
        })
        .collect()
}
