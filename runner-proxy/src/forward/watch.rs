//! What goes on for as long as it is permitted: bytes that pass through a tunnel, and answers on their way.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, copy_bidirectional, split};

/// How often what is open is judged anew: twice within the second in which a change is to take effect.
pub(super) const JUDGED_EVERY: Duration = Duration::from_millis(400);

/// Completes when `is_permitted` is no longer so.
pub(super) async fn forbidden(is_permitted: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(JUDGED_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !is_permitted() {
            return;
        }
    }
}

/// Copies both ways until both ends have closed, or it is no longer permitted.
pub(super) async fn pump(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut upstream: impl AsyncRead + AsyncWrite + Unpin,
    is_permitted: impl Fn() -> bool,
) {
    let copying = async { copy_bidirectional(&mut client, &mut upstream).await.map(drop) };
    while_permitted(copying, is_permitted).await;
}

/// Copies both ways until the upstream has closed, which is the end of a WebSocket (RFC 6455 section 7.1.1), or it is no
/// longer permitted.
pub(super) async fn pump_websocket(
    client: impl AsyncRead + AsyncWrite + Unpin,
    upstream: impl AsyncRead + AsyncWrite + Unpin,
    is_permitted: impl Fn() -> bool,
) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_upstream, mut to_upstream) = split(upstream);
    let up = async {
        copy(&mut from_client, &mut to_upstream).await?;
        to_upstream.shutdown().await?;
        std::future::pending::<io::Result<()>>().await
    };
    let copying = async {
        tokio::select! {
            broken = up => broken,
            copied = copy(&mut from_upstream, &mut to_client) => {
                copied?;
                to_client.shutdown().await
            }
        }
    };
    while_permitted(copying, is_permitted).await;
}

async fn while_permitted(
    copying: impl Future<Output = io::Result<()>>,
    is_permitted: impl Fn() -> bool,
) {
    tokio::select! {
        copied = copying => {
            if let Err(error) = copied {
                tracing::debug!(%error, "a tunnel broke off");
            }
        }
        () = forbidden(is_permitted) => tracing::info!("a tunnel was closed: it is no longer permitted"),
    }
}
