//! Tests that a key leaves no trace after its window is closed, neither in the page nor in a response, a file or a log.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use memchr::memmem;
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop, ensure_holds};

/// Counts the occurrences of a string in the page: in text nodes (including the title), attributes, field values,
/// properties that scripts have set on nodes, web storage, cookies, the address and the history state.
const COUNT_TEXT_SCRIPT: &str = r"
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

pub(crate) async fn count_in_page(app: &App, key: &str) -> Result<i64> {
    app.script(COUNT_TEXT_SCRIPT, vec![json!(key)]).await?.as_i64().context("not a number")
}

/// Returns a key as UTF-8, as UTF-16 and as the 20 bytes that its hexadecimal digits encode.
fn encodings_of(key: &str) -> Result<[Vec<u8>; 3]> {
    let digits = key.get(3..).context("no digits")?;
    let bytes: Result<Vec<u8>, _> = (0..20).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)).collect();
    Ok([key.as_bytes().to_vec(), key.encode_utf16().flat_map(u16::to_le_bytes).collect(), bytes?])
}

/// Returns the files below `folder` that contain `text` in any of the encodings returned by [`encodings_of`].
pub(crate) fn files_containing(folder: &Path, text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            found.extend(files_containing(&path, text)?);
        } else if path.is_file() {
            let bytes = std::fs::read(&path)?;
            if encodings_of(text)?.iter().any(|form| memmem::find(&bytes, form).is_some()) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn closed_key_leaves_no_trace() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { log: Some("trace"), ..AppOptions::default() }).await?;
    app.create_key_in_dialog("seen-once", "write").await?;
    let key = app.text("code.key").await?.trim().to_owned();
    app.click("Copy").await?;
    app.wait_text("Copied").await?;

    // Control: while the window is open, each search finds the key.
    ensure!(count_in_page(&app, &key).await? >= 1, "the open page does not contain the key");
    ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "the key cannot be copied");
    let control = desktop.data_folder().join("control.txt");
    for form in encodings_of(&key)? {
        std::fs::write(&control, [b"log line with ", &form[..], b"."].concat())?;
        ensure!(
            files_containing(desktop.home(), &key)? == [control.display().to_string()],
            "the search does not find exactly the control file"
        );
    }
    std::fs::remove_file(&control)?;

    // A key is revealed only once: a second call by the same page is rejected.
    let public_key = json!({ "publicKey": vec![4; 65] });
    let gone = app.invoke("reveal_key", public_key).await?.expect_err("the key was already revealed");
    ensure!(gone["code"] == "SECRET_GONE", "{gone}");
    app.switch_to_list_window().await?;
    ensure!(count_in_page(&app, &key).await? == 0, "the page of the list contains the key");
    let busy = app
        .invoke("create_key", json!({ "name": "x", "scopes": ["read"], "replaces": null }))
        .await?
        .expect_err("another new key is shown");
    ensure!(busy["code"] == "KEY_ON_SCREEN", "{busy}");
    app.switch_to_key_window().await?;

    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    ensure!(count_in_page(&app, &key).await? == 0, "the page of the list contains the key");
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let key_id = listed["keys"][0]["keyId"].clone();
    for (command, arguments) in [
        ("list_keys", json!({ "query": {} })),
        ("focus_one_time_window", json!({})),
        ("copy_key_id", json!({ "keyId": key_id })),
        ("retry_service", json!({})),
        ("revoke_key", json!({ "keyId": key_id })),
    ] {
        let answer = app.invoke(command, arguments).await?.unwrap_or_else(|error| error);
        ensure!(!answer.to_string().contains(&key), "the response of {command} contains the key");
    }
    ensure!(app.output().contains("TRACE"), "the log does not contain the most detailed level");
    ensure!(!app.output().contains(&key), "the key was printed");
    app.quit().await?;
    ensure!(files_containing(desktop.home(), &key)?.is_empty(), "{:?}", files_containing(desktop.home(), &key)?);
    Ok(())
}

