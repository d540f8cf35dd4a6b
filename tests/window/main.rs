//! The real window, driven as a person would: one file for each story.

mod accessibility;
mod activity;
mod clipboard;
mod database;
mod env_file;
mod file_dialog;
mod hands;
mod journey;
mod keychain;
mod memory;
mod port;
mod rename;
mod restart;
mod revoke;
mod rotate;
mod secret;
mod snippets;
mod surface;
