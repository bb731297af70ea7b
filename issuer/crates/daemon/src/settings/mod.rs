//! Settings: one TOML file, overridden by environment variables, read into a typed value.
//!
//! An operator sees every mistake at once, each with its place, what is wrong and what
//! would be right. Unknown keys are mistakes. The file is untrusted input: it must be a
//! regular UTF-8 file of bounded size. This is the only place that reads the environment,
//! and of it only names that begin with the prefix and two underscores, and systemd's
//! `CREDENTIALS_DIRECTORY`.

mod credentials;
mod environment;
mod errors;
mod explain;
mod input;
mod load;
mod position;
mod required;
mod show;
mod source;
mod span;
#[cfg(test)]
mod tests;
mod tree;

pub use credentials::credentials_directory;
pub use errors::{SettingsError, SettingsErrors};
pub use load::load;
pub use position::Position;
pub use show::{ShowError, schema, show};
pub use source::Source;
pub use span::{ParseSpanError, Span};
