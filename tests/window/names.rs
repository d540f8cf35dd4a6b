//! What people paste where a name belongs: refused with the reason and kept as it is, or shown as what it is.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use crate::hands::{active_names, choose, closed, paste_over};

const TOO_LONG: &str = "Use at most 64 characters";
const CONTROLS: &str = "Remove line breaks and invisible control characters";

/// Pastes a text over the name, and waits until the field holds what comes of it.
async fn paste(desktop: &Desktop, app: &App, text: &str, held: &str) -> Result<()> {
    app.wait_focus("Name").await?;
    paste_over(desktop, text)?;
    let holds = "return document.querySelector('[name=key-name]').value === arguments[0]";
    app.wait("the pasted name", async || app.script(holds, vec![json!(held)]).await.is_ok_and(|it| it == true)).await
}

/// What cannot be a name, as it is pasted, as the field holds it, and what is said of it. A field of one line has no
/// line breaks: the web view makes spaces of them.
fn refused() -> [(String, String, &'static str); 4] {
    let long = "0123456789".repeat(1000);
    let emoji = "😀".repeat(65);
    let turned = "safe\u{202e}gnp.exe";
    let lines = format!("first\nsecond {emoji}");
    [
        (long.clone(), long, TOO_LONG),
        (emoji.clone(), emoji, TOO_LONG),
        (turned.to_owned(), turned.to_owned(), CONTROLS),
        (lines.clone(), lines.replace('\n', " "), TOO_LONG),
    ]
}

async fn nothing_is_cut(app: &App) -> Result<()> {
    let wide = "return document.documentElement.scrollWidth > innerWidth
        || [...document.querySelectorAll('[role=dialog] *')].some((it) =>
            it.tagName !== 'INPUT' && it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).overflowX === 'auto')";
    ensure!(app.script(wide, Vec::new()).await? == false, "the dialog became too wide");
    Ok(())
}

/// In the dialog that is open, each is refused with its reason, and nothing of it is lost.
async fn all_are_refused(desktop: &Desktop, app: &App) -> Result<()> {
    for (pasted, held, reason) in refused() {
        paste(desktop, app, &pasted, &held).await?;
        desktop.press(&["Return"])?;
        app.wait_text(reason).await?;
        nothing_is_cut(app).await?;
        // Nothing of it is lost, and it can be mended.
        paste(desktop, app, "mended", "mended").await?;
        app.wait_gone(reason).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_new_key_gets_no_name_that_cannot_be_shown() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;
    app.click("Create Key").await?;
    all_are_refused(&desktop, &app).await?;
    ensure!(active_names(&app).await?.is_empty(), "nothing was made");
    app.click("Cancel").await?;
    closed(&app).await
}

#[tokio::test]
async fn a_key_is_not_renamed_to_what_cannot_be_shown() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_unseen("before", "read").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;
    choose(&app, "before", "Rename…").await?;
    for (pasted, held, reason) in refused() {
        paste(&desktop, &app, &pasted, &held).await?;
        desktop.press(&["Return"])?;
        app.wait_text(reason).await?;
        nothing_is_cut(&app).await?;
        paste(&desktop, &app, "mended", "mended").await?;
        app.wait_gone(reason).await?;
    }
    ensure!(active_names(&app).await? == ["before"], "nothing was renamed");

    // What only looks dangerous is a name, and stays what it is.
    for name in ["<b onclick=alert(1)>bold</b>", "مفتاح التدريب", &"👩‍🚀".repeat(21), "Z\u{351}a\u{36b}l\u{348}go"]
    {
        paste(&desktop, &app, name, name).await?;
        desktop.press(&["Return"])?;
        closed(&app).await?;
        ensure!(active_names(&app).await? == [name], "{name}");
        let shown = "return document.querySelector('tbody th [data-control=open]').textContent";
        app.wait("the name in the list", async || app.script(shown, vec![]).await.is_ok_and(|it| it == name)).await?;
        let elements = "return document.querySelectorAll('tbody th b').length";
        ensure!(app.script(elements, Vec::new()).await? == 0, "markup is text");
        choose(&app, name, "Rename…").await?;
    }
    Ok(())
}
