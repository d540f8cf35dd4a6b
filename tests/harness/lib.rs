//! What the end-to-end tests stand on: a desktop of their own, the real program in it, and the real clients.
//!
//! Each test gets its own display, window manager, session bus, home folder and port, so that tests neither see each
//! other nor the person at the machine. Deliberately absent: any stand-in for a part that can run.

mod accessibility_bus;
mod app;
mod desktop;
mod disk;
#[path = "../gallery/mod.rs"]
pub mod gallery;
mod input;
mod keepass;
mod keyring;
mod memory;
mod process;
pub mod seed;
mod service;
mod ul;
mod wayland;

pub use accessibility_bus::{AccessibleObject, SHOWN_TEXTS, below, outline, row_words, tree_problems};
pub use app::{App, AppOptions, BrokenPipe, binary, released_binary, tools};
pub use desktop::Desktop;
pub use disk::SmallDisk;
pub use input::ScreenPoint;
pub use keepass::KeePass;
pub use keyring::Keyring;
pub use memory::hits_in_memory;
pub use process::{Child, Process, descendants, free_port, signal};
pub use service::Service;
pub use ul::{UlOutput, ul};
pub use wayland::Compositor;
