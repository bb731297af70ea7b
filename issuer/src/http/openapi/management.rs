//! The operations of the management API, in the order of its paths.

use moneyer_authority::exchange::{ClientIdentifier, ParticipantContext, ScopeName};
use moneyer_authority::profiles::ProfileId;
use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{
    AppName, ControllerName, KeySet, PolicyName, ProfileName, ProviderName, RunnerId, SandboxId,
};
use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::operation::{Access, AnswerField, Errors, Operation};
use crate::http::management::{
    About, AppBody, AppView, AudienceBody, AudienceCheckView, AudienceView, BackupBody, ClockBody,
    ClockView, CopiedView, CredentialsBody, DecisionView, ExchangeDecision, ExchangeQuestion,
    FederationBody, FederationView, ImportBody, ImportedView, InvitationBody, InvitationView,
    IssuerView, KeyCommandBody, KeyStepsView, KeyView, MappingJson, MappingQuery, MemberView,
    MintBody, MintView, MoveBody, PolicyBody, PolicyView, ProviderBody, ProviderProfileRow,
    ProviderProfileView, ProviderView, PublishStatus, RekeyedView, SandboxBody, SandboxPage,
    SandboxQuery, SandboxView, ScopeJson, ScopeQuery, X509AuthorityView,
};

/// Every operation.
pub(super) fn operations() -> Vec<Operation> {
    let parts = [
        cluster(),
        keys(),
        apps(),
        audiences(),
        federations(),
        mappings(),
        scopes(),
        policies(),
        profiles(),
        providers(),
        sandboxes(),
        members(),
    ];
    parts.into_iter().flatten().collect()
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

/// What there is one of.
fn cluster() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/openapi.json", "This document")
            .access(Access::Open)
            .answers(200, "application/json", anything)
            .refused_only(Errors::Problem, &[]),
        Operation::get("/api/v1/clock", "How it stands with the clock").gives::<ClockView>(200),
        Operation::post("/api/v1/clock/confirm", "Say that the clock is right")
            .takes::<ClockBody>(json!({ "time": 1_795_000_000 }))
            .gives::<ClockView>(200),
        Operation::get("/api/v1/issuer", "The issuer, and those it was before")
            .gives::<IssuerView>(200),
        Operation::post("/api/v1/issuer/move", "Move to another issuer")
            .takes::<MoveBody>(json!({ "issuer": "https://id.example.com" }))
            .gives::<IssuerView>(200),
        Operation::get("/api/v1/publish", "How it stands with the copies of the documents")
            .gives::<PublishStatus>(200),
        Operation::post("/api/v1/publish", "Write the copies now").gives::<PublishStatus>(200),
        Operation::post("/api/v1/store/backup", "Copy the store into a new file of the machine")
            .takes::<BackupBody>(json!({ "file": "/backup/moneyer-2026-11-27" }))
            .gives::<CopiedView>(200),
        Operation::post("/api/v1/store/rekey", "Seal every private key anew")
            .gives::<RekeyedView>(200),
    ]
}

fn keys() -> Vec<Operation> {
    let rotate = || json!({ "command": "rotate", "dry_run": true });
    let key = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    vec![
        Operation::get("/api/v1/keys", "Every signing key").gives::<Vec<KeyView>>(200),
        Operation::post("/api/v1/keys", "A command for the signing keys")
            .takes::<KeyCommandBody>(rotate())
            .gives::<KeyStepsView>(200)
            .refused(&[404]),
        Operation::get("/api/v1/keys/published", "The key set as it is served")
            .gives::<KeySet>(200),
        Operation::post("/api/v1/keys/import", "Verify with keys of another issuer")
            .takes::<ImportBody>(json!({ "keys": [key], "dry_run": true }))
            .gives::<ImportedView>(200),
        Operation::get("/api/v1/keys/x509", "Every authority of X.509-SVIDs")
            .gives::<Vec<X509AuthorityView>>(200),
        Operation::post("/api/v1/keys/x509", "A command for the authorities of X.509-SVIDs")
            .takes::<KeyCommandBody>(rotate())
            .gives::<KeyStepsView>(200)
            .refused(&[404]),
    ]
}

