//! A key is replaced while its program goes on: the documented four steps, left and taken up again.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, ul};

use crate::hands::{active_names, choose, closed, key_window_closed, tab_to, wait_confirmation};

const SUMMARY: &[&str] = &["cloud", "account", "summary"];

fn accepted(desktop: &Desktop, app: &App, key: &str) -> Result<bool> {
    Ok(ul(desktop, key, app.port, SUMMARY)?.code == Some(0))
}

/// Waits for the step that is to be taken.
async fn at_step(app: &App, title: &str) -> Result<()> {
    let current = "return [...document.querySelectorAll('li[aria-current=step] h3')]
        .some((heading) => heading.innerText.includes(arguments[0]))";
    app.wait(title, async || app.script(current, vec![json!(title)]).await.is_ok_and(|it| it == true)).await
}

#[tokio::test]
async fn by_keyboard_alone_left_and_taken_up_again() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let old = app.create_and_copy(&desktop, "server", "read").await?;
    ensure!(accepted(&desktop, &app, &old)?, "the old key");
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;

    // Opened and left at once, it leaves nothing.
    let open = async || -> Result<()> {
        tab_to(&desktop, &app, "Actions for server").await?;
        desktop.press(&["Return"])?;
        app.control("Rotate…").await?;
        while app.focus().await? != "Rotate…" {
            desktop.press(&["Down"])?;
        }
        desktop.press(&["Return"])?;
        app.wait_text("Rotate server").await
    };
    open().await?;
    at_step(&app, "Create a new key").await?;
    desktop.press(&["Escape"])?;
    closed(&app).await?;
    app.wait_focus("Actions for server").await?;
    ensure!(active_names(&app).await? == ["server"], "no key was made");

    open().await?;
    at_step(&app, "Create a new key").await?;
    tab_to(&desktop, &app, "Create the new key").await?;
    desktop.press(&["Return"])?;
    app.enter_key_window().await?;
    app.wait_focus("Copy").await?;
    desktop.press(&["Return"])?;
    app.wait_text("On the clipboard for another").await?;
    let new = desktop.clipboard()?;
    ensure!(new != old && new.len() == 43, "another key");
    tab_to(&desktop, &app, "Done").await?;
    desktop.press(&["Return"])?;
    key_window_closed(&app).await?;
    at_step(&app, "Update your applications").await?;
    app.wait_text("Waiting for the first request with the new key").await?;
    app.wait_text("Give the new key to the programs that used the old one").await?;
    ensure!(active_names(&app).await? == ["server", "server"], "both work meanwhile");

    // Left, and taken up from where it was, also from the new key, which is the first in the list.
    desktop.press(&["Escape"])?;
    closed(&app).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;
    ensure!(accepted(&desktop, &app, &old)?, "the old key goes on");
    open().await?;
    at_step(&app, "Update your applications").await?;
    app.wait_text(&format!("It begins with {}", &new[..11])).await?;

    // The program moves, while one looks.
    ensure!(accepted(&desktop, &app, &new)?, "the new key");
    app.wait_text("The new key is in use, and the old one has been silent since").await?;
    at_step(&app, "Revoke the old key").await?;
    // One straggler, and it is not over.
    ensure!(accepted(&desktop, &app, &old)?, "the old key");
    app.wait_text("Something still depends on it").await?;
    ensure!(accepted(&desktop, &app, &new)?, "the new key");

    tab_to(&desktop, &app, "Revoke the old key…").await?;
    desktop.press(&["Return"])?;
    app.wait_text("Revoke server?").await?;
    app.wait_text(&format!("{}…", &old[..11])).await?;
    app.wait_focus("Cancel").await?;
    tab_to(&desktop, &app, "To confirm, type server").await?;
    desktop.type_text("server")?;
    wait_confirmation(&app, "server").await?;
    desktop.press(&["Return"])?;
    app.wait_text("The old key is revoked. The new one has taken its place.").await?;
    ensure!(!accepted(&desktop, &app, &old)? && accepted(&desktop, &app, &new)?, "one took the place of the other");
    tab_to(&desktop, &app, "Close").await?;
    desktop.press(&["Return"])?;
    closed(&app).await?;
    ensure!(active_names(&app).await? == ["server"], "one is left");
    Ok(())
}

#[tokio::test]
async fn a_new_key_that_nobody_has_is_replaced() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let old = app.create_and_copy(&desktop, "careless", "read").await?;
    choose(&app, "careless", "Rotate…").await?;
    app.click("Create the new key").await?;
    app.enter_key_window().await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    key_window_closed(&app).await?;
    at_step(&app, "Update your applications").await?;
    app.click("Revoke it and create another…").await?;
    app.wait_text("Revoke careless?").await?;
    app.click("Revoke key").await?;
    at_step(&app, "Create a new key").await?;
    ensure!(accepted(&desktop, &app, &old)?, "the old key is untouched");
    app.click("Create the new key").await?;
    app.enter_key_window().await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let new = desktop.clipboard()?;
    app.click("Done").await?;
    key_window_closed(&app).await?;
    ensure!(accepted(&desktop, &app, &new)?, "the next one");
    app.wait_text("The new key is in use, and the old one has been silent since").await
}
