//! Tests the most common tasks on each kind of desktop that the test environment can run: X11 with openbox, GNOME's
//! Wayland compositor without `XWayland`, and Weston.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Compositor, Desktop};

use crate::env_file;
use crate::helpers::{choose_menu_entry, copy_key_by_keyboard, wait_window_focus};

const SCREEN_WIDTH: u32 = 1280;
const SCREEN_HEIGHT: u32 = 960;

macro_rules! on_every_desktop {
    ($($test:ident)+) => {
        mod x11 {
            use super::*;
            $(#[tokio::test]
            async fn $test() -> Result<()> {
                super::$test(Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?).await
            })+
        }
        mod mutter {
            use super::*;
            $(#[tokio::test]
            async fn $test() -> Result<()> {
                super::$test(Desktop::start_wayland(Compositor::Mutter, SCREEN_WIDTH, SCREEN_HEIGHT)?).await
            })+
        }
        mod weston {
            use super::*;
            $(#[tokio::test]
            async fn $test() -> Result<()> {
                super::$test(Desktop::start_wayland(Compositor::Weston, SCREEN_WIDTH, SCREEN_HEIGHT)?).await
            })+
        }
    };
}

on_every_desktop! {
    window_restarted_three_times_keeps_its_size
    window_opens_with_saved_size
    window_keeps_size_after_screen_scale_changed
    window_saved_too_small_opens_with_minimum_size
    key_window_asked_to_close_keeps_its_size
    key_copied_by_keyboard_is_pasted_and_removed
    key_on_clipboard_is_removed_on_quitting
    key_on_clipboard_is_removed_when_screen_is_locked
    key_saved_into_env_file_by_dialog_replaces_old_one
    window_in_dark_theme_and_german_is_dark_and_german
    key_revoked_in_dialog_is_gone_from_list
    file_dialog_closes_with_key_window
}

/// Returns the width and the height of the page in CSS pixels.
async fn page_size(app: &App) -> Result<Value> {
    app.script("return [innerWidth, innerHeight]", Vec::new()).await
}

async fn window_restarted_three_times_keeps_its_size(desktop: Desktop) -> Result<()> {
    let mut sizes = Vec::new();
    for _ in 0..4 {
        let app = App::start(&desktop).await?;
        app.wait_text("No keys yet").await?;
        // The window may still be resized after the first paint.
        tokio::time::sleep(Duration::from_millis(500)).await;
        sizes.push(page_size(&app).await?);
        app.quit().await?;
    }
    ensure!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    Ok(())
}

