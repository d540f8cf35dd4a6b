//! Tooltips: by mouse and by keyboard, readable as long as one likes, and gone when told to (WCAG 1.4.13).

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use ulkeys_tests::{App, Desktop, seed};

use crate::hands::tab_to;

const TIP: &str = "[role=tooltip]";
const USED: &str = "[data-key-id] .used time";

async fn wait_tip(app: &App, wanted: &str) -> Result<()> {
    app.wait(&format!("the tooltip {wanted}"), async || app.text(TIP).await.is_ok_and(|tip| tip == wanted)).await
}

async fn wait_none(app: &App) -> Result<()> {
    app.wait("the end of the tooltip", async || app.text(TIP).await.is_err()).await
}

async fn start() -> Result<(Desktop, App)> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    seed::seed(&desktop.data().join("keys.db"), &[seed::Sample::new("server", "read", 500).used(30, &[])]).await?;
    desktop.run("xdotool", &["mousemove", "1279", "999"])?;
    let app = App::start(&desktop).await?;
    app.wait_text("server").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;
    Ok((desktop, app))
}

#[tokio::test]
async fn by_mouse() -> Result<()> {
    let (desktop, app) = start().await?;
    app.wait("yesterday", async || app.text(USED).await.is_ok_and(|text| text.starts_with("1 day ago"))).await?;
    let listed = app.invoke("list_keys", serde_json::json!({ "query": {} })).await?.expect("listed");
    let exact = "return new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'long' })
        .format(new Date(arguments[0]))";
    let exact: Value = app.script(exact, vec![listed["keys"][0]["lastUsedAt"].clone()]).await?;
    let exact = exact.as_str().context("a time")?;
    ensure!(exact.contains("UTC"), "with its time zone: {exact}");

    ensure!(app.text(TIP).await.is_err(), "nobody has asked");
    app.point_at(&desktop, USED).await?;
    wait_tip(&app, exact).await?;
    // One may go there, to read it at leisure.
    app.point_at(&desktop, TIP).await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    wait_tip(&app, exact).await?;
    desktop.press(&["Escape"])?;
    wait_none(&app).await?;
    // Escape hid it and did nothing else; it comes again as before, and goes with the mouse.
    app.point_at(&desktop, "h1").await?;
    app.point_at(&desktop, USED).await?;
    wait_tip(&app, exact).await?;
    app.point_at(&desktop, "h1").await?;
    wait_none(&app).await?;
    // What is shown there is not only shown there.
    let described = "const time = document.querySelector(arguments[0]);
        return document.getElementById(time.getAttribute('aria-describedby')).textContent";
    let told = app.script(described, vec![USED.into()]).await?;
    ensure!(told == exact, "also for whoever cannot point: {told}");
    Ok(())
}

#[tokio::test]
async fn by_keyboard() -> Result<()> {
    let (desktop, app) = start().await?;
    tab_to(&desktop, &app, "Create Key").await?;
    wait_tip(&app, "Shortcut: Ctrl+N").await?;
    desktop.press(&["Escape"])?;
    wait_none(&app).await?;
    app.wait_focus("Create Key").await?;
    desktop.press(&["Tab"])?;
    app.wait_focus("Active\n1").await?;
    desktop.press(&["shift+Tab"])?;
    wait_tip(&app, "Shortcut: Ctrl+N").await?;
    desktop.press(&["Tab"])?;
    wait_none(&app).await
}
