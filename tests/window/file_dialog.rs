//! The system's own dialog for files, used as a person may: by typing a path.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use ulkeys_tests::{App, Desktop};

/// Waits for the dialog with this title, which begins with `^` as a pattern does, and gives it the focus.
pub(crate) async fn opened(app: &App, desktop: &Desktop, title: &str) -> Result<()> {
    app.wait("the system's dialog", async || desktop.window_named(title).is_ok()).await?;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.window_named(title)?])?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

pub(crate) async fn ended(app: &App, desktop: &Desktop, title: &str) -> Result<()> {
    app.wait("the end of the dialog", async || desktop.window_named(title).is_err()).await
}

/// Chooses a file in the dialog that is open.
pub(crate) async fn choose(app: &App, desktop: &Desktop, title: &str, path: &Path) -> Result<()> {
    // The dialog is busy at times, above all with its own question about a file that exists; Return also answers that
    // one with Replace.
    for _ in 0..20 {
        if desktop.window_named(title).is_err() {
            break;
        }
        desktop.press(&["ctrl+a"])?;
        desktop.type_text(&path.display().to_string())?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        desktop.press(&["Return"])?;
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if desktop.window_named(title).is_err() {
                break;
            }
        }
    }
    ended(app, desktop, title).await
}
