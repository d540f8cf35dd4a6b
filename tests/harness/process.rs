//! Programs that end when the test does.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use anyhow::{Context as _, Result};

/// A child process that is killed when it is dropped.
pub struct Child(std::process::Child);

impl Child {
    /// Starts `command`.
    ///
    /// # Errors
    /// When the program cannot be started; the error names it.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.spawn().map(Self).with_context(|| format!("{name} cannot be started; run `cargo xtask setup`"))
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut std::process::Child {
        &mut self.0
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listened on a moment ago.
///
/// # Errors
/// When the loopback interface gives none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