async fn window_opens_with_saved_size(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    let before = page_size(&app).await?;
    app.quit().await?;
    let file = desktop.data_folder().join("windows.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    ensure!(kept["main"]["width"] == before[0], "the page is not as wide as the window: {kept}, {before}");
    kept["main"]["width"] = json!(900);
    let height = kept["main"]["height"].as_i64().context("no height")?;
    kept["main"]["height"] = json!(height - 100);
    std::fs::write(&file, kept.to_string())?;
    let app = App::start(&desktop).await?;
    let wanted = json!([900, before[1].as_i64().context("no height")? - 100]);
    app.wait("the saved size", async || page_size(&app).await.is_ok_and(|size| size == wanted)).await
}

/// Writes a size into the file with the saved window bounds. The height includes the menu.
fn save_window_size(desktop: &Desktop, width: u32, height: u32) -> Result<()> {
    let file = desktop.data_folder().join("windows.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    kept["main"]["width"] = json!(width);
    kept["main"]["height"] = json!(height);
    Ok(std::fs::write(&file, kept.to_string())?)
}

async fn window_keeps_size_after_screen_scale_changed(mut desktop: Desktop) -> Result<()> {
    App::start(&desktop).await?.quit().await?;
    // The window is small enough that Mutter does not maximize it at the higher scale.
    save_window_size(&desktop, 500, 410)?;
    let mut looks = Vec::new();
    for scale in [1, 2, 1] {
        desktop.set_scale(scale)?;
        let app = App::start(&desktop).await?;
        app.wait_text("No keys yet").await?;
        // The window may still be resized after the first paint.
        tokio::time::sleep(Duration::from_millis(500)).await;
        ensure!(
            app.script("return devicePixelRatio", Vec::new()).await? == scale,
            "the screen does not have the requested scale"
        );
        looks.push(page_size(&app).await?);
        app.quit().await?;
    }
    ensure!(looks[0][0] == 500 && looks.iter().all(|look| *look == looks[0]), "{looks:?}");
    Ok(())
}

async fn window_saved_too_small_opens_with_minimum_size(desktop: Desktop) -> Result<()> {
    App::start(&desktop).await?.quit().await?;
    save_window_size(&desktop, 1, 1)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let least = page_size(&app).await?;
    app.quit().await?;
    let kept: Value = serde_json::from_slice(&std::fs::read(desktop.data_folder().join("windows.json"))?)?;
    ensure!(least[0] == 480 && kept["main"]["height"] == 400, "the page has {least}, and the saved bounds are {kept}");
    Ok(())
}

async fn key_window_asked_to_close_keeps_its_size(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("asked", "read").await?;
    let before = page_size(&app).await?;
    for _ in 0..6 {
        desktop.press(&["ctrl+w"])?;
        app.wait_focus("Keep open").await?;
        app.click("Keep open").await?;
        app.wait_focus("Copy").await?;
    }
    ensure!(page_size(&app).await? == before, "the size changed from {before} to {}", page_size(&app).await?);
    Ok(())
}

async fn key_copied_by_keyboard_is_pasted_and_removed(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("copied", "read").await?;
    let key = copy_key_by_keyboard(&desktop, &app).await?;
    ensure!(desktop.read_clipboard()? == key, "the clipboard does not contain the key");
    ensure!(
        desktop.read_clipboard_targets()?.contains("x-kde-passwordManagerHint"),
        "the copied key is not marked as a secret"
    );
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    app.click("Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    let left = desktop.read_clipboard().unwrap_or_default();
    ensure!(!left.contains(&key[13..]), "the key is still on the clipboard");
    Ok(())
}

async fn key_on_clipboard_is_removed_on_quitting(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("copied", "read").await?;
    let key = copy_key_by_keyboard(&desktop, &app).await?;
    desktop.press(&["ctrl+w"])?;
    app.wait_key_window_closed().await?;
    wait_window_focus(&app, true).await?;
    app.close_by_keys(&desktop, "ctrl+q").await?;
    let left = desktop.read_clipboard().unwrap_or_default();
    ensure!(!left.contains(&key[13..]), "the key is still on the clipboard");
    Ok(())
}

async fn key_on_clipboard_is_removed_when_screen_is_locked(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("copied", "read").await?;
    let key = copy_key_by_keyboard(&desktop, &app).await?;
    desktop.lock_screen()?;
    app.wait_key_window_closed().await?;
    app.wait_text("it does not stay on the clipboard").await?;
    let is_gone = async || !desktop.read_clipboard().unwrap_or_default().contains(&key[13..]);
    app.wait("a clipboard without the key", is_gone).await
}

async fn key_saved_into_env_file_by_dialog_replaces_old_one(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    std::fs::write(&path, "# mine\nULTRALYTICS_API_KEY=old\nOTHER=kept\n")?;
    app.create_key_in_dialog("in-a-file", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();
    env_file::choose_file(&app, &desktop, &path).await?;
    app.wait_text("The file already sets ULTRALYTICS_API_KEY. Replace its value?").await?;
    app.wait_focus("Cancel").await?;
    app.click("Replace").await?;
    app.wait_text("Saved, readable by you alone").await?;
    let after = std::fs::read_to_string(&path)?;
    let begin = format!("# mine\nULTRALYTICS_API_KEY={key}\nOTHER=kept\n");
    ensure!(after.starts_with(&begin), "the key is not in its line, or other lines were changed");
    Ok(())
}

async fn window_in_dark_theme_and_german_is_dark_and_german(desktop: Desktop) -> Result<()> {
    let app = App::start_with(&desktop, AppOptions { dark: true, german: true, ..AppOptions::default() }).await?;
    app.wait_text("Noch keine Schlüssel").await?;
    let background = "return getComputedStyle(document.documentElement).backgroundColor";
    ensure!(app.script(background, Vec::new()).await? == "rgb(21, 23, 28)");
    Ok(())
}

async fn key_revoked_in_dialog_is_gone_from_list(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("short-lived", "read").await?;
    choose_menu_entry(&app, "short-lived", "Revoke…").await?;
    app.click("Revoke key").await?;
    app.wait_text("short-lived was revoked").await
}

async fn file_dialog_closes_with_key_window(desktop: Desktop) -> Result<()> {
    let app = App::start(&desktop).await?;
    let has_dialog = || -> Result<bool> {
        Ok(desktop.window_titles()?.iter().any(|title| title.starts_with("Put the key into this file")))
    };
    app.create_key_in_dialog("lost", "read").await?;
    for loss in ["it was never copied or saved", "closed unexpectedly"] {
        app.click("Save as .env…").await?;
        app.wait("the system's dialog", async || has_dialog().is_ok_and(|it| it)).await?;
        match loss {
            "closed unexpectedly" => _ = app.script("location.reload()", Vec::new()).await,
            _ => desktop.lock_screen()?,
        }
        app.wait_key_window_closed().await?;
        app.wait("the dialog to close", async || has_dialog().is_ok_and(|it| !it)).await?;
        app.wait_text(loss).await?;
        app.click("Replace it").await?;
        app.switch_to_key_window().await?;
    }
    Ok(())
}
