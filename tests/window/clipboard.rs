//! A copied key leaves the clipboard again, and nothing else does.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use ulkeys_tests::{App, Child, Desktop, free_port};

/// An app that takes keys off after ten seconds, with a key on the clipboard.
async fn with_copied_key() -> Result<(Desktop, App, String)> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = with_copied_key_on(&desktop).await?;
    Ok((desktop, app, key))
}

async fn with_copied_key_on(desktop: &Desktop) -> Result<(App, String)> {
    std::fs::create_dir_all(desktop.data())?;
    let settings = json!({ "port": free_port()?, "clipboardSeconds": 10 });
    std::fs::write(desktop.data().join("settings.json"), settings.to_string())?;
    let app = App::start(desktop).await?;
    app.create_in_dialog("copied", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.clipboard()?;
    ensure!(key.starts_with("ul_"), "the key is on the clipboard");
    app.click("Done").await?;
    app.leave_key_window().await?;
    app.wait_text("On the clipboard for another").await?;
    Ok((app, key))
}

fn copy_elsewhere(desktop: &Desktop, text: &str) -> Result<()> {
    copy_to(desktop, "clipboard", text)
}

fn copy_to(desktop: &Desktop, selection: &str, text: &str) -> Result<()> {
    let mut xclip = desktop.command("xclip");
    // The copy that stays behind to serve the text must not hold our pipe open.
    let mut child = xclip.args(["-selection", selection, "-in"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
    ensure!(child.wait()?.success(), "xclip");
    Ok(())
}

#[tokio::test]
async fn a_copied_key_is_taken_off_after_the_set_time() -> Result<()> {
    let (desktop, app, _) = with_copied_key().await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.clipboard().unwrap_or_default().is_empty(), "still there");
    Ok(())
}

#[tokio::test]
async fn what_was_copied_since_stays() -> Result<()> {
    let (desktop, app, _) = with_copied_key().await?;
    copy_elsewhere(&desktop, "a shopping list")?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.clipboard()? == "a shopping list", "somebody else's text was taken off");
    app.quit().await?;
    ensure!(desktop.clipboard()? == "a shopping list", "not on quitting either");
    Ok(())
}

/// Another program has taken the key over, and asking that program fails for a while.
#[tokio::test]
async fn a_key_that_cannot_be_taken_off_is_told_and_tried_again() -> Result<()> {
    let (desktop, app, key) = with_copied_key().await?;
    copy_elsewhere(&desktop, &key)?;
    let display = desktop.fill_display()?;
    app.wait_text("The key could not be taken off the clipboard").await?;
    drop(display);
    app.wait_gone("The key could not be taken off the clipboard").await?;
    ensure!(desktop.clipboard().unwrap_or_default().is_empty(), "still there");
    Ok(())
}

#[tokio::test]
async fn it_can_be_taken_off_at_once_and_is_on_quitting() -> Result<()> {
    let (desktop, app, key) = with_copied_key().await?;
    app.click("Clear now").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    ensure!(!desktop.clipboard().is_ok_and(|text| text.contains(&key)), "still there");
    app.quit().await?;

    let (desktop, app, key) = with_copied_key().await?;
    app.quit().await?;
    ensure!(!desktop.clipboard().is_ok_and(|text| text.contains(&key)), "left behind on quitting");
    Ok(())
}

#[tokio::test]
async fn a_kill_takes_the_key_off_and_leaves_no_file_with_it() -> Result<()> {
    let (desktop, app, key) = with_copied_key().await?;
    app.kill().await?;
    ensure!(!desktop.clipboard().is_ok_and(|text| text.contains(&key)), "left on the clipboard");
    ensure!(
        desktop.run("grep", &["-raF", "--devices=skip", &key, &desktop.home().display().to_string()]).is_err(),
        "left in a file"
    );
    Ok(())
}

#[tokio::test]
async fn a_key_that_left_the_clipboard_is_not_lost_unasked() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("kept", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.clipboard().unwrap_or_default().is_empty(), "cleared");
    app.click("Done").await?;
    app.control("Keep open").await?;
    app.wait_text("no longer on the clipboard").await?;
    app.click("Keep open").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Done").await?;
    app.leave_key_window().await
}

/// What is copied by hand afterwards takes the place of the key, and a locked screen then loses it.
#[tokio::test]
async fn what_replaces_the_key_on_the_clipboard_makes_it_unsafe() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("replaced", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let select = "getSelection().selectAllChildren(document.querySelector('.address code'));";
    app.script(select, Vec::new()).await?;
    desktop.press(&["ctrl+c"])?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.clipboard()?.starts_with("export ULTRALYTICS_PLATFORM_URL="), "the line");
    app.click("Done").await?;
    app.control("Keep open").await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("Copy").await?;
    desktop.lock_screen()?;
    app.leave_key_window().await?;
    app.wait_text("it was not saved, and it does not stay on the clipboard").await
}

