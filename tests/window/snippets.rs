//! The ready examples do what they say, in a real shell and against the real service.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, Keyring, free_port};

use crate::hands::{choose, closed};

/// Runs lines as somebody who pastes them, and answers what they ask.
fn shell(desktop: &Desktop, program: &str, lines: &str, answer: &str) -> Result<String> {
    let mut command = desktop.command(program);
    command.args(["-c", lines]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| program.to_owned())?;
    child.stdin.take().context("a pipe")?.write_all(format!("{answer}\n").as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn an_example_with_the_key_works_counts_as_copied_and_leaves_the_clipboard() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    let settings = json!({ "port": free_port()?, "clipboardSeconds": 10 });
    std::fs::write(desktop.data().join("settings.json"), settings.to_string())?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("examples", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();

    app.click("curl").await?;
    app.wait_text("/api/account/summary").await?;
    app.click("Copy the example").await?;
    app.wait_text("On the clipboard for another").await?;
    let curl = desktop.clipboard()?;
    ensure!(curl.contains(&format!("Bearer {key}\"")), "the key in its place: {curl}");
    ensure!(desktop.clipboard_targets()?.contains("x-kde-passwordManagerHint"), "kept out of clipboard histories");
    ensure!(shell(&desktop, "sh", &curl, "")?.contains("\"plan\":\"free\""), "it works");

    app.click("bash, zsh").await?;
    app.click("Copy the example").await?;
    let lines = desktop.clipboard()?;
    let set = shell(&desktop, "sh", &format!("{lines}\nenv"), "")?;
    ensure!(set.contains(&format!("ULTRALYTICS_API_KEY={key}\n")), "{lines}");
    ensure!(set.contains(&format!("ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}\n", app.port)), "{lines}");

    // It is not selected, so that the window system never has it.
    app.press_with_mouse(&desktop, "pre code").await?;
    desktop.press(&["ctrl+a"])?;
    let primary = desktop.run("xclip", &["-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains("ul_"), "what is selected is handed to the window system");

    // What was copied is safe: nothing is asked.
    app.click("Done").await?;
    app.leave_key_window().await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.clipboard().unwrap_or_default().is_empty(), "still there");
    Ok(())
}

#[tokio::test]
async fn an_example_without_the_key_asks_for_it() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "plain", "read").await?;
    app.create_in_dialog("in keychain", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    app.click("Done").await?;
    app.leave_key_window().await?;

    choose(&app, "plain", "Use this key…").await?;
    app.wait_text(&format!("Yours begins with {}", &key[..11])).await?;
    app.wait_text("Asks for the key").await?;
    app.click("Copy the example").await?;
    app.wait_text("Copied").await?;
    let lines = desktop.clipboard()?;
    ensure!(!lines.contains("ul_"), "the app does not have it: {lines}");
    let set = shell(&desktop, "bash", &format!("{lines}\nenv"), &key)?;
    ensure!(set.contains(&format!("ULTRALYTICS_API_KEY={key}\n")), "asked and exported: {lines}");
    ensure!(set.contains(&format!("ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}\n", app.port)), "{lines}");
    app.click("curl").await?;
    app.click("Copy the example").await?;
    let curl = async || desktop.clipboard().is_ok_and(|text| text.starts_with("curl"));
    app.wait("the other example", curl).await?;
    let asked = format!("{lines}\n{}", desktop.clipboard()?);
    ensure!(shell(&desktop, "bash", &asked, &key)?.contains("\"plan\":\"free\""), "it reads the variable");
    desktop.press(&["Escape"])?;
    closed(&app).await?;
    app.wait_focus("Actions for plain").await?;

    choose(&app, "in keychain", "Use this key…").await?;
    app.wait_text("ul-keys run --key 'in keychain' -- yolo train model=yolo11n.pt").await?;
    app.wait_text("The program gets it from there").await
}
