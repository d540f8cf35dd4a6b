//! The real window, driven as a person would: one file for each story.

mod accessibility;
mod clipboard;
mod database;
mod env_file;
mod journey;
mod keychain;
mod memory;
mod port;
mod restart;
mod secret;
mod surface;