#[tokio::test]
async fn reload_and_history_do_not_restore_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    for (name, leave) in [("one", "location.reload()"), ("two", "history.pushState({}, '', '#x'); location.reload()")] {
        app.create_key_in_dialog(name, "read").await?;
        ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "the key cannot be copied");
        // The page is unloaded before the script can return.
        let _ = app.script(leave, Vec::new()).await;
        app.wait_key_window_closed().await?;
        app.click("Create Key").await?;
        app.find_control("Name").await?;
        desktop.press(&["Escape"])?;
        app.wait("the dialog to close", async || app.text("[role=dialog]").await.is_err()).await?;
    }
    Ok(())
}

/// The one-time window closes without asking if the screen is locked, or if the window is minimized after the key was
/// copied. If the user has no copy of the key, the list window reports the key as lost.
#[tokio::test]
async fn key_is_hidden_when_screen_is_locked_or_window_minimized() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let told = async |name: &str, what: &str| -> Result<()> {
        app.wait_key_window_closed().await?;
        app.wait_text(&format!("key for {name} is {what}")).await?;
        app.wait_text("it was never copied or saved").await
    };

    app.create_key_in_dialog("locked", "read").await?;
    for (interface, active) in [("org.kde.Other", true), ("org.freedesktop.ScreenSaver", false)] {
        desktop.announce_screen_saver(interface, active)?;
    }
    let is_shown = async || app.driver.windows().await.is_ok_and(|windows| windows.len() == 2);
    ensure_holds("the one-time window", std::time::Duration::from_millis(300), is_shown).await?;
    desktop.announce_screen_saver("org.gnome.ScreenSaver", true)?;
    told("locked", "no longer shown: the screen was locked").await?;

    // A copied key is not lost, so the list shows no warning, even if the one-time window is minimized.
    app.click("Dismiss").await?;
    app.create_key_in_dialog("minimized", "read").await?;
    app.click("Copy").await?;
    app.wait_text("Copied").await?;
    app.minimize_key_window(&desktop).await?;
    app.wait_key_window_closed().await?;
    app.wait_gone("it was never copied or saved").await?;

    // Locking the screen also clears the copied key from the clipboard, so the key is lost.
    app.create_key_in_dialog("copied", "read").await?;
    app.click("Copy").await?;
    app.wait_text("Copied").await?;
    desktop.lock_screen()?;
    app.wait_key_window_closed().await?;
    app.wait_text("key for copied is no longer shown: the screen was locked").await?;
    app.wait_text("it was not saved, and it does not stay on the clipboard").await?;
    app.click("Dismiss").await?;

    app.create_key_in_dialog("interrupted", "read").await?;
    let _ = app.script("location.reload()", Vec::new()).await;
    app.wait_key_window_closed().await?;
    app.wait_text("The window with the key for interrupted closed unexpectedly").await?;
    app.click("Revoke…").await?;
    app.click("Revoke key").await?;
    app.wait_text("interrupted was revoked").await?;
    app.wait_gone("closed unexpectedly").await
}

/// If the one-time window of an unsaved key is minimized, the app restores the window, covers the key and asks whether
/// to close the window. Minimizing would only hide the key from its owner.
#[tokio::test]
async fn minimized_window_with_unsaved_key_is_restored_and_asks() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("minimized", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();
    // Minimizes first the one-time window and then the list window. Window managers minimize the one-time window
    // together with the list window.
    for window in [desktop.key_window()?, desktop.list_window()?] {
        desktop.run("xdotool", &["windowminimize", &window])?;
        app.wait_text("This window was hidden, so the key is covered.").await?;
        ensure!(count_in_page(&app, &key).await? == 0, "the key is not covered");
        app.wait("the window", async || desktop.key_window().is_ok()).await?;
        app.wait_focus("Keep open").await?;
        app.click("Keep open").await?;
        app.wait_gone("This window was hidden").await?;
        ensure!(app.text("code.key").await?.trim() == key, "the key is not shown again");
    }
    Ok(())
}

