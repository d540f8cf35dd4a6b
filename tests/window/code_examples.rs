//! Runs the displayed code examples in a real shell, against the real service.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, Keyring, free_port};

use crate::helpers::{choose_menu_entry, wait_dialog_closed};

/// Runs lines as if the user had pasted them into a shell, and answers their prompt with `answer`.
fn run_in_shell(desktop: &Desktop, program: &str, lines: &str, answer: &str) -> Result<String> {
    let mut command = desktop.command(program);
    command.args(["-c", lines]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| program.to_owned())?;
    child.stdin.take().context("no pipe to the program")?.write_all(format!("{answer}\n").as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn copied_example_works_and_is_cleared_from_clipboard() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let settings = json!({ "port": free_port()?, "clipboardSeconds": 10 });
    std::fs::write(desktop.data_folder().join("settings.json"), settings.to_string())?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("examples", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();

    app.click("curl").await?;
    app.wait_text("/api/account/summary").await?;
    app.click("Copy the example").await?;
    app.wait_text("On the clipboard for another").await?;
    let curl = desktop.read_clipboard()?;
    ensure!(curl.contains(&format!("Bearer {key}\"")), "the example does not contain the key: {curl}");
    ensure!(
        desktop.read_clipboard_targets()?.contains("x-kde-passwordManagerHint"),
        "the copied example is not marked as a secret"
    );
    ensure!(run_in_shell(&desktop, "sh", &curl, "")?.contains("\"plan\":\"free\""), "the example does not work");

    app.click("bash, zsh").await?;
    app.click("Copy the example").await?;
    let lines = desktop.read_clipboard()?;
    let set = run_in_shell(&desktop, "sh", &format!("{lines}\nenv"), "")?;
    ensure!(set.contains(&format!("ULTRALYTICS_API_KEY={key}\n")), "{lines}");
    ensure!(set.contains(&format!("ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}\n", app.port)), "{lines}");

    // Selecting the whole example does not put the key into the window system's primary selection.
    app.click_selector_with_mouse(&desktop, "pre code").await?;
    desktop.press(&["ctrl+a"])?;
    let primary = desktop.run("xclip", &["-selection", "primary", "-out"]).unwrap_or_default();
    ensure!(!primary.contains("ul_"), "the key is in the primary selection");

    // A copied key is safe, so closing the window does not ask for confirmation.
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(desktop.read_clipboard().unwrap_or_default().is_empty(), "the key is still on the clipboard");
    Ok(())
}

#[tokio::test]
async fn example_without_key_prompts_for_it() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "plain", "read").await?;
    app.create_key_in_dialog("in keychain", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;

    choose_menu_entry(&app, "plain", "Use this key…").await?;
    app.wait_text(&format!("Yours begins with {}", &key[..11])).await?;
    app.wait_text("Asks for the key").await?;
    app.click("Copy the example").await?;
    app.wait_text("Copied").await?;
    let lines = desktop.read_clipboard()?;
    ensure!(!lines.contains("ul_"), "the example contains a key: {lines}");
    let set = run_in_shell(&desktop, "bash", &format!("{lines}\nenv"), &key)?;
    ensure!(
        set.contains(&format!("ULTRALYTICS_API_KEY={key}\n")),
        "the example does not export the entered key: {lines}"
    );
    ensure!(set.contains(&format!("ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}\n", app.port)), "{lines}");
    app.click("curl").await?;
    app.click("Copy the example").await?;
    let curl = async || desktop.read_clipboard().is_ok_and(|text| text.starts_with("curl"));
    app.wait("the other example", curl).await?;
    let asked = format!("{lines}\n{}", desktop.read_clipboard()?);
    ensure!(
        run_in_shell(&desktop, "bash", &asked, &key)?.contains("\"plan\":\"free\""),
        "the example does not read the variable"
    );
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Actions for plain").await?;

    choose_menu_entry(&app, "in keychain", "Use this key…").await?;
    app.wait_text("ul-keys run --key 'in keychain' -- yolo train model=yolo11n.pt").await?;
    app.wait_text("The program gets it from there").await
}
