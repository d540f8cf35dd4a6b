//! axe finds nothing in any state, light or dark, English or German (WCAG 2.2 AA and best practices).

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, AppOptions, Desktop};

const AXE: &str = include_str!("../../ui/node_modules/axe-core/axe.min.js");

/// Runs axe on the page as it is, once it has come to rest.
async fn check(app: &App, state: &str) -> Result<()> {
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    app.script(&format!("if (!window.axe) {{ {AXE} }}"), Vec::new()).await?;
    let script = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'] }).then(
            ({ violations }) => done(violations.map(({ id, nodes }) => id + ': ' + nodes.map(n => n.html).join(' | '))),
            error => done([String(error)]));";
    let found = app.driver.execute_async(script, Vec::new()).await?.json().clone();
    ensure!(found == json!([]), "{state}: {found:#}");
    Ok(())
}

async fn every_state(options: AppOptions, labels: [&str; 5]) -> Result<()> {
    let [create, read, submit, done, revoke] = labels;
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, options).await?;
    app.control(create).await?;
    check(&app, "empty").await?;
    app.script("document.querySelector('button:has([data-service-address])').click()", Vec::new()).await?;
    check(&app, "service").await?;
    desktop.press(&["Escape"])?;

    app.click(create).await?;
    check(&app, "create").await?;
    app.click(submit).await?;
    check(&app, "create, refused").await?;
    app.control("Name").await?.send_keys("checked").await?;
    app.click(read).await?;
    app.click("admin").await?;
    check(&app, "create, with admin").await?;
    app.click(submit).await?;
    app.enter_key_window().await?;
    app.control(done).await?;
    check(&app, "one-time").await?;
    app.enter_list_window().await?;
    check(&app, "list, behind the one-time window").await?;
    app.enter_key_window().await?;
    app.click(done).await?;
    check(&app, "one-time, asking").await?;
    app.script("document.querySelector('code.key + button').click()", Vec::new()).await?;
    check(&app, "one-time, copied").await?;
    app.click(done).await?;
    app.leave_key_window().await?;
    check(&app, "list").await?;

    app.script("document.querySelector('tbody button[aria-haspopup=menu]').focus()", Vec::new()).await?;
    desktop.press(&["Return"])?;
    app.control(revoke).await?;
    check(&app, "menu").await?;
    app.click(revoke).await?;
    app.text("[role=alertdialog]").await.context("the confirmation")?;
    check(&app, "revoke").await
}

#[tokio::test]
async fn light_and_english() -> Result<()> {
    every_state(AppOptions::default(), ["Create Key", "read", "Create", "Done", "Revoke…"]).await
}

#[tokio::test]
async fn dark_and_german() -> Result<()> {
    let options = AppOptions { dark: true, german: true, ..AppOptions::default() };
    every_state(options, ["Schlüssel erstellen", "read", "Erstellen", "Fertig", "Widerrufen…"]).await
}

#[tokio::test]
async fn a_damaged_database() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    std::fs::write(desktop.data().join("keys.db"), "not a database ".repeat(1000))?;
    let app = App::start(&desktop).await?;
    app.wait_text("The key database is damaged").await?;
    check(&app, "database").await
}
