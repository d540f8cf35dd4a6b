//! The app on Wayland: its name, and the one-time window, as no window is told that it was minimized.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Child, Compositor, Desktop, binary};

use crate::hands::{copy_by_keyboard, wait_active};

/// The name by which a desktop finds the desktop file, and with it the icon and the name of the app.
#[tokio::test]
async fn application_id_on_wayland_is_identifier() -> Result<()> {
    let desktop = Desktop::start_wayland(Compositor::Weston, 1280, 960)?;
    let log = desktop.home().join("wayland.log");
    let mut command = desktop.session_command(binary());
    let _app = Child::spawn(command.env("WAYLAND_DEBUG", "client").stderr(std::fs::File::create(&log)?))?;
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(&log)?;
        if let Some((_, name)) = text.split_once("set_app_id(") {
            ensure!(name.starts_with("\"org.ulkeys.UlKeys\")"), "{}", name.lines().next().unwrap_or_default());
            return Ok(());
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "no window: {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A compositor may let only the focused program use the clipboard.
#[tokio::test]
async fn copied_key_due_without_focus_is_reported_and_removed_with_focus() -> Result<()> {
    let desktop = Desktop::start_wayland(Compositor::Mutter, 1280, 960)?;
    let app = App::start(&desktop).await?;
    let preferences =
        json!({ "language": "en", "theme": "system", "textPercent": 100, "clipboardSeconds": 10, "rotationDays": 90 });
    app.invoke("change_preferences", json!({ "preferences": preferences })).await?.expect("changed");
    app.create_in_dialog("due", "read").await?;
    let key = copy_by_keyboard(&desktop, &app).await?;
    let other = Child::spawn(&mut desktop.session_command("weston-terminal"))?;
    wait_active(&app, false).await?;
    is_reported_and_removed_with_focus(&desktop, app, &key, other).await
}

/// A screen that is locked has the focus before programs notice that.
#[tokio::test]
async fn copied_key_after_lock_without_focus_is_reported_and_removed_with_focus() -> Result<()> {
    let desktop = Desktop::start_wayland(Compositor::Mutter, 1280, 960)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("locked", "read").await?;
    let key = copy_by_keyboard(&desktop, &app).await?;
    let other = Child::spawn(&mut desktop.session_command("weston-terminal"))?;
    wait_active(&app, false).await?;
    desktop.lock_screen()?;
    app.leave_key_window().await?;
    is_reported_and_removed_with_focus(&desktop, app, &key, other).await
}

async fn is_reported_and_removed_with_focus(desktop: &Desktop, app: App, key: &str, other: Child) -> Result<()> {
    // The compositor does not allow it now, and the window does not claim anything else.
    app.wait_text("The key could not be taken off the clipboard").await?;
    ensure!(desktop.clipboard()? == key, "what the window says");

    drop(other);
    app.wait_gone("The key could not be taken off the clipboard").await?;
    let left = desktop.clipboard().unwrap_or_default();
    ensure!(!left.contains(&key[13..]), "the key is off the clipboard");
    // Nor has the compositor kept it for later.
    app.kill().await?;
    let left = desktop.clipboard().unwrap_or_default();
    ensure!(!left.contains(&key[13..]), "the compositor has kept the key");
    Ok(())
}

/// The text that the page shows in place of the key, or the key.
async fn shown_key(app: &App) -> Result<String> {
    Ok(app.text("code.key").await?.trim().to_owned())
}

/// GNOME's compositor does not tell GTK 3 that a window is minimized: what the window says about that is true.
#[tokio::test]
async fn key_window_hidden_on_mutter_keeps_key_until_screen_is_locked() -> Result<()> {
    says_and_does_keep_the_key(Compositor::Mutter, async |app, desktop| {
        desktop.press(&["super+h"])?;
        wait_active(app, false).await
    })
    .await
}

/// Weston has neither workspaces nor a key for minimizing.
#[tokio::test]
async fn key_window_on_weston_keeps_key_until_screen_is_locked() -> Result<()> {
    says_and_does_keep_the_key(Compositor::Weston, async |_, _| Ok(())).await
}

async fn says_and_does_keep_the_key(
    compositor: Compositor,
    hide: impl AsyncFn(&App, &Desktop) -> Result<()>,
) -> Result<()> {
    let desktop = Desktop::start_wayland(compositor, 1280, 960)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("on-wayland", "read").await?;
    app.wait_text("Hiding the window keeps the key.").await?;
    let key = shown_key(&app).await?;
    hide(&app, &desktop).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(shown_key(&app).await? == key && key.starts_with("ul_"), "kept, and not covered");
    ensure!(app.driver.windows().await?.len() == 2, "an unsaved key is not destroyed");
    // The lock of the screen erases it here, too.
    desktop.lock_screen()?;
    app.leave_key_window().await?;
    app.wait_text("it was never copied or saved").await?;
    app.click("Replace it").await?;
    app.enter_key_window().await?;
    ensure!(shown_key(&app).await? != key, "another key");
    Ok(())
}
