//! Waits for conditions rather than for fixed times.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Maximum time that a test waits for a condition. It is long because other tests may keep all cores busy.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time that a test waits for the accessibility tree. Reading the tree once can take several seconds on a busy
/// machine.
pub const TREE_TIMEOUT: Duration = Duration::from_secs(90);
/// Interval between two checks of a condition.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `condition` is true.
///
/// # Errors
/// Returns an error if `condition` is not true within [`WAIT_TIMEOUT`].
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition().await {
        if start.elapsed() > WAIT_TIMEOUT {
            bail!("timed out waiting for {what}");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Waits until `condition` is true, blocking the current thread.
///
/// # Errors
/// Returns an error if `condition` is not true within [`WAIT_TIMEOUT`].
pub fn wait_until_blocking(what: &str, condition: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > WAIT_TIMEOUT {
            bail!("timed out waiting for {what}");
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Checks that `condition` stays true for the whole `duration`, for example to verify that something does not happen.
///
/// # Errors
/// Returns an error as soon as `condition` is false.
pub async fn ensure_holds(what: &str, duration: Duration, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    loop {
        if !condition().await {
            bail!("{what} lasted only {:.1?}", start.elapsed());
        }
        if start.elapsed() > duration {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until a program listens on this port of 127.0.0.1.
///
/// # Errors
/// Returns an error if no program listens within [`WAIT_TIMEOUT`].
pub async fn wait_for_port(port: u16) -> Result<()> {
    wait_until(&format!("a program to listen on port {port}"), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await
}
