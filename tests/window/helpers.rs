//! Helper functions shared by the window tests.

use std::process::Stdio;

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, run_ul, seed};

/// Opens the menu of a key and chooses an entry.
pub(crate) async fn choose_menu_entry(app: &App, key: &str, entry: &str) -> Result<()> {
    app.click(&format!("Actions for {key}")).await?;
    app.click(entry).await
}

/// Puts text on the clipboard, and pastes it over the content of the focused field.
pub(crate) fn paste_over_field(desktop: &Desktop, text: &str) -> Result<()> {
    let file = desktop.home().join("pasted.txt");
    std::fs::write(&file, text)?;
    // `xclip` continues to run in the background, so it must not inherit the test's output pipes.
    let mut copy = desktop.command("xclip");
    copy.args(["-selection", "clipboard", "-in"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    ensure!(copy.status()?.success(), "xclip failed");
    std::fs::remove_file(&file)?;
    desktop.press(&["ctrl+a", "ctrl+v"])
}

/// Copies the key in the one-time window with the keyboard alone. The Copy button already has the focus.
pub(crate) async fn copy_key_by_keyboard(desktop: &Desktop, app: &App) -> Result<String> {
    let key = app.text("code.key").await?.trim().to_owned();
    app.wait_focus("Copy").await?;
    desktop.press(&["Return"])?;
    app.wait_text("On the clipboard for another").await?;
    Ok(key)
}

/// Waits until the page's window has the focus, or until it has lost the focus if `is_active` is false.
pub(crate) async fn wait_window_focus(app: &App, is_active: bool) -> Result<()> {
    app.wait(&format!("the window's focus to be {is_active}"), async || {
        app.script("return document.hasFocus()", Vec::new()).await.is_ok_and(|it| it == is_active)
    })
    .await
}

/// Presses Tab until the control has the focus, like a user without a mouse.
pub(crate) async fn tab_to(desktop: &Desktop, app: &App, name: &str) -> Result<()> {
    for _ in 0..60 {
        if app.focused_name().await? == name || app.focused_name().await?.lines().next() == Some(name) {
            return Ok(());
        }
        desktop.press(&["Tab"])?;
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    app.wait_focus(name).await
}

/// Types into the confirmation field of a dialog, and waits until the field contains the text.
pub(crate) async fn type_confirmation(desktop: &Desktop, app: &App, text: &str) -> Result<()> {
    app.script("document.querySelector('input[name=confirmation]').select()", Vec::new()).await?;
    desktop.type_text(text)?;
    wait_confirmation(app, text).await
}

/// Waits until the confirmation field contains the text, because typed keys arrive one by one.
pub(crate) async fn wait_confirmation(app: &App, text: &str) -> Result<()> {
    let value = "return document.querySelector('input[name=confirmation]')?.value ?? ''";
    app.wait("the typed text", async || app.script(value, vec![]).await.is_ok_and(|value| value == text)).await
}

/// Returns whether a button is disabled.
pub(crate) async fn is_button_disabled(app: &App, name: &str) -> Result<bool> {
    let button = app.find_control(name).await?;
    Ok(button.attr("aria-disabled").await?.is_some())
}

/// Waits until no dialog is open.
pub(crate) async fn wait_dialog_closed(app: &App) -> Result<()> {
    let none = "return !document.querySelector('[role=dialog],[role=alertdialog]')";
    app.wait("the dialog to close", async || app.script(none, vec![]).await.is_ok_and(|none| none == true)).await
}

/// Waits until the one-time window is closed, even if a dialog is open in the list window.
pub(crate) async fn wait_key_window_closed_behind_dialog(app: &App) -> Result<()> {
    let one = async || app.driver.windows().await.is_ok_and(|windows| windows.len() == 1);
    app.wait("the one-time window to close", one).await?;
    app.switch_to_list_window().await
}

/// Returns the names of the active keys as the service lists them, sorted by name.
pub(crate) async fn active_key_names(app: &App) -> Result<Vec<String>> {
    let listed = app.invoke("list_keys", json!({ "query": { "sort": "name" } })).await?.expect("listed");
    let keys = listed["keys"].as_array().cloned().unwrap_or_default();
    Ok(keys.iter().map(|key| key["name"].as_str().unwrap_or_default().to_owned()).collect())
}

/// Brings the list window to the front, so that it receives key presses.
pub(crate) async fn bring_to_front(app: &App, desktop: &Desktop) -> Result<()> {
    let window = desktop.list_window()?;
    desktop.run("xdotool", &["windowactivate", &window])?;
    let active = || desktop.run("xdotool", &["getactivewindow"]).unwrap_or_default();
    app.wait("the list window to be in front", async || active().trim() == window).await
}

/// Starts the app with these keys in its database.
pub(crate) async fn start_with_keys(desktop: &Desktop, samples: &[seed::SeedKey]) -> Result<App> {
    std::fs::create_dir_all(desktop.data_folder())?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), samples).await?;
    App::start(desktop).await
}

/// Starts the app with these keys on a new desktop, and focuses its window.
pub(crate) async fn start_focused_with_keys(samples: &[seed::SeedKey]) -> Result<(Desktop, App)> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, samples).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    Ok((desktop, app))
}

/// Starts the app with the given number of keys in its database.
pub(crate) async fn start_with_bulk_keys(desktop: &Desktop, keys: usize) -> Result<App> {
    std::fs::create_dir_all(desktop.data_folder())?;
    seed::seed_bulk(&desktop.data_folder().join("keys.db"), keys, 0)?;
    App::start(desktop).await
}

/// Sends a request with curl and the user agent `agent`, and returns the status of the response.
pub(crate) fn send_request(
    app: &App,
    desktop: &Desktop,
    key: &str,
    agent: &str,
    method: &str,
    path: &str,
) -> Result<String> {
    let url = format!("http://127.0.0.1:{}{path}", app.port);
    let credential = format!("Authorization: Bearer {key}");
    let arguments = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--user-agent", agent];
    desktop.run("curl", &[&arguments[..], &["--request", method, "--header", &credential, &url]].concat())
}

/// Opens a section of the sidebar.
pub(crate) async fn go_to_section(app: &App, section: &str) -> Result<()> {
    app.click(section).await?;
    wait_heading(app, section).await
}

/// Waits until the page has this heading.
pub(crate) async fn wait_heading(app: &App, heading: &str) -> Result<()> {
    app.wait(heading, async || app.text("h1").await.is_ok_and(|title| title == heading)).await
}

/// Sets the language by calling the `change_preferences` command, and resets the other preferences to their defaults.
pub(crate) async fn set_language(app: &App, language: &str) -> Result<()> {
    let preferences = json!({
        "language": language, "theme": "system", "textPercent": 100, "clipboardSeconds": 60, "rotationDays": 90,
    });
    app.invoke("change_preferences", json!({ "preferences": preferences })).await?.expect("changed");
    Ok(())
}

/// Sends a request with a key, using the real client `ul`.
pub(crate) fn use_key_once(desktop: &Desktop, app: &App, key: &str) -> Result<()> {
    let used = run_ul(desktop, key, app.port, &["cloud", "account", "summary"])?;
    ensure!(used.code == Some(0), "{used:?}");
    Ok(())
}
