//! `moneyer config`.

use std::path::Path;

use clap::Subcommand;
use moneyer_daemon::settings::{self, Source};

use crate::cli::failure::Failure;
use crate::cli::output::{Output, json, print};
use crate::cli::serve::start_logging;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Read the configuration as `serve` would and report every error in it, with its line.
    Check,
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the configuration in force: file, environment and defaults.
    Show,
}

pub(super) fn run(command: &ConfigCommand, path: &Path, output: Output) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => {
            let (config, _) = Config::load(&Source::read(path, "MONEYER")?)?;
            // The filter is read where logging starts.
            start_logging(&config)?;
            let sentence = format!("{} is good", path.display());
            output.record(&serde_json::json!({ "good": path }), &sentence)
        }
        ConfigCommand::Schema => print(&settings::schema::<Config>()),
        ConfigCommand::Show => {
            let (config, _) = Config::load(&Source::read(path, "MONEYER")?)?;
            if output.is_json() {
                return json(&config);
            }
            let text = settings::show(&config)
                .map_err(|error| Failure::of("cannot write the configuration", &error))?;
            print(&text)
        }
    }
}
