//! Tests the key check on the Help page. Keys are pasted from the clipboard, and the real service checks them.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, AppOptions, Desktop};

use crate::helpers::{go_to_section, paste_over_field};
use crate::secret::{count_in_page, files_containing};

/// Puts text on the clipboard, and pastes it over the content of the field.
async fn paste_into_field(desktop: &Desktop, app: &App, text: &str) -> Result<()> {
    let held = "return document.querySelector('textarea').value.trim() === arguments[0].trim()";
    let is_held = async || app.script(held, vec![json!(text)]).await.is_ok_and(|held| held == true);
    // A busy window manager can lose the key presses, so they are repeated.
    for _ in 0..5 {
        app.script("document.querySelector('textarea').focus()", Vec::new()).await?;
        paste_over_field(desktop, text)?;
        for _ in 0..40 {
            if is_held().await {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    app.wait("the pasted text", is_held).await
}

#[tokio::test]
async fn each_cause_is_explained_with_next_step() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_read_key("training-server", "training").await?;
    go_to_section(&app, "Help").await?;

    paste_into_field(&desktop, &app, &key).await?;
    app.wait_text("training-server is valid").await?;
    app.wait_text(&format!("Key {}…", &key[..11])).await?;
    let request = |path: &str| format!("curl -H \"Authorization: Bearer {key}\" http://localhost:{}{path}", app.port);
    paste_into_field(&desktop, &app, &request("/api/training/runs")).await?;
    app.wait_text("training-server may make this request").await?;
    paste_into_field(&desktop, &app, &request("/nothing")).await?;
    app.wait_text("No key opens this request").await?;
    for (text, answer) in [
        (format!("ul_{}", "0".repeat(40)), "This service does not know the key"),
        (key[..42].to_owned(), "It does not have 43 characters"),
        (format!("{} {}", &key[..20], &key[20..]), "There are spaces or line breaks in it"),
        (key[3..].to_owned(), "It does not begin with ul_"),
        (format!("{}g", &key[..42]), "It has characters that no key has"),
        (format!("ul_{}", "A".repeat(40)), "It has capital letters"),
        ("export ULTRALYTICS_API_KEY=\"ul_your_key_here\"".into(), "This is a placeholder"),
        ("export ULTRALYTICS_API_KEY=".into(), "There is no key here"),
        (format!("curl -H 'Authorization: {key}' http://127.0.0.1:{}/api/x", app.port), "“Bearer” is missing"),
        (format!("curl -H 'Authorization: Bearer {key}' https://example.org/api/x"), "This talks to example.org"),
        ("API request failed (HTTP 403): Permission denied for this operation".into(), "its scopes do not allow"),
    ] {
        paste_into_field(&desktop, &app, &text).await?;
        app.wait_text(answer).await.with_context(|| text.clone())?;
    }

    paste_into_field(&desktop, &app, &request("/api/models")).await?;
    app.wait_text("One of these scopes is needed: models, read, write. The key has: training.").await?;
    app.click("Create Key…").await?;
    app.find_control("Name").await?;
    let chosen = "return [...document.querySelectorAll('[role=dialog] input:checked')].map(box => box.value)";
    let chosen = app.script(chosen, Vec::new()).await?;
    ensure!(chosen == json!(["training", "models"]), "{chosen}");
    desktop.press(&["Escape"])?;
    app.wait("the dialog to close", async || app.text("[role=dialog]").await.is_err()).await?;

    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    go_to_section(&app, "Help").await?;
    paste_into_field(&desktop, &app, &key).await?;
    app.wait_text("training-server was revoked").await?;
    app.click("Show in the list").await?;
    app.wait("the list", async || app.text("h1").await.is_ok_and(|title| title == "API Keys")).await?;
    app.wait_text("training-server").await
}

#[tokio::test]
async fn answer_scrolls_into_view_in_small_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.resize(&desktop, 640, 480).await?;
    go_to_section(&app, "Help").await?;
    paste_into_field(&desktop, &app, &format!("ul_{}", "0".repeat(40))).await?;
    app.wait_text("This service does not know the key").await?;
    // The answer scrolls into view, but never so far that the input field is no longer visible.
    let seen = "const field = document.querySelector('textarea').getBoundingClientRect();
        const answer = document.querySelector('[role=status] section').getBoundingClientRect();
        const bar = document.querySelector('header').getBoundingClientRect();
        return answer.top < innerHeight - 40 && field.top > bar.bottom - 1 &&
            (answer.bottom < innerHeight || field.top < bar.bottom + 20)
            && document.activeElement.localName === 'textarea';";
    app.wait("the answer to be visible", async || app.script(seen, Vec::new()).await.is_ok_and(|seen| seen == true))
        .await
}

#[tokio::test]
async fn reached_limit_is_explained_with_retry_time() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let settings = json!({ "port": ulkeys_tests::free_port()?, "limits": { "default": 2 } });
    std::fs::write(desktop.data_folder().join("settings.json"), settings.to_string())?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_read_key("eager", "read").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    for status in [200, 200, 429] {
        let url = format!("http://127.0.0.1:{}/api/account/summary", app.port);
        let answer = client.get(url).bearer_auth(&key).send().await?;
        ensure!(answer.status() == status, "{}", answer.status());
    }
    go_to_section(&app, "Help").await?;
    paste_into_field(&desktop, &app, &format!("ULTRALYTICS_API_KEY={key} ul cloud account summary")).await?;
    app.wait_text("eager has reached its limit").await?;
    app.wait_text("The limit is 2 requests of this kind per minute. The next one is accepted at").await
}

