//! Tests behavior that release settings, such as disabled debug assertions, must not change. `cargo xtask test` runs
//! these tests on the development build, and `cargo xtask test --release` on a build with release settings.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use ulkeys_tests::{App, AppOptions, BrokenPipe, Desktop, SmallDisk, free_port, request_status};

/// Returns options that start the program under test. `cargo xtask test --release` passes the program's path in an
/// environment variable.
fn app_options() -> AppOptions {
    AppOptions { program: std::env::var_os("UL_KEYS_TESTED_PROGRAM").map(PathBuf::from), ..AppOptions::default() }
}

/// Creates a key, uses it, revokes it and quits the app.
async fn create_use_and_revoke_key(desktop: &Desktop, app: App) -> Result<()> {
    let key = app.create_and_copy_key(desktop, "gpu box", "read").await?;
    ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    app.wait_text("now").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    ensure!(request_status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "the revoked key is not rejected");
    app.quit().await
}

#[tokio::test]
async fn key_is_created_used_and_revoked() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, app_options()).await?;
    create_use_and_revoke_key(&desktop, app).await
}

/// Writes many log lines into a broken pipe, and then checks that the app still works.
async fn check_app_with_log_pipe(pipe: BrokenPipe) -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let options = AppOptions { prints_into: Some(pipe), log: Some("debug"), ..app_options() };
    let mut app = App::start_with(&desktop, options).await?;
    for _ in 0..20 {
        let port = free_port()?;
        app.invoke("change_port", json!({ "port": port })).await?.expect("the port is changed");
        app.port = port;
    }
    let logs = std::fs::read_dir(desktop.data_folder().join("logs"))?;
    let logs = logs.map(|log| Ok(std::fs::read_to_string(log?.path())?)).collect::<Result<String>>()?;
    ensure!(logs.matches("status=Running").count() == 21, "lines are missing from the log file:\n{logs}");
    create_use_and_revoke_key(&desktop, app).await
}

#[tokio::test]
async fn closed_log_pipe_does_not_stop_app() -> Result<()> {
    check_app_with_log_pipe(BrokenPipe::Closed).await
}

#[tokio::test]
async fn full_log_pipe_does_not_block_app() -> Result<()> {
    check_app_with_log_pipe(BrokenPipe::Full).await
}

#[tokio::test]
async fn stopped_log_terminal_does_not_block_app() -> Result<()> {
    check_app_with_log_pipe(BrokenPipe::Terminal).await
}

#[tokio::test]
async fn full_disk_allows_revocation_and_recovers() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let Some(disk) = SmallDisk::mount(&desktop)? else { return Ok(()) };
    let app = App::start_with(&desktop, app_options()).await?;
    let key = app.create_and_copy_key(&desktop, "leaked", "read").await?;
    disk.fill()?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let id = listed["keys"][0]["keyId"].clone();
    let renamed = app.invoke("rename_key", json!({ "keyId": id, "name": "other" })).await?;
    ensure!(renamed.expect_err("the disk is full")["code"] == "STORAGE_FULL");
    app.invoke("revoke_key", json!({ "keyId": id })).await?.expect("revoked");
    ensure!(request_status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "the revoked key is not rejected");
    app.wait_text("Existing keys keep working and can be revoked").await?;
    disk.free_space()?;
    app.wait_gone("Existing keys keep working and can be revoked").await?;
    create_use_and_revoke_key(&desktop, app).await?;

    // Check that the app also starts while the disk is full, and reports the problem.
    disk.fill()?;
    let app = App::start_with(&desktop, app_options()).await?;
    app.wait_text("The disk with the key database is full").await?;
    app.quit().await
}
