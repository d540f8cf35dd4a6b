//! Tests that a copied key is cleared from the clipboard, and that other text is not.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use ulkeys_tests::{App, Child, Desktop, ensure_holds, free_port};

/// Starts the app with a setting that clears the clipboard after ten seconds, and copies a key.
async fn start_with_copied_key() -> Result<(Desktop, App, String)> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_copied_key_on(&desktop).await?;
    Ok((desktop, app, key))
}

async fn start_with_copied_key_on(desktop: &Desktop) -> Result<(App, String)> {
    std::fs::create_dir_all(desktop.data_folder())?;
    let settings = json!({ "port": free_port()?, "clipboardSeconds": 10 });
    std::fs::write(desktop.data_folder().join("settings.json"), settings.to_string())?;
    let app = App::start(desktop).await?;
    app.create_key_in_dialog("copied", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.read_clipboard()?;
    ensure!(key.starts_with("ul_"), "the key is not on the clipboard");
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    app.wait_text("On the clipboard for another").await?;
    Ok((app, key))
}

fn copy_from_other_app(desktop: &Desktop, text: &str) -> Result<()> {
    copy_to_selection(desktop, "clipboard", text)
}

fn copy_to_selection(desktop: &Desktop, selection: &str, text: &str) -> Result<()> {
    let mut xclip = desktop.command("xclip");
    // `xclip` continues to run in the background to serve the text, so it must not inherit the test's output pipe.
    let mut child = xclip.args(["-selection", selection, "-in"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().context("no pipe to the program")?.write_all(text.as_bytes())?;
    ensure!(child.wait()?.success(), "xclip failed");
    Ok(())
}

#[tokio::test]
async fn copied_key_is_cleared_after_timeout() -> Result<()> {
    let (desktop, app, _) = start_with_copied_key().await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "the key is still on the clipboard");
    Ok(())
}

#[tokio::test]
async fn text_copied_later_is_not_cleared() -> Result<()> {
    let (desktop, app, _) = start_with_copied_key().await?;
    copy_from_other_app(&desktop, "a shopping list")?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard()? == "a shopping list", "a text of another app was cleared");
    app.quit().await?;
    ensure!(desktop.read_clipboard()? == "a shopping list", "quitting cleared a text of another app");
    Ok(())
}

/// The clipboard contains the key but is owned by another program, and the app temporarily cannot connect to the
/// display.
#[tokio::test]
async fn failed_clear_is_reported_and_retried() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    copy_from_other_app(&desktop, &key)?;
    let display = desktop.exhaust_display_connections()?;
    app.wait_text("The key could not be taken off the clipboard").await?;
    drop(display);
    app.wait_gone("The key could not be taken off the clipboard").await?;
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "the key is still on the clipboard");
    Ok(())
}

#[tokio::test]
async fn copied_key_is_cleared_on_request_and_on_quit() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    app.click("Clear now").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    ensure!(!desktop.read_clipboard().is_ok_and(|text| text.contains(&key)), "the key is still on the clipboard");
    app.quit().await?;

    let (desktop, app, key) = start_with_copied_key().await?;
    app.quit().await?;
    ensure!(!desktop.read_clipboard().is_ok_and(|text| text.contains(&key)), "quitting left the key on the clipboard");
    Ok(())
}

#[tokio::test]
async fn killed_app_leaves_key_neither_on_clipboard_nor_in_files() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    app.kill().await?;
    ensure!(!desktop.read_clipboard().is_ok_and(|text| text.contains(&key)), "the key is still on the clipboard");
    ensure!(
        desktop.run("grep", &["-raF", "--devices=skip", &key, &desktop.home().display().to_string()]).is_err(),
        "a file contains the key"
    );
    Ok(())
}

#[tokio::test]
async fn closing_after_key_was_cleared_asks() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("kept", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "the clipboard was not cleared");
    app.click("Done").await?;
    app.find_control("Keep open").await?;
    app.wait_text("no longer on the clipboard").await?;
    app.click("Keep open").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await
}

/// Text that the user selects and copies replaces the key on the clipboard. If the screen is then locked, the key is
/// lost.
#[tokio::test]
async fn key_replaced_on_clipboard_counts_as_unsaved() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("replaced", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let select = "getSelection().selectAllChildren(document.querySelector('.address code'));";
    app.script(select, Vec::new()).await?;
    desktop.press(&["ctrl+c"])?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(
        desktop.read_clipboard()?.starts_with("export ULTRALYTICS_PLATFORM_URL="),
        "the address line was not copied"
    );
    app.click("Done").await?;
    app.find_control("Keep open").await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("Copy").await?;
    desktop.lock_screen()?;
    app.wait_key_window_closed().await?;
    app.wait_text("it was not saved, and it does not stay on the clipboard").await
}

