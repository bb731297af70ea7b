//! The loop that follows what other coordinators change in a store they share.

use std::time::Duration;

use moneyer_authority::Authority;

/// How long it waits after a round that failed: the store is away, and is asked by nobody else for this.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Takes in what others change, for ever. Ends at once where the coordinator has its store to itself.
pub(super) async fn follow(authority: Authority) {
    let (mut failing, mut unreadable) = (false, None);
    while authority.is_shared() {
        let followed = authority.follow().await;
        tell_unreadable(&mut unreadable, authority.unreadable_records());
        match followed {
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

/// What others have written and cannot be read here, once and not every second.
fn tell_unreadable(told: &mut Option<String>, now: Option<String>) {
    match &now {
        Some(cause) if *told != now => tracing::error!(
            error.cause = cause,
            "records that other coordinators have written cannot be read here; what they are about is refused"
        ),
        None if told.is_some() => {
            tracing::info!("every record that other coordinators have written is read again");
        }
        _ => {}
    }
    *told = now;
}
