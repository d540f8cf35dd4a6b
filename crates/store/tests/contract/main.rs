//! Contract tests for stores. The cases only use the traits, so they apply to each implementation. An implementation in
//! memory passes the cases that concern keys, which proves that these cases do not rely on SQLite.

/// Generates a module for each fixture, with a test for each case. A fixture is a function in
/// [`fixture`] that opens an empty store.
macro_rules! contract_cases {
    ($($module:ident = $fixture:ident),+; $cases:tt) => {
        $(contract_cases! { @module $module $fixture, $cases })+
    };
    (@module $module:ident $fixture:ident, [$($case:ident),+ $(,)?]) => {
        mod $module {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&crate::fixture::$fixture()).await;
            })+
        }
    };
}

mod accounts;
mod change_feed;
mod failures;
mod fixture;
#[path = "../support/key_index.rs"]
mod key_index;
mod keys;
mod list;
mod memory;
mod purge;
mod runs;
