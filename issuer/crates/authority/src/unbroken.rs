//! Changes that run to their end, whoever asked for them goes away or not.
//!
//! A caller that hangs up drops what it waits for. A change that is dropped between the store and memory
//! would be durable and not in force: a withdrawn key that still signs, a removed runner that is still
//! let in. So every change that touches both runs as a task of its own.

use tokio::task::JoinError;

/// Runs a change to its end. A task that panics is told as `interrupted`.
pub(crate) async fn unbroken<T: Send + 'static, E: Send + 'static>(
    interrupted: fn(JoinError) -> E,
    change: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    tokio::spawn(change).await.map_err(interrupted)?
}
