//! A copied key leaves the clipboard again, and nothing else does.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, free_port};

/// An app that takes keys off after ten seconds, with a key on the clipboard.
async fn with_copied_key() -> Result<(Desktop, App, String)> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    let settings = json!({ "port": free_port()?, "clipboardSeconds": 10 });
    std::fs::write(desktop.data().join("settings.json"), settings.to_string())?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("copied", "read").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let key = desktop.clipboard()?;
    ensure!(key.starts_with("ul_"), "the key is on the clipboard");
    app.click("Done").await?;
    app.leave_key_window().await?;
    app.wait_text("On the clipboard for another").await?;
    Ok((desktop, app, key))
}

fn copy_elsewhere(desktop: &Desktop, text: &str) -> Result<()> {
    let mut xclip = desktop.command("xclip");
    // The copy that stays behind to serve the text must not hold our pipe open.
    let mut child =
        xclip.args(["-selection", "clipboard", "-in"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
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
    app.wait_text("It works, but nobody has it").await
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
