//! How the suite gets at a backend.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::audit::Audit;
use serde_json::Value;

/// One place where an audit log can be kept, empty at first.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The log under test.
    type Audit: Audit + 'static;

    /// Opens the log in this place.
    async fn open(&self) -> Arc<Self::Audit>;

    /// Ends the use of a log, so that the place can be opened again.
    async fn close(&self, log: Arc<Self::Audit>);

    /// Every record in the order of the log, as it can be read by others.
    fn read(&self) -> Vec<Value>;
}

/// Runs every check of the suite against a backend, each as a test of its own name.
///
/// Takes an expression that makes a new empty [`Backend`](crate::audit::Backend); it is evaluated once
/// for each check. The crate that uses it needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! audit_suite {
    ($backend:expr) => {
        $crate::audit_suite!(@tests $backend;
            a_durable_record_can_be_read,
            events_told_together_stand_together,
            every_kind_of_event_is_one_record,
            odd_text_stays_in_its_record,
            nobody_has_to_wait,
            nothing_is_no_record,
            no_two_records_share_a_place,
            the_log_goes_on_after_reopening,
            what_waits_when_it_closes_is_recorded,
        );
    };
    (@tests $backend:expr; $($check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::audit::$check(&$backend).await;
            }
        )*
    };
}
