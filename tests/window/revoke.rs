//! Tests that revoking a key in use requires typing its name, and that revoking several keys requires typing their
//! number.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::ipc_stub::reject_next_with_argument;
use ulkeys_tests::{App, Desktop, run_ul, seed};

use crate::helpers::{
    active_key_names, choose_menu_entry, is_button_disabled, start_with_keys, tab_to, type_confirmation, use_key_once,
    wait_confirmation, wait_dialog_closed,
};

const SUMMARY_COMMAND: &[&str] = &["cloud", "account", "summary"];

#[tokio::test]
async fn revoking_used_key_requires_its_name() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "in-use", "read").await?;
    use_key_once(&desktop, &app, &key)?;

    choose_menu_entry(&app, "in-use", "Revoke…").await?;
    app.wait_text("Revoke in-use?").await?;
    app.wait_focus("To confirm, type in-use").await?;
    app.wait_text("A program used this key in the last 24 hours").await?;
    app.wait_text(&format!("{}…", &key[..11])).await?;
    // The dialog identifies the program that used the key by its user agent.
    app.wait_text("just now from ").await?;
    app.click("Revoke key").await?;
    type_confirmation(&desktop, &app, "in-us").await?;
    desktop.press(&["Return"])?;
    app.wait_text("This is not the name of the key").await?;
    ensure!(is_button_disabled(&app, "Revoke key").await?, "the key can be revoked without its name");
    type_confirmation(&desktop, &app, &key[..11]).await?;
    ensure!(is_button_disabled(&app, "Revoke key").await?, "the prefix is accepted although the name can be typed");
    use_key_once(&desktop, &app, &key)?;

    type_confirmation(&desktop, &app, "in-use").await?;
    app.click("Revoke key").await?;
    app.wait_text("in-use was revoked").await?;
    wait_dialog_closed(&app).await?;
    let refused = run_ul(&desktop, &key, app.port, SUMMARY_COMMAND)?;
    ensure!(refused.stderr.contains("(HTTP 401): Invalid API key"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn usage_while_dialog_is_open_requires_confirmation() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "asleep", "read").await?;
    choose_menu_entry(&app, "asleep", "Revoke…").await?;
    app.wait_focus("Cancel").await?;
    ensure!(!is_button_disabled(&app, "Revoke key").await?, "the dialog requires the name of an unused key");
    use_key_once(&desktop, &app, &key)?;
    app.wait_text("A program has used this key just now").await?;
    app.wait("the confirmation", async || is_button_disabled(&app, "Revoke key").await.is_ok_and(|blocked| blocked))
        .await?;

    tab_to(&desktop, &app, "To confirm, type asleep").await?;
    desktop.type_text("asleep")?;
    wait_confirmation(&app, "asleep").await?;
    desktop.press(&["Return"])?;
    app.wait_text("asleep was revoked").await
}

#[tokio::test]
async fn name_that_cannot_be_typed_is_confirmed_by_prefix() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let name = "😀".repeat(64);
    let sample =
        seed::SeedKey::new(Box::leak(name.into_boxed_str()), "read", 500).with_usage(1, &[("curl/8.9.1", "127.0.0.1")]);
    let app = start_with_keys(&desktop, &[sample]).await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let prefix = listed["keys"][0]["keyPrefix"].as_str().context("no prefix")?.to_owned();

    choose_menu_entry(&app, sample.name, "Revoke…").await?;
    app.wait_text(&format!("Or type how the key begins: {prefix}")).await?;
    type_confirmation(&desktop, &app, "x").await?;
    desktop.press(&["Return"])?;
    app.wait_text(&format!("This is not the name of the key. Or type how the key begins: {prefix}")).await?;
    type_confirmation(&desktop, &app, &prefix).await?;
    app.click("Revoke key").await?;
    app.wait("the key to be revoked", async || active_key_names(&app).await.is_ok_and(|names| names.is_empty())).await
}

#[tokio::test]
async fn bulk_revocation_reports_failed_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let used: &[(&str, &str)] = &[("curl/8.9.1", "127.0.0.1")];
    let samples = [
        seed::SeedKey::new("one", "read", 500).with_usage(1, used),
        seed::SeedKey::new("two", "read", 400),
        seed::SeedKey::new("three", "read", 300).with_usage(100, used),
        seed::SeedKey::new("kept", "read", 200),
    ];
    seed::seed_database(&desktop.data_folder().join("keys.db"), &samples).await?;
    let app = App::start(&desktop).await?;
    for name in ["one", "two", "three"] {
        app.click(&format!("Select {name}")).await?;
    }
    app.wait_text("3 keys selected").await?;
    app.click("Revoke…").await?;
    app.wait_text("Revoke 3 keys?").await?;
    app.wait_text("1 of them was used in the last 24 hours").await?;
    app.wait_focus("To confirm, type the number of keys: 3").await?;
    ensure!(is_button_disabled(&app, "Revoke 3 keys").await?, "the keys can be revoked without their number");
    type_confirmation(&desktop, &app, "2").await?;
    desktop.press(&["Return"])?;
    app.wait_text("This is not the number of keys").await?;

    // The rejection is stubbed, because the real service never fails for only one of several keys.
    let listed = app.invoke("list_keys", json!({ "query": { "name": "two" } })).await?.expect("listed");
    let key_id = listed["keys"][0]["keyId"].as_str().context("no key ID")?;
    reject_next_with_argument(&app, "revoke_key", key_id, "DATABASE_BUSY").await?;
    type_confirmation(&desktop, &app, "3").await?;
    app.click("Revoke 3 keys").await?;
    app.wait_text("1 key was not revoked. It stays selected.").await?;
    app.wait_text("The key database is in use by another program").await?;
    ensure!(active_key_names(&app).await? == ["kept", "two"], "the other keys were not revoked");
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await?;
    app.wait_text("1 key selected").await?;

    app.click("Revoke…").await?;
    app.wait_text("Revoke 1 key?").await?;
    app.click("Revoke 1 key").await?;
    app.wait_text("1 key was revoked").await?;
    wait_dialog_closed(&app).await?;
    ensure!(active_key_names(&app).await? == ["kept"], "other keys remain");
    Ok(())
}
