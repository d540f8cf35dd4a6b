//! Tests changes made to the key database by other programs, and a temporarily wrong clock: a revoked key stays
//! revoked, no acknowledged change is lost silently, and no history is lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop, ensure_holds, request_status};

/// Checks that the key stays rejected for longer than the app takes to notice a change made by another program.
async fn ensure_stays_rejected(port: u16, key: &str) -> Result<()> {
    let is_rejected = async || request_status(port, key).await.is_ok_and(|status| status == StatusCode::UNAUTHORIZED);
    ensure_holds("the rejection of a revoked key", Duration::from_secs(3), is_rejected).await
}

async fn find_key_id(app: &App, name: &str) -> Result<Value> {
    let listed = app.invoke("list_keys", json!({ "query": { "status": "all" } })).await?.expect("listed");
    let keys = listed["keys"].as_array().context("not a list")?;
    Ok(keys.iter().find(|key| key["name"] == name).context("no key with this name")?["keyId"].clone())
}

async fn revoke_by_name(app: &App, name: &str) -> Result<()> {
    app.invoke("revoke_key", json!({ "keyId": find_key_id(app, name).await? })).await?.expect("revoked");
    Ok(())
}

/// Copies a file in another process, because closing the file in this process would release the locks that this process
/// holds on it (POSIX).
fn copy_file(desktop: &Desktop, from: &Path, to: &Path) -> Result<()> {
    desktop.run("cp", &[&from.display().to_string(), &to.display().to_string()]).map(drop)
}

fn database_path(desktop: &Desktop) -> PathBuf {
    desktop.data_folder().join("keys.db")
}

/// Returns the path of the app's record of revocations, which is below the home folder.
fn revocation_record_path(desktop: &Desktop) -> Result<PathBuf> {
    let state = desktop.home().join(".local/state");
    let folders: Vec<_> = state.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    let found = folders.iter().map(|folder| folder.join("revocations")).find(|path| path.exists());
    found.context("no record of revocations in the state folder")
}

#[tokio::test]
async fn restored_backup_keeps_key_revoked_and_is_reported() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "leaked", "read").await?;
    app.quit().await?;
    let backup = desktop.home().join("backup.db");
    copy_file(&desktop, &database_path(&desktop), &backup)?;
    let app = App::start(&desktop).await?;
    revoke_by_name(&app, "leaked").await?;
    app.quit().await?;
    std::fs::rename(backup, database_path(&desktop))?;

    let app = App::start(&desktop).await?;
    app.wait_text("No active keys").await?;
    ensure!(request_status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "a revoked key was accepted");
    app.wait_text("1 revoked key was reactivated by another app").await?;
    app.click("Dismiss").await?;
    app.wait_gone("1 revoked key was reactivated").await?;
    app.click("Activity").await?;
    app.click("Outside changes").await?;
    app.wait_text("1 revoked key was reactivated by another app").await
}

#[tokio::test]
async fn edit_of_running_database_is_reported_and_keeps_key_revoked() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "leaked", "read").await?;
    revoke_by_name(&app, "leaked").await?;
    ensure!(request_status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "the revoked key is not rejected");
    let other = Connection::open(database_path(&desktop))?;
    other.execute("UPDATE keys SET revoked_at = NULL", [])?;
    ensure_stays_rejected(app.port, &key).await?;
    app.wait_text("1 revoked key was reactivated by another app").await?;

    // Another program removes the key's row and inserts it again. It then adds a key that was not created in this app.
    let row: (String, Vec<u8>) =
        other.query_row("SELECT id, hash FROM keys", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    other.execute("DELETE FROM keys", [])?;
    app.wait_text("1 key removed by another app").await?;
    let insert = "INSERT INTO keys (account_id, id, name, normalized_name, prefix, hash, scopes, created_at)
        VALUES (1, ?1, 'planted', 'planted', 'ul_00000000', ?2, 'read admin', 1)";
    other.execute(insert, rusqlite::params![row.0, row.1])?;
    ensure_stays_rejected(app.port, &key).await?;
    app.click("Dismiss").await?;
    let new_id = format!("key_{}", "0".repeat(24));
    other.execute(insert, rusqlite::params![new_id, vec![7_u8; 32]])?;
    app.wait_text("1 key added by another app").await?;
    app.wait_text("planted").await
}

#[tokio::test]
async fn lost_revocation_record_is_reported_and_rebuilt() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("leaked", "read").await?;
    revoke_by_name(&app, "leaked").await?;
    app.quit().await?;
    let record = revocation_record_path(&desktop)?;
    std::fs::remove_file(&record)?;
    let app = App::start(&desktop).await?;
    app.wait_text("The list of revoked keys was missing").await?;
    ensure!(std::fs::read_to_string(&record)?.lines().count() == 2, "the record was not rebuilt from the database");
    app.quit().await?;
    // A folder at the path of the record can be neither read nor written as a file.
    std::fs::remove_file(&record)?;
    std::fs::create_dir(&record)?;
    let app = App::start(&desktop).await?;
    app.wait_text("Revocations aren’t protected").await?;
    std::fs::remove_dir(&record)?;
    app.wait_gone("Revocations aren’t protected").await
}

