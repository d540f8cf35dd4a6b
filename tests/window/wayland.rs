//! Tests the app on Wayland: its application ID, and the one-time window. Wayland does not notify a window when it is
//! minimized.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Child, Compositor, Desktop, app_binary, ensure_holds, wait_until};

use crate::helpers::{copy_key_by_keyboard, wait_window_focus};

/// Desktop environments use the application ID to find the desktop file, which contains the icon and the name of the
/// app.
#[tokio::test]
async fn application_id_on_wayland_is_identifier() -> Result<()> {
    let desktop = Desktop::start_wayland(Compositor::Weston, 1280, 960)?;
    let log = desktop.home().join("wayland.log");
    let mut command = desktop.session_command(app_binary());
    let _app = Child::spawn(command.env("WAYLAND_DEBUG", "client").stderr(std::fs::File::create(&log)?))?;
    let has_name = async || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("set_app_id("));
    wait_until("a window", has_name).await?;
    let text = std::fs::read_to_string(&log)?;
    let (_, name) = text.split_once("set_app_id(").context("no application ID")?;
    ensure!(name.starts_with("\"org.ulkeys.UlKeys\")"), "{}", name.lines().next().unwrap_or_default());
    Ok(())
}

/// A compositor may allow only the focused program to use the clipboard.
#[tokio::test]
async fn copied_key_due_without_focus_is_reported_and_removed_with_focus() -> Result<()> {
    let desktop = Desktop::start_wayland(Compositor::Mutter, 1280, 960)?;
    let app = App::start(&desktop).await?;
    let preferences =
        json!({ "language": "en", "theme": "system", "textPercent": 100, "clipboardSeconds": 10, "rotationDays": 90 });
    app.invoke("change_preferences", json!({ "preferences": preferences })).await?.expect("changed");
    app.create_key_in_dialog("due", "read").await?;
    let key = copy_key_by_keyboard(&desktop, &app).await?;
    let other = Child::spawn(&mut desktop.session_command("weston-terminal"))?;
    wait_window_focus(&app, false).await?;
    check_reported_and_removed_with_focus(&desktop, app, &key, other).await
}

/// A lock screen receives focus before other programs are notified that the screen is locked.
#[tokio::test]
async fn copied_key_after_lock_without_focus_is_reported_and_removed_with_focus() -> Result<()> {
    let desktop = Desktop::start_wayland(Compositor::Mutter, 1280, 960)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("locked", "read").await?;
    let key = copy_key_by_keyboard(&desktop, &app).await?;
    let other = Child::spawn(&mut desktop.session_command("weston-terminal"))?;
    wait_window_focus(&app, false).await?;
    desktop.lock_screen()?;
    app.wait_key_window_closed().await?;
    check_reported_and_removed_with_focus(&desktop, app, &key, other).await
}

async fn check_reported_and_removed_with_focus(desktop: &Desktop, app: App, key: &str, other: Child) -> Result<()> {
    // While the app is not focused, the compositor does not let it clear the clipboard, and the window tells the user
    // so.
    app.wait_text("The key could not be taken off the clipboard").await?;
    ensure!(desktop.read_clipboard()? == key, "the key is not on the clipboard, although the window says so");

    drop(other);
    app.wait_gone("The key could not be taken off the clipboard").await?;
    let left = desktop.read_clipboard().unwrap_or_default();
    ensure!(!left.contains(&key[13..]), "the key is still on the clipboard");
    // The key must not reappear after the app is killed: this would mean that the compositor has stored a copy.
    app.kill().await?;
    let left = desktop.read_clipboard().unwrap_or_default();
    ensure!(!left.contains(&key[13..]), "the compositor has stored the key");
    Ok(())
}

/// Returns the text in the page's key field: the key, or the text that replaces it.
async fn shown_key_text(app: &App) -> Result<String> {
    Ok(app.text("code.key").await?.trim().to_owned())
}

/// GNOME's compositor does not notify GTK 3 that a window is minimized, so the hidden window still contains the key.
/// The window tells the user so.
#[tokio::test]
async fn key_window_hidden_on_mutter_keeps_key_until_screen_is_locked() -> Result<()> {
    check_hidden_window_keeps_key(Compositor::Mutter, async |app, desktop| {
        desktop.press(&["super+h"])?;
        wait_window_focus(app, false).await
    })
    .await
}

/// Weston has neither workspaces nor a shortcut for minimizing, so the window cannot be hidden.
#[tokio::test]
async fn key_window_on_weston_keeps_key_until_screen_is_locked() -> Result<()> {
    check_hidden_window_keeps_key(Compositor::Weston, async |_, _| Ok(())).await
}

async fn check_hidden_window_keeps_key(
    compositor: Compositor,
    hide: impl AsyncFn(&App, &Desktop) -> Result<()>,
) -> Result<()> {
    let desktop = Desktop::start_wayland(compositor, 1280, 960)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("on-wayland", "read").await?;
    app.wait_text("Hiding the window keeps the key.").await?;
    let key = shown_key_text(&app).await?;
    hide(&app, &desktop).await?;
    ensure!(key.starts_with("ul_"), "the key is not shown");
    let keeps_key = async || {
        shown_key_text(&app).await.is_ok_and(|shown| shown == key)
            && app.driver.windows().await.is_ok_and(|windows| windows.len() == 2)
    };
    ensure_holds("a window that shows the key", Duration::from_secs(2), keeps_key).await?;
    // Locking the screen erases the key on Wayland as well.
    desktop.lock_screen()?;
    app.wait_key_window_closed().await?;
    app.wait_text("it was never copied or saved").await?;
    app.click("Replace it").await?;
    app.switch_to_key_window().await?;
    ensure!(shown_key_text(&app).await? != key, "the replacement is the same key");
    Ok(())
}
