//! Bytes that pass through a tunnel, for as long as it is permitted.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

/// How often an open tunnel is judged anew: twice within the second in which a change is to take effect.
const JUDGED_EVERY: Duration = Duration::from_millis(400);

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
    tokio::select! {
        copied = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {
            if let Err(error) = copied {
                tracing::debug!(%error, "a tunnel broke off");
            }
        }
        () = forbidden(is_permitted) => tracing::info!("a tunnel was closed: it is no longer permitted"),
    }
}
