//! The loop that follows what other coordinators change in a store they share.

use std::time::Duration;

use moneyer_authority::Authority;

/// How long it waits after a round that failed: the store is away, and is asked by nobody else for this.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Takes in what others change, for ever. Ends at once where the coordinator has its store to itself.
pub(super) async fn follow(authority: Authority) {
    let mut failing = false;
    while authority.is_shared() {
        match authority.follow().await {
            Ok(_) if failing => {
                failing = false;
                tracing::info!("this coordinator follows the others again");
            }
            Ok(_) => {}
            Err(error) => {
                // Once for an outage, not once a second.
                if !failing {
                    failing = true;
                    let cause = crate::chain(&error);
                    tracing::error!(
                        error.cause = cause,
                        "what other coordinators change is not taken in; it is tried again every second"
                    );
                }
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
                continue;
            }
        }
        authority.news().await;
    }
}
