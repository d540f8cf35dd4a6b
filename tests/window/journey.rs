//! From click to refusal, twice: with the mouse, and by keyboard alone.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, ul};

use crate::hands::{confirm, tab_to, wait_confirmation};

const SUMMARY: &[&str] = &["cloud", "account", "summary"];
const API_KEYS: &[&str] = &["cloud", "account", "api-keys"];

#[tokio::test]
async fn with_the_mouse() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;

    app.click_with_mouse(&desktop, "Create Key").await?;
    app.click_with_mouse(&desktop, "Name").await?;
    desktop.type_text("ci-pipeline")?;
    app.wait_name("ci-pipeline").await?;
    app.click_with_mouse(&desktop, "read").await?;
    app.click_with_mouse(&desktop, "models").await?;
    app.click_with_mouse(&desktop, "Create").await?;

    app.wait_text("Your new key is in its own window").await?;
    app.enter_key_window().await?;
    app.click_with_mouse(&desktop, "Copy").await?;
    app.wait_text("Copied").await?;
    let key = copied_key(&desktop, &app).await?;
    app.click_with_mouse(&desktop, "Done").await?;
    app.leave_key_window().await?;
    app.wait_text(&format!("{}…", &key[..11])).await?;
    app.wait("a key that was never used", async || {
        row(&app, "ci-pipeline").await.is_ok_and(|row| row.contains("Never"))
    })
    .await?;

    accepted_by_the_service(&desktop, &app, &key)?;
    let keys = ul(&desktop, &key, app.port, API_KEYS)?;
    ensure!(keys.code == Some(0) && keys.stdout.contains("ci-pipeline"), "{keys:?}");
    app.wait("a new Last used", async || row(&app, "ci-pipeline").await.is_ok_and(|row| !row.contains("Never")))
        .await?;

    app.click_with_mouse(&desktop, "Actions for ci-pipeline").await?;
    app.click_with_mouse(&desktop, "Revoke…").await?;
    app.wait_text("Revoke ci-pipeline?").await?;
    app.wait_focus("To confirm, type ci-pipeline").await?;
    // It was used just now.
    confirm(&desktop, &app, "ci-pipeline").await?;
    app.click_with_mouse(&desktop, "Revoke key").await?;
    refused_after_the_revocation(&desktop, &app, &key, "ci-pipeline").await
}

#[tokio::test]
async fn by_keyboard_alone() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;

    tab_to(&desktop, &app, "Create Key").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("Name").await?;
    desktop.type_text("training-server")?;
    app.wait_name("training-server").await?;
    tab_to(&desktop, &app, "training").await?;
    desktop.press(&["space", "Return"])?;

    app.enter_key_window().await?;
    app.wait_focus("Copy").await?;
    desktop.press(&["Return"])?;
    app.wait_text("Copied").await?;
    let key = copied_key(&desktop, &app).await?;
    desktop.press(&["Escape"])?;
    app.wait_text("Copy your key").await?;
    tab_to(&desktop, &app, "Done").await?;
    desktop.press(&["Return"])?;
    app.leave_key_window().await?;
    app.wait_focus("Create Key").await?;

    accepted_by_the_service(&desktop, &app, &key)?;
    app.wait("a new Last used", async || row(&app, "training-server").await.is_ok_and(|row| !row.contains("Never")))
        .await?;

    tab_to(&desktop, &app, "Actions for training-server").await?;
    desktop.press(&["Return"])?;
    app.control("Revoke…").await?;
    desktop.press(&["End", "Return"])?;
    app.wait_text("Revoke training-server?").await?;
    app.wait_focus("To confirm, type training-server").await?;
    desktop.type_text("training-server")?;
    wait_confirmation(&app, "training-server").await?;
    desktop.press(&["Return"])?;
    refused_after_the_revocation(&desktop, &app, &key, "training-server").await
}

/// What a paste gives; it must be what the dialog shows, and be marked as a secret.
async fn copied_key(desktop: &Desktop, app: &App) -> Result<String> {
    let key = desktop.clipboard()?;
    let shown = app.text("code.key").await?;
    ensure!(key == shown.trim(), "the clipboard holds something else than the key shown");
    ensure!(key.len() == 43 && key.starts_with("ul_"), "a whole key");
    ensure!(desktop.clipboard_targets()?.contains("x-kde-passwordManagerHint"), "kept out of clipboard histories");
    Ok(key)
}

fn accepted_by_the_service(desktop: &Desktop, app: &App, key: &str) -> Result<()> {
    let summary = ul(desktop, key, app.port, SUMMARY)?;
    ensure!(summary.code == Some(0) && summary.stdout.contains("\"plan\": \"free\""), "{summary:?}");
    Ok(())
}

async fn refused_after_the_revocation(desktop: &Desktop, app: &App, key: &str, name: &str) -> Result<()> {
    app.wait_text(&format!("{name} was revoked")).await?;
    for arguments in [SUMMARY, API_KEYS] {
        let refused = ul(desktop, key, app.port, arguments)?;
        ensure!(refused.code == Some(1), "{refused:?}");
        ensure!(refused.stderr.contains("API request failed (HTTP 401): Invalid API key"), "{refused:?}");
    }
    app.wait_text("No active keys").await
}

/// The text of the row that names the key.
async fn row(app: &App, name: &str) -> Result<String> {
    let script = "return [...document.querySelectorAll('[data-key-id]')]
        .map(row => row.innerText).find(text => text.includes(arguments[0])) ?? '';";
    Ok(app.script(script, vec![json!(name)]).await?.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_key_that_may_read_lists_the_keys_with_ul() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let reader = app.create_and_copy(&desktop, "reader", "read").await?;
    let trainer = app.create_and_copy(&desktop, "trainer", "training").await?;
    let listed = ul(&desktop, &reader, app.port, API_KEYS)?;
    ensure!(listed.code == Some(0) && listed.stdout.contains("\"name\": \"trainer\""), "{listed:?}");
    let denied = ul(&desktop, &trainer, app.port, API_KEYS)?;
    ensure!(denied.stderr.contains("(HTTP 403): Permission denied for this operation"), "{denied:?}");
    app.wait_text("trainer").await
}

#[tokio::test]
async fn a_name_that_a_program_changes_changes_in_the_list() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = app.create_and_copy(&desktop, "before", "admin").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let id = listed["keys"][0]["keyId"].as_str().unwrap_or_default().to_owned();
    let url = format!("http://127.0.0.1:{}/api/api-keys/{id}", app.port);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.patch(url).bearer_auth(&admin).json(&json!({ "name": "after" })).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    app.wait("the new name", async || row(&app, "after").await.is_ok_and(|row| !row.is_empty())).await?;
    ensure!(row(&app, "before").await?.is_empty(), "one key, one row");
    Ok(())
}
