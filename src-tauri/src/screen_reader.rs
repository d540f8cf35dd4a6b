//! Whether a screen reader is running. Only then does the one-time window put the key into the accessibility tree,
//! which every program of the user may read.
//!
//! On Linux the desktop announces a screen reader on the session bus (`org.a11y.Status`, at-spi2-core). Deliberately
//! absent: macOS and Windows, where the tree always has the key.

use tokio::sync::watch;

/// Follows the announcement. Runs until the app ends.
#[cfg(target_os = "linux")]
pub(crate) async fn watch_screen_reader(enabled: watch::Sender<bool>) {
    if let Err(error) = linux::watch_accessibility_bus(&enabled).await {
        tracing::info!(%error, "screen readers cannot be detected");
    }
}

/// The tree has the key.
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
        // Subscribed before it is read, so that no change in between is missed.
        let mut changes = status.receive_property_changed::<bool>("ScreenReaderEnabled").await;
        enabled.send_replace(status.get_property("ScreenReaderEnabled").await.unwrap_or(false));
        while let Some(change) = changes.next().await {
            let is_enabled = change.get().await.unwrap_or(false);
            enabled.send_if_modified(|enabled| std::mem::replace(enabled, is_enabled) != is_enabled);
        }
        Ok(())
    }
}
