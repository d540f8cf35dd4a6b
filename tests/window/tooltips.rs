//! Tests tooltips with the mouse and the keyboard: they stay readable for as long as needed, and can be dismissed (WCAG
//! 1.4.13).

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use ulkeys_tests::{App, Desktop, ensure_holds, seed};

use crate::helpers::tab_to;

const TOOLTIP_SELECTOR: &str = "[role=tooltip]";
const LAST_USED_SELECTOR: &str = "[data-key-id] .used time";

async fn wait_tooltip(app: &App, wanted: &str) -> Result<()> {
    app.wait(&format!("the tooltip {wanted}"), async || app.text(TOOLTIP_SELECTOR).await.is_ok_and(|tip| tip == wanted))
        .await
}

async fn wait_no_tooltip(app: &App) -> Result<()> {
    app.wait("the tooltip to disappear", async || app.text(TOOLTIP_SELECTOR).await.is_err()).await
}

async fn start_with_used_key() -> Result<(Desktop, App)> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    seed::seed_database(
        &desktop.data_folder().join("keys.db"),
        &[seed::SeedKey::new("server", "read", 500).with_usage(30, &[])],
    )
    .await?;
    desktop.run("xdotool", &["mousemove", "1279", "999"])?;
    let app = App::start(&desktop).await?;
    app.wait_text("server").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    Ok((desktop, app))
}

#[tokio::test]
async fn tooltip_hides_when_mouse_leaves_window() -> Result<()> {
    let (desktop, app) = start_with_used_key().await?;
    app.hover_selector(&desktop, LAST_USED_SELECTOR).await?;
    app.wait("the tooltip", async || app.text(TOOLTIP_SELECTOR).await.is_ok()).await?;
    desktop.run("xdotool", &["mousemove", "1279", "999"])?;
    wait_no_tooltip(&app).await
}

#[tokio::test]
async fn tooltip_shows_on_hover_and_hides_on_escape() -> Result<()> {
    let (desktop, app) = start_with_used_key().await?;
    app.wait("a use of yesterday", async || {
        app.text(LAST_USED_SELECTOR).await.is_ok_and(|text| text.starts_with("1 day ago"))
    })
    .await?;
    let listed = app.invoke("list_keys", serde_json::json!({ "query": {} })).await?.expect("listed");
    let exact = "return new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'long' })
        .format(new Date(arguments[0]))";
    let exact: Value = app.script(exact, vec![listed["keys"][0]["lastUsedAt"].clone()]).await?;
    let exact = exact.as_str().context("no time")?;
    ensure!(exact.contains("UTC"), "the time zone is missing: {exact}");

    ensure!(app.text(TOOLTIP_SELECTOR).await.is_err(), "a tooltip is shown before hovering");
    app.hover_selector(&desktop, LAST_USED_SELECTOR).await?;
    wait_tooltip(&app, exact).await?;
    // The mouse can move onto the tooltip, which then stays open.
    app.hover_selector(&desktop, TOOLTIP_SELECTOR).await?;
    let is_shown = async || app.text(TOOLTIP_SELECTOR).await.is_ok_and(|text| text == exact);
    ensure_holds("the tooltip below the mouse", std::time::Duration::from_millis(300), is_shown).await?;
    desktop.press(&["Escape"])?;
    wait_no_tooltip(&app).await?;
    // Escape only hides the tooltip. The tooltip appears again on the next hover, and disappears when the mouse leaves.
    app.hover_selector(&desktop, "h1").await?;
    app.hover_selector(&desktop, LAST_USED_SELECTOR).await?;
    wait_tooltip(&app, exact).await?;
    app.hover_selector(&desktop, "h1").await?;
    wait_no_tooltip(&app).await?;
    // The text of the tooltip is also available to screen readers.
    let described = "const time = document.querySelector(arguments[0]);
        return document.getElementById(time.getAttribute('aria-describedby')).textContent";
    let told = app.script(described, vec![LAST_USED_SELECTOR.into()]).await?;
    ensure!(told == exact, "the accessible description differs: {told}");
    Ok(())
}

#[tokio::test]
async fn tooltip_shows_on_focus_and_hides_on_escape() -> Result<()> {
    let (desktop, app) = start_with_used_key().await?;
    tab_to(&desktop, &app, "Create Key").await?;
    wait_tooltip(&app, "Shortcut: Ctrl+N").await?;
    desktop.press(&["Escape"])?;
    wait_no_tooltip(&app).await?;
    app.wait_focus("Create Key").await?;
    desktop.press(&["Tab"])?;
    app.wait_focus("Active\n1").await?;
    desktop.press(&["shift+Tab"])?;
    wait_tooltip(&app, "Shortcut: Ctrl+N").await?;
    desktop.press(&["Tab"])?;
    wait_no_tooltip(&app).await
}
