//! Provides the environment of the end-to-end tests: a separate desktop, the real app on it, and the real clients.
//!
//! Each test gets its own display, window manager, session bus, home folder and port, so that tests cannot interfere
//! with each other or with the person who uses the machine. A program is never replaced with a stub if the real one can
//! run in a test.

mod accessibility_bus;
mod app;
mod desktop;
mod disk;
#[path = "../gallery/mod.rs"]
pub mod gallery;
mod headless_service;
mod input;
pub mod ipc_stub;
mod keepass;
mod keyring;
mod memory;
mod process;
pub mod seed;
mod service;
mod skip;
mod ul;
mod wait;
mod wayland;

pub use accessibility_bus::{
    AccessibleObject, VISIBLE_TEXTS_SCRIPT, find_tree_problems, format_outline, spoken_row_text, subtree,
};
pub use app::{App, AppOptions, BrokenPipe, app_binary, cli_binary, tools_folder};
pub use desktop::Desktop;
pub use disk::SmallDisk;
pub use headless_service::{HeadlessService, free_address};
pub use input::ScreenPoint;
pub use keepass::KeePass;
pub use keyring::Keyring;
pub use memory::find_in_memory;
pub use process::{Child, Process, descendant_processes, free_port, send_signal};
pub use service::{Service, ServiceOptions, request_status};
pub use skip::skip;
pub use ul::{UlOutput, replay_recorded_run, run_ul};
pub use wait::{
    POLL_INTERVAL, TREE_TIMEOUT, WAIT_TIMEOUT, ensure_holds, wait_for_port, wait_until, wait_until_blocking,
};
pub use wayland::Compositor;
