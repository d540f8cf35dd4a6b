//! Other programs at the key database, and a clock that is wrong for a session: a revoked key stays revoked, nothing
//! acknowledged is lost without a word, and no history goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop};

/// How a request with this key is answered.
async fn status(port: u16, key: &str) -> Result<StatusCode> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("http://127.0.0.1:{port}/api/account/summary");
    Ok(client.get(url).bearer_auth(key).send().await?.status())
}

/// Stays so for longer than a change by another program can stay unnoticed.
async fn stays_refused(port: u16, key: &str) -> Result<()> {
    for _ in 0..30 {
        ensure!(status(port, key).await? == StatusCode::UNAUTHORIZED, "a revoked key was accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn key_id(app: &App, name: &str) -> Result<Value> {
    let listed = app.invoke("list_keys", json!({ "query": { "status": "all" } })).await?.expect("listed");
    let keys = listed["keys"].as_array().context("a list")?;
    Ok(keys.iter().find(|key| key["name"] == name).context("a key")?["keyId"].clone())
}

async fn revoke(app: &App, name: &str) -> Result<()> {
    app.invoke("revoke_key", json!({ "keyId": key_id(app, name).await? })).await?.expect("revoked");
    Ok(())
}

/// By another process: closing the file in this one would drop the locks that it holds on it (POSIX).
fn copy(desktop: &Desktop, from: &Path, to: &Path) -> Result<()> {
    desktop.run("cp", &[&from.display().to_string(), &to.display().to_string()]).map(drop)
}

fn database(desktop: &Desktop) -> PathBuf {
    desktop.data().join("keys.db")
}

/// The one record that the app has written, below the home folder.
fn record(desktop: &Desktop) -> Result<PathBuf> {
    let state = desktop.home().join(".local/state");
    let folders: Vec<_> = state.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    let found = folders.iter().map(|folder| folder.join("revocations")).find(|path| path.exists());
    found.context("a record of revocations in the state folder")
}

#[tokio::test]
async fn restore_old_copy_keeps_key_revoked_and_says_so() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "leaked", "read").await?;
    app.quit().await?;
    let backup = desktop.home().join("backup.db");
    copy(&desktop, &database(&desktop), &backup)?;
    let app = App::start(&desktop).await?;
    revoke(&app, "leaked").await?;
    app.quit().await?;
    std::fs::rename(backup, database(&desktop))?;

    let app = App::start(&desktop).await?;
    app.wait_text("No active keys").await?;
    ensure!(status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "a revoked key was accepted");
    app.wait_text("1 revoked key was reactivated by another app").await?;
    app.click("Dismiss").await?;
    app.wait_gone("1 revoked key was reactivated").await?;
    app.click("Activity").await?;
    app.click("Outside changes").await?;
    app.wait_text("1 revoked key was reactivated by another app").await
}

#[tokio::test]
async fn edit_running_database_is_noticed_and_keeps_key_revoked() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "leaked", "read").await?;
    revoke(&app, "leaked").await?;
    ensure!(status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "revoked");
    let other = Connection::open(database(&desktop))?;
    other.execute("UPDATE keys SET revoked_at = NULL", [])?;
    stays_refused(app.port, &key).await?;
    app.wait_text("1 revoked key was reactivated by another app").await?;

    // The same row once more, after it was removed; and a key that nobody made here, which nobody asks for.
    let row: (String, Vec<u8>) =
        other.query_row("SELECT id, hash FROM keys", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    other.execute("DELETE FROM keys", [])?;
    app.wait_text("1 key removed by another app").await?;
    let insert = "INSERT INTO keys (id, name, normalized_name, prefix, hash, scopes, created_at)
        VALUES (?1, 'planted', 'planted', 'ul_00000000', ?2, 'read admin', 1)";
    other.execute(insert, rusqlite::params![row.0, row.1])?;
    stays_refused(app.port, &key).await?;
    app.click("Dismiss").await?;
    let new_id = format!("key_{}", "0".repeat(24));
    other.execute(insert, rusqlite::params![new_id, vec![7_u8; 32]])?;
    app.wait_text("1 key added by another app").await?;
    app.wait_text("planted").await
}

#[tokio::test]
async fn lose_record_between_runs_is_said_and_rebuilt() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_unseen("leaked", "read").await?;
    revoke(&app, "leaked").await?;
    app.quit().await?;
    let record = record(&desktop)?;
    std::fs::remove_file(&record)?;
    let app = App::start(&desktop).await?;
    app.wait_text("The list of revoked keys was missing").await?;
    ensure!(std::fs::read_to_string(&record)?.lines().count() == 2, "rebuilt from the database");
    app.quit().await?;
    // A folder in its place can be neither read nor written.
    std::fs::remove_file(&record)?;
    std::fs::create_dir(&record)?;
    let app = App::start(&desktop).await?;
    app.wait_text("Revocations aren’t protected").await?;
    std::fs::remove_dir(&record)?;
    app.wait_gone("Revocations aren’t protected").await
}

