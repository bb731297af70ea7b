//! Settings as they are in effect, and the schema they must meet.

use schemars::JsonSchema;
use serde::Serialize;

/// Why settings could not be written as TOML.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be written as TOML")]
pub struct ShowError(#[source] toml::ser::Error);

/// The settings as TOML, defaults and overrides included.
///
/// Secrets must not be part of the type: settings name the files that hold them.
pub fn show<T: Serialize>(settings: &T) -> Result<String, ShowError> {
    toml::to_string_pretty(settings).map_err(ShowError)
}

/// The JSON schema (draft 2020-12) of the settings, indented, with a final newline.
#[must_use]
pub fn schema<T: JsonSchema>() -> String {
    // The alternate form is indented, and a JSON value is always writable.
    format!("{:#}\n", schemars::schema_for!(T).to_value())
}
