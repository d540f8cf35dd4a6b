//! Revoking a key that a program depends on takes more than a click, and several at once takes a number.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, seed, ul};

use crate::hands::{active_names, app_with, choose, closed, confirm, is_blocked, tab_to, use_once, wait_confirmation};

const SUMMARY: &[&str] = &["cloud", "account", "summary"];

#[tokio::test]
async fn a_key_in_use_asks_for_its_name() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "in-use", "read").await?;
    use_once(&desktop, &app, &key)?;

    choose(&app, "in-use", "Revoke…").await?;
    app.wait_text("Revoke in-use?").await?;
    app.wait_focus("To confirm, type in-use").await?;
    app.wait_text("A program used this key in the last 24 hours").await?;
    app.wait_text(&format!("{}…", &key[..11])).await?;
    // The program that used it, as it calls itself.
    app.wait_text("just now from ").await?;
    app.click("Revoke key").await?;
    confirm(&desktop, &app, "in-us").await?;
    desktop.press(&["Return"])?;
    app.wait_text("This is not the name of the key").await?;
    ensure!(is_blocked(&app, "Revoke key").await?, "blocked until the name is there");
    confirm(&desktop, &app, &key[..11]).await?;
    ensure!(is_blocked(&app, "Revoke key").await?, "a name that can be typed is to be typed");
    use_once(&desktop, &app, &key)?;

    confirm(&desktop, &app, "in-use").await?;
    app.click("Revoke key").await?;
    app.wait_text("in-use was revoked").await?;
    closed(&app).await?;
    let refused = ul(&desktop, &key, app.port, SUMMARY)?;
    ensure!(refused.stderr.contains("(HTTP 401): Invalid API key"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_use_while_the_dialog_is_open_changes_the_question() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "asleep", "read").await?;
    choose(&app, "asleep", "Revoke…").await?;
    app.wait_focus("Cancel").await?;
    ensure!(!is_blocked(&app, "Revoke key").await?, "nobody has used it");
    use_once(&desktop, &app, &key)?;
    app.wait_text("A program has used this key just now").await?;
    app.wait("the question", async || is_blocked(&app, "Revoke key").await.is_ok_and(|blocked| blocked)).await?;

    tab_to(&desktop, &app, "To confirm, type asleep").await?;
    desktop.type_text("asleep")?;
    wait_confirmation(&app, "asleep").await?;
    desktop.press(&["Return"])?;
    app.wait_text("asleep was revoked").await
}

#[tokio::test]
async fn a_name_that_nobody_can_type_is_not_asked_for_in_vain() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let name = "😀".repeat(64);
    let sample =
        seed::Sample::new(Box::leak(name.into_boxed_str()), "read", 500).used(1, &[("curl/8.9.1", "127.0.0.1")]);
    let app = app_with(&desktop, &[sample]).await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let prefix = listed["keys"][0]["keyPrefix"].as_str().context("a prefix")?.to_owned();

    choose(&app, sample.name, "Revoke…").await?;
    app.wait_text(&format!("Or type how the key begins: {prefix}")).await?;
    confirm(&desktop, &app, "x").await?;
    desktop.press(&["Return"])?;
    app.wait_text(&format!("This is not the name of the key. Or type how the key begins: {prefix}")).await?;
    confirm(&desktop, &app, &prefix).await?;
    app.click("Revoke key").await?;
    app.wait("the end of the key", async || active_names(&app).await.is_ok_and(|names| names.is_empty())).await
}

#[tokio::test]
async fn several_keys_end_together_and_a_failure_is_named() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data())?;
    let used: &[(&str, &str)] = &[("curl/8.9.1", "127.0.0.1")];
    let samples = [
        seed::Sample::new("one", "read", 500).used(1, used),
        seed::Sample::new("two", "read", 400),
        seed::Sample::new("three", "read", 300).used(100, used),
        seed::Sample::new("kept", "read", 200),
    ];
    seed::seed(&desktop.data().join("keys.db"), &samples).await?;
    let app = App::start(&desktop).await?;
    for name in ["one", "two", "three"] {
        app.click(&format!("Select {name}")).await?;
    }
    app.wait_text("3 keys selected").await?;
    app.click("Revoke…").await?;
    app.wait_text("Revoke 3 keys?").await?;
    app.wait_text("1 of them was used in the last 24 hours").await?;
    app.wait_focus("To confirm, type the number of keys: 3").await?;
    ensure!(is_blocked(&app, "Revoke 3 keys").await?, "blocked until the number is there");
    confirm(&desktop, &app, "2").await?;
    desktop.press(&["Return"])?;
    app.wait_text("This is not the number of keys").await?;

    // No real service fails for one key of several.
    let listed = app.invoke("list_keys", json!({ "query": { "name": "two" } })).await?.expect("listed");
    let fail = "const before = window.fetch;
        window.fetch = (url, options) => {
          if (!String(url).endsWith('/revoke_key')) return before(url, options);
          const body = new TextDecoder().decode(new Uint8Array(options.body)) + String(options.body);
          if (!body.includes(arguments[0])) return before(url, options);
          window.fetch = before;
          const headers = { 'Tauri-Response': 'error', 'content-type': 'application/json' };
          return Promise.resolve(new Response(JSON.stringify({ error: 'busy', code: 'DATABASE_BUSY' }), { headers }));
        };";
    app.script(fail, vec![listed["keys"][0]["keyId"].clone()]).await?;
    confirm(&desktop, &app, "3").await?;
    app.click("Revoke 3 keys").await?;
    app.wait_text("1 key was not revoked. It stays selected.").await?;
    app.wait_text("The key database is in use by another program").await?;
    ensure!(active_names(&app).await? == ["kept", "two"], "the others were revoked");
    app.click("Cancel").await?;
    closed(&app).await?;
    app.wait_text("1 key selected").await?;

    app.click("Revoke…").await?;
    app.wait_text("Revoke 1 key?").await?;
    app.click("Revoke 1 key").await?;
    app.wait_text("1 key was revoked").await?;
    closed(&app).await?;
    ensure!(active_names(&app).await? == ["kept"], "no more and no less");
    Ok(())
}
