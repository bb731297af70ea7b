//! Registers sandboxes, as a sandbox controller does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moneyer_proto::v1::placement_client::PlacementClient;
use moneyer_proto::v1::{App, PutAppRequest, PutSandboxRequest, Sandbox};
use tokio::task::{JoinError, JoinSet};
use tonic::Status;
use tonic::transport::Channel;

use super::membership::{Membership, MembershipError};

/// Registrations in flight: each is durable before it is acknowledged, and one flush of the store
/// serves all that wait for it.
const IN_FLIGHT: usize = 512;

/// In flight on one connection, below the 100 streams the coordinator takes.
const STREAMS: usize = 64;

/// Sandboxes of one app; a cluster of 100,000 sandboxes has a thousand apps.
const PER_APP: u64 = 100;

/// Why sandboxes are not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// No connection.
    #[error("the controller cannot connect")]
    Connect(#[source] MembershipError),
    /// A refusal.
    #[error("the coordinator did not take {0}")]
    Refused(String, #[source] Box<Status>),
    /// A task died.
    #[error("a task of the load generator died")]
    Task(#[source] JoinError),
}

/// The id of a sandbox by its number.
pub(crate) fn sandbox_name(number: u64) -> String {
    format!("sandbox-{number:07}")
}

fn app_name(number: u64) -> String {
    format!("app-{:05}", number / PER_APP)
}

/// Registers sandboxes 0 to `count` on `runner`, with their apps.
pub(super) async fn register(
    controller: &Membership,
    runner: &'static str,
    count: u64,
) -> Result<(), RegistrationError> {
    let in_flight = usize::try_from(count).unwrap_or(usize::MAX).min(IN_FLIGHT);
    let channels = connect(controller, in_flight.div_ceil(STREAMS)).await?;
    let apps = count.div_ceil(PER_APP);
    on_all(&channels, in_flight, apps, |channel, number| {
        put_app(channel, app_name(number * PER_APP))
    })
    .await?;
    on_all(&channels, in_flight, count, |channel, number| {
        put_sandbox(channel, runner, sandbox_name(number), app_name(number))
    })
    .await
}

/// Registers one sandbox more, with an app of its own.
pub(super) async fn register_one(
    controller: &Membership,
    runner: &'static str,
    id: &str,
) -> Result<(), RegistrationError> {
    let channels = connect(controller, 1).await?;
    for channel in channels {
        put_app(channel.clone(), id.to_owned()).await?;
        put_sandbox(channel, runner, id.to_owned(), id.to_owned()).await?;
    }
    Ok(())
}

async fn connect(controller: &Membership, count: usize) -> Result<Vec<Channel>, RegistrationError> {
    controller.connect_many(count).await.map_err(RegistrationError::Connect)
}

async fn put_app(channel: Channel, name: String) -> Result<(), RegistrationError> {
    let app = App { name: name.clone(), ..App::default() };
    let put = PlacementClient::new(channel).put_app(PutAppRequest { app: Some(app) }).await;
    put.map(drop).map_err(|status| RegistrationError::Refused(name, Box::new(status)))
}

async fn put_sandbox(
    channel: Channel,
    runner: &'static str,
    id: String,
    app: String,
) -> Result<(), RegistrationError> {
    let runner_id = runner.to_owned();
    let sandbox = Sandbox { id: id.clone(), app, runner_id, role: String::new() };
    let request = PutSandboxRequest { sandbox: Some(sandbox) };
    let put = PlacementClient::new(channel).put_sandbox(request).await;
    put.map(drop).map_err(|status| RegistrationError::Refused(id, Box::new(status)))
}

/// Makes `count` calls, numbered from 0, `in_flight` at a time.
async fn on_all<F>(
    channels: &[Channel],
    in_flight: usize,
    count: u64,
    call: impl Fn(Channel, u64) -> F + Clone + Send + Sync + 'static,
) -> Result<(), RegistrationError>
where
    F: Future<Output = Result<(), RegistrationError>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for channel in channels.iter().cycle().take(in_flight) {
        let (channel, next, call) = (channel.clone(), Arc::clone(&next), call.clone());
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                call(channel.clone(), number).await?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(RegistrationError::Task)??;
    }
    Ok(())
}