#[tokio::test]
async fn replace_running_database_stops_changes_and_loses_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let (kept, revoked) = (
        app.create_and_copy(&desktop, "kept", "read").await?,
        app.create_and_copy(&desktop, "revoked-late", "read").await?,
    );
    app.quit().await?;
    let other = desktop.home().join("other.db");
    copy(&desktop, &database(&desktop), &other)?;
    let app = App::start(&desktop).await?;
    revoke(&app, "revoked-late").await?;
    let last = app.create_and_copy(&desktop, "last", "read").await?;
    std::fs::rename(&other, database(&desktop))?;

    let create = json!({ "name": "late", "scopes": ["read"], "replaces": null });
    let refused = app.invoke("create_key", create).await?.expect_err("not acknowledged");
    ensure!(refused["code"] == "DATABASE_REPLACED", "{refused}");
    app.wait_text("The key database was replaced with another file").await?;
    for key in [&kept, &last] {
        ensure!(status(app.port, key).await? == StatusCode::OK, "decisions go on");
    }
    ensure!(status(app.port, &revoked).await? == StatusCode::UNAUTHORIZED, "decisions go on");
    let saved = database(&desktop).with_file_name("keys.db.set-aside");
    app.wait_text(&saved.display().to_string()).await?;

    app.click("Try again").await?;
    app.wait_gone("The key database was replaced with another file").await?;
    ensure!(status(app.port, &kept).await? == StatusCode::OK, "it is in the new file, too");
    ensure!(status(app.port, &last).await? == StatusCode::UNAUTHORIZED, "it is in the saved file only");
    ensure!(status(app.port, &revoked).await? == StatusCode::UNAUTHORIZED, "revoked keys stay revoked");
    app.wait_text("1 revoked key was reactivated by another app").await?;
    app.create_unseen("works-again", "read").await?;
    app.quit().await?;

    std::fs::rename(saved, database(&desktop))?;
    let app = App::start(&desktop).await?;
    ensure!(status(app.port, &last).await? == StatusCode::OK, "nothing that was acknowledged is lost");
    ensure!(status(app.port, &revoked).await? == StatusCode::UNAUTHORIZED, "revoked keys stay revoked");
    Ok(())
}

#[tokio::test]
async fn move_running_database_away_and_back_goes_on() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_unseen("kept", "read").await?;
    let elsewhere = desktop.home().join("elsewhere.db");
    std::fs::rename(database(&desktop), &elsewhere)?;
    app.wait_text("The key database was moved or deleted").await?;
    std::fs::rename(&elsewhere, database(&desktop))?;
    app.wait_gone("The key database was moved or deleted").await?;
    app.create_unseen("later", "read").await
}

/// The real program under libfaketime. The page is not asked for times: its processes have the same clock.
#[tokio::test]
async fn run_with_clock_100_days_ahead_keeps_history() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "used", "read").await?;
    let id = key_id(&app, "used").await?;
    let history = async |app: &App| -> Result<(Value, Value)> {
        let usage = app.invoke("key_usage", json!({ "keyId": id, "hours": 2160 })).await?.expect("usage");
        let activity = app.invoke("list_activity", json!({ "query": {} })).await?.expect("activity");
        Ok((usage["hours"].clone(), activity["entries"].clone()))
    };
    ensure!(status(app.port, &key).await? == StatusCode::OK, "used");
    app.wait("the use", async || history(&app).await.is_ok_and(|(hours, _)| hours != json!([]))).await?;
    let before = history(&app).await?;
    app.quit().await?;

    let app = App::start_with(&desktop, AppOptions { clock: Some("+100d"), ..AppOptions::default() }).await?;
    ensure!(status(app.port, &key).await? == StatusCode::OK, "used");
    tokio::time::sleep(Duration::from_secs(2)).await;
    app.quit().await?;

    let app = App::start(&desktop).await?;
    ensure!(history(&app).await? == before, "history was removed, or a use in the future is shown");
    let last_used = async || -> Result<Value> {
        let listed = app.invoke("show_key", json!({ "keyId": id })).await?.expect("shown");
        Ok(listed["lastUsedAt"].clone())
    };
    // The hour of the last real use, which the counts know.
    app.wait("the former use", async || last_used().await.is_ok_and(|used| used.is_string())).await?;
    let hour = before.0[0]["hour"].clone();
    ensure!(last_used().await? == hour, "{} instead of {hour}", last_used().await?);
    ensure!(status(app.port, &key).await? == StatusCode::OK, "used");
    app.wait("the real use", async || last_used().await.is_ok_and(|used| used != hour)).await
}
