//! The real window, driven as a person would: one file for each story.

mod accessibility;
mod activity;
mod clipboard;
mod connection;
mod database;
mod details;
mod env_file;
mod file_dialog;
mod hands;
mod help;
mod journey;
mod keychain;
mod list;
mod memory;
mod menu;
mod place;
mod port;
mod preferences;
mod rename;
mod restart;
mod revoke;
mod rotate;
mod runs;
mod secret;
mod snippets;
mod surface;
