//! Tests the life cycle of a key from its creation to its rejection after revocation, once with the mouse and once with
//! the keyboard alone.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, run_ul};

use crate::helpers::{tab_to, type_confirmation, wait_confirmation};

const SUMMARY_COMMAND: &[&str] = &["cloud", "account", "summary"];
const LIST_KEYS_COMMAND: &[&str] = &["cloud", "account", "api-keys"];

#[tokio::test]
async fn key_lifecycle_works_by_mouse() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;

    app.click_with_mouse(&desktop, "Create Key").await?;
    app.click_with_mouse(&desktop, "Name").await?;
    desktop.type_text("ci-pipeline")?;
    app.wait_name_field("ci-pipeline").await?;
    app.click_with_mouse(&desktop, "read").await?;
    app.click_with_mouse(&desktop, "models").await?;
    app.click_with_mouse(&desktop, "Create").await?;

    app.wait_text("Your new key is in its own window").await?;
    app.switch_to_key_window().await?;
    app.click_with_mouse(&desktop, "Copy").await?;
    app.wait_text("Copied").await?;
    let key = read_copied_key(&desktop, &app).await?;
    app.click_with_mouse(&desktop, "Done").await?;
    app.wait_key_window_closed().await?;
    app.wait_text(&format!("{}…", &key[..11])).await?;
    app.wait("a key that was never used", async || {
        row_text(&app, "ci-pipeline").await.is_ok_and(|row| row.contains("Never"))
    })
    .await?;

    ensure_key_is_accepted(&desktop, &app, &key)?;
    let keys = run_ul(&desktop, &key, app.port, LIST_KEYS_COMMAND)?;
    ensure!(keys.code == Some(0) && keys.stdout.contains("ci-pipeline"), "{keys:?}");
    app.wait("a changed Last used", async || {
        row_text(&app, "ci-pipeline").await.is_ok_and(|row| !row.contains("Never"))
    })
    .await?;

    app.click_with_mouse(&desktop, "Actions for ci-pipeline").await?;
    app.click_with_mouse(&desktop, "Revoke…").await?;
    app.wait_text("Revoke ci-pipeline?").await?;
    app.wait_focus("To confirm, type ci-pipeline").await?;
    // The key was used recently, so the dialog requires the user to type its name.
    type_confirmation(&desktop, &app, "ci-pipeline").await?;
    app.click_with_mouse(&desktop, "Revoke key").await?;
    ensure_key_is_rejected_after_revocation(&desktop, &app, &key, "ci-pipeline").await
}

#[tokio::test]
async fn key_lifecycle_works_by_keyboard_alone() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;

    tab_to(&desktop, &app, "Create Key").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("Name").await?;
    desktop.type_text("training-server")?;
    app.wait_name_field("training-server").await?;
    tab_to(&desktop, &app, "training").await?;
    desktop.press(&["space", "Return"])?;

    app.switch_to_key_window().await?;
    app.wait_focus("Copy").await?;
    desktop.press(&["Return"])?;
    app.wait_text("Copied").await?;
    let key = read_copied_key(&desktop, &app).await?;
    desktop.press(&["Escape"])?;
    app.wait_text("Copy your key").await?;
    tab_to(&desktop, &app, "Done").await?;
    desktop.press(&["Return"])?;
    app.wait_key_window_closed().await?;
    app.wait_focus("Create Key").await?;

    ensure_key_is_accepted(&desktop, &app, &key)?;
    app.wait("a changed Last used", async || {
        row_text(&app, "training-server").await.is_ok_and(|row| !row.contains("Never"))
    })
    .await?;

    tab_to(&desktop, &app, "Actions for training-server").await?;
    desktop.press(&["Return"])?;
    app.find_control("Revoke…").await?;
    desktop.press(&["End", "Return"])?;
    app.wait_text("Revoke training-server?").await?;
    app.wait_focus("To confirm, type training-server").await?;
    desktop.type_text("training-server")?;
    wait_confirmation(&app, "training-server").await?;
    desktop.press(&["Return"])?;
    ensure_key_is_rejected_after_revocation(&desktop, &app, &key, "training-server").await
}

/// Returns the clipboard's text, and checks that it is the displayed key and is marked as a secret.
async fn read_copied_key(desktop: &Desktop, app: &App) -> Result<String> {
    let key = desktop.read_clipboard()?;
    let shown = app.text("code.key").await?;
    ensure!(key == shown.trim(), "the clipboard does not contain the displayed key");
    ensure!(key.len() == 43 && key.starts_with("ul_"), "the clipboard does not contain a whole key");
    ensure!(
        desktop.read_clipboard_targets()?.contains("x-kde-passwordManagerHint"),
        "the copied key is not marked as a secret"
    );
    Ok(key)
}

fn ensure_key_is_accepted(desktop: &Desktop, app: &App, key: &str) -> Result<()> {
    let summary = run_ul(desktop, key, app.port, SUMMARY_COMMAND)?;
    ensure!(summary.code == Some(0) && summary.stdout.contains("\"plan\": \"free\""), "{summary:?}");
    Ok(())
}

async fn ensure_key_is_rejected_after_revocation(desktop: &Desktop, app: &App, key: &str, name: &str) -> Result<()> {
    app.wait_text(&format!("{name} was revoked")).await?;
    for arguments in [SUMMARY_COMMAND, LIST_KEYS_COMMAND] {
        let refused = run_ul(desktop, key, app.port, arguments)?;
        ensure!(refused.code == Some(1), "{refused:?}");
        ensure!(refused.stderr.contains("API request failed (HTTP 401): Invalid API key"), "{refused:?}");
    }
    app.wait_text("No active keys").await
}

/// Returns the text of the row with this name.
async fn row_text(app: &App, name: &str) -> Result<String> {
    let script = "return [...document.querySelectorAll('[data-key-id]')]
        .map(row => row.innerText).find(text => text.includes(arguments[0])) ?? '';";
    Ok(app.script(script, vec![json!(name)]).await?.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn key_with_read_scope_lists_keys_with_ul() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let reader = app.create_and_copy_key(&desktop, "reader", "read").await?;
    let trainer = app.create_and_copy_key(&desktop, "trainer", "training").await?;
    let listed = run_ul(&desktop, &reader, app.port, LIST_KEYS_COMMAND)?;
    ensure!(listed.code == Some(0) && listed.stdout.contains("\"name\": \"trainer\""), "{listed:?}");
    let denied = run_ul(&desktop, &trainer, app.port, LIST_KEYS_COMMAND)?;
    ensure!(denied.stderr.contains("(HTTP 403): Permission denied for this operation"), "{denied:?}");
    app.wait_text("trainer").await
}

#[tokio::test]
async fn rename_over_api_updates_list() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = app.create_and_copy_key(&desktop, "before", "admin").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let id = listed["keys"][0]["keyId"].as_str().unwrap_or_default().to_owned();
    let url = format!("http://127.0.0.1:{}/api/api-keys/{id}", app.port);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.patch(url).bearer_auth(&admin).json(&json!({ "name": "after" })).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    app.wait("the new name", async || row_text(&app, "after").await.is_ok_and(|row| !row.is_empty())).await?;
    ensure!(row_text(&app, "before").await?.is_empty(), "the former name still has a row");
    Ok(())
}
