//! `moneyer federation`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use moneyer_authority::federation::{BundleUrl, MAXIMUM_ROOTS_BYTES};
use moneyer_daemon::progress::Progress;
use moneyer_identity::spiffe::{MAXIMUM_BUNDLE_BYTES, SpiffeId, TrustBundle, TrustDomain};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Column, Output, optional_time, time};
use crate::http::management::{
    EndpointProfileName, FederatedBundleView, FederationBody, FederationView,
};

#[derive(Debug, Subcommand)]
pub(super) enum FederationCommand {
    /// Trust the SVIDs of a foreign trust domain, by the bundle at this URL.
    ///
    /// The coordinator fetches the bundle at once and then as often as it says, keeps the last good one, and
    /// hands it to every runner; workloads here then verify SVIDs of that trust domain by it. One way only: for
    /// the other direction the other side has to do the same with this cluster's bundle, which is at
    /// `/.well-known/spiffe-bundle` of the issuer.
    ///
    /// The trust domain, the URL and the way the server is known are said one by one; none follows from
    /// another. A server of `https_web` is known by its host name, under the roots of this machine or those of
    /// --ca alone: `moneyer federation put other.example --url https://other.example/bundle --profile
    /// https_web`. One of `https_spiffe` is known by its SPIFFE ID under the trust bundle itself, so its first
    /// certificate needs a bundle that you were given on a safe way: `--profile https_spiffe --endpoint-id
    /// spiffe://other.example/spire/server --bootstrap other.json`. Only the CA certificates of that file
    /// count.
    ///
    /// The federation is kept also where the first fetch fails; `moneyer federation show` says why.
    Put(PutArguments),
    /// List the federations and how it stands with their bundles.
    List,
    /// Fetch a bundle now. Fails where nothing could be taken, and says why.
    Refresh {
        /// The trust domain.
        trust_domain: TrustDomain,
    },
    /// End a federation: its bundle is deleted, and runners are told at once.
    ///
    /// Also the way to begin anew with a trust domain whose sequence numbers have begun anew.
    Remove {
        /// The trust domain.
        trust_domain: TrustDomain,
    },
    /// Show a federation, its bundle and what came of the last try.
    Show {
        /// The trust domain.
        trust_domain: TrustDomain,
    },
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// The trust domain whose bundle it is, without spiffe://.
    trust_domain: TrustDomain,
    /// Where the bundle is: https, without a name and password.
    #[arg(long, value_name = "URL", value_parser = BundleUrl::parse)]
    url: BundleUrl,
    /// How the server there is known.
    #[arg(long, value_enum)]
    profile: EndpointProfileName,
    /// For `https_web`: a PEM file with the roots that the server is known under, and no others. Without: those
    /// that the coordinator's machine trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// For `https_spiffe`: the SPIFFE ID of the server, exactly.
    #[arg(long, value_name = "ID", value_parser = SpiffeId::parse)]
    endpoint_id: Option<SpiffeId>,
    /// For `https_spiffe`: a file with a bundle of the trust domain, as its operator handed it over. Needed where
    /// the server is of the same trust domain.
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
}

const COLUMNS: &[Column<FederationView>] = &[
    ("TRUST DOMAIN", |federation| federation.trust_domain.as_str().to_owned()),
    ("PROFILE", |federation| profile(federation.profile).to_owned()),
    ("STATUS", |federation| federation.status.clone()),
    ("SEQUENCE", |federation| sequence(federation.bundle.as_ref())),
    ("FETCHED", |federation| {
        optional_time(federation.bundle.as_ref().map(|bundle| bundle.fetched_at))
    }),
    ("NEXT TRY", |federation| optional_time(federation.next_try_at)),
    ("PROBLEM", |federation| federation.problem.clone().unwrap_or_else(|| "-".to_owned())),
];

