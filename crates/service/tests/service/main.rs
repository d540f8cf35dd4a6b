//! Tests of the service over real HTTP. Each endpoint or feature has a file; all files form one binary, which is linked
//! once.

mod account_summary;
mod activity;
mod api_client;
mod authentication;
mod checkpoint_download;
mod checkpoint_files;
mod common;
mod create_key;
mod delete_run;
mod diagnosis;
mod forward_auth;
mod full_disk;
mod get_key;
mod health;
mod introspect;
mod key_access;
mod key_events;
mod key_health;
mod key_stream;
mod key_usage;
mod list_keys;
mod log_capture;
mod loopback_guard;
mod metrics;
mod model_page;
mod openapi;
mod outside_changes;
mod parallel_runs;
mod rate_limits;
mod rename_key;
mod request_id;
mod revocation_under_load;
mod revoke_key;
mod robustness;
mod routing;
mod run_retention;
mod runs;
mod shutdown;
#[path = "../../../../tests/harness/skip.rs"]
#[expect(clippy::print_stderr, reason = "a skipped test names its reason")]
mod skip;
mod snapshots;
mod training_events;
mod training_quota;
mod uploads;
