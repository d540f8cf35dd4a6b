//! The disk with the key database is full: the window names it, shows no key that does not exist, revokes, and goes on
//! by itself.

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
    ensure!(app.driver.windows().await?.len() == 1, "no window with a key that does not exist");
    app.click("Cancel").await?;
    app.wait_text("Existing keys keep working and can be revoked").await?;
    app.wait_text(&desktop.data_folder().display().to_string()).await?;
    ensure!(active_key_names(&app).await? == ["kept", "leaked"], "nothing is half made");

    let list = app.invoke("list_keys", json!({ "query": { "status": "active" } })).await?.expect("listed");
    let keys = list["keys"].as_array().expect("a list");
    let id = keys.iter().find(|key| key["name"] == "leaked").expect("listed")["keyId"].clone();
    let renamed = app.invoke("rename_key", json!({ "keyId": id, "name": "other" })).await?;
    ensure!(renamed.expect_err("not acknowledged")["code"] == "STORAGE_FULL");
    app.invoke("revoke_key", json!({ "keyId": id })).await?.expect("revoked");
    ensure!(request_status(app.port, &leaked).await? == StatusCode::UNAUTHORIZED, "revoked");
    ensure!(request_status(app.port, &kept).await? == StatusCode::OK, "decisions go on");
    let output = app.output();
    ensure!(output.matches("no space left").count() == 1, "one line: {output}");

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

    // A start on the full disk names it, too, and needs no other step than freeing space.
    disk.fill()?;
    let app = App::start(&desktop).await?;
    app.wait_text("The disk with the key database is full").await?;
    app.wait_text("Free up some space on the disk with this file").await?;
    disk.free_space()?;
    app.click("Try again").await?;
    app.wait_text("late").await?;
    app.quit().await
}
