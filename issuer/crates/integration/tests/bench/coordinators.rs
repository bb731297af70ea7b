//! Tokens and exchanges a second with one, two and three coordinators on one PostgreSQL.
//!
//! They are processes on one machine. Where it has fewer cores than they could use they cannot add up, and what tells
//! is the CPU time of a token: it stays, because neither a token nor an exchange costs a query.

use std::path::Path;
use std::time::Duration;

use moneyer_load::measure::{Histogram, Sample};
use moneyer_load::stand::Membership;
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::placement_client::PlacementClient;
use moneyer_proto::v1::{App, MintTokenRequest, PutAppRequest, PutSandboxRequest, Sandbox};
use moneyer_testkit::postgres::PostgresServer;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::figures::{Effort, Line, alone, closed_loop, microseconds_each, milliseconds};
use crate::issuer::{Issuer, Mode, written};
use crate::models::Models;
use crate::pattern::PATTERN_KEY;

/// How many there are at most.
const COORDINATORS: usize = 3;

/// Calls in flight, of all together: as many for one as for three.
const IN_FLIGHT: usize = 48;

/// What one coordinator was told the others go by so soon.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);

/// Coordinators of one cluster, whose database is named in a file in this directory.
async fn start(
    count: usize,
    server: &PostgresServer,
    models: &Models,
    directory: &Path,
) -> Vec<Issuer> {
    let url = server.url(&server.create_database());
    let url_file = written(directory, "database.url", &url);
    let mut settings = vec![
        ("MONEYER__STORE__BACKEND", "postgres".to_owned()),
        ("MONEYER__STORE__URL_FILE", url_file.display().to_string()),
    ];
    let mut issuers = Vec::new();
    for at in 0..count {
        let given: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let issuer = Issuer::start(Mode::Offline, models, "ES256", &given).await;
        if at == 0 {
            let seal_key = issuer.directory.path().join("seal.key");
            settings.push(("MONEYER__SEAL__KEY_FILE", seal_key.display().to_string()));
            let url = format!("http://{}", issuer.coordinator.public());
            settings.push(("MONEYER__ISSUER__URL", url));
        }
        issuers.push(issuer);
    }
    issuers[0].map();
    issuers
}

/// A runner with the sandbox `web-1`, connected to each.
async fn runner(issuers: &[Issuer]) -> Vec<MintingClient<Channel>> {
    let first = &issuers[0].coordinator;
    let token = first.invite_controller("controller").unwrap();
    let controller = Membership::join(first.grpc(), &token).await.unwrap();
    let token = first.invite_runner("runner-1").unwrap();
    let runner = Membership::join(first.grpc(), &token).await.unwrap();
    let mut placement = PlacementClient::new(controller.connect().await.unwrap());
    let app = App { name: "web".to_owned(), ..App::default() };
    placement.put_app(PutAppRequest { app: Some(app) }).await.unwrap();
    let sandbox = Sandbox {
        id: "web-1".to_owned(),
        app: "web".to_owned(),
        runner_id: "runner-1".to_owned(),
        role: String::new(),
    };
    placement.put_sandbox(PutSandboxRequest { sandbox: Some(sandbox) }).await.unwrap();
    let mut clients = Vec::new();
    for issuer in issuers {
        let channel = runner.connect_at(issuer.coordinator.grpc()).await.unwrap();
        let mut client = MintingClient::new(channel);
        let give_up = Instant::now() + FOLLOWS_WITHIN;
        while let Err(refusal) = client.mint_token(web()).await {
            assert!(Instant::now() < give_up, "it does not follow: {refusal}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        clients.push(client);
    }
    clients
}

fn web() -> MintTokenRequest {
    MintTokenRequest { sandbox_id: "web-1".to_owned(), ..MintTokenRequest::default() }
}

async fn mint(clients: &[MintingClient<Channel>], duration: Duration) -> Sample {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for client in clients.iter().cycle().take(IN_FLIGHT) {
        let mut client = client.clone();
        tasks.spawn(async move {
            let mut own = Histogram::default();
            while own.count() == 0 || start.elapsed() < duration {
                let asked = Instant::now();
                client.mint_token(web()).await.unwrap();
                own.record(asked.elapsed());
            }
            own
        });
    }
    let mut latencies = Histogram::default();
    while let Some(own) = tasks.join_next().await {
        latencies.merge(&own.unwrap());
    }
    Sample { latencies, elapsed: start.elapsed() }
}

fn cpu(issuers: &[Issuer]) -> Duration {
    issuers.iter().map(Issuer::cpu).sum()
}

fn say(what: &str, count: usize, sample: &Sample, cpu: Duration) {
    println!(
        "| {what} | {count} | {:.0} | {:.2} | {:.2} | {:.0} |",
        sample.per_second(),
        milliseconds(sample, 500),
        milliseconds(sample, 990),
        microseconds_each(cpu, sample)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_several_coordinators_on_one_database_mints_and_exchanges() {
    let _alone = alone().await;
    let effort = Effort::from_environment();
    let server = PostgresServer::start();
    let models = Models::start(PATTERN_KEY, "ecdsa-p256").await;
    println!("\nES256, one PostgreSQL, {IN_FLIGHT} in flight of all coordinators together\n");
    println!("| What | Coordinators | Tokens/s | p50 ms | p99 ms | CPU µs |");
    println!("| :--- | ---: | ---: | ---: | ---: | ---: |");
    for count in 1..=COORDINATORS {
        let directory = tempfile::tempdir().unwrap();
        let issuers = start(count, &server, &models, directory.path()).await;
        let clients = runner(&issuers).await;
        let before = cpu(&issuers);
        let minted = mint(&clients, effort.duration).await;
        say("mint", count, &minted, cpu(&issuers).saturating_sub(before));

        let tokens = models.tokens();
        for issuer in &issuers {
            issuer.warm(&tokens).await;
        }
        let turns = issuers.iter().cycle().take(IN_FLIGHT).enumerate();
        let mut lines: Vec<Line> = turns.map(|(at, issuer)| issuer.line(&tokens, at)).collect();
        let before = cpu(&issuers);
        let run = || closed_loop(&mut lines, effort.duration);
        let exchanged = tokio::task::block_in_place(run);
        say("exchange", count, &exchanged, cpu(&issuers).saturating_sub(before));
    }
}
