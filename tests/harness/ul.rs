//! Runs the published command-line client `ul`, unmodified, which `cargo xtask setup` installs.

use anyhow::{Context as _, Result};

use crate::Desktop;
use crate::app::tools_folder;

/// The result of running the command-line client `ul`.
#[derive(Debug)]
pub struct UlOutput {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs `ul` with a key and the address of a service in its environment, as a user would in a terminal.
///
/// # Errors
/// Returns an error if the client is not installed.
pub fn run_ul(desktop: &Desktop, key: &str, port: u16, arguments: &[&str]) -> Result<UlOutput> {
    let program = tools_folder().join("ul/bin/ul");
    let output = desktop
        .command(&program)
        .args(arguments)
        .env("ULTRALYTICS_API_KEY", key)
        .env("ULTRALYTICS_PLATFORM_URL", format!("http://127.0.0.1:{port}"))
        .output()
        .with_context(|| format!("{} cannot be started; run `cargo xtask setup`", program.display()))?;
    Ok(UlOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
