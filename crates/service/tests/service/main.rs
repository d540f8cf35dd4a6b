//! The service over real HTTP: one file for each concern, one binary for a single link.

mod activity;
mod api_keys;
mod authentication;
mod checkpoint_files;
mod common;
mod diagnosis;
mod events;
mod forward_auth;
mod full_disk;
mod guard;
mod introspection;
mod key_list;
mod limits;
mod log;
mod observability;
mod openapi;
mod outside;
mod parallel_runs;
mod revocation_under_load;
mod robustness;
mod runs;
mod training;
mod training_space;
mod uploads;
