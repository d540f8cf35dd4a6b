//! Tests the app's identifier on the desktop, the folders derived from the identifier, and the permissions of the files
//! in these folders.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop, Keyring, cli_binary, free_port, run_ul};

const APP_IDENTIFIER: &str = "org.ulkeys.UlKeys";
const FORMER_IDENTIFIER: &str = "org.ulkeys.desktop";

fn desktop_with_platform_folders() -> Result<Desktop> {
    Ok(Desktop::start(1280, 1000)?.use_platform_folders())
}

async fn start_at_port(desktop: &Desktop, port: u16) -> Result<App> {
    App::start_with(desktop, AppOptions { port: Some(port), ..AppOptions::default() }).await
}

/// Gives the data and settings folders the names that the previous version used, and creates WebKit's files where the
/// previous version stored them.
fn rename_to_former_identifier(desktop: &Desktop) -> Result<()> {
    for parent in [".local/share", ".config"] {
        let parent = desktop.home().join(parent);
        std::fs::rename(parent.join(APP_IDENTIFIER), parent.join(FORMER_IDENTIFIER))?;
    }
    let data = desktop.home().join(".local/share").join(FORMER_IDENTIFIER);
    std::fs::create_dir_all(data.join("WebKitCache/Version 17"))?;
    std::fs::write(data.join("hsts-storage.sqlite"), "")?;
    Ok(())
}

/// Returns all files and folders below a folder, without following symbolic links.
fn list_files_recursively(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(list_files_recursively(&path)?);
        }
        found.push(path);
    }
    Ok(found)
}

async fn list_all_keys(app: &App) -> Result<Value> {
    Ok(app.invoke("list_keys", json!({ "query": { "status": "all" } })).await?.expect("listed"))
}

#[tokio::test]
async fn data_of_former_identifier_moves_at_first_start() -> Result<()> {
    let desktop = desktop_with_platform_folders()?;
    let app = App::start(&desktop).await?;
    let port = app.port;
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    ensure!(run_ul(&desktop, &key, port, &["cloud", "account", "summary"])?.code == Some(0), "the key is not accepted");
    let revoked = app.create_and_copy_key(&desktop, "revoked", "read").await?;
    let keys = list_all_keys(&app).await?;
    let id = |name: &str| keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["name"] == name)).cloned();
    let (kept, gone) = (id("kept").context("no key kept")?, id("revoked").context("no key revoked")?);
    app.invoke("revoke_key", json!({ "keyId": gone["keyId"] })).await?.expect("revoked");
    let preferences = json!({
        "language": "en", "theme": "dark", "textPercent": 110, "clipboardSeconds": 30, "rotationDays": 45
    });
    app.invoke("change_preferences", json!({ "preferences": preferences })).await?.expect("changed");
    // Closing the window would ask, because the key was just used.
    app.quit().await?;
    rename_to_former_identifier(&desktop)?;

    let app = start_at_port(&desktop, port).await?;
    app.wait_text("kept").await?;
    let after = list_all_keys(&app).await?;
    let names: Vec<_> = after["keys"].as_array().context("no list of keys")?.iter().map(|key| &key["name"]).collect();
    ensure!(names.len() == 2, "{after}");
    let usage = app
        .invoke("get_key_usage", json!({ "keyId": kept["keyId"], "hours": 24 }))
        .await?
        .expect("the usage is listed");
    ensure!(usage["hours"].as_array().is_some_and(|hours| !hours.is_empty()), "{usage}");
    ensure!(
        run_ul(&desktop, &key, port, &["cloud", "account", "summary"])?.code == Some(0),
        "the key is no longer accepted"
    );
    ensure!(
        run_ul(&desktop, &revoked, port, &["cloud", "account", "summary"])?.code == Some(1),
        "the revoked key is accepted again"
    );
    let settings: Value = serde_json::from_slice(&std::fs::read(desktop.settings_file())?)?;
    ensure!(settings["port"] == port && settings["rotationDays"] == 45, "{settings}");
    for gone in [".local/share/org.ulkeys.desktop", ".config/org.ulkeys.desktop"] {
        ensure!(!desktop.home().join(gone).exists(), "{gone} still exists");
    }
    // WebKit's caches are outside the data folder, so that backups of the data folder do not contain them.
    let webkit = |path: &Path| {
        list_files_recursively(path).unwrap_or_default().iter().any(|path| path.ends_with("hsts-storage.sqlite"))
    };
    ensure!(!webkit(&desktop.data_folder()), "WebKit's files are in the data folder");
    ensure!(
        !list_files_recursively(&desktop.home().join(".cache").join(APP_IDENTIFIER))?.is_empty(),
        "WebKit's files are not in the cache folder"
    );
    Ok(())
}

