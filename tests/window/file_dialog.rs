//! The system's own dialog for files, used as a person may: by typing a path.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ulkeys_tests::{App, Desktop};

/// Whether the dialog with this title is open, which begins with `^` as a pattern does. On Wayland, where a test cannot
/// see windows, the page has lost the focus to it.
async fn is_open(app: &App, desktop: &Desktop, title: &str) -> bool {
    match desktop.is_wayland() {
        true => app.script("return document.hasFocus()", Vec::new()).await.is_ok_and(|it| it == false),
        false => desktop.find_window(title).is_ok(),
    }
}

/// Waits for the dialog with this title, and gives it the focus.
pub(crate) async fn wait_open(app: &App, desktop: &Desktop, title: &str) -> Result<()> {
    app.wait("the system's dialog", async || is_open(app, desktop, title).await).await?;
    // A compositor gives the focus to a new window by itself.
    if !desktop.is_wayland() {
        desktop.run("xdotool", &["windowactivate", "--sync", &desktop.find_window(title)?])?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

pub(crate) async fn wait_closed(app: &App, desktop: &Desktop, title: &str) -> Result<()> {
    app.wait("the end of the dialog", async || !is_open(app, desktop, title).await).await
}

/// Chooses a file in the dialog that is open.
pub(crate) async fn choose_path(app: &App, desktop: &Desktop, title: &str, path: &Path) -> Result<()> {
    // The dialog is busy at times, above all with its own question about a file that exists; Return also answers that
    // one with Replace.
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
