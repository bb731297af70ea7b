//! The arguments, and what is done.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use moneyer_identity::SystemClock;

use super::inside;
use super::report::Report;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::doctor::{IssuerAddress, Limits, Look, examine};

/// Longest file of roots in bytes: a hundred of them.
const MAXIMUM_ROOTS_BYTES: u64 = 256 * 1024;

/// What is looked at.
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArguments {
    /// The issuer, as relying parties are told it. Needs no coordinator. Without: the issuer of the running
    /// coordinator. That one is then asked for its keys, apps and sandboxes, and mints a token for one of its
    /// sandboxes, which is verified by what is public and thrown away.
    #[arg(value_name = "ISSUER", value_parser = IssuerAddress::parse)]
    issuer: Option<IssuerAddress>,
    /// Certificates (PEM) of a private authority that the host's certificate is from; may be given several
    /// times.
    #[arg(long = "ca", value_name = "FILE")]
    authorities: Vec<PathBuf>,
}

pub(in crate::cli) async fn run(
    arguments: &DoctorArguments,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let roots = arguments.authorities.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    let look = Look::new(Limits::default(), roots, Arc::new(SystemClock))
        .map_err(|error| Failure::of("cannot look", &error))?;
    let (issuer, inside) = if let Some(issuer) = &arguments.issuer {
        (issuer.clone(), None)
    } else {
        let inside = inside::ask(&client()?).await?;
        let issuer = IssuerAddress::parse(inside.issuer.as_str());
        (issuer.map_err(|error| Failure::of("cannot look", &error))?, Some(inside))
    };
    let key_set = inside.as_ref().map(|inside| inside.jwks_uri.as_str());
    let seen = look.at(&issuer, key_set).await;
    let report = Report::new(&issuer, examine(&seen, inside.as_ref()));
    output.record(&report, report.text().trim_end())?;
    report.verdict()
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut pem = Vec::new();
    let opened = std::fs::File::open(file);
    let read = opened.and_then(|file| file.take(MAXIMUM_ROOTS_BYTES + 1).read_to_end(&mut pem));
    read.map_err(|error| Failure::of(&format!("cannot read {}", file.display()), &error))?;
    if u64::try_from(pem.len()).is_ok_and(|length| length > MAXIMUM_ROOTS_BYTES) {
        return Err(Failure::new(format!(
            "{} is longer than {MAXIMUM_ROOTS_BYTES} bytes: name the roots alone",
            file.display()
        )));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_roots_has_256_kib_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("roots.pem");
        let longest = usize::try_from(MAXIMUM_ROOTS_BYTES).unwrap();
        std::fs::write(&file, vec![b' '; longest]).unwrap();
        assert_eq!(read(&file).unwrap().len(), longest);
        std::fs::write(&file, vec![b' '; longest + 1]).unwrap();
        assert!(read(&file).unwrap_err().reason().contains("name the roots alone"));
    }
}