#[tokio::test]
async fn start_beside_older_version_moves_nothing() -> Result<()> {
    let desktop = desktop_with_platform_folders()?;
    let app = App::start(&desktop).await?;
    let port = app.port;
    app.create_key_without_copying("kept", "read").await?;
    app.close_window(&desktop).await?;
    rename_to_former_identifier(&desktop)?;
    let former = desktop.home().join(".local/share").join(FORMER_IDENTIFIER);
    // An older version holds this lock while it is running.
    let lock = std::fs::File::create(former.join("keys.db.lock"))?;
    lock.lock()?;

    let listed = desktop.command(cli_binary()).args(["keychain", "list"]).output()?;
    let message = String::from_utf8(listed.stderr)?;
    ensure!(message.contains("an older version of UL Keys is running"), "{message}");
    let app = start_at_port(&desktop, port).await?;
    app.wait_text("The key database is in use by another program").await?;
    app.wait_text(&former.join("keys.db").display().to_string()).await?;
    app.click("Connection").await?;
    app.wait_text("An older version of UL Keys is running.").await?;
    ensure!(
        !desktop.data_folder().exists() && !desktop.settings_file().exists(),
        "files were moved although an older version is running"
    );
    app.click("API Keys").await?;
    drop(lock);
    app.click("Try again").await?;
    app.wait_text("kept").await?;
    app.close_window(&desktop).await?;

    let app = start_at_port(&desktop, port).await?;
    app.wait_text("kept").await?;
    ensure!(
        !former.exists() && desktop.data_folder().join("keys.db").exists(),
        "the next start did not move the files"
    );
    Ok(())
}

/// Creates a home folder that contains files stored under the former identifier and one file stored under the current
/// one. Because of that one file, the app cannot simply rename the former folder.
fn home_with_former_files() -> Result<tempfile::TempDir> {
    let home = tempfile::tempdir()?;
    for (path, content) in [
        (".local/share/org.ulkeys.desktop/keys.db", "keys"),
        (".local/share/org.ulkeys.desktop/keys.db-wal", "log"),
        (".local/share/org.ulkeys.desktop/checkpoints/1", "weights"),
        (".local/share/org.ulkeys.desktop/hsts-storage.sqlite", "cache"),
        (".config/org.ulkeys.desktop/settings.json", "{\"port\":18105}"),
        (".config/org.ulkeys.desktop/saved-keys.json", "{}"),
        (".local/share/org.ulkeys.UlKeys/logs/ul-keys.2026-11-28.log", "line"),
    ] {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().context("no parent folder")?)?;
        std::fs::write(path, content)?;
    }
    Ok(home)
}

fn ensure_moved(home: &Path) -> Result<()> {
    for (path, content) in [
        (".local/share/org.ulkeys.UlKeys/keys.db", "keys"),
        (".local/share/org.ulkeys.UlKeys/keys.db-wal", "log"),
        (".local/share/org.ulkeys.UlKeys/checkpoints/1", "weights"),
        (".local/share/org.ulkeys.UlKeys/logs/ul-keys.2026-11-28.log", "line"),
        (".config/org.ulkeys.UlKeys/settings.json", "{\"port\":18105}"),
        (".config/org.ulkeys.UlKeys/saved-keys.json", "{}"),
    ] {
        let found = std::fs::read_to_string(home.join(path)).context(path)?;
        ensure!(found == content, "{path}: {found}");
    }
    for gone in [".local/share/org.ulkeys.desktop", ".config/org.ulkeys.desktop"] {
        ensure!(!home.join(gone).exists(), "{gone} still exists");
    }
    Ok(())
}

