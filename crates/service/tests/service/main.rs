//! The service over real HTTP: one file for each concern, one binary for a single link.

mod api_keys;
mod authentication;
mod checkpoint_files;
mod common;
mod events;
mod guard;
mod revocation_under_load;
mod runs;
mod training;
mod uploads;