#[tokio::test]
async fn replaced_database_stops_changes_and_loses_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (kept, revoked) = (
        app.create_and_copy_key(&desktop, "kept", "read").await?,
        app.create_and_copy_key(&desktop, "revoked-late", "read").await?,
    );
    app.quit().await?;
    let other = desktop.home().join("other.db");
    copy_file(&desktop, &database_path(&desktop), &other)?;
    let app = App::start(&desktop).await?;
    revoke_by_name(&app, "revoked-late").await?;
    let last = app.create_and_copy_key(&desktop, "last", "read").await?;
    std::fs::rename(&other, database_path(&desktop))?;

    let create = json!({ "name": "late", "scopes": ["read"], "replaces": null });
    let refused = app.invoke("create_key", create).await?.expect_err("the database was replaced");
    ensure!(refused["code"] == "DATABASE_REPLACED", "{refused}");
    app.wait_text("The key database was replaced with another file").await?;
    for key in [&kept, &last] {
        ensure!(request_status(app.port, key).await? == StatusCode::OK, "an active key is no longer accepted");
    }
    ensure!(request_status(app.port, &revoked).await? == StatusCode::UNAUTHORIZED, "the revoked key is not rejected");
    let saved = database_path(&desktop).with_file_name("keys.db.set-aside");
    app.wait_text(&saved.display().to_string()).await?;

    app.click("Try again").await?;
    app.wait_gone("The key database was replaced with another file").await?;
    ensure!(request_status(app.port, &kept).await? == StatusCode::OK, "a key of the new database is not accepted");
    ensure!(
        request_status(app.port, &last).await? == StatusCode::UNAUTHORIZED,
        "a key that is only in the saved file is accepted"
    );
    ensure!(request_status(app.port, &revoked).await? == StatusCode::UNAUTHORIZED, "the revoked key is accepted again");
    app.wait_text("1 revoked key was reactivated by another app").await?;
    app.create_key_without_copying("works-again", "read").await?;
    app.quit().await?;

    std::fs::rename(saved, database_path(&desktop))?;
    let app = App::start(&desktop).await?;
    ensure!(request_status(app.port, &last).await? == StatusCode::OK, "an acknowledged key was lost");
    ensure!(request_status(app.port, &revoked).await? == StatusCode::UNAUTHORIZED, "the revoked key is accepted again");
    Ok(())
}

#[tokio::test]
async fn database_moved_away_and_back_resumes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("kept", "read").await?;
    let elsewhere = desktop.home().join("elsewhere.db");
    std::fs::rename(database_path(&desktop), &elsewhere)?;
    app.wait_text("The key database was moved or deleted").await?;
    std::fs::rename(&elsewhere, database_path(&desktop))?;
    app.wait_gone("The key database was moved or deleted").await?;
    app.create_key_without_copying("later", "read").await
}

/// Runs the real program under libfaketime. The test does not compare times in the page, because the page has the same
/// wrong clock.
#[tokio::test]
async fn run_with_clock_100_days_ahead_keeps_history() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "used", "read").await?;
    let id = find_key_id(&app, "used").await?;
    let history = async |app: &App| -> Result<(Value, Value)> {
        let usage =
            app.invoke("get_key_usage", json!({ "keyId": id, "hours": 2160 })).await?.expect("the usage is listed");
        let activity = app.invoke("list_activity", json!({ "query": {} })).await?.expect("the activity is listed");
        Ok((usage["hours"].clone(), activity["entries"].clone()))
    };
    ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    app.wait("the use to be counted", async || history(&app).await.is_ok_and(|(hours, _)| hours != json!([]))).await?;
    let before = history(&app).await?;
    app.quit().await?;

    let app = App::start_with(&desktop, AppOptions { clock: Some("+100d"), ..AppOptions::default() }).await?;
    ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    tokio::time::sleep(Duration::from_secs(2)).await;
    app.quit().await?;

    let app = App::start(&desktop).await?;
    ensure!(history(&app).await? == before, "history was removed, or a use in the future is shown");
    let last_used = async || -> Result<Value> {
        let listed = app.invoke("get_key", json!({ "keyId": id })).await?.expect("the key is found");
        Ok(listed["lastUsedAt"].clone())
    };
    // The last use was in the future, so the app replaces it with the last real use from the usage counts, which record
    // only the hour.
    app.wait("the previous use", async || last_used().await.is_ok_and(|used| used.is_string())).await?;
    let hour = before.0[0]["hour"].clone();
    ensure!(last_used().await? == hour, "the last use is {} instead of {hour}", last_used().await?);
    ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    app.wait("the new use", async || last_used().await.is_ok_and(|used| used != hour)).await
}