#[tokio::test]
async fn unreachable_service_is_reported() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", ulkeys_tests::free_port()?))?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let port = listener.local_addr()?.port();
    std::fs::write(desktop.data_folder().join("settings.json"), json!({ "port": port }).to_string())?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Help").await?;
    paste_into_field(&desktop, &app, &format!("ul_{}", "0".repeat(40))).await?;
    app.wait_text("The key service cannot be reached").await?;
    drop(listener);
    app.invoke("retry_service", json!({})).await?.expect("the service is running");
    app.click("Try again").await?;
    app.wait_text("This service does not know the key").await
}

/// A pasted key must be in the page only while the page shows it, and must never be stored anywhere else.
#[tokio::test]
async fn pasted_key_is_not_kept() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { log: Some("trace"), ..AppOptions::default() }).await?;
    let key = app.create_and_read_key("pasted", "read").await?;
    go_to_section(&app, "Help").await?;
    let command = format!("curl -H \"Authorization: Bearer {key}\" http://127.0.0.1:{}/api/models", app.port);
    paste_into_field(&desktop, &app, &command).await?;
    app.wait_text("pasted may make this request").await?;
    ensure!(count_in_page(&app, &key).await? == 1, "the key is not only in the field");

    app.click("Clear").await?;
    app.wait_gone("pasted may make this request").await?;
    app.wait_focus("Key, command or error message").await?;
    desktop.press(&["ctrl+z"])?;
    ensure!(count_in_page(&app, &key).await? == 0, "the key is still in the page, or was restored by undo");

    paste_into_field(&desktop, &app, &command).await?;
    app.wait_text("pasted may make this request").await?;
    go_to_section(&app, "Preferences").await?;
    ensure!(count_in_page(&app, &key).await? == 0, "the key is still in the page");
    go_to_section(&app, "Help").await?;
    let field = app.script("return document.querySelector('textarea').value", Vec::new()).await?;
    ensure!(field == "", "{field}");
    ensure!(
        app.output().contains("TRACE") && !app.output().contains(&key),
        "the log is incomplete or contains the key"
    );
    app.quit().await?;
    ensure!(files_containing(desktop.home(), &key)?.is_empty(), "{:?}", files_containing(desktop.home(), &key)?);
    Ok(())
}
