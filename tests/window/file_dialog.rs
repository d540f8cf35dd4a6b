//! Operates the system's file dialog as a user can: by typing a path.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ulkeys_tests::{App, Desktop};

/// Returns whether a dialog whose title matches the pattern `title` is open. On Wayland, where a test cannot search for
/// windows, returns whether the page has lost the focus.
async fn is_open(app: &App, desktop: &Desktop, title: &str) -> bool {
    match desktop.is_wayland() {
        true => app.script("return document.hasFocus()", Vec::new()).await.is_ok_and(|it| it == false),
        false => desktop.find_window(title).is_ok(),
    }
}

/// Waits until the dialog with this title is open, and focuses it.
pub(crate) async fn wait_open(app: &App, desktop: &Desktop, title: &str) -> Result<()> {
    app.wait("the system's dialog", async || is_open(app, desktop, title).await).await?;
    // A Wayland compositor focuses new windows automatically.
    if !desktop.is_wayland() {
        desktop.run("xdotool", &["windowactivate", "--sync", &desktop.find_window(title)?])?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

pub(crate) async fn wait_closed(app: &App, desktop: &Desktop, title: &str) -> Result<()> {
    app.wait("the dialog to close", async || !is_open(app, desktop, title).await).await
}

/// Chooses a file in the open dialog.
pub(crate) async fn choose_path(app: &App, desktop: &Desktop, title: &str, path: &Path) -> Result<()> {
    // The dialog sometimes ignores input, mainly while it asks whether to replace an existing file, so the input is
    // repeated. Pressing Return answers the question with Replace.
    for _ in 0..20 {
        if !is_open(app, desktop, title).await {
            break;
        }
        desktop.press(&["ctrl+a"])?;
        desktop.type_text(&path.display().to_string())?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        desktop.press(&["Return"])?;
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if !is_open(app, desktop, title).await {
                break;
            }
        }
    }
    wait_closed(app, desktop, title).await
}
