//! Detects whether a screen reader is running. Only then does the one-time window expose the key in the accessibility
//! tree, which any of the user's programs can read.
//!
//! On Linux, the desktop announces a screen reader on the session bus (`org.a11y.Status`, at-spi2-core). Deliberately
//! omitted: detection on macOS and Windows, where the accessibility tree always contains the key.

use tokio::sync::watch;

/// Publishes whether a screen reader is running. Runs until the app quits.
#[cfg(target_os = "linux")]
pub(crate) async fn watch_screen_reader(enabled: watch::Sender<bool>) {
    if let Err(error) = linux::watch_accessibility_bus(&enabled).await {
        tracing::info!(%error, "could not detect screen readers");
    }
}

/// Always reports a running screen reader, because screen readers are detected only on Linux. The accessibility tree
/// therefore always contains the key.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn watch_screen_reader(enabled: watch::Sender<bool>) {
    enabled.send_replace(true);
}

#[cfg(target_os = "linux")]
mod linux {
    use futures_util::StreamExt as _;
    use tokio::sync::watch;
    use zbus::{Connection, Proxy, Result};

    pub(super) async fn watch_accessibility_bus(enabled: &watch::Sender<bool>) -> Result<()> {
        let bus = Connection::session().await?;
        let status = Proxy::new(&bus, "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Status").await?;
        // Subscribe before reading the property, so that no change in between is missed.
        let mut changes = status.receive_property_changed::<bool>("ScreenReaderEnabled").await;
        enabled.send_replace(status.get_property("ScreenReaderEnabled").await.unwrap_or(false));
        while let Some(change) = changes.next().await {
            let is_enabled = change.get().await.unwrap_or(false);
            enabled.send_if_modified(|enabled| std::mem::replace(enabled, is_enabled) != is_enabled);
        }
        Ok(())
    }
}
