//! What a beat of the watchdog is sent for: signing works, end to end.

use std::time::Duration;

use moneyer_authority::{Authority, SelfCheckError};

/// Pause before a signer is asked again that had too much to do: its queue is worked off in a second or two, and
/// every place that becomes free in it is a chance.
const OVERLOAD_PAUSE: Duration = Duration::from_millis(100);

/// Signs and verifies, behind whatever the signer has to do. A queue that stays full is a signer that stands still,
/// and then this does not end: whoever waits for it gives up.
pub(super) async fn signing_works(authority: &Authority) -> Result<(), String> {
    loop {
        match authority.check_signing().await {
            Err(error) if error.is_overload() => tokio::time::sleep(OVERLOAD_PAUSE).await,
            checked => return checked.map_err(|error: SelfCheckError| crate::chain(&error)),
        }
    }
}
