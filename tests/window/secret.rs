//! After its dialog is closed, the key is nowhere: not in the page, not in an answer, not in a file, not in a log.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop};

/// How often a text stands in the page: in text nodes, attributes, field values, the title, and what code kept on nodes.
const SEARCH: &str = r"
    let hits = 0;
    const text = value => typeof value === 'string' && value.includes(arguments[0]);
    const visit = node => {
        if (text(node.nodeValue)) hits++;
        for (const attribute of node.attributes ?? []) if (text(attribute.value)) hits++;
        if (text(node.value)) hits++;
        for (const property of Object.keys(node)) { try { if (text(node[property])) hits++; } catch {} }
        for (const child of node.childNodes) visit(child);
        if (node instanceof HTMLTemplateElement) visit(node.content);
        if (node.shadowRoot) visit(node.shadowRoot);
    };
    visit(document);
    for (const store of [localStorage, sessionStorage])
        for (const name of Object.keys(store)) if (text(name) || text(store.getItem(name))) hits++;
    if (text(location.href) || text(JSON.stringify(history.state)) || text(document.cookie)) hits++;
    return hits;";

async fn hits_in_page(app: &App, key: &str) -> Result<i64> {
    app.script(SEARCH, vec![json!(key)]).await?.as_i64().context("a number")
}

/// Files below `folder` that hold `text`.
fn files_with(folder: &Path, text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            found.extend(files_with(&path, text)?);
        } else if path.is_file() {
            let bytes = std::fs::read(&path)?;
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn nothing_of_the_key_is_left() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { log: Some("trace"), ..AppOptions::default() }).await?;
    app.create_in_dialog("seen-once", "write").await?;
    let key = app.text("[role=dialog] code.key").await?.trim().to_owned();
    let listed = app.invoke("list_keys", json!({})).await?.expect("listed");
    let key_id = listed["keys"][0]["keyId"].clone();
    app.click("Copy").await?;
    app.wait_text("Copied").await?;

    // The controls: each search finds the key while it may.
    ensure!(hits_in_page(&app, &key).await? == 1, "shown as one text node");
    ensure!(app.invoke("copy_key", json!({ "keyId": key_id })).await?.is_ok(), "held for copying");
    let control = desktop.data().join("control.txt");
    std::fs::write(&control, format!("log line with {key}"))?;
    ensure!(files_with(desktop.home(), &key)? == [control.display().to_string()], "only the control");
    std::fs::remove_file(&control)?;

    app.click("Done").await?;
    app.wait_gone(&key).await?;
    ensure!(hits_in_page(&app, &key).await? == 0, "the page still holds it");
    let gone = app.invoke("copy_key", json!({ "keyId": key_id })).await?.expect_err("no longer held");
    ensure!(gone["code"] == "SECRET_GONE", "{gone}");
    for (command, arguments) in [
        ("list_keys", json!({})),
        ("service_status", json!({})),
        ("copy_key_id", json!({ "keyId": key_id })),
        ("discard_secret", json!({})),
        ("retry_service", json!({})),
        ("revoke_key", json!({ "keyId": key_id })),
    ] {
        let answer = app.invoke(command, arguments).await?.unwrap_or_else(|error| error);
        ensure!(!answer.to_string().contains(&key), "{command} answers with the key");
    }
    ensure!(app.output().contains("TRACE"), "the log tells all that it can");
    ensure!(!app.output().contains(&key), "printed");
    app.quit().await?;
    ensure!(files_with(desktop.home(), &key)?.is_empty(), "{:?}", files_with(desktop.home(), &key)?);
    Ok(())
}

#[tokio::test]
async fn a_reload_and_the_history_bring_nothing_back() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    for leave in ["location.reload()", "history.pushState({}, '', '#x'); location.reload()"] {
        app.create_in_dialog("lost", "read").await?;
        let key = app.text("[role=dialog] code.key").await?.trim().to_owned();
        let listed = app.invoke("list_keys", json!({})).await?.expect("listed");
        let key_id = listed["keys"][0]["keyId"].clone();
        ensure!(hits_in_page(&app, &key).await? == 1, "shown");
        ensure!(app.invoke("copy_key", json!({ "keyId": key_id })).await?.is_ok(), "held");
        app.script(leave, Vec::new()).await?;
        app.wait("the end of the held key", async || {
            let answer = app.invoke("copy_key", json!({ "keyId": key_id })).await;
            matches!(answer, Ok(Err(error)) if error["code"] == "SECRET_GONE")
        })
        .await?;
        app.control("Create Key").await?;
        ensure!(hits_in_page(&app, &key).await? == 0, "after {leave}");
        app.script("history.back()", Vec::new()).await?;
        app.control("Create Key").await?;
        ensure!(hits_in_page(&app, &key).await? == 0, "after {leave} and back");
    }
    Ok(())
}

#[tokio::test]
async fn closing_before_copying_asks_once() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_in_dialog("careful", "read").await?;
    app.click("Done").await?;
    app.wait_text("The key has not been copied yet").await?;
    app.click("Keep open").await?;
    app.wait_gone("has not been copied yet").await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.wait_gone("Copy your key").await?;
    let listed = app.invoke("list_keys", json!({})).await?.expect("listed");
    ensure!(listed["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{listed}");
    Ok(())
}

#[tokio::test]
async fn the_page_can_reach_nothing_but_its_commands() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    // Tauri's own commands are not in the capability file.
    for command in ["plugin:window|close", "plugin:event|listen", "plugin:path|resolve_directory", "plugin:app|version"]
    {
        let refused = app.invoke(command, json!({})).await?.expect_err(command);
        ensure!(refused.to_string().contains("not allowed"), "{command}: {refused}");
    }
    let fetched = app
        .driver
        .execute_async(
            "const done = arguments[arguments.length - 1];
             fetch(arguments[0], { mode: 'no-cors' }).then(() => done('fetched'), () => done('refused'));",
            vec![json!(format!("http://127.0.0.1:{}/healthz", app.port))],
        )
        .await?;
    ensure!(fetched.json() == &Value::from("refused"), "the policy lets the page fetch");
    app.script("location.href = 'http://127.0.0.1:' + arguments[0] + '/healthz'", vec![json!(app.port)]).await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    ensure!(app.script("return location.protocol", Vec::new()).await? == "tauri:", "navigated away");
    Ok(())
}
