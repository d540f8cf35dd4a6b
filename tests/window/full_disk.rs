//! Tests the app while the disk with the key database is full: it reports that the disk is full, shows no key that was
//! not stored, revokes keys, and recovers automatically.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use ulkeys_tests::{App, Desktop, SmallDisk, request_status};

use crate::helpers::active_key_names;

#[tokio::test]
async fn full_disk_is_reported_allows_revocation_and_recovers() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let Some(disk) = SmallDisk::mount(&desktop)? else { return Ok(()) };
    let app = App::start(&desktop).await?;
    let kept = app.create_and_copy_key(&desktop, "kept", "read").await?;
    let leaked = app.create_and_copy_key(&desktop, "leaked", "read").await?;

    disk.fill()?;
    app.click("Create Key").await?;
    app.find_control("Name").await?.send_keys("late").await?;
    app.click("read").await?;
    app.click("Create").await?;
    app.wait_text("The key was not created.").await?;
    app.wait_text("The disk with the key database is full. Nothing was changed.").await?;
    ensure!(app.driver.windows().await?.len() == 1, "a window with a key that was not stored is open");
    app.click("Cancel").await?;
    app.wait_text("Existing keys keep working and can be revoked").await?;
    app.wait_text(&desktop.data_folder().display().to_string()).await?;
    ensure!(active_key_names(&app).await? == ["kept", "leaked"], "the list contains other keys");

    let list = app.invoke("list_keys", json!({ "query": { "status": "active" } })).await?.expect("listed");
    let keys = list["keys"].as_array().expect("keys is a list");
    let id = keys.iter().find(|key| key["name"] == "leaked").expect("listed")["keyId"].clone();
    let renamed = app.invoke("rename_key", json!({ "keyId": id, "name": "other" })).await?;
    ensure!(renamed.expect_err("the disk is full")["code"] == "STORAGE_FULL");
    app.invoke("revoke_key", json!({ "keyId": id })).await?.expect("revoked");
    ensure!(request_status(app.port, &leaked).await? == StatusCode::UNAUTHORIZED, "the revoked key is not rejected");
    ensure!(request_status(app.port, &kept).await? == StatusCode::OK, "the other key is not accepted");
    let output = app.output();
    ensure!(
        output.matches("no space left").count() == 1,
        "the log does not contain exactly one line about the full disk: {output}"
    );

    disk.free_space()?;
    app.wait_gone("Existing keys keep working and can be revoked").await?;
    let late = app.create_and_copy_key(&desktop, "late", "read").await?;
    app.quit().await?;
    let app = App::start(&desktop).await?;
    app.wait_text("late").await?;
    for (key, expected) in [(kept, StatusCode::OK), (leaked, StatusCode::UNAUTHORIZED), (late, StatusCode::OK)] {
        ensure!(request_status(app.port, &key).await? == expected);
    }
    app.quit().await?;

    // The app also reports the full disk if it is started while the disk is full. After space is freed, clicking "Try
    // again" makes the keys available.
    disk.fill()?;
    let app = App::start(&desktop).await?;
    app.wait_text("The disk with the key database is full").await?;
    app.wait_text("Free up some space on the disk with this file").await?;
    disk.free_space()?;
    app.click("Try again").await?;
    app.wait_text("late").await?;
    app.quit().await
}
