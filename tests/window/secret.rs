//! After its dialog is closed, the key is nowhere: not in the page, not in an answer, not in a file, not in a log.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use memchr::memmem;
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop, ensure_holds};

/// How often a text stands in the page: in text nodes, attributes, field values, the title, and what code kept on
/// nodes.
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
    app.script(COUNT_TEXT_SCRIPT, vec![json!(key)]).await?.as_i64().context("a number")
}

/// A key as UTF-8, as UTF-16 and as the 20 bytes that it spells.
fn encodings_of(key: &str) -> Result<[Vec<u8>; 3]> {
    let digits = key.get(3..).context("digits")?;
    let bytes: Result<Vec<u8>, _> = (0..20).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)).collect();
    Ok([key.as_bytes().to_vec(), key.encode_utf16().flat_map(u16::to_le_bytes).collect(), bytes?])
}

/// Files below `folder` that hold `text` in any form.
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

    // The controls: each search finds the key while it may.
    ensure!(count_in_page(&app, &key).await? >= 1, "shown as one text node, and in the open example");
    ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "held for copying");
    let control = desktop.data_folder().join("control.txt");
    for form in encodings_of(&key)? {
        std::fs::write(&control, [b"log line with ", &form[..], b"."].concat())?;
        ensure!(files_containing(desktop.home(), &key)? == [control.display().to_string()], "only the control");
    }
    std::fs::remove_file(&control)?;

    // Shown once: the same page gets no second answer.
    let public_key = json!({ "publicKey": vec![4; 65] });
    let gone = app.invoke("reveal_key", public_key).await?.expect_err("shown already");
    ensure!(gone["code"] == "SECRET_GONE", "{gone}");
    app.switch_to_list_window().await?;
    ensure!(count_in_page(&app, &key).await? == 0, "the list's page never has it");
    let busy = app
        .invoke("create_key", json!({ "name": "x", "scopes": ["read"], "replaces": null }))
        .await?
        .expect_err("one at a time");
    ensure!(busy["code"] == "KEY_ON_SCREEN", "{busy}");
    app.switch_to_key_window().await?;

    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    ensure!(count_in_page(&app, &key).await? == 0, "the page holds it");
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
        ensure!(!answer.to_string().contains(&key), "{command} answers with the key");
    }
    ensure!(app.output().contains("TRACE"), "the log tells all that it can");
    ensure!(!app.output().contains(&key), "printed");
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
        ensure!(app.invoke("copy_key", json!({})).await?.is_ok(), "held");
        // The page ends before it can answer.
        let _ = app.script(leave, Vec::new()).await;
        app.wait_key_window_closed().await?;
        app.click("Create Key").await?;
        app.find_control("Name").await?;
        desktop.press(&["Escape"])?;
        app.wait("the end of the dialog", async || app.text("[role=dialog]").await.is_err()).await?;
    }
    Ok(())
}

/// Nobody looks at a key that is put away unasked; if it was not copied either, the list says so.
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
    ensure_holds("the window of the key", std::time::Duration::from_millis(300), is_shown).await?;
    desktop.announce_screen_saver("org.gnome.ScreenSaver", true)?;
    told("locked", "no longer shown: the screen was locked").await?;

    // A key that was copied is not lost, and the list stays calm: also when its window is minimized.
    app.click("Dismiss").await?;
    app.create_key_in_dialog("minimized", "read").await?;
    app.click("Copy").await?;
    app.wait_text("Copied").await?;
    app.minimize_key_window(&desktop).await?;
    app.wait_key_window_closed().await?;
    app.wait_gone("it was never copied or saved").await?;

    // Unless it leaves the clipboard with the window.
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

/// Minimizing would hide an unsaved key from nobody but its owner: the window comes back, covers the key and asks.
#[tokio::test]
async fn minimized_window_with_unsaved_key_is_restored_and_asks() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("minimized", "read").await?;
    let key = app.text("code.key").await?.trim().to_owned();
    // Its own window, and the list's, with which window managers minimize what is over it.
    for window in [desktop.key_window()?, desktop.list_window()?] {
        desktop.run("xdotool", &["windowminimize", &window])?;
        app.wait_text("This window was hidden, so the key is covered.").await?;
        ensure!(count_in_page(&app, &key).await? == 0, "the key is not covered");
        app.wait("the window", async || desktop.key_window().is_ok()).await?;
        app.wait_focus("Keep open").await?;
        app.click("Keep open").await?;
        app.wait_gone("This window was hidden").await?;
        ensure!(app.text("code.key").await?.trim() == key, "shown again");
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
    ensure!(key != lost, "another key");
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
    let gone = app.invoke("replace_lost_key", json!({})).await?.expect_err("replaced already");
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

    // The window manager's way of closing asks just the same, and so does closing the list under it.
    for window in [desktop.key_window()?, desktop.list_window()?] {
        desktop.run("wmctrl", &["-i", "-c", &window])?;
        app.wait_text("The key has not been copied or saved yet").await?;
        app.click("Keep open").await?;
        app.wait_gone("has not been copied or saved yet").await?;
    }
    // So do the keys of the menu, which this window does not have.
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
    app.wait("the key in front", async || active().trim() == key_window).await
}

#[tokio::test]
async fn page_can_use_only_its_commands() -> Result<()> {
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
