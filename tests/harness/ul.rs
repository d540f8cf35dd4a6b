//! Runs the published clients, unmodified, which `cargo xtask setup` installs: the command-line client `ul`, and the
//! Python package that `ul` and `yolo` use.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

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

/// Replays the recorded training run `fixtures/yolo-train-3-epochs.ndjson` through the published Python client, with
/// the file `checkpoint` as the upload. Returns the responses of the service, as `clients/replay.py` describes them.
///
/// # Errors
/// Returns an error if the client is not installed, or fails.
pub async fn replay_recorded_run(url: &str, key: &str, checkpoint: &Path) -> Result<Value> {
    let tests = env!("CARGO_MANIFEST_DIR");
    let python = tools_folder().join("ul/bin/python");
    let output = tokio::process::Command::new(&python)
        .arg(format!("{tests}/clients/replay.py"))
        .arg(format!("{tests}/fixtures/yolo-train-3-epochs.ndjson"))
        .arg(checkpoint)
        .env("ULTRALYTICS_API_KEY", key)
        .env("ULTRALYTICS_PLATFORM_URL", url)
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output();
    let output = output.await.with_context(|| format!("{} is missing; run `cargo xtask setup`", python.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
