//! Tests the menu of the list window: its shortcuts, its use with the mouse, its languages, and its behavior while a
//! dialog is open.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use crate::helpers::{bring_to_front, set_language, wait_dialog_closed, wait_heading};

async fn start_focused(desktop: &Desktop) -> Result<App> {
    let app = App::start(desktop).await?;
    app.wait_text("No keys yet").await?;
    bring_to_front(&app, desktop).await?;
    Ok(app)
}

#[tokio::test]
async fn shortcuts_perform_their_menu_entries() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_focused(&desktop).await?;
    desktop.press(&["ctrl+comma"])?;
    wait_heading(&app, "Preferences").await?;
    desktop.press(&["F1"])?;
    wait_heading(&app, "Help").await?;
    app.wait_focus("Help").await?;
    desktop.press(&["ctrl+n"])?;
    app.wait_focus("Name").await?;
    wait_heading(&app, "API Keys").await?;

    // The shortcuts have no effect while a dialog is open.
    desktop.press(&["ctrl+comma", "F1", "ctrl+f", "ctrl+n"])?;
    desktop.type_text("typed")?;
    app.wait_name_field("typed").await?;
    wait_heading(&app, "API Keys").await?;
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;

    // The list must contain a key; otherwise, there is nothing to search.
    app.create_key_without_copying("findable", "read").await?;
    bring_to_front(&app, &desktop).await?;
    desktop.press(&["F1"])?;
    wait_heading(&app, "Help").await?;
    desktop.press(&["ctrl+f"])?;
    wait_heading(&app, "API Keys").await?;
    let searching = "return document.activeElement?.matches('input') && document.activeElement.type !== 'checkbox'";
    app.wait("the search", async || app.script(searching, Vec::new()).await.is_ok_and(|it| it == true)).await
}

#[tokio::test]
async fn close_and_quit_shortcuts_end_app() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    for keys in ["ctrl+w", "ctrl+q"] {
        let app = start_focused(&desktop).await?;
        app.close_by_keys(&desktop, keys).await?;
    }
    Ok(())
}

#[tokio::test]
async fn close_with_uncopied_key_asks_first() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_focused(&desktop).await?;
    app.create_key_in_dialog("unseen", "read").await?;
    for keys in ["ctrl+w", "ctrl+q"] {
        bring_to_front(&app, &desktop).await?;
        desktop.press(&[keys])?;
        app.wait_text("The key has not been copied or saved yet").await?;
        app.click("Keep open").await?;
        app.wait_gone("has not been copied or saved yet").await?;
    }
    ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "the key was lost");
    Ok(())
}

/// The menu belongs to the toolkit, so a page cannot read it. A screenshot shows whether the menu has changed.
#[tokio::test]
async fn menu_language_changes_immediately() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_focused(&desktop).await?;
    let bar = || {
        let path = desktop.home().join("menu.ppm");
        let window = desktop.list_window()?;
        desktop.run("import", &["-window", &window, "-crop", "200x24+0+0", &path.display().to_string()])?;
        anyhow::Ok(std::fs::read(path)?)
    };
    set_language(&app, "en").await?;
    wait_heading(&app, "API Keys").await?;
    app.wait("a menu", async || bar().is_ok_and(|bar| bar.windows(2).any(|pair| pair[0] != pair[1]))).await?;
    let mut english = bar()?;
    app.wait("an unchanging menu", async || {
        let before = std::mem::replace(&mut english, bar().unwrap_or_default());
        before == english
    })
    .await?;
    let mut seen = vec![english.clone()];
    for (language, heading) in [("de", "API-Schlüssel"), ("pt-BR", "Chaves de API")] {
        set_language(&app, language).await?;
        wait_heading(&app, heading).await?;
        app.wait("the menu to change", async || bar().is_ok_and(|bar| !seen.contains(&bar))).await?;
        seen.push(bar()?);
    }
    // The shortcuts are the same in every language.
    desktop.press(&["F1"])?;
    wait_heading(&app, "Ajuda").await?;
    desktop.press(&["ctrl+comma"])?;
    wait_heading(&app, "Preferências").await?;
    set_language(&app, "en").await?;
    app.wait("the menu to change back", async || bar().is_ok_and(|bar| bar == english)).await?;
    Ok(())
}

#[tokio::test]
async fn menu_opens_by_mouse_and_first_entry_creates_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_focused(&desktop).await?;
    desktop.run("xdotool", &["mousemove", "--window", &desktop.list_window()?, "18", "12", "click", "1"])?;
    let mut tries = 0;
    app.wait("the dialog", async || {
        // Key presses that arrive before the menu is open are lost, so they are repeated.
        tries += 1;
        if tries % 10 == 1 {
            let _ = desktop.press(&["Down", "Return"]);
        }
        app.text("[role=dialog] input[name=key-name]").await.is_ok()
    })
    .await
}
