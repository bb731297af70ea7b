//! How the suite gets at a backend.
//!
//! Each check takes a backend of its own, empty at first, and may open it more than once, one after
//! the other. What a backend needs to clean up it does when it is dropped.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::store::Store;

/// One place where a store can be kept.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The store under test.
    type Store: Store + 'static;

    /// Opens the store in this place, empty the first time.
    async fn open(&self) -> Arc<Self::Store>;

    /// Ends the use of a store, so that the place can be opened again. There are no other
    /// references to it.
    async fn close(&self, store: Arc<Self::Store>);
}

/// Runs every check of the suite against a backend, each as a test of its own name.
///
/// Takes an expression that makes a new empty [`Backend`](crate::store::Backend); it is evaluated
/// once for each check. The crate that uses it needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_suite {
    ($backend:expr) => {
        $crate::store_suite!(@tests $backend;
            an_empty_store_has_no_records,
            records_come_back_in_the_order_of_their_ids,
            any_bytes_come_back_unchanged,
            a_record_that_must_be_absent_is_written_once,
            a_revision_must_be_the_current_one,
            a_removed_record_is_gone_and_may_be_written_anew,
            a_commit_with_one_conflict_changes_nothing,
            the_changes_of_a_commit_see_those_before,
            collections_are_apart,
            each_commit_is_one_generation_and_that_of_its_records,
            loading_stops_at_the_first_refusal,
            what_was_acknowledged_is_there_after_reopening,
            the_longest_id_fits_and_one_byte_more_does_not,
            the_largest_value_fits_and_one_byte_more_does_not,
            an_empty_id_is_refused,
            a_refused_size_changes_nothing,
            many_of_the_largest_values_come_back,
            commits_of_distinct_records_all_succeed,
            of_commits_that_replace_the_same_record_one_wins,
            concurrent_commits_share_no_generation,
        );
    };
    (@tests $backend:expr; $($check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::store::$check(&$backend).await;
            }
        )*
    };
}
