//! `moneyer-runner-proxy join`.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use moneyer_daemon::file;
use moneyer_daemon::progress::Progress;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::{Format, json, print, remark};
use crate::config::Config;
use crate::coordinator::{JoinToken, MAXIMUM_JOIN_TOKEN_BYTES, join};

/// A join token never travels as an argument: arguments can be read by every user of the host.
#[derive(Debug, Args)]
pub(super) struct JoinArguments {
    /// The file with the join token, mode 0600; `-` reads standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    token_file: PathBuf,
}

pub(super) async fn run(
    arguments: &JoinArguments,
    config: &Config,
    output: Format,
) -> Result<(), Failure> {
    let text = read(&arguments.token_file)?;
    let token = JoinToken::parse(&text).map_err(|error| Failure::usage(crate::chain(&error)))?;
    let state = &config.runner.state;
    let is_new = !state.exists();
    // Before the token is spent: it can be spent only once.
    file::create_private_dir(state)
        .map_err(|error| Failure::of("cannot use runner.state", &error))?;
    let address = config.coordinator.address.as_str();
    let progress = Progress::start(&format!("joining through {address}"));
    let path = config.membership_file();
    match join(address, &config.coordinator.trust_domain, &token, &path).await {
        Ok(identity) => {
            progress.finish("joined");
            match output {
                Format::Json => json(&serde_json::json!({ "identity": identity })),
                Format::Text => {
                    print(&format!("this host is {identity}; run: moneyer-runner-proxy serve\n"))
                }
            }
        }
        Err(error) => {
            progress.finish("not joined");
            if is_new {
                // Only an empty directory goes; it says that the host has not joined.
                std::fs::remove_dir(state).ok();
            }
            Err(Failure::of("this host has not joined", &error))
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path != Path::new("-") {
        let bytes = file::read_secret(path, MAXIMUM_JOIN_TOKEN_BYTES)
            .map_err(|error| Failure::of("cannot read the join token", &error))?;
        let text = std::str::from_utf8(bytes.expose())
            .map_err(|_unshown| Failure::usage("the file holds no join token"))?;
        return Ok(Zeroizing::new(text.to_owned()));
    }
    if std::io::stdin().is_terminal() {
        remark("paste the join token, then press Ctrl-D");
    }
    // One more than allowed, so that what is too long is noticed.
    let limit = MAXIMUM_JOIN_TOKEN_BYTES + 2;
    let mut text = Zeroizing::new(String::with_capacity(limit));
    let length = u64::try_from(limit).unwrap_or(u64::MAX);
    std::io::stdin()
        .take(length)
        .read_to_string(&mut text)
        .map_err(|error| Failure::of("cannot read the join token from standard input", &error))?;
    Ok(text)
}
