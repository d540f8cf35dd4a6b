//! What the desktop app and the command line share on a person's machine: the locations of their files, the settings,
//! the keychain, and the editing of `.env` files.
//!
//! Deliberately omitted: everything that needs a window, which belongs to the desktop app, and everything that decides
//! about requests, which belongs to the service.

pub mod env_file;
pub mod file_access_loss;
pub mod file_problem;
pub mod files;
pub mod git_risk;
pub mod keychain;
pub mod keychain_index;
pub mod locale;
pub mod log;
pub mod paths;
pub mod ports;
pub mod process_hardening;
pub mod relocation;
pub mod service_session;
pub mod settings;
#[cfg(test)]
#[path = "../../../tests/harness/skip.rs"]
#[expect(clippy::print_stderr, reason = "a skipped test names its reason")]
mod skipped_test;
pub mod start_at_login;
pub mod terminal;
pub mod thread_panic;
pub mod user;
