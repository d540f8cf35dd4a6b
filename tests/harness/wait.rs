//! Waiting for a condition instead of for a fixed time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a test waits for anything. Generous: two cores may be busy with other tests.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a test waits for the accessibility tree: reading it once can take several seconds on a busy machine.
pub const TREE_TIMEOUT: Duration = Duration::from_secs(90);
/// How often a condition is checked.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until `condition` holds.
///
/// # Errors
/// When it does not hold within [`WAIT_TIMEOUT`].
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

/// The same on the thread of the caller.
///
/// # Errors
/// When it does not hold within [`WAIT_TIMEOUT`].
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

/// Checks that `condition` holds for all of `duration`: for what must not happen.
///
/// # Errors
/// As soon as it does not hold.
pub async fn ensure_holds(what: &str, duration: Duration, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    loop {
        if !condition().await {
            bail!("{what} ended after {:.1?}", start.elapsed());
        }
        if start.elapsed() > duration {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until a program listens on a port of this computer.
///
/// # Errors
/// When none listens within [`WAIT_TIMEOUT`].
pub async fn wait_for_port(port: u16) -> Result<()> {
    wait_until(&format!("a program at port {port}"), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await
}
