//! Tests the About dialog, with the licenses that the build script collected.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use crate::helpers::{bring_to_front, go_to_section, wait_dialog_closed};

/// Clicks the summary that matches a selector, which expands its content.
async fn expand(app: &App, selector: &str) -> Result<()> {
    app.script("document.querySelector(arguments[0]).click()", vec![json!(selector)]).await.map(drop)
}

#[tokio::test]
async fn about_dialog_shows_version_and_third_party_licenses() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Help").await?;
    app.click("About UL Keys").await?;
    app.wait_text(&format!("Version {}", env!("CARGO_PKG_VERSION"))).await?;
    app.wait_focus("Close").await?;
    // License texts enter the page only when their package is opened.
    ensure!(!app.text("[role=dialog]").await?.contains("tauri"), "the list is open");
    expand(&app, "[role=dialog] summary").await?;
    for name in ["tauri", "rusqlite", "svelte", "@fontsource-variable/inter"] {
        app.wait_text(name).await?;
    }
    expand(&app, "[role=dialog] li:first-child summary").await?;
    app.wait("a license text", async || app.text("[role=dialog] pre").await.is_ok_and(|text| text.len() > 500)).await?;

    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("About UL Keys").await?;
    Ok(())
}

#[tokio::test]
async fn about_dialog_opens_from_menu() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    bring_to_front(&app, &desktop).await?;
    let mut tries = 0;
    app.wait("the dialog", async || {
        // A key that is pressed before the menu bar has the focus is lost, so the keys are repeated.
        tries += 1;
        if tries % 20 == 1 {
            // The second menu is Help, and its second entry is About.
            let _ = desktop.press(&["F10", "Right", "Down", "Down", "Return"]);
        }
        app.text("[role=dialog]").await.is_ok_and(|text| text.contains("Version"))
    })
    .await
}
