//! Tests databases that cannot be used: the window shows the problem and the path, and nothing is overwritten.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use rusqlite::Connection;
use serde_json::json;
use ulkeys_tests::{App, AppOptions, Desktop, ensure_holds};

/// Creates a desktop whose app has created one key and has exited cleanly.
async fn desktop_with_key() -> Result<(Desktop, PathBuf)> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("kept-key", "read").await?;
    app.quit().await?;
    let database = desktop.data_folder().join("keys.db");
    ensure!(!database.with_file_name("keys.db-wal").exists(), "the WAL file still exists");
    Ok((desktop, database))
}

/// Checks that the window shows the problem and the file's path, rejects new keys, and does not change the file.
async fn check_problem_is_reported(desktop: &Desktop, app: &App, database: &Path, title: &str) -> Result<()> {
    // Another process reads the file, because closing it in this process would release the locks that this process
    // holds on it (POSIX).
    let digest = || desktop.run("sha256sum", &[&database.display().to_string()]);
    let before = digest()?;
    app.wait_text(title).await?;
    app.wait_text(&database.display().to_string()).await?;
    let refused = app
        .invoke("create_key", json!({ "name": "x", "scopes": ["read"], "replaces": null }))
        .await?
        .expect_err("the database cannot be used");
    ensure!(refused["code"] == "SERVICE_UNAVAILABLE", "{refused}");
    let attempts = || app.output().matches("keys.db cannot be used").count();
    let before_retry = attempts();
    app.click("Try again").await?;
    app.wait("another attempt to open the database", async || attempts() > before_retry).await?;
    app.wait_text(title).await?;
    ensure!(digest()? == before, "the file was changed");
    Ok(())
}

#[tokio::test]
async fn locked_database_is_reported() -> Result<()> {
    let (desktop, database) = desktop_with_key().await?;
    let other = Connection::open(&database)?;
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")?;
    let app = App::start(&desktop).await?;
    check_problem_is_reported(&desktop, &app, &database, "The key database is in use by another program").await?;
    drop(other);
    app.click("Try again").await?;
    app.wait_text("kept-key").await
}

#[tokio::test]
async fn corrupt_database_is_reported() -> Result<()> {
    let (desktop, database) = desktop_with_key().await?;
    let sound = std::fs::read(&database)?;
    let mut damaged = sound.clone();
    damaged[4096..].fill(0xA5);
    std::fs::write(&database, damaged)?;
    let app = App::start(&desktop).await?;
    check_problem_is_reported(&desktop, &app, &database, "The key database is damaged").await?;
    std::fs::write(&database, sound)?;
    app.click("Try again").await?;
    app.wait_text("kept-key").await
}

/// Simulates an incomplete restore of a backup after the app was killed: the database was moved away, but its WAL file
/// is still in place.
#[tokio::test]
async fn orphaned_wal_is_set_aside_and_fits_restored_database() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("kept-key", "read").await?;
    app.kill().await?;
    let named = |name: &str| desktop.data_folder().join(name);
    let (log, aside) = (named("keys.db-wal"), named("keys.db-wal.set-aside"));
    let before = std::fs::read(&log)?;
    ensure!(!before.is_empty(), "the WAL file is empty");
    std::fs::rename(named("keys.db"), named("moved.db"))?;

    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    ensure!(app.output().contains(&aside.display().to_string()), "the log does not contain the path: {}", app.output());
    ensure!(std::fs::read(&aside)? == before, "the WAL file was changed");
    app.quit().await?;

    std::fs::rename(named("moved.db"), named("keys.db"))?;
    std::fs::rename(aside, log)?;
    let app = App::start(&desktop).await?;
    app.wait_text("kept-key").await
}

#[tokio::test]
async fn database_of_newer_version_is_reported() -> Result<()> {
    let (desktop, database) = desktop_with_key().await?;
    Connection::open(&database)?.pragma_update(None, "user_version", 99)?;
    let app = App::start(&desktop).await?;
    check_problem_is_reported(&desktop, &app, &database, "The key database belongs to a newer version of this app")
        .await
}

#[tokio::test]
async fn database_of_other_program_is_reported() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let database = desktop.data_folder().join("keys.db");
    Connection::open(&database)?.execute_batch("CREATE TABLE notes (text TEXT)")?;
    let app = App::start(&desktop).await?;
    check_problem_is_reported(&desktop, &app, &database, "This file belongs to another program").await
}

/// Root can write to any file, so the app runs as another user if the tests run as root.
#[tokio::test]
async fn read_only_database_is_reported() -> Result<()> {
    let (desktop, database) = desktop_with_key().await?;
    let folder = database.parent().map(Path::to_owned).unwrap_or_default();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555))?;
    let is_root = desktop.is_root()?;
    let options = AppOptions { user: is_root.then_some(65534), ..AppOptions::default() };
    let app = App::start_with(&desktop, options).await?;
    check_problem_is_reported(&desktop, &app, &database, "The key database cannot be written").await
}

#[tokio::test]
async fn failed_retry_keeps_card_and_focus() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.data_folder().join("keys.db"), "not a database ".repeat(1000))?;
    let app = App::start(&desktop).await?;
    app.find_control("Try again").await?;
    let watch =
        "window.seen = []; new MutationObserver(() => seen.push(document.body.innerText.includes('is damaged')))
        .observe(document.body, { subtree: true, childList: true });
        [...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'Try again').focus();";
    app.script(watch, Vec::new()).await?;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.list_window()?])?;
    let attempts = || app.output().matches("keys.db cannot be used").count();
    let before = attempts();
    desktop.press(&["Return"])?;
    app.wait("another attempt to open the database", async || attempts() > before).await?;
    let has_focus = async || app.focused_name().await.is_ok_and(|name| name == "Try again");
    ensure_holds("the focus on Try again", std::time::Duration::from_millis(300), has_focus).await?;
    ensure!(
        app.script("return seen.every(Boolean)", Vec::new()).await? == true,
        "the error card disappeared for a moment"
    );
    Ok(())
}

#[tokio::test]
async fn revocation_with_busy_database_is_rejected_with_reason() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("stays", "read").await?;
    app.click("Actions for stays").await?;
    app.click("Revoke…").await?;
    let other = Connection::open(desktop.data_folder().join("keys.db"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    app.click("Revoke key").await?;
    app.wait_text("in use by another program").await?;
    other.execute_batch("ROLLBACK")?;
    app.click("Revoke key").await?;
    app.wait_text("stays was revoked").await
}

/// Simulates a network drive without a lock service.
#[tokio::test]
async fn disk_without_file_locks_is_reported() -> Result<()> {
    let (desktop, database) = desktop_with_key().await?;
    let strace = &["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"];
    let app = App::start_with(&desktop, AppOptions { wrapper: strace, ..AppOptions::default() }).await?;
    check_problem_is_reported(&desktop, &app, &database, "The disk with the key database doesn’t support file locks")
        .await?;
    app.wait_text("Move the folder of this file to a local disk").await
}