/// Kills the real program at each system call that is part of moving the files, and checks that the next start
/// completes the move.
#[test]
fn move_killed_at_any_system_call_is_completed_by_next_start() -> Result<()> {
    let run = |command: &mut Command, home: &Path| {
        for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "UL_KEYS_DATA_DIR"] {
            command.env_remove(variable);
        }
        command.env("HOME", home).stdin(Stdio::null()).output()
    };
    let mut kills = 0;
    for call in ["flock", "unlink", "rename", "rmdir", "mkdir", "fsync"] {
        for number in 1.. {
            let home = home_with_former_files()?;
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e"]);
            strace.arg(format!("inject={call}:signal=KILL:when={number}")).arg(cli_binary()).args(["keychain", "list"]);
            let is_complete = run(&mut strace, home.path())?.status.success();
            let again = run(Command::new(cli_binary()).args(["keychain", "list"]), home.path())?;
            ensure!(again.status.success(), "after {call} {number}: {again:?}");
            ensure_moved(home.path()).with_context(|| format!("killed at {call} {number}"))?;
            if is_complete {
                break;
            }
            kills += 1;
        }
    }
    ensure!(kills >= 9, "only {kills} system calls were interrupted");
    Ok(())
}

#[tokio::test]
async fn window_class_matches_desktop_file() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let configuration: Value = serde_json::from_slice(&std::fs::read(folder.join("src-tauri/tauri.conf.json"))?)?;
    ensure!(configuration["identifier"] == APP_IDENTIFIER, "{}", configuration["identifier"]);
    let entry = std::fs::read_to_string(folder.join(format!("packaging/{APP_IDENTIFIER}.desktop")))?;
    ensure!(entry.lines().any(|line| line == format!("StartupWMClass={APP_IDENTIFIER}")), "{entry}");

    let desktop = desktop_with_platform_folders()?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("new", "read").await?;
    for window in [desktop.find_window("^UL Keys$")?, desktop.key_window()?] {
        let class = desktop.run("xprop", &["-id", &window, "WM_CLASS"])?;
        ensure!(class.trim() == format!("WM_CLASS(STRING) = \"{APP_IDENTIFIER}\", \"{APP_IDENTIFIER}\""), "{class}");
    }
    let names = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"];
    let names = desktop.run("dbus-send", &names)?;
    ensure!(
        names.contains(&format!("{APP_IDENTIFIER}.SingleInstance")) && !names.contains(FORMER_IDENTIFIER),
        "{names}"
    );
    Ok(())
}

#[tokio::test]
async fn files_are_private_regardless_of_umask() -> Result<()> {
    let desktop = desktop_with_platform_folders()?;
    let port = free_port()?;
    let older_log = desktop.data_folder().join("logs/ul-keys.2026-11-01.log");
    std::fs::create_dir_all(older_log.parent().context("no parent folder")?)?;
    std::fs::write(&older_log, "an older line\n")?;
    std::fs::create_dir_all(desktop.settings_file().parent().context("no parent folder")?)?;
    std::fs::write(desktop.settings_file(), json!({ "port": port, "closing": "quit" }).to_string())?;
    let open = |path: &Path| -> Result<u32> { Ok(path.symlink_metadata()?.permissions().mode() & 0o077) };
    ensure!(open(&older_log)? != 0, "the umask of the tests is too strict for this test");

    let app = start_at_port(&desktop, port).await?;
    app.create_key_without_copying("one", "read").await?;
    app.close_window(&desktop).await?;
    let mut seen = 0;
    for parent in [".local/share", ".local/state", ".config", ".cache"] {
        let folder = desktop.home().join(parent).join(APP_IDENTIFIER);
        if !folder.exists() {
            continue;
        }
        for path in list_files_recursively(&folder)?.into_iter().chain([folder]).filter(|path| !path.is_symlink()) {
            ensure!(open(&path)? == 0, "other users can access {}", path.display());
            seen += 1;
        }
    }
    ensure!(seen > 8, "only {seen} files were found");
    Ok(())
}

#[tokio::test]
async fn started_program_keeps_its_own_umask() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let _keyring = Keyring::start(&desktop)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("trainer", "read").await?;
    app.click("Save in this computer’s keychain").await?;
    app.wait_text("Saved in this computer").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    let command = format!("umask 0027; exec '{}' run --key trainer -- sh -c umask", cli_binary().display());
    let printed = desktop.run("sh", &["-c", &command])?;
    ensure!(printed.trim() == "0027", "the program was started with umask {printed}");
    Ok(())
}
