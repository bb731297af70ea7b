//! `moneyer policy`.

use clap::{Args, Subcommand};
use moneyer_authority::login::Permission;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdPattern};
use moneyer_identity::{Lifetime, PolicyName};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, joined};
use crate::http::management::{
    CandidateView, DecisionView, EffectName, PolicyBody, PolicyView, VerdictName,
};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Let workloads in that log in with an SVID, or keep them out.
    ///
    /// A pattern is a SPIFFE ID in which `*` stands for exactly one segment and `**`, at the end, for all that
    /// follows. Of all patterns that match an id the most specific decides; where several policies have that one, a
    /// denial wins, else the token carries them all and lives as long as the shortest of them allows. Less specific
    /// policies add nothing to it.
    ///
    /// A permission is a resource of the management API, a colon, and read or write, as apps:write; `*:read` is
    /// every resource. To write is not to read: name both. Without a permission the token is one for services of
    /// your own, which read the claim `policies`.
    ///
    /// Builds of another trust domain may put apps: `moneyer policy put builds --match
    /// 'spiffe://ci.example/build/*' --permit apps:read --permit apps:write`. All but one of them: `moneyer policy
    /// put rogue --match spiffe://ci.example/build/rogue --deny`. The trust domain has to be one that may log in:
    /// `[[login.trust_domain]]` in the configuration.
    Put(PutArguments),
    /// List the policies.
    List,
    /// Remove a policy: whom it let in is let in no more, and its tokens permit nothing.
    Remove {
        /// The policy.
        name: PolicyName,
    },
    /// Say who decides about a SPIFFE ID, and how. Fails where it would not be let in.
    ///
    /// Lists every policy that matches, the most specific first. Nothing is asked of the workload, and nothing of
    /// its SVID is looked at: an SVID may be refused for reasons of its own, which are in the audit log (`moneyer
    /// audit query --event login_refused`).
    Explain {
        /// The SPIFFE ID.
        #[arg(value_parser = SpiffeId::parse)]
        id: SpiffeId,
    },
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// Its name, which tokens carry.
    name: PolicyName,
    /// Whom it is about. May be given several times.
    #[arg(long = "match", value_name = "PATTERN", value_parser = SpiffeIdPattern::parse, required = true)]
    patterns: Vec<SpiffeIdPattern>,
    /// What its tokens permit at the management API. May be given several times.
    #[arg(long = "permit", value_name = "PERMISSION", conflicts_with = "deny")]
    permissions: Vec<Permission>,
    /// Longest life of its tokens, in seconds. Without: `login.lifetime`.
    #[arg(long, value_name = "SECONDS", conflicts_with = "deny")]
    maximum_lifetime: Option<u32>,
    /// Keep them out.
    #[arg(long)]
    deny: bool,
}

const COLUMNS: &[Column<PolicyView>] = &[
    ("NAME", |policy| policy.name.as_str().to_owned()),
    ("EFFECT", |policy| effect(policy.effect).to_owned()),
    ("MATCHES", |policy| joined(&policy.patterns)),
    ("PERMITS", |policy| joined(&policy.permissions)),
    ("AT MOST", |policy| lifetime(policy.maximum_lifetime)),
];

pub(super) async fn run(
    command: &PolicyCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        PolicyCommand::Put(arguments) => {
            let path = format!("/api/v1/policies/{}", arguments.name);
            let put: PolicyView = client.put(&path, &arguments.body()).await?;
            output.record(&put, &sentence(&put))
        }
        PolicyCommand::List => {
            let policies: Vec<PolicyView> = client.get("/api/v1/policies").await?;
            output.records(&policies, COLUMNS)
        }
        PolicyCommand::Remove { name } => {
            client.delete(&format!("/api/v1/policies/{name}")).await?;
            let removed = serde_json::json!({ "removed": name });
            output
                .record(&removed, &format!("{name} lets nobody in any more, and keeps nobody out"))
        }
        PolicyCommand::Explain { id } => {
            // The characters of a SPIFFE ID stand for themselves in a query.
            let path = format!("/api/v1/policy-decision?spiffe_id={id}");
            let decision: DecisionView = client.get(&path).await?;
            output.record(&decision, &explained(&decision))?;
            match decision.verdict {
                VerdictName::Allowed => Ok(()),
                _ => Err(Failure::new(format!("{id} is not let in"))),
            }
        }
    }
}

impl PutArguments {
    fn body(&self) -> PolicyBody {
        PolicyBody {
            patterns: self.patterns.clone(),
            effect: if self.deny { EffectName::Deny } else { EffectName::Allow },
            permissions: self.permissions.iter().copied().collect(),
            maximum_lifetime: self.maximum_lifetime.map(Lifetime::from_seconds),
        }
    }
}

fn effect(effect: EffectName) -> &'static str {
    match effect {
        EffectName::Allow => "allow",
        EffectName::Deny => "deny",
    }
}

fn lifetime(lifetime: Option<Lifetime>) -> String {
    lifetime.map_or_else(|| "-".to_owned(), |lifetime| lifetime.to_string())
}

fn sentence(policy: &PolicyView) -> String {
    let (name, patterns) = (&policy.name, joined(&policy.patterns));
    match policy.effect {
        EffectName::Deny => format!("{name} keeps out {patterns}"),
        EffectName::Allow if policy.permissions.is_empty() => {
            format!("{name} lets in {patterns}, and permits nothing at the management API")
        }
        EffectName::Allow => {
            format!("{name} lets in {patterns}, for {}", joined(&policy.permissions))
        }
    }
}

fn explained(decision: &DecisionView) -> String {
    let id = &decision.spiffe_id;
    let deciding = || {
        let deciding = decision.candidates.iter().filter(|candidate| candidate.decides);
        joined(deciding.map(|candidate| &candidate.policy))
    };
    let verdict = match decision.verdict {
        VerdictName::Allowed => {
            let permissions = if decision.permissions.is_empty() {
                "nothing at the management API".to_owned()
            } else {
                joined(&decision.permissions)
            };
            let (policies, at_most) =
                (joined(&decision.policies), lifetime(decision.maximum_lifetime));
            format!("{id} is let in by {policies}, for {permissions}, at most {at_most}")
        }
        VerdictName::Denied => format!("{id} is kept out by {}", deciding()),
        VerdictName::Unnamed => {
            format!(
                "{id} is named by no policy; `moneyer policy put NAME --match {id}` would name it"
            )
        }
        VerdictName::UnknownDomain => format!(
            "the trust domain of {id} may not log in, whatever policies say; name it in [[login.trust_domain]] of \
             the configuration"
        ),
    };
    let mut lines = vec![verdict];
    lines.extend(decision.candidates.iter().map(candidate));
    lines.join("\n")
}

fn candidate(candidate: &CandidateView) -> String {
    let mark = if candidate.decides { "decides " } else { "less specific " };
    let effect = effect(candidate.effect);
    format!("{mark:14} {effect:5}  {}  {}", candidate.policy, candidate.pattern)
}
