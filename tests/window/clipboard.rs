//! A copied key leaves the clipboard again, and nothing else does.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use ulkeys_tests::{App, Child, Desktop, ensure_holds, free_port};

/// An app that takes keys off after ten seconds, with a key on the clipboard.
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
    ensure!(key.starts_with("ul_"), "the key is on the clipboard");
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
    // The copy that stays behind to serve the text must not hold our pipe open.
    let mut child = xclip.args(["-selection", selection, "-in"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
    ensure!(child.wait()?.success(), "xclip");
    Ok(())
}

#[tokio::test]
async fn copied_key_is_cleared_after_timeout() -> Result<()> {
    let (desktop, app, _) = start_with_copied_key().await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "still there");
    Ok(())
}

#[tokio::test]
async fn text_copied_later_is_not_cleared() -> Result<()> {
    let (desktop, app, _) = start_with_copied_key().await?;
    copy_from_other_app(&desktop, "a shopping list")?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard()? == "a shopping list", "somebody else's text was taken off");
    app.quit().await?;
    ensure!(desktop.read_clipboard()? == "a shopping list", "not on quitting either");
    Ok(())
}

/// Another program has taken the key over, and asking that program fails for a while.
#[tokio::test]
async fn failed_clear_is_reported_and_retried() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    copy_from_other_app(&desktop, &key)?;
    let display = desktop.exhaust_display_connections()?;
    app.wait_text("The key could not be taken off the clipboard").await?;
    drop(display);
    app.wait_gone("The key could not be taken off the clipboard").await?;
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "still there");
    Ok(())
}

#[tokio::test]
async fn copied_key_is_cleared_on_request_and_on_quit() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    app.click("Clear now").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    ensure!(!desktop.read_clipboard().is_ok_and(|text| text.contains(&key)), "still there");
    app.quit().await?;

    let (desktop, app, key) = start_with_copied_key().await?;
    app.quit().await?;
    ensure!(!desktop.read_clipboard().is_ok_and(|text| text.contains(&key)), "left behind on quitting");
    Ok(())
}

#[tokio::test]
async fn killed_app_leaves_key_neither_on_clipboard_nor_in_files() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    app.kill().await?;
    ensure!(!desktop.read_clipboard().is_ok_and(|text| text.contains(&key)), "left on the clipboard");
    ensure!(
        desktop.run("grep", &["-raF", "--devices=skip", &key, &desktop.home().display().to_string()]).is_err(),
        "left in a file"
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
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "cleared");
    app.click("Done").await?;
    app.find_control("Keep open").await?;
    app.wait_text("no longer on the clipboard").await?;
    app.click("Keep open").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await
}

/// What is copied by hand afterwards takes the place of the key, and a locked screen then loses it.
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
    ensure!(desktop.read_clipboard()?.starts_with("export ULTRALYTICS_PLATFORM_URL="), "the line");
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
    ensure!(desktop.read_clipboard()?.starts_with("ul_"), "the key");
    ensure!(desktop.read_clipboard_targets()?.contains("x-kde-passwordManagerHint"), "kept out of clipboard histories");
    desktop.press(&["ctrl+a"])?;
    let selected = "return document.querySelector('code.key').className.includes('selected')";
    ensure!(app.script(selected, Vec::new()).await? == true, "it looks selected");
    let primary = desktop.run("xclip", &["-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains("ul_"), "what is selected is handed to the window system, and nothing clears it there");
    Ok(())
}

/// A clipboard manager that restores what was cleared.
struct ClipboardManager(&'static str, &'static [&'static str]);

const PARCELLITE: ClipboardManager = ClipboardManager("parcellite", &["-n"]);
const DIODON: ClipboardManager = ClipboardManager("diodon", &[]);

impl ClipboardManager {
    /// Starts it, and waits until it keeps a text whose program has ended.
    async fn start(&self, desktop: &Desktop) -> Result<Child> {
        let mut command = desktop.command(self.0);
        let manager = Child::spawn(command.args(self.1).stdout(Stdio::null()).stderr(Stdio::null()))?;
        for _ in 0..10 {
            let mut xclip = desktop.command("xclip");
            xclip.args(["-quiet", "-selection", "clipboard", "-in"]).stdin(Stdio::piped());
            let mut owner = Child::spawn(xclip.stdout(Stdio::null()).stderr(Stdio::null()))?;
            owner.process().stdin.take().context("a pipe")?.write_all(b"a control")?;
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            drop(owner);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            if desktop.read_clipboard().is_ok_and(|text| text == "a control") {
                return Ok(manager);
            }
        }
        bail!("{} does not restore a text", self.0)
    }
}

/// Checks that the key stays off the clipboard for longer than a manager needs to restore it.
async fn ensure_stays_off_clipboard(desktop: &Desktop, key: &str, after: &str) -> Result<()> {
    let is_off = async || !desktop.read_clipboard().is_ok_and(|text| text.contains(key));
    ensure_holds(&format!("a clipboard without the key after {after}"), Duration::from_secs(3), is_off).await
}

async fn check_key_restored_by(manager: ClipboardManager) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _manager = manager.start(&desktop).await?;
    // By hand, once the manager has the key.
    let (app, key) = start_with_copied_key_on(&desktop).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.click("Clear now").await?;
    app.wait_text("Another app put the key back").await?;
    ensure_stays_off_clipboard(&desktop, &key, "Clear now").await?;
    ensure!(app.text("body").await?.contains("may still keep a copy"), "the window says what the other program has");
    // What is copied then is somebody's.
    copy_from_other_app(&desktop, "a shopping list")?;
    let is_kept = async || desktop.read_clipboard().is_ok_and(|text| text == "a shopping list");
    ensure_holds("a text of another app on the clipboard", Duration::from_secs(3), is_kept).await?;
    app.click("Dismiss").await?;
    app.wait_gone("Another app put the key back").await?;

    // By the timer.
    let key = create_and_copy(&app, &desktop, "by-timer").await?;
    app.wait_text("Another app put the key back").await?;
    ensure_stays_off_clipboard(&desktop, &key, "the timer").await?;
    app.click("Dismiss").await?;

    // On quitting.
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

/// A program that never gives up is not fought forever, and nothing says that the key is gone.
#[tokio::test]
async fn key_restored_repeatedly_is_reported_until_gone() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    let restorer = {
        let mut command = desktop.command("sh");
        let restore = r#"while true; do printf '%s' "$0" | xclip -selection clipboard -in; sleep 0.2; done"#;
        Child::spawn(command.args(["-c", restore, &key]).stdout(Stdio::null()).stderr(Stdio::null()))?
    };
    app.click("Clear now").await?;
    app.wait("an answer", async || {
        let page = app.text("body").await.unwrap_or_default();
        assert!(!page.contains("The key is no longer on the clipboard"), "{page}");
        page.contains("Another app keeps putting the key back")
    })
    .await?;
    ensure!(desktop.read_clipboard()?.contains(&key), "the other program has won");
    drop(restorer);
    copy_from_other_app(&desktop, "a shopping list")?;
    app.wait_gone("Another app keeps putting the key back").await?;
    ensure!(desktop.read_clipboard()? == "a shopping list", "somebody else's text was cleared");
    Ok(())
}

/// Some clipboard managers keep the primary selection in step.
#[tokio::test]
async fn key_in_primary_selection_is_cleared_with_clipboard() -> Result<()> {
    let (desktop, app, key) = start_with_copied_key().await?;
    copy_to_selection(&desktop, "primary", &key)?;
    app.click("Clear now").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    let primary = desktop.run("timeout", &["5", "xclip", "-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains(&key), "left in the primary selection");
    Ok(())
}
