//! From text to a typed value, collecting every mistake on the way.
//!
//! serde stops at the first mistake. So the node it names is taken out of the tree and
//! serde asked again, until it is content or only lacks what is missing. A mistake that is
//! there only because something was taken out is not reported.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::explain::{Explained, explain};
use super::required::Required;
use super::tree::{Content, Node, Path, Step, Target};
use super::{SettingsErrors, Source};

/// Most rounds: each takes one node out, and no one mends more mistakes at a time.
const MAX_ROUNDS: usize = 200;

/// Reads the settings as a `T`.
///
/// # Errors
/// Every mistake that can be found; see [`SettingsErrors`] for how they are shown.
pub fn load<T: DeserializeOwned + JsonSchema>(source: &Source) -> Result<T, SettingsErrors> {
    let mut errors = source.early().clone();
    if !source.is_parsed() {
        return Err(errors);
    }
    let mut attempt = Attempt {
        source,
        tree: source.tree().clone(),
        taken: BTreeSet::new(),
        required: Required::of::<T>(),
    };
    for _ in 0..MAX_ROUNDS {
        let (table, targets) = attempt.tree.numbered();
        let refused = match T::deserialize(toml::de::Deserializer::from(table)) {
            Ok(value) => return errors.into_result(value),
            Err(refused) => refused,
        };
        let number = refused.span().map_or(0, |span| span.start);
        let target = targets.get(number).cloned();
        let target = target.unwrap_or(Target { path: Path::new(), is_key: false });
        drop(targets);
        let message = refused.message().to_owned();
        drop(refused);
        if !attempt.take_out(&target, &message, &mut errors) {
            break;
        }
    }
    Err(errors)
}

struct Attempt<'a> {
    source: &'a Source,
    tree: Node,
    /// What was taken out because it was wrong.
    taken: BTreeSet<Path>,
    required: Required,
}

impl Attempt<'_> {
    /// Reports a mistake and takes out its node. `false` if nothing is left to take out.
    fn take_out(&mut self, target: &Target, message: &str, errors: &mut SettingsErrors) -> bool {
        if !target.is_key && self.try_as_text(&target.path) {
            return true;
        }
        match explain(message) {
            Explained::Missing(field) => self.report_missing(&target.path, &field, errors),
            Explained::Other(text) => {
                errors.push(self.source.locate(&target.path, target.is_key), text);
            }
        }
        let removed = self.tree.remove(&target.path).is_some();
        self.taken.insert(target.path.clone());
        removed
    }

    /// Everything required in this table that is neither there nor was taken out.
    fn report_missing(&self, table: &Path, field: &str, errors: &mut SettingsErrors) {
        let mut fields = self.required.in_table(table);
        fields.insert(field.to_owned());
        for field in fields {
            let mut path = table.clone();
            path.push(Step::Key(field));
            if self.tree.find(&path).is_none() && !self.taken.contains(&path) {
                errors.push(self.source.locate(&path, true), "required, but missing");
            }
        }
    }

    /// Turns a variable's value that was read as TOML into the string it also is.
    fn try_as_text(&mut self, path: &[Step]) -> bool {
        let Some(node) = self.tree.find_mut(path) else { return false };
        match (self.source.variable_text(node.value_at), &node.content) {
            (Some(text), Content::Number(_) | Content::Boolean(_) | Content::Datetime(_)) => {
                node.content = Content::Text(text.to_owned());
                true
            }
            _ => false,
        }
    }
}