#[tokio::test]
async fn copying_by_hand_is_as_careful_as_the_button() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("by-hand", "read").await?;
    app.press_with_mouse(&desktop, "code.key").await?;
    desktop.press(&["ctrl+c"])?;
    app.wait_text("On the clipboard for another").await?;
    ensure!(desktop.clipboard()?.starts_with("ul_"), "the key");
    ensure!(desktop.clipboard_targets()?.contains("x-kde-passwordManagerHint"), "kept out of clipboard histories");
    desktop.press(&["ctrl+a"])?;
    let selected = "return document.querySelector('code.key').className.includes('selected')";
    ensure!(app.script(selected, Vec::new()).await? == true, "it looks selected");
    let primary = desktop.run("xclip", &["-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains("ul_"), "what is selected is handed to the window system, and nothing clears it there");
    Ok(())
}

/// A clipboard manager that restores what was cleared.
struct Manager(&'static str, &'static [&'static str]);

const PARCELLITE: Manager = Manager("parcellite", &["-n"]);
const DIODON: Manager = Manager("diodon", &[]);

impl Manager {
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
            if desktop.clipboard().is_ok_and(|text| text == "a control") {
                return Ok(manager);
            }
        }
        bail!("{} does not restore a text", self.0)
    }
}

/// Whether the key stays off the clipboard for longer than a manager needs to restore it.
async fn stays_clear(desktop: &Desktop, key: &str) -> bool {
    for _ in 0..15 {
        if desktop.clipboard().is_ok_and(|text| text.contains(key)) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    true
}

async fn key_put_back_by(manager: Manager) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _manager = manager.start(&desktop).await?;
    // By hand, once the manager has the key.
    let (app, key) = with_copied_key_on(&desktop).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.click("Clear now").await?;
    app.wait_text("Another app put the key back").await?;
    ensure!(stays_clear(&desktop, &key).await, "put back after Clear now");
    ensure!(app.text("body").await?.contains("may still keep a copy"), "the window says what the other program has");
    // What is copied then is somebody's.
    copy_elsewhere(&desktop, "a shopping list")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(desktop.clipboard()? == "a shopping list", "somebody else's text was cleared");
    app.click("Dismiss").await?;
    app.wait_gone("Another app put the key back").await?;

    // By the timer.
    let key = copied_key(&app, &desktop, "by-timer").await?;
    app.wait_text("Another app put the key back").await?;
    ensure!(stays_clear(&desktop, &key).await, "put back after the timer");
    app.click("Dismiss").await?;

    // On quitting.
    let key = copied_key(&app, &desktop, "on-quit").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    app.quit().await?;
    ensure!(stays_clear(&desktop, &key).await, "put back after quitting");
    Ok(())
}

async fn copied_key(app: &App, desktop: &Desktop, name: &str) -> Result<String> {
    app.create_in_dialog(name, "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.clipboard()?;
    app.click("Done").await?;
    app.leave_key_window().await?;
    Ok(key)
}

#[tokio::test]
async fn key_put_back_by_parcellite_is_cleared_again() -> Result<()> {
    key_put_back_by(PARCELLITE).await
}

#[tokio::test]
async fn key_put_back_by_diodon_is_cleared_again() -> Result<()> {
    key_put_back_by(DIODON).await
}

/// A program that never gives up is not fought forever, and nothing says that the key is gone.
#[tokio::test]
async fn key_put_back_every_time_is_reported_until_it_is_gone() -> Result<()> {
    let (desktop, app, key) = with_copied_key().await?;
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
    ensure!(desktop.clipboard()?.contains(&key), "the other program has won");
    drop(restorer);
    copy_elsewhere(&desktop, "a shopping list")?;
    app.wait_gone("Another app keeps putting the key back").await?;
    ensure!(desktop.clipboard()? == "a shopping list", "somebody else's text was cleared");
    Ok(())
}

/// Some clipboard managers keep the primary selection in step.
#[tokio::test]
async fn key_in_primary_selection_is_cleared_with_clipboard() -> Result<()> {
    let (desktop, app, key) = with_copied_key().await?;
    copy_to(&desktop, "primary", &key)?;
    app.click("Clear now").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    let primary = desktop.run("timeout", &["5", "xclip", "-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains(&key), "left in the primary selection");
    Ok(())
}
