//! `moneyer audience`.

use clap::{Args, Subcommand};
use moneyer_authority::audiences::AwsExtras;
use moneyer_daemon::settings::Span;
use moneyer_identity::{
    Algorithm, Audience, ProfileName, RelyingParty, RoleArn, SessionTag, SourceIdentity,
    SubjectForm,
};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output};
use crate::http::management::{
    AudienceBody, AudienceCheckView, AudienceView, CheckedAppView, NamedBy,
};

#[derive(Debug, Subcommand)]
pub(super) enum AudienceCommand {
    /// Make an audience profile, or say anew what it is.
    ///
    /// A profile says what follows when a sandbox asks for one audience: how the subject is written, how
    /// long the token lives, and what it says beside. Its sandboxes get a token file of its name. A preset
    /// begins from what a relying party demands, and what that party would refuse is refused here: tokens
    /// of an algorithm it does not take, and subjects of registered apps that are too long for it.
    ///
    /// What is not said follows from the preset and the configuration, also where the profile said it
    /// before. For AWS: `moneyer audience put aws --preset aws`.
    Put(PutArguments),
    /// List the profiles, those of the configuration too.
    List,
    /// Remove a profile that was put. Its audience is one like any other from then on.
    Remove {
        /// Its name.
        name: ProfileName,
    },
    /// Show what the tokens of each app say, and what the relying party would refuse.
    ///
    /// Exits with 1 if an app does not fit.
    Check {
        /// The profile.
        name: ProfileName,
    },
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// Its name, and that of the token file in a sandbox's directory.
    name: ProfileName,
    /// Whose demands it meets: aws, gcp, azure, vault, kubernetes or snowflake.
    #[arg(long, value_name = "PARTY")]
    preset: Option<RelyingParty>,
    /// The exact value of `aud`. Without: that of the preset; aws, azure and snowflake have one.
    #[arg(long, value_name = "AUDIENCE")]
    value: Option<Audience>,
    /// How the subject is written: sandbox, app, `spiffe_sandbox` or `spiffe_app`. Without: app, which stays
    /// the same across deploys.
    #[arg(long, value_name = "FORM")]
    subject: Option<SubjectForm>,
    /// Lifetime where none is asked for, as `15m`. Without: the cluster's.
    #[arg(long, value_name = "SPAN")]
    default_lifetime: Option<Span>,
    /// Longest lifetime. Without: the cluster's.
    #[arg(long, value_name = "SPAN")]
    maximum_lifetime: Option<Span>,
    /// What tokens are signed with: RS256 or ES256, as far as the cluster has keys of it. Without: the first of
    /// the cluster's algorithms that the preset's party takes.
    #[arg(long, value_name = "ALGORITHM")]
    algorithm: Option<Algorithm>,
    /// The ARN of a role that tokens may be used for; may be given several times. AWS refuses every other,
    /// whatever its trust policy says. Without any: every role whose trust policy allows it.
    #[arg(long = "aws-role", value_name = "ARN")]
    roles: Vec<RoleArn>,
    /// A claim that becomes a session tag; may be given several times. The role's trust policy must allow
    /// sts:TagSession.
    #[arg(long = "aws-tag", value_name = "CLAIM")]
    tags: Vec<SessionTag>,
    /// A tag that goes along when the session assumes another role; may be given several times.
    #[arg(long = "aws-transitive-tag", value_name = "CLAIM")]
    transitive_tags: Vec<SessionTag>,
    /// What becomes the source identity: app or sandbox. The role's trust policy must allow
    /// sts:SetSourceIdentity.
    #[arg(long = "aws-source-identity", value_name = "WHAT")]
    source_identity: Option<SourceIdentity>,
}

const COLUMNS: &[Column<AudienceView>] = &[
    ("NAME", |audience| audience.name.as_str().to_owned()),
    ("PRESET", |audience| audience.preset.map_or("-", RelyingParty::as_str).to_owned()),
    ("AUDIENCE", |audience| audience.value.as_str().to_owned()),
    ("SUBJECT", |audience| audience.subject.as_str().to_owned()),
    ("LIFETIME", |audience| span(audience.default_lifetime_seconds)),
    ("LONGEST", |audience| span(audience.maximum_lifetime_seconds)),
    ("ALGORITHM", |audience| audience.algorithm.map_or("-", Algorithm::as_str).to_owned()),
    ("FROM", |audience| match audience.named_by {
        NamedBy::Configuration => "configuration".to_owned(),
        NamedBy::Operator => "command".to_owned(),
    }),
];

const CHECKED: &[Column<CheckedAppView>] = &[
    ("APP", |app| app.app.as_str().to_owned()),
    ("SUBJECT", |app| app.subject.clone()),
    ("FITS", |app| app.problem.clone().unwrap_or_else(|| "yes".to_owned())),
];

pub(super) async fn run(
    command: &AudienceCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let path = |name: &ProfileName| format!("/api/v1/audiences/{name}");
    match command {
        AudienceCommand::Put(arguments) => {
            let audience: AudienceView =
                client.put(&path(&arguments.name), &arguments.body()).await?;
            let sentence = format!(
                "the audience profile {} is in force for {}",
                audience.name, audience.value
            );
            output.record(&audience, &sentence)
        }
        AudienceCommand::List => {
            let audiences: Vec<AudienceView> = client.get("/api/v1/audiences").await?;
            output.records(&audiences, COLUMNS)
        }
        AudienceCommand::Remove { name } => {
            client.delete(&path(name)).await?;
            let removed = serde_json::json!({ "removed": name });
            output.record(&removed, &format!("the audience profile {name} is gone"))
        }
        AudienceCommand::Check { name } => {
            let checked: AudienceCheckView = client.get(&format!("{}/check", path(name))).await?;
            show(&checked, output)
        }
    }
}

fn show(checked: &AudienceCheckView, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        output.record(checked, "")?;
    } else {
        output.records(&checked.apps, CHECKED)?;
    }
    match checked.apps.iter().filter(|app| app.problem.is_some()).count() {
        0 => Ok(()),
        unfit => Err(Failure::new(format!(
            "{unfit} of {} apps do not fit the audience profile {}",
            checked.apps.len(),
            checked.audience.name
        ))),
    }
}

impl PutArguments {
    fn body(&self) -> AudienceBody {
        let seconds = |span: Span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        AudienceBody {
            preset: self.preset,
            value: self.value.clone(),
            subject: self.subject,
            default_lifetime_seconds: self.default_lifetime.map(seconds),
            maximum_lifetime_seconds: self.maximum_lifetime.map(seconds),
            algorithm: self.algorithm,
            aws: AwsExtras {
                roles: self.roles.clone(),
                tags: self.tags.clone(),
                transitive_tags: self.transitive_tags.clone(),
                source_identity: self.source_identity,
            },
        }
    }
}

/// Seconds as the configuration writes them.
fn span(seconds: u32) -> String {
    Span::from_secs(u64::from(seconds)).to_string()
}
