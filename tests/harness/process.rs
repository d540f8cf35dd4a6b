//! Programs that end when the test does.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};

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

/// A port that nobody listens on, and that neither another test nor the system gives away: each is handed out once, and
/// all lie below the range from which Linux takes ports by itself (32768 and above).
///
/// # Errors
/// When none is left.
pub fn free_port() -> Result<u16> {
    static HANDED_OUT: AtomicU16 = AtomicU16::new(0);
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    // Two runs side by side begin apart from one another.
    let start = u16::try_from(std::process::id() % u32::from(RANGE.end - RANGE.start))?;
    for _ in RANGE {
        let next = start.wrapping_add(HANDED_OUT.fetch_add(1, Ordering::Relaxed));
        let port = RANGE.start + next % (RANGE.end - RANGE.start);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