fn apps() -> Vec<Operation> {
    let one = "/api/v1/apps/{name}";
    vec![
        Operation::get("/api/v1/apps", "Every app").gives::<Vec<AppView>>(200),
        Operation::get(one, "An app").named::<AppName>("name", "web").gives::<AppView>(200),
        Operation::put(one, "Put an app")
            .named::<AppName>("name", "web")
            .takes::<AppBody>(json!({ "audiences": ["https://api.example"] }))
            .gives::<AppView>(200),
        Operation::delete(one, "Remove an app").named::<AppName>("name", "web"),
    ]
}

fn audiences() -> Vec<Operation> {
    let one = "/api/v1/audiences/{name}";
    vec![
        Operation::get("/api/v1/audiences", "Every audience profile")
            .gives::<Vec<AudienceView>>(200),
        Operation::get(one, "An audience profile")
            .named::<ProfileName>("name", "objects")
            .gives::<AudienceView>(200),
        Operation::put(one, "Put an audience profile")
            .named::<ProfileName>("name", "objects")
            .takes::<AudienceBody>(json!({ "value": "https://api.example" }))
            .gives::<AudienceView>(200),
        Operation::delete(one, "Remove an audience profile")
            .named::<ProfileName>("name", "objects"),
        Operation::get("/api/v1/audiences/{name}/check", "Whether the apps fit an audience")
            .named::<ProfileName>("name", "objects")
            .gives::<AudienceCheckView>(200),
    ]
}

fn federations() -> Vec<Operation> {
    let one = "/api/v1/federations/{trust_domain}";
    let example = json!({
        "url": "https://other.example/.well-known/spiffe-bundle", "profile": "https_web",
    });
    vec![
        Operation::get("/api/v1/federations", "Every federation").gives::<Vec<FederationView>>(200),
        Operation::get(one, "A federation")
            .named::<TrustDomain>("trust_domain", "other.example")
            .gives::<FederationView>(200),
        Operation::put(one, "Put a federation, and fetch its bundle")
            .named::<TrustDomain>("trust_domain", "other.example")
            .takes::<FederationBody>(example)
            .gives::<FederationView>(200),
        Operation::delete(one, "Remove a federation")
            .named::<TrustDomain>("trust_domain", "other.example"),
        Operation::post("/api/v1/federations/{trust_domain}/refresh", "Fetch its bundle now")
            .named::<TrustDomain>("trust_domain", "other.example")
            .gives::<FederationView>(200),
        Operation::get("/api/v1/trust-bundles", "Every trust bundle that is in force, as a map")
            .answers(200, "application/json", anything),
    ]
}

fn mappings() -> Vec<Operation> {
    let all = "/api/v1/mappings";
    let one = "/api/v1/mappings/{client}/{context}";
    let example = || {
        json!({
            "clientIdentifier": "system:serviceaccount:ci:deploy", "participantContext": "pc1",
            "scopes": ["read"], "audiences": ["https://api.example"],
        })
    };
    let question = json!({
        "clientIdentifier": "system:serviceaccount:ci:deploy", "participantContext": "pc1",
        "scopes": ["read"],
    });
    let keyed = |operation: Operation| {
        operation
            .named::<ClientIdentifier>("client", "system:serviceaccount:ci:deploy")
            .named::<ParticipantContext>("context", "pc1")
    };
    vec![
        Operation::get(all, "Mappings, by client and context")
            .query::<MappingQuery>()
            .gives::<Vec<MappingJson>>(200)
            .field(AnswerField::Link),
        Operation::post(all, "Make one mapping or several, all or none")
            .takes_several::<MappingJson>(example())
            .done(201),
        Operation::put(all, "Put one mapping or several, all or none")
            .takes_several::<MappingJson>(json!([example()]))
            .done(204),
        Operation::delete("/api/v1/mappings/{client}", "Remove every mapping of a client")
            .named::<ClientIdentifier>("client", "system:serviceaccount:ci:deploy"),
        keyed(Operation::get(one, "A mapping")).gives::<MappingJson>(200).field(AnswerField::Etag),
        keyed(Operation::put(one, "Change a mapping"))
            .if_match()
            .takes::<MappingJson>(example())
            .done(204),
        keyed(Operation::delete(one, "Remove a mapping")).if_match(),
        Operation::post(
            "/api/v1/mapping-decision",
            "What a client would get, and by which mapping",
        )
        .takes::<ExchangeQuestion>(question)
        .gives::<ExchangeDecision>(200),
    ]
}

