//! Tests pasting unusual text as a key name: an invalid name is rejected with a reason and stays in the field, and a
//! valid name is shown literally.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use crate::helpers::{active_key_names, choose_menu_entry, paste_over_field, wait_dialog_closed};

const TOO_LONG_ERROR: &str = "Use at most 64 characters";
const CONTROL_CHARACTERS_ERROR: &str = "Remove line breaks and invisible control characters";

/// Pastes text over the content of the name field, and waits until the field contains `held`, which can differ from the
/// pasted text.
async fn paste_name(desktop: &Desktop, app: &App, text: &str, held: &str) -> Result<()> {
    app.wait_focus("Name").await?;
    paste_over_field(desktop, text)?;
    let holds = "return document.querySelector('[name=key-name]').value === arguments[0]";
    app.wait("the pasted name", async || app.script(holds, vec![json!(held)]).await.is_ok_and(|it| it == true)).await
}

/// Returns invalid names. Each entry consists of the pasted text, the field's resulting value, and the reason for the
/// rejection. A single-line field cannot contain line breaks, so the web view replaces them with spaces.
fn invalid_names() -> [(String, String, &'static str); 4] {
    let long = "0123456789".repeat(1000);
    let emoji = "😀".repeat(65);
    let turned = "safe\u{202e}gnp.exe";
    let lines = format!("first\nsecond {emoji}");
    [
        (long.clone(), long, TOO_LONG_ERROR),
        (emoji.clone(), emoji, TOO_LONG_ERROR),
        (turned.to_owned(), turned.to_owned(), CONTROL_CHARACTERS_ERROR),
        (lines.clone(), lines.replace('\n', " "), TOO_LONG_ERROR),
    ]
}

async fn ensure_nothing_is_clipped(app: &App) -> Result<()> {
    let wide = "return document.documentElement.scrollWidth > innerWidth
        || [...document.querySelectorAll('[role=dialog] *')].some((it) =>
            it.tagName !== 'INPUT' && it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).overflowX === 'auto')";
    ensure!(app.script(wide, Vec::new()).await? == false, "the dialog is too wide");
    Ok(())
}

/// Checks that the open dialog rejects each invalid name with its reason, and that the field keeps the text.
async fn check_invalid_names_are_rejected(desktop: &Desktop, app: &App) -> Result<()> {
    for (pasted, held, reason) in invalid_names() {
        paste_name(desktop, app, &pasted, &held).await?;
        desktop.press(&["Return"])?;
        app.wait_text(reason).await?;
        ensure_nothing_is_clipped(app).await?;
        // The name can be corrected in the same field.
        paste_name(desktop, app, "mended", "mended").await?;
        app.wait_gone(reason).await?;
    }
    Ok(())
}

#[tokio::test]
async fn create_with_invalid_name_is_rejected() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    app.click("Create Key").await?;
    check_invalid_names_are_rejected(&desktop, &app).await?;
    ensure!(active_key_names(&app).await?.is_empty(), "a key was created");
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await
}

#[tokio::test]
async fn rename_to_invalid_name_is_rejected() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("before", "read").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    choose_menu_entry(&app, "before", "Rename…").await?;
    check_invalid_names_are_rejected(&desktop, &app).await?;
    ensure!(active_key_names(&app).await? == ["before"], "the key was renamed");

    // Names that only look dangerous are valid, and are shown literally.
    for name in ["<b onclick=alert(1)>bold</b>", "مفتاح التدريب", &"👩‍🚀".repeat(21), "Z\u{351}a\u{36b}l\u{348}go"]
    {
        paste_name(&desktop, &app, name, name).await?;
        desktop.press(&["Return"])?;
        wait_dialog_closed(&app).await?;
        ensure!(active_key_names(&app).await? == [name], "{name}");
        let shown = "return document.querySelector('tbody th [data-control=open]').textContent";
        app.wait("the name in the list", async || app.script(shown, vec![]).await.is_ok_and(|it| it == name)).await?;
        let elements = "return document.querySelectorAll('tbody th b').length";
        ensure!(app.script(elements, Vec::new()).await? == 0, "the name is interpreted as markup");
        choose_menu_entry(&app, name, "Rename…").await?;
    }
    Ok(())
}
