//! `moneyer init`.

use std::path::{Path, PathBuf};

use clap::Args;
use moneyer_daemon::file;
use moneyer_daemon::settings::Source;
use moneyer_identity::{ClusterId, IssuerUrl, OrganizationId};

use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::config::Config;
use crate::seal::make_key_file;

/// The commented configuration `init` writes. A test loads it.
const TEMPLATE: &str = include_str!("moneyer.toml.in");

/// What `init` is told.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The value of `iss`: the public https URL under which discovery and key set will be served.
    #[arg(long, value_name = "URL")]
    issuer: IssuerUrl,
    /// The organization of the cluster.
    #[arg(long, value_name = "ID")]
    organization: Option<OrganizationId>,
    /// The cluster's own name.
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,
}

/// Writes the configuration file; refuses to replace one.
pub(super) fn run(arguments: &InitArguments, path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::new(format!(
            "{} is there already; edit it, or name another file with --config",
            path.display()
        )));
    }
    let seal_key = seal_key(path);
    let text = render(arguments, &seal_key);
    Config::load(&Source::from_parts(&path.display().to_string(), &text, "MONEYER", &[]))?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)
            .map_err(|error| Failure::of(&format!("cannot make {}", parent.display()), &error))?;
    }
    let made = make_key_file(&seal_key)
        .map_err(|error| Failure::of(&format!("cannot make {}", seal_key.display()), &error))?;
    file::write_atomic(path, text.as_bytes(), 0o644)
        .map_err(|error| Failure::of(&format!("cannot write {}", path.display()), &error))?;
    let key = if made { "made" } else { "kept" };
    let (path, seal_key) = (path.display(), seal_key.display());
    print(&format!(
        "wrote {path}\n{key} {seal_key}: without it nothing sealed can be opened; keep a copy elsewhere\n\
         next: moneyer --config {path} serve\n"
    ))
}

/// Beside the configuration, by its whole path: the daemon may be started from anywhere.
fn seal_key(config: &Path) -> PathBuf {
    let beside = config.with_file_name("seal.key");
    std::path::absolute(&beside).unwrap_or(beside)
}

fn render(arguments: &InitArguments, seal_key: &Path) -> String {
    let line = |key: &str, value: Option<&str>| match value {
        Some(value) => format!("{key} = \"{value}\""),
        None => format!("# {key} = \"…\""),
    };
    TEMPLATE
        .replace("@URL@", arguments.issuer.as_str())
        .replace("@SEAL_KEY@", &seal_key.display().to_string())
        .replace(
            "@ORGANIZATION@",
            &line("organization_id", arguments.organization.as_ref().map(OrganizationId::as_str)),
        )
        .replace(
            "@CLUSTER@",
            &line("cluster_id", arguments.cluster.as_ref().map(ClusterId::as_str)),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_loads() {
        for named in [true, false] {
            let arguments = InitArguments {
                issuer: IssuerUrl::parse("https://id.example.com").unwrap(),
                organization: named.then(|| OrganizationId::parse("acme").unwrap()),
                cluster: named.then(|| ClusterId::parse("prod-1").unwrap()),
            };
            let text = render(&arguments, Path::new("/etc/moneyer/seal.key"));
            let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
            let (config, charter) = Config::load(&source).unwrap();
            assert_eq!(charter.issuer, arguments.issuer);
            assert_eq!(config.issuer.organization_id, arguments.organization);
        }
    }
}
