//! How the suite of shared stores gets at a backend.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::store::Store;

/// One place where a store is kept that several have open at once.
#[async_trait]
pub trait SharedBackend: Send + Sync {
    /// The store under test.
    type Store: Store + 'static;

    /// Opens the store in this place, empty the first time, as another coordinator would.
    async fn open(&self) -> Arc<Self::Store>;

    /// Forgets all that was removed until now, as a store does by itself when that is long ago.
    async fn forget_removals(&self, store: &Self::Store);
}

/// Runs every check of the suite against a store that is shared, each as a test of its own name.
///
/// Takes an expression that makes a new empty [`SharedBackend`](crate::store::SharedBackend); it is evaluated once
/// for each check. The crate that uses it needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! shared_store_suite {
    ($backend:expr) => {
        $crate::shared_store_suite!(@tests $backend;
            changes_are_told_once_and_in_their_order,
            a_record_that_changed_often_is_told_as_it_is_now,
            a_long_time_is_told_in_pieces,
            removals_are_told,
            secrets_are_told_as_they_were_written,
            a_commit_is_held_against_what_others_committed,
            news_of_what_is_known_comes_at_once,
            news_comes_of_what_another_committed,
            news_comes_to_an_end_without_any,
            a_turn_is_had_by_one_and_free_when_it_is_dropped,
            the_turn_to_open_is_waited_for_and_is_another,
            who_reports_is_seen_by_all_until_it_leaves,
            what_is_forgotten_is_not_told_as_nothing,
            nothing_is_missed_while_all_commit,
            generations_of_all_are_one_line,
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