pub(super) async fn run(
    command: &FederationCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let path = |name: &TrustDomain| format!("/api/v1/federations/{name}");
    match command {
        FederationCommand::Put(arguments) => {
            let body = arguments.body()?;
            let progress = Progress::start("fetching the bundle");
            let put: FederationView = client.put(&path(&arguments.trust_domain), &body).await?;
            progress.finish("the bundle was asked for");
            output.record(&put, &sentence(&put))
        }
        FederationCommand::List => {
            let federations: Vec<FederationView> = client.get("/api/v1/federations").await?;
            output.records(&federations, COLUMNS)
        }
        FederationCommand::Refresh { trust_domain } => {
            let progress = Progress::start("fetching the bundle");
            let nothing = serde_json::json!({});
            let path = format!("{}/refresh", path(trust_domain));
            let view: FederationView = client.post(&path, &nothing).await?;
            progress.finish("the bundle was asked for");
            output.record(&view, &sentence(&view))?;
            match view.problem {
                None => Ok(()),
                Some(_) => Err(Failure::new(format!("no bundle of {trust_domain} was taken"))),
            }
        }
        FederationCommand::Remove { trust_domain } => {
            client.delete(&path(trust_domain)).await?;
            let removed = serde_json::json!({ "removed": trust_domain });
            output.record(&removed, &format!("nothing of {trust_domain} is trusted any more"))
        }
        FederationCommand::Show { trust_domain } => {
            let view: FederationView = client.get(&path(trust_domain)).await?;
            output.record(&view, &described(&view))
        }
    }
}

impl PutArguments {
    fn body(&self) -> Result<FederationBody, Failure> {
        let limit = MAXIMUM_ROOTS_BYTES as u64 + 1;
        let ca = self.ca.as_deref().map(|file| input::text(file, limit)).transpose()?;
        let bootstrap = self.bootstrap.as_deref();
        let bootstrap = bootstrap.map(|file| certificates(&self.trust_domain, file)).transpose()?;
        Ok(FederationBody {
            url: self.url.clone(),
            profile: self.profile,
            ca_certificates: ca,
            endpoint_spiffe_id: self.endpoint_id.clone(),
            bootstrap_bundle: bootstrap,
        })
    }
}

/// The CA certificates of a bundle in a file: a server is known by no more, and all of it may be too long.
fn certificates(trust_domain: &TrustDomain, file: &Path) -> Result<String, Failure> {
    let text = input::text(file, MAXIMUM_BUNDLE_BYTES as u64 + 1)?;
    let refused = |error| Failure::of(&format!("{} is refused", file.display()), &error);
    let bundle = TrustBundle::parse(trust_domain.clone(), text.as_bytes()).map_err(refused)?;
    let certificates = bundle.x509_authorities().to_vec();
    let reduced = TrustBundle::new(trust_domain.clone(), certificates, Vec::new());
    Ok(reduced.map_err(refused)?.to_document())
}

fn profile(profile: EndpointProfileName) -> &'static str {
    match profile {
        EndpointProfileName::HttpsWeb => "https_web",
        EndpointProfileName::HttpsSpiffe => "https_spiffe",
    }
}

fn sequence(bundle: Option<&FederatedBundleView>) -> String {
    let sequence = bundle.and_then(|bundle| bundle.sequence);
    sequence.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn content(bundle: &FederatedBundleView) -> String {
    let (certificates, keys) = (bundle.x509_authorities, bundle.jwt_authorities);
    format!("CA certificates {certificates}, keys of JWT-SVIDs {keys}")
}

/// What came of a fetch.
fn sentence(view: &FederationView) -> String {
    let name = &view.trust_domain;
    match (&view.problem, &view.bundle) {
        (None, Some(bundle)) => {
            let odd =
                bundle.notice.as_ref().map(|notice| format!("; {notice}")).unwrap_or_default();
            format!("the bundle of {name} is in force ({}){odd}", content(bundle))
        }
        (None, None) => format!("the federation with {name} is kept"),
        (Some(problem), _) => format!(
            "the federation with {name} is kept, but no bundle was taken: {problem}; the next try is at {}",
            optional_time(view.next_try_at)
        ),
    }
}

fn described(view: &FederationView) -> String {
    let mut lines = vec![
        format!("trust domain   {}", view.trust_domain),
        format!("url            {}", view.url),
        format!("profile        {}", profile(view.profile)),
    ];
    lines.extend(view.endpoint_spiffe_id.iter().map(|id| format!("server         {id}")));
    lines.push(format!("status         {}", view.status));
    if let Some(bundle) = &view.bundle {
        lines.push(format!("sequence       {}", sequence(Some(bundle))));
        lines.push(format!("content        {}", content(bundle)));
        lines.push(format!("fetched        {}", time(bundle.fetched_at)));
        lines.push(format!("trusted until  {}", time(bundle.trusted_until)));
        lines.extend(bundle.notice.iter().map(|notice| format!("notice         {notice}")));
    }
    lines.push(format!("tried          {}", optional_time(view.tried_at)));
    lines.extend(view.problem.iter().map(|problem| format!("problem        {problem}")));
    lines.push(format!("next try       {}", optional_time(view.next_try_at)));
    lines.join("\n")
}