fn scopes() -> Vec<Operation> {
    let all = "/api/v1/scopes";
    let one = "/api/v1/scopes/{scope}";
    let example = || json!({ "scope": "read", "claims": { "roles": ["reader"] } });
    vec![
        Operation::get(all, "What every scope stands for").gives::<Vec<ScopeJson>>(200),
        Operation::post(all, "Make one scope or several, all or none")
            .takes_several::<ScopeJson>(example())
            .done(201),
        Operation::put(all, "Put one scope or several, all or none")
            .takes_several::<ScopeJson>(json!([example()]))
            .done(204),
        Operation::get(one, "What a scope stands for")
            .named::<ScopeName>("scope", "read")
            .query::<ScopeQuery>()
            .gives::<ScopeJson>(200)
            .field(AnswerField::Etag),
        Operation::put(one, "Change what a scope stands for")
            .named::<ScopeName>("scope", "read")
            .if_match()
            .takes::<ScopeJson>(example())
            .done(204),
        Operation::delete(one, "Remove a scope")
            .named::<ScopeName>("scope", "read")
            .query::<ScopeQuery>()
            .if_match(),
    ]
}

fn policies() -> Vec<Operation> {
    let one = "/api/v1/policies/{name}";
    let example = json!({
        "patterns": ["spiffe://ci.example/build/*"], "effect": "allow",
        "permissions": ["apps:read", "apps:write"],
    });
    vec![
        Operation::get("/api/v1/policies", "Every policy").gives::<Vec<PolicyView>>(200),
        Operation::get(one, "A policy")
            .named::<PolicyName>("name", "builds")
            .gives::<PolicyView>(200),
        Operation::put(one, "Put a policy")
            .named::<PolicyName>("name", "builds")
            .takes::<PolicyBody>(example)
            .gives::<PolicyView>(200),
        Operation::delete(one, "Remove a policy").named::<PolicyName>("name", "builds"),
        Operation::get("/api/v1/policy-decision", "Who decides about a SPIFFE ID, and how")
            .query::<About>()
            .gives::<DecisionView>(200),
    ]
}

fn profiles() -> Vec<Operation> {
    let one = "/api/v1/profiles/{id}";
    let example = json!({
        "id": "token-grants",
        "credentials": [{
            "name": "access_token",
            "token_grant": { "token_endpoint": "https://idp.example/token", "audience": "alpha" },
        }],
        "endpoints": [
            { "host": "alpha.example", "port": 443, "protocol": "rest", "access": "read-only" },
        ],
    });
    vec![
        Operation::get("/api/v1/profiles", "Every provider profile")
            .gives::<Vec<ProviderProfileRow>>(200),
        Operation::get(one, "A provider profile")
            .named::<ProfileId>("id", "token-grants")
            .gives::<ProviderProfileView>(200)
            .field(AnswerField::Etag),
        Operation::put(one, "Put a provider profile")
            .named::<ProfileId>("id", "token-grants")
            .if_match()
            .sends("application/json", anything, example)
            .gives::<ProviderProfileView>(200)
            .field(AnswerField::Etag),
        Operation::delete(one, "Remove a provider profile")
            .named::<ProfileId>("id", "token-grants")
            .if_match(),
    ]
}

