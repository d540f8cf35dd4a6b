//! The program as it is released: what only releases do, such as leaving out debug assertions, must change nothing that
//! the other tests hold. They run on a build for development.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use ulkeys_tests::{App, AppOptions, BrokenPipe, Desktop, SmallDisk, free_port, released_binary};

fn released() -> AppOptions {
    AppOptions { program: Some(released_binary()), ..AppOptions::default() }
}

async fn status(port: u16, key: &str) -> Result<StatusCode> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("http://127.0.0.1:{port}/api/account/summary");
    Ok(client.get(url).bearer_auth(key).send().await?.status())
}

/// Creates a key, uses it, revokes it, and quits.
async fn use_it(desktop: &Desktop, app: App) -> Result<()> {
    let key = app.create_and_copy(desktop, "gpu box", "read").await?;
    ensure!(status(app.port, &key).await? == StatusCode::OK, "accepted");
    app.wait_text("now").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    ensure!(status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "rejected");
    app.quit().await
}

#[tokio::test]
async fn key_is_created_used_and_revoked() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, released()).await?;
    use_it(&desktop, app).await
}

/// Logs lines, and then does everything else.
async fn log_and_use(pipe: BrokenPipe) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let options = AppOptions { prints_into: Some(pipe), log: Some("debug"), ..released() };
    let mut app = App::start_with(&desktop, options).await?;
    for _ in 0..20 {
        let port = free_port()?;
        app.invoke("change_port", json!({ "port": port })).await?.expect("another port");
        app.port = port;
    }
    let logs = std::fs::read_dir(desktop.data().join("logs"))?;
    let logs = logs.map(|log| Ok(std::fs::read_to_string(log?.path())?)).collect::<Result<String>>()?;
    ensure!(logs.matches("status=Running").count() == 21, "the log file has every line:\n{logs}");
    use_it(&desktop, app).await
}

#[tokio::test]
async fn log_without_reader_ends_nothing() -> Result<()> {
    log_and_use(BrokenPipe::Closed).await
}

#[tokio::test]
async fn log_with_stuck_reader_blocks_nothing() -> Result<()> {
    log_and_use(BrokenPipe::Full).await
}

#[tokio::test]
async fn log_in_stopped_terminal_blocks_nothing() -> Result<()> {
    log_and_use(BrokenPipe::Terminal).await
}

#[tokio::test]
async fn full_disk_ends_nothing_and_revokes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let Some(disk) = SmallDisk::mount(&desktop)? else { return Ok(()) };
    let app = App::start_with(&desktop, released()).await?;
    let key = app.create_and_copy(&desktop, "leaked", "read").await?;
    disk.fill()?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let id = listed["keys"][0]["keyId"].clone();
    let renamed = app.invoke("rename_key", json!({ "keyId": id, "name": "other" })).await?;
    ensure!(renamed.expect_err("not acknowledged")["code"] == "STORAGE_FULL");
    app.invoke("revoke_key", json!({ "keyId": id })).await?.expect("revoked");
    ensure!(status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "rejected");
    app.wait_text("Existing keys keep working and can be revoked").await?;
    disk.free()?;
    app.wait_gone("Existing keys keep working and can be revoked").await?;
    use_it(&desktop, app).await?;

    // A start on the full disk.
    disk.fill()?;
    let app = App::start_with(&desktop, released()).await?;
    app.wait_text("The disk with the key database is full").await?;
    app.quit().await
}
