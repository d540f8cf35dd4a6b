//! The menu of the list's window, by real key presses and by mouse; its languages; and what it must not do.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use crate::hands::in_front;

async fn start(desktop: &Desktop) -> Result<App> {
    let app = App::start(desktop).await?;
    app.wait_text("No keys yet").await?;
    in_front(&app, desktop).await?;
    Ok(app)
}

async fn title(app: &App, wanted: &str) -> Result<()> {
    app.wait(wanted, async || app.text("h1").await.is_ok_and(|title| title == wanted)).await
}

async fn dialog_gone(app: &App) -> Result<()> {
    app.wait("the end of the dialog", async || app.text("[role=dialog]").await.is_err()).await
}

#[tokio::test]
async fn each_shortcut_does_what_the_menu_says() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start(&desktop).await?;
    desktop.press(&["ctrl+comma"])?;
    title(&app, "Preferences").await?;
    desktop.press(&["F1"])?;
    title(&app, "Help").await?;
    app.wait_focus("Help").await?;
    desktop.press(&["ctrl+n"])?;
    app.wait_focus("Name").await?;
    title(&app, "API Keys").await?;

    // Nothing happens under an open dialog.
    desktop.press(&["ctrl+comma", "F1", "ctrl+f", "ctrl+n"])?;
    desktop.type_text("typed")?;
    app.wait_name("typed").await?;
    title(&app, "API Keys").await?;
    desktop.press(&["Escape"])?;
    dialog_gone(&app).await?;

    // With a key there is a list to be searched.
    app.create_unseen("findable", "read").await?;
    in_front(&app, &desktop).await?;
    desktop.press(&["F1"])?;
    title(&app, "Help").await?;
    desktop.press(&["ctrl+f"])?;
    title(&app, "API Keys").await?;
    let searching = "return document.activeElement?.matches('input') && document.activeElement.type !== 'checkbox'";
    app.wait("the search", async || app.script(searching, Vec::new()).await.is_ok_and(|it| it == true)).await
}

#[tokio::test]
async fn it_closes_the_window_and_the_app() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    for keys in ["ctrl+w", "ctrl+q"] {
        let app = start(&desktop).await?;
        app.close_with(&desktop, keys).await?;
    }
    Ok(())
}

#[tokio::test]
async fn closing_asks_first_while_a_key_is_unseen() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start(&desktop).await?;
    app.create_in_dialog("unseen", "read").await?;
    for keys in ["ctrl+w", "ctrl+q"] {
        in_front(&app, &desktop).await?;
        desktop.press(&[keys])?;
        app.wait_text("The key has not been copied or saved yet").await?;
        app.click("Keep open").await?;
        app.wait_gone("has not been copied or saved yet").await?;
    }
    ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "the key is still there");
    Ok(())
}

/// The menu is the toolkit's, and no page can read it: its picture tells when it has changed.
#[tokio::test]
async fn its_language_changes_at_once() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start(&desktop).await?;
    let bar = || {
        let path = desktop.home().join("menu.ppm");
        let window = desktop.window()?;
        desktop.run("import", &["-window", &window, "-crop", "200x24+0+0", &path.display().to_string()])?;
        anyhow::Ok(std::fs::read(path)?)
    };
    let speak = async |language: &str| {
        let preferences = json!({ "language": language, "theme": "light", "textPercent": 100, "clipboardSeconds": 60, "rotationDays": 90 });
        app.invoke("change_preferences", json!({ "preferences": preferences })).await
    };
    speak("en").await?.expect("changed");
    title(&app, "API Keys").await?;
    app.wait("a menu", async || bar().is_ok_and(|bar| bar.windows(2).any(|pair| pair[0] != pair[1]))).await?;
    let mut english = bar()?;
    app.wait("a menu at rest", async || {
        let before = std::mem::replace(&mut english, bar().unwrap_or_default());
        before == english
    })
    .await?;
    let mut seen = vec![english.clone()];
    for (language, heading) in [("de", "API-Schlüssel"), ("pt-BR", "Chaves de API")] {
        speak(language).await?.expect("changed");
        title(&app, heading).await?;
        app.wait("another menu", async || bar().is_ok_and(|bar| !seen.contains(&bar))).await?;
        seen.push(bar()?);
    }
    // Its keys are the same in every language.
    desktop.press(&["F1"])?;
    title(&app, "Ajuda").await?;
    desktop.press(&["ctrl+comma"])?;
    title(&app, "Preferências").await?;
    speak("en").await?.expect("changed");
    app.wait("the first menu", async || bar().is_ok_and(|bar| bar == english)).await?;
    Ok(())
}

#[tokio::test]
async fn it_opens_by_mouse_and_its_first_entry_makes_a_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start(&desktop).await?;
    desktop.run("xdotool", &["mousemove", "--window", &desktop.window()?, "18", "12", "click", "1"])?;
    let mut tries = 0;
    app.wait("the dialog", async || {
        // What is pressed before the menu is open is lost.
        tries += 1;
        if tries % 10 == 1 {
            let _ = desktop.press(&["Down", "Return"]);
        }
        app.text("[role=dialog] input[name=key-name]").await.is_ok()
    })
    .await
}