#[tokio::test]
async fn copying_by_hand_is_handled_like_copy_button() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("by-hand", "read").await?;
    app.click_selector_with_mouse(&desktop, "code.key").await?;
    desktop.press(&["ctrl+c"])?;
    app.wait_text("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard()?.starts_with("ul_"), "the key was not copied");
    ensure!(
        desktop.read_clipboard_targets()?.contains("x-kde-passwordManagerHint"),
        "the copied key is not marked as a secret"
    );
    desktop.press(&["ctrl+a"])?;
    let selected = "return document.querySelector('code.key').className.includes('selected')";
    ensure!(app.script(selected, Vec::new()).await? == true, "the key does not look selected");
    let primary = desktop.run("xclip", &["-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains("ul_"), "the key is in the primary selection, where nothing clears it");
    Ok(())
}

/// The program name and the arguments of a clipboard manager that restores cleared text.
struct ClipboardManager(&'static str, &'static [&'static str]);

const PARCELLITE: ClipboardManager = ClipboardManager("parcellite", &["-n"]);
const DIODON: ClipboardManager = ClipboardManager("diodon", &[]);

impl ClipboardManager {
    /// Starts the clipboard manager, and waits until it has restored text that another program copied before exiting.
    async fn start(&self, desktop: &Desktop) -> Result<Child> {
        let mut command = desktop.command(self.0);
        let manager = Child::spawn(command.args(self.1).stdout(Stdio::null()).stderr(Stdio::null()))?;
        for _ in 0..10 {
            let mut xclip = desktop.command("xclip");
            xclip.args(["-quiet", "-selection", "clipboard", "-in"]).stdin(Stdio::piped());
            let mut owner = Child::spawn(xclip.stdout(Stdio::null()).stderr(Stdio::null()))?;
            owner.process().stdin.take().context("no pipe to the program")?.write_all(b"a control")?;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            drop(owner);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            if desktop.read_clipboard().is_ok_and(|text| text == "a control") {
                return Ok(manager);
            }
        }
        bail!("{} does not restore the cleared text", self.0)
    }
}

/// Checks that the key stays off the clipboard for longer than a clipboard manager takes to restore it.
async fn ensure_stays_off_clipboard(desktop: &Desktop, key: &str, after: &str) -> Result<()> {
    let is_off = async || !desktop.read_clipboard().is_ok_and(|text| text.contains(key));
    ensure_holds(&format!("a clipboard without the key after {after}"), Duration::from_secs(3), is_off).await
}

async fn check_key_restored_by(manager: ClipboardManager) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _manager = manager.start(&desktop).await?;
    // The user clears the clipboard after the clipboard manager has read the key.
    let (app, key) = start_with_copied_key_on(&desktop).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.click("Clear now").await?;
    app.wait_text("Another app put the key back").await?;
    ensure_stays_off_clipboard(&desktop, &key, "Clear now").await?;
    ensure!(
        app.text("body").await?.contains("may still keep a copy"),
        "the window does not warn of copies in the other program"
    );
    // Text that another app copies after the key was cleared stays on the clipboard.
    copy_from_other_app(&desktop, "a shopping list")?;
    let is_kept = async || desktop.read_clipboard().is_ok_and(|text| text == "a shopping list");
    ensure_holds("a text of another app on the clipboard", Duration::from_secs(3), is_kept).await?;
    app.click("Dismiss").await?;
    app.wait_gone("Another app put the key back").await?;

    // When the clipboard manager restores a key that the timer has cleared, the app clears the key again.
    let key = create_and_copy(&app, &desktop, "by-timer").await?;
    app.wait_text("Another app put the key back").await?;
    ensure_stays_off_clipboard(&desktop, &key, "the timer").await?;
    app.click("Dismiss").await?;

    // A key that the app clears when it quits does not reappear on the clipboard.
    let key = create_and_copy(&app, &desktop, "on-quit").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.quit().await?;
    ensure_stays_off_clipboard(&desktop, &key, "quitting").await
}

async fn create_and_copy(app: &App, desktop: &Desktop, name: &str) -> Result<String> {
    app.create_key_in_dialog(name, "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.read_clipboard()?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    Ok(key)
}

#[tokio::test]
async fn key_restored_by_parcellite_is_cleared_again() -> Result<()> {
    check_key_restored_by(PARCELLITE).await
}

#[tokio::test]
async fn key_restored_by_diodon_is_cleared_again() -> Result<()> {
    check_key_restored_by(DIODON).await
}

/// If a program keeps restoring the key, the app eventually stops clearing it. The app must not report that the key is
/// gone while the key is still on the clipboard.
#[tokio::test]
async fn key_restored_repeatedly_is_reported_until_gone() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    let restorer = {
        let mut command = desktop.command("sh");
        let restore = r#"while true; do printf '%s' "$0" | xclip -selection clipboard -in; sleep 0.2; done"#;
        Child::spawn(command.args(["-c", restore, &key]).stdout(Stdio::null()).stderr(Stdio::null()))?
    };
    app.click("Clear now").await?;
    app.wait("a message about the restored key", async || {
        let page = app.text("body").await.unwrap_or_default();
        assert!(!page.contains("The key is no longer on the clipboard"), "{page}");
        page.contains("Another app keeps putting the key back")
    })
    .await?;
    ensure!(desktop.read_clipboard()?.contains(&key), "the other program did not restore the key");
    drop(restorer);
    copy_from_other_app(&desktop, "a shopping list")?;
    app.wait_gone("Another app keeps putting the key back").await?;
    ensure!(desktop.read_clipboard()? == "a shopping list", "a text of another app was cleared");
    Ok(())
}

/// Some clipboard managers copy the primary selection to the clipboard and vice versa, so the key must be cleared from
/// both.
#[tokio::test]
async fn key_in_primary_selection_is_cleared_with_clipboard() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    copy_to_selection(&desktop, "primary", &key)?;
    app.click("Clear now").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    let primary = desktop.run("timeout", &["5", "xclip", "-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains(&key), "the key is still in the primary selection");
    Ok(())
}
