//! `moneyer-runner-proxy sandbox run`: a program in a sandbox of this host.
//!
//! Runs before there is an async runtime, since namespaces are made by a process that has one thread. The runtime
//! that asks the daemon is gone by then.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use moneyer_daemon::listener::ListenAddress;
use moneyer_identity::SandboxId;
use moneyer_proto::v1;

use super::failure::Failure;
use super::sandbox::told;
use crate::config::Config;
use crate::control;
use crate::isolation::{
    Account, Hidden, IsolationError, Program, Scrubbed, UserAndGroup, VariableName, Wanted,
    close_inherited, first_process, start,
};

/// The program was not started: it could not be kept apart.
const NOT_APART: u8 = 125;

/// Which network the program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    /// Its own: loopback alone, with the forward proxy and the token server of its sandbox on it.
    Own,
    /// The host's, with all that can be reached there.
    Host,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The sandbox's id.
    id: SandboxId,
    /// As whom it runs, in numbers; the group is that of the user where it is left out. Needed as root, and
    /// neither root nor the runner proxy's own user. Default: the caller.
    #[arg(long, value_name = "UID[:GID]")]
    user: Option<UserAndGroup>,
    /// A variable to inherit beside PATH, LANG, LC_*, TERM and TZ; may be repeated. What names a token, a key,
    /// a socket or a proxy is refused.
    #[arg(long, value_name = "NAME")]
    keep_env: Vec<VariableName>,
    /// A file or directory of /tmp, /var/tmp or /run, which are empty otherwise, that stays as it is; may be
    /// repeated. None that shows what is the runner proxy's.
    #[arg(long, value_name = "PATH")]
    keep: Vec<PathBuf>,
    /// Which network it has.
    #[arg(long, value_enum, default_value_t = Network::Own)]
    network: Network,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct FirstProcessArguments {
    /// As whom the program runs, where it is not the caller.
    #[arg(long, value_name = "UID:GID")]
    user: Option<UserAndGroup>,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Starts the program and ends as it does.
pub(super) fn run(
    arguments: RunArguments,
    config_file: &Path,
    config: &Config,
) -> Result<ExitCode, Failure> {
    let own = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let account = Account::choose(arguments.user, own, &config.runner.state)
        .map_err(|error| Failure::usage(error.to_string()))?;
    if let Err(error) = close_inherited() {
        return Ok(not_apart(&error));
    }
    let directory = ask(config, &arguments.id)?;
    let file = directory.join("env");
    let own_variables = std::fs::read_to_string(&file)
        .map_err(|error| Failure::of(&format!("cannot read {}", file.display()), &error))?;
    let sight = match sight(&arguments, config_file, config, &directory) {
        Ok(sight) => sight,
        Err(error) => return Ok(not_apart(&error)),
    };
    let started = start(&Program {
        environment: Scrubbed::of(std::env::vars_os(), &arguments.keep_env),
        command: arguments.command,
        account,
        by_root: own.0 == 0,
        own_variables,
        sight,
    });
    Ok(started.map_or_else(|error| not_apart(&error), ExitCode::from))
}

/// The step of it that is process 1 of the program's namespace.
pub(super) fn first(arguments: &FirstProcessArguments) -> ExitCode {
    let user = arguments.user.and_then(UserAndGroup::both);
    first_process(user, &arguments.command).map_or_else(|error| not_apart(&error), ExitCode::from)
}

fn not_apart(error: &IsolationError) -> ExitCode {
    let told = crate::chain(error);
    // Standard error may be closed; the exit code still tells.
    writeln!(std::io::stderr(), "moneyer-runner-proxy: the program was not started: {told}").ok();
    ExitCode::from(NOT_APART)
}

fn ask(config: &Config, id: &SandboxId) -> Result<PathBuf, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of("cannot start the async runtime", &error))?;
    runtime.block_on(directory_of(config, id))
}

/// The directory of an attached sandbox.
pub(super) async fn directory_of(config: &Config, id: &SandboxId) -> Result<PathBuf, Failure> {
    let client = control::connect(&config.control_socket()).await;
    let mut client = client.map_err(|error| Failure::new(crate::chain(&error)))?;
    let listed = client.list_attached(v1::ListAttachedRequest {}).await;
    let attached = listed.map_err(|status| told(&status))?.into_inner().sandboxes;
    let own = attached.into_iter().find(|sandbox| sandbox.sandbox_id == id.as_str());
    let own = own.ok_or_else(|| {
        let next = format!("moneyer-runner-proxy sandbox attach {id}");
        Failure::new(format!("{id} is not attached to this host; first: {next}"))
    })?;
    Ok(own.directory.into())
}

fn sight(
    arguments: &RunArguments,
    config_file: &Path,
    config: &Config,
    directory: &Path,
) -> Result<Wanted, IsolationError> {
    let own = found("the sandbox's directory", directory)?;
    let mount = &config.sandboxes.mount;
    let own_seen_at = if mount.as_os_str().is_empty() { own.clone() } else { resolved(mount) };
    let kept = arguments.keep.iter().map(|path| found("--keep", path));
    Ok(Wanted {
        hidden: hidden(config_file, config)?,
        own,
        own_seen_at,
        kept: kept.collect::<Result<_, _>>()?,
        private_network: arguments.network == Network::Own,
    })
}

/// What is the daemon's, by the configuration it has.
pub(super) fn hidden(config_file: &Path, config: &Config) -> Result<Vec<Hidden>, IsolationError> {
    let mut hidden = vec![
        Hidden::directory("runner.state", &config.runner.state)?,
        Hidden::directory("runner.run", &config.runner.run)?,
        Hidden::directory_of("--config", config_file)?,
        Hidden::directory_of("control.socket", &config.control_socket())?,
    ];
    // Without a forward proxy nobody makes it.
    let is_kept = |log: &&PathBuf| config.forward.listen.is_some() || log.exists();
    if let Some(log) = config.audit.path.as_ref().filter(is_kept) {
        hidden.push(Hidden::directory("audit.path", log)?);
    }
    if let Some(socket) = &config.grants.workload_api_socket {
        hidden.push(Hidden::directory_of("grants.workload_api_socket", socket)?);
    }
    if let Some(ListenAddress::Unix(socket)) = &config.operations.listen {
        hidden.push(Hidden::directory_of("operations.listen", socket)?);
    }
    Ok(hidden)
}

fn found(key: &'static str, path: &Path) -> Result<PathBuf, IsolationError> {
    let found = path.canonicalize();
    found.map_err(|source| IsolationError::NotFound { key, path: path.to_owned(), source })
}

/// With links resolved as far as there is something: `/var/run/moneyer` is `/run/moneyer`.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    match there {
        Some((part, found)) => {
            path.strip_prefix(part).map_or_else(|_not| path.to_owned(), |rest| found.join(rest))
        }
        None => path.to_owned(),
    }
}
