//! Check a key: real keys, pasted as a person would, and what the real service says of them.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, AppOptions, Desktop};

use crate::hands::paste_over;
use crate::secret::{files_with, hits_in_page};

async fn go(app: &App, section: &str) -> Result<()> {
    app.click(section).await?;
    app.wait(section, async || app.text("h1").await.is_ok_and(|title| title == section)).await
}

/// Puts a text on the clipboard and pastes it over what is in the field.
async fn paste(desktop: &Desktop, app: &App, text: &str) -> Result<()> {
    let held = "return document.querySelector('textarea').value.trim() === arguments[0].trim()";
    let is_held = async || app.script(held, vec![json!(text)]).await.is_ok_and(|held| held == true);
    // A window manager that is busy can swallow the keys.
    for _ in 0..5 {
        app.script("document.querySelector('textarea').focus()", Vec::new()).await?;
        paste_over(desktop, text)?;
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
async fn every_cause_is_told_and_leads_on() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "training-server", "training").await?;
    go(&app, "Help").await?;

    paste(&desktop, &app, &key).await?;
    app.wait_text("training-server is valid").await?;
    app.wait_text(&format!("Key {}…", &key[..11])).await?;
    let request = |path: &str| format!("curl -H \"Authorization: Bearer {key}\" http://localhost:{}{path}", app.port);
    paste(&desktop, &app, &request("/api/training/runs")).await?;
    app.wait_text("training-server may make this request").await?;
    paste(&desktop, &app, &request("/nothing")).await?;
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
        paste(&desktop, &app, &text).await?;
        app.wait_text(answer).await.with_context(|| text.clone())?;
    }

    paste(&desktop, &app, &request("/api/models")).await?;
    app.wait_text("One of these scopes is needed: models, read, write. The key has: training.").await?;
    app.click("Create Key…").await?;
    app.control("Name").await?;
    let chosen = "return [...document.querySelectorAll('[role=dialog] input:checked')].map(box => box.value)";
    let chosen = app.script(chosen, Vec::new()).await?;
    ensure!(chosen == json!(["training", "models"]), "{chosen}");
    desktop.press(&["Escape"])?;
    app.wait("the end of the dialog", async || app.text("[role=dialog]").await.is_err()).await?;

    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    go(&app, "Help").await?;
    paste(&desktop, &app, &key).await?;
    app.wait_text("training-server was revoked").await?;
    app.click("Show in the list").await?;
    app.wait("the list", async || app.text("h1").await.is_ok_and(|title| title == "API Keys")).await?;
    app.wait_text("training-server").await
}

#[tokio::test]
async fn the_answer_comes_into_sight_in_a_small_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.resize(&desktop, 640, 480).await?;
    go(&app, "Help").await?;
    paste(&desktop, &app, &format!("ul_{}", "0".repeat(40))).await?;
    app.wait_text("This service does not know the key").await?;
    // As far as the field stays in sight.
    let seen = "const field = document.querySelector('textarea').getBoundingClientRect();
        const answer = document.querySelector('[role=status] section').getBoundingClientRect();
        const bar = document.querySelector('header').getBoundingClientRect();
        return answer.top < innerHeight - 40 && field.top > bar.bottom - 1 &&
            (answer.bottom < innerHeight || field.top < bar.bottom + 20)
            && document.activeElement.localName === 'textarea';";
    app.wait("the answer in sight", async || app.script(seen, Vec::new()).await.is_ok_and(|seen| seen == true)).await
}

#[tokio::test]
async fn a_limit_is_told_with_its_end() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    let settings = json!({ "port": ulkeys_tests::free_port()?, "limits": { "default": 2 } });
    std::fs::write(desktop.data().join("settings.json"), settings.to_string())?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "eager", "read").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    for status in [200, 200, 429] {
        let url = format!("http://127.0.0.1:{}/api/account/summary", app.port);
        let answer = client.get(url).bearer_auth(&key).send().await?;
        ensure!(answer.status() == status, "{}", answer.status());
    }
    go(&app, "Help").await?;
    paste(&desktop, &app, &format!("ULTRALYTICS_API_KEY={key} ul cloud account summary")).await?;
    app.wait_text("eager has reached its limit").await?;
    app.wait_text("The limit is 2 requests of this kind per minute. The next one is accepted at").await
}

#[tokio::test]
async fn a_service_that_cannot_be_asked_is_said_to_be_so() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", ulkeys_tests::free_port()?))?;
    std::fs::create_dir_all(desktop.data())?;
    let port = listener.local_addr()?.port();
    std::fs::write(desktop.data().join("settings.json"), json!({ "port": port }).to_string())?;
    let app = App::start(&desktop).await?;
    go(&app, "Help").await?;
    paste(&desktop, &app, &format!("ul_{}", "0".repeat(40))).await?;
    app.wait_text("The key service cannot be reached").await?;
    drop(listener);
    app.invoke("retry_service", json!({})).await?.expect("running");
    app.click("Try again").await?;
    app.wait_text("This service does not know the key").await
}

/// The page may hold what was pasted for as long as it shows it, and nobody else ever.
#[tokio::test]
async fn what_was_pasted_is_not_kept() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { log: Some("trace"), ..AppOptions::default() }).await?;
    let key = app.create_and_copy(&desktop, "pasted", "read").await?;
    go(&app, "Help").await?;
    let command = format!("curl -H \"Authorization: Bearer {key}\" http://127.0.0.1:{}/api/models", app.port);
    paste(&desktop, &app, &command).await?;
    app.wait_text("pasted may make this request").await?;
    ensure!(hits_in_page(&app, &key).await? == 1, "in the field, and nowhere else");

    app.click("Clear").await?;
    app.wait_gone("pasted may make this request").await?;
    app.wait_focus("Key, command or error message").await?;
    desktop.press(&["ctrl+z"])?;
    ensure!(hits_in_page(&app, &key).await? == 0, "cleared, and not to be brought back");

    paste(&desktop, &app, &command).await?;
    app.wait_text("pasted may make this request").await?;
    go(&app, "Preferences").await?;
    ensure!(hits_in_page(&app, &key).await? == 0, "left behind");
    go(&app, "Help").await?;
    let field = app.script("return document.querySelector('textarea').value", Vec::new()).await?;
    ensure!(field == "", "{field}");
    ensure!(app.output().contains("TRACE") && !app.output().contains(&key), "printed");
    app.quit().await?;
    ensure!(files_with(desktop.home(), &key)?.is_empty(), "{:?}", files_with(desktop.home(), &key)?);
    Ok(())
}