fn providers() -> Vec<Operation> {
    let (all, one) = ("/api/v1/providers", "/api/v1/providers/{name}");
    let of_app = "/api/v1/providers/{name}/apps/{app}";
    let of_sandbox = "/api/v1/providers/{name}/sandboxes/{sandbox}";
    let named = |operation: Operation| operation.named::<ProviderName>("name", "demo");
    let at_app = |operation| named(operation).named::<AppName>("app", "web");
    let at_sandbox = |operation| named(operation).named::<SandboxId>("sandbox", "web-1");
    let made = json!({ "name": "demo", "profile": "token-grants", "runtime_credentials": true });
    let held = json!({ "credentials": { "subject_token": { "value": "the-token-of-a-user" } } });
    vec![
        Operation::get(all, "Every provider").gives::<Vec<ProviderView>>(200),
        Operation::post(all, "Make a provider")
            .takes::<ProviderBody>(made)
            .gives::<ProviderView>(201)
            .refused(&[404])
            .field(AnswerField::Etag),
        named(Operation::get(one, "A provider"))
            .gives::<ProviderView>(200)
            .field(AnswerField::Etag),
        named(Operation::delete(one, "Remove a provider")).if_match(),
        named(Operation::put(
            "/api/v1/providers/{name}/credentials",
            "Hand a provider other credentials",
        ))
        .if_match()
        .takes::<CredentialsBody>(held)
        .gives::<ProviderView>(200)
        .field(AnswerField::Etag),
        at_app(Operation::put(of_app, "Attach a provider to an app"))
            .gives::<ProviderView>(200)
            .field(AnswerField::Etag),
        at_app(Operation::delete(of_app, "Detach a provider from an app")),
        at_sandbox(Operation::put(of_sandbox, "Attach a provider to a sandbox"))
            .gives::<ProviderView>(200)
            .field(AnswerField::Etag),
        at_sandbox(Operation::delete(of_sandbox, "Detach a provider from a sandbox")),
    ]
}

fn sandboxes() -> Vec<Operation> {
    let one = "/api/v1/sandboxes/{id}";
    vec![
        Operation::get("/api/v1/sandboxes", "Sandboxes, in pages")
            .query::<SandboxQuery>()
            .gives::<SandboxPage>(200),
        Operation::get(one, "A sandbox")
            .named::<SandboxId>("id", "web-1")
            .gives::<SandboxView>(200),
        Operation::put(one, "Place a sandbox")
            .named::<SandboxId>("id", "web-1")
            .takes::<SandboxBody>(json!({ "app": "web", "runner": "runner-1" }))
            .gives::<SandboxView>(200),
        Operation::delete(one, "Remove a sandbox").named::<SandboxId>("id", "web-1"),
        Operation::post("/api/v1/sandboxes/{id}/token", "Mint a token of a sandbox")
            .named::<SandboxId>("id", "web-1")
            .takes::<MintBody>(json!({ "audiences": ["https://api.example"] }))
            .gives::<MintView>(200),
    ]
}

fn members() -> Vec<Operation> {
    let invitation = |name: &str| json!({ "name": name, "lifetime_seconds": 600 });
    vec![
        Operation::get("/api/v1/runners", "Every runner").gives::<Vec<MemberView>>(200),
        Operation::post("/api/v1/runners", "Invite a runner")
            .takes::<InvitationBody>(invitation("runner-1"))
            .gives::<InvitationView>(201),
        Operation::delete("/api/v1/runners/{id}", "Remove a runner")
            .named::<RunnerId>("id", "runner-1"),
        Operation::get("/api/v1/controllers", "Every sandbox controller")
            .gives::<Vec<MemberView>>(200),
        Operation::post("/api/v1/controllers", "Invite a sandbox controller")
            .takes::<InvitationBody>(invitation("scheduler"))
            .gives::<InvitationView>(201),
        Operation::delete("/api/v1/controllers/{id}", "Remove a sandbox controller")
            .named::<ControllerName>("id", "scheduler"),
    ]
}
