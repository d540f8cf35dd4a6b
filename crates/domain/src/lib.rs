//! Defines API keys (their names, scopes and secrets), the rules by which requests are accepted or rejected, and the
//! reports of training runs.
//!
//! Deliberately omitted: I/O, the clock, and any global source of randomness. Time and randomness are passed in, so
//! every rule can be tested without a service, a database or a window. Also omitted: descriptions of JSON for readers
//! of HTTP and IPC, which belong to the crate `ulkeys-api`.

mod account;
mod activity;
mod actor;
pub mod decision;
pub mod key;
mod key_attention;
mod key_list;
pub mod name;
pub mod policy;
pub mod rate_limit;
pub mod scope;
pub mod secret;
pub mod storage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod training;

pub use account::AccountId;
pub use activity::{ActivityKind, OutsideChange};
pub use actor::Actor;
pub use key::{KeyAuthInfo, KeyId, KeyRecord};
pub use key_attention::{AttentionReason, AttentionThresholds, DEFAULT_ROTATION_DAYS, MAX_ROTATION_DAYS};
pub use key_list::{KeySort, KeyStatus, SortBy};
pub use name::{KeyName, normalize_for_search, resembles_key};
pub use rate_limit::{RateLimitClass, RateLimits};
pub use scope::{Scope, Scopes};
pub use secret::{KeyHash, KeyPrefix, Secret, with_stack_wiped};
pub use time::{CLOCK_TOLERANCE, Timestamp};