#[tokio::test]
async fn replaced_lost_key_is_revoked_and_new_one_shown() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("lost", "read").await?;
    let lost = app.text("code.key").await?.trim().to_owned();
    desktop.lock_screen()?;
    app.wait_key_window_closed().await?;
    app.click("Replace it").await?;
    app.switch_to_key_window().await?;
    let key = app.text("code.key").await?.trim().to_owned();
    ensure!(key != lost, "the replacement is the same key");
    app.click("Copy").await?;
    app.wait_text("Copied").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    app.wait_gone("it was never copied or saved").await?;
    let active = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    ensure!(active["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{active}");
    ensure!(active["keys"][0]["name"] == "lost" && active["keys"][0]["scopes"] == json!(["read"]), "{active}");
    let revoked = app.invoke("list_keys", json!({ "query": { "status": "revoked" } })).await?.expect("listed");
    ensure!(revoked["keys"][0]["keyPrefix"] == json!(lost[..11]), "{revoked}");
    let gone = app.invoke("replace_lost_key", json!({})).await?.expect_err("the key was already replaced");
    ensure!(gone["code"] == "NOT_FOUND", "{gone}");
    Ok(())
}

#[tokio::test]
async fn close_before_copying_asks_once() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("careful", "read").await?;
    app.click("Done").await?;
    app.wait_text("The key has not been copied or saved yet").await?;
    app.click("Keep open").await?;
    app.wait_gone("has not been copied or saved yet").await?;

    // A close request from the window manager also makes the app ask for confirmation, whether the request is sent to
    // the one-time window or to the list window.
    for window in [desktop.key_window()?, desktop.list_window()?] {
        desktop.run("wmctrl", &["-i", "-c", &window])?;
        app.wait_text("The key has not been copied or saved yet").await?;
        app.click("Keep open").await?;
        app.wait_gone("has not been copied or saved yet").await?;
    }
    // The shortcuts for closing and quitting also make the app ask for confirmation, although the one-time window has
    // no menu.
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.key_window()?])?;
    for keys in ["ctrl+w", "ctrl+q"] {
        desktop.press(&[keys])?;
        app.wait_text("The key has not been copied or saved yet").await?;
        app.click("Keep open").await?;
        app.wait_gone("has not been copied or saved yet").await?;
    }
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.wait_key_window_closed().await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    ensure!(listed["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{listed}");
    Ok(())
}

#[tokio::test]
async fn text_size_shortcuts_work_in_key_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("readable", "read").await?;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.key_window()?])?;
    for (keys, size) in [("ctrl+plus", "125%"), ("ctrl+0", "")] {
        desktop.press(&[keys])?;
        app.wait("the size of the text", async || {
            let shown = app.script("return document.documentElement.style.fontSize", Vec::new()).await;
            shown.is_ok_and(|shown| shown == size)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn list_brings_key_window_to_front() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("behind", "read").await?;
    app.switch_to_list_window().await?;
    app.wait_text("Your new key is in its own window").await?;
    desktop.run("xdotool", &["windowactivate", "--sync", &desktop.list_window()?])?;
    app.click("Show the window").await?;
    let active = || desktop.run("xdotool", &["getactivewindow"]).unwrap_or_default();
    let key_window = desktop.key_window()?;
    app.wait("the one-time window to be in front", async || active().trim() == key_window).await
}

#[tokio::test]
async fn page_can_use_only_its_commands() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    // The windows cannot call Tauri's own commands: the capability file does not permit them.
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
    ensure!(fetched.json() == &Value::from("refused"), "the content security policy lets the page fetch");
    app.script("location.href = 'http://127.0.0.1:' + arguments[0] + '/healthz'", vec![json!(app.port)]).await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    ensure!(app.script("return location.protocol", Vec::new()).await? == "tauri:", "the page was left");
    Ok(())
}
