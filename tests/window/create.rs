//! Tests the creation of a key: suggestions, error messages next to the fields, and a dialog that cannot be closed
//! while the key is being created.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::{active_key_names, is_button_disabled, wait_dialog_closed};
use ulkeys_tests::ipc_stub::{delay_responses, release_responses, wait_delayed};

const SCOPE_SUMMARY_SELECTOR: &str = "[role=dialog] [aria-live=polite]";

async fn open_dialog(app: &App) -> Result<()> {
    app.click("Create Key").await?;
    app.wait_focus("Name").await
}

/// Returns the checked scopes.
async fn checked_scopes(app: &App) -> Result<Value> {
    let script = "return [...document.querySelectorAll('[role=dialog] input:checked')].map((box) => box.value)";
    app.script(script, Vec::new()).await
}

async fn wait_form(app: &App, name: &str, scopes: &[&str], sentence: &str) -> Result<()> {
    app.wait_name_field(name).await?;
    app.wait(&format!("{scopes:?}"), async || checked_scopes(app).await.is_ok_and(|chosen| chosen == json!(scopes)))
        .await?;
    app.wait(sentence, async || app.text(SCOPE_SUMMARY_SELECTOR).await.is_ok_and(|text| text == sentence)).await
}

#[tokio::test]
async fn suggestion_fills_form_and_updates_scope_summary() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    open_dialog(&app).await?;
    wait_form(&app, "", &[], "Choose scopes to see what the key will be able to do.").await?;
    app.click("training-server").await?;
    let trains = "This key will be able to start training runs and stream their metrics and read all resources.";
    wait_form(&app, "training-server", &["training", "read"], trains).await?;
    // Choosing another suggested name also replaces the scopes that the previous suggestion filled in.
    app.click("ci-pipeline").await?;
    let uploads = "This key will be able to upload, download and delete models and open and modify datasets.";
    wait_form(&app, "ci-pipeline", &["models", "datasets"], uploads).await?;
    // Choosing another suggested name does not clear a scope that the user has selected.
    app.click("write").await?;
    let writes = "This key will be able to read and change all resources.";
    wait_form(&app, "ci-pipeline", &["models", "datasets", "write"], writes).await?;
    app.click("mobile-app").await?;
    wait_form(&app, "mobile-app", &["read", "write"], writes).await?;

    let caution = "With admin, a program can manage the account and its keys. Few programs need that.";
    ensure!(!app.text("[role=dialog]").await?.contains(caution), "the dialog warns of a scope that is not chosen");
    app.click("admin").await?;
    app.wait_text(caution).await?;
    let described = "const admin = document.querySelector('[role=dialog] input[value=admin]');
        return admin.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id).innerText);";
    let described = app.script(described, Vec::new()).await?.to_string();
    ensure!(described.contains(caution), "the warning is missing from the accessible description: {described}");
    app.click("admin").await?;
    app.wait_gone(caution).await?;

    // Closing the dialog discards everything that was typed.
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Create Key").await?;
    open_dialog(&app).await?;
    wait_form(&app, "", &[], "Choose scopes to see what the key will be able to do.").await
}

#[tokio::test]
async fn missing_fields_show_errors_in_place() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    open_dialog(&app).await?;
    app.click("Create").await?;
    app.wait_text("Enter a name.").await?;
    app.wait_text("Choose at least one scope.").await?;
    app.wait_focus("Name").await?;
    // Reads the error of the focused field as a screen reader does.
    let told = "const field = document.activeElement;
        return [field.ariaInvalid, field.getAttribute('aria-describedby').split(' ')
            .map((id) => document.getElementById(id).innerText.trim()).join(' ')];";
    let name = app.script(told, Vec::new()).await?;
    ensure!(name[0] == "true" && name[1].as_str().is_some_and(|text| text.contains("Enter a name.")), "{name}");

    desktop.type_text("server")?;
    app.wait_gone("Enter a name.").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("training").await?;
    let scope = app.script(told, Vec::new()).await?;
    ensure!(
        scope[0] == "true" && scope[1].as_str().is_some_and(|text| text.contains("Choose at least one scope.")),
        "{scope}"
    );
    ensure!(active_key_names(&app).await?.is_empty(), "a key was created");
    desktop.press(&["space"])?;
    app.wait_gone("Choose at least one scope.").await?;
    // Enter creates the key, whether the focus is on a scope or on the name.
    desktop.press(&["Return"])?;
    app.switch_to_key_window().await?;
    app.switch_to_list_window().await?;
    ensure!(active_key_names(&app).await? == ["server"], "there is not exactly one key");
    Ok(())
}

#[tokio::test]
async fn duplicate_name_shows_hint_and_is_allowed() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let samples = [
        seed::SeedKey::new("server", "read", 500),
        seed::SeedKey { revoked: Some(3), ..seed::SeedKey::new("gone", "read", 400) },
    ];
    seed::seed_database(&desktop.data_folder().join("keys.db"), &samples).await?;
    let app = App::start(&desktop).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    let hint = "Another key has this name.";
    open_dialog(&app).await?;
    desktop.type_text("server")?;
    app.wait_text(hint).await?;
    desktop.type_text("s")?;
    app.wait_gone(hint).await?;
    desktop.press(&["BackSpace"])?;
    app.wait_text(hint).await?;
    app.click("read").await?;
    desktop.press(&["Return"])?;
    app.switch_to_key_window().await?;
    app.switch_to_list_window().await?;
    ensure!(active_key_names(&app).await? == ["server", "server"], "the second key with this name was not created");
    Ok(())
}

/// The creation of a key cannot be cancelled. If the dialog could be closed, nobody would see the new key.
#[tokio::test]
async fn dialog_cannot_be_left_while_key_is_created() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    open_dialog(&app).await?;
    // Before the form is submitted, Escape and a click outside both close the dialog.
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Create Key").await?;
    open_dialog(&app).await?;
    click_outside_dialog(&desktop)?;
    wait_dialog_closed(&app).await?;

    open_dialog(&app).await?;
    app.click("mobile-app").await?;
    delay_responses(&app, "create_key").await?;
    app.click("Create").await?;
    wait_delayed(&app, 1).await?;
    app.wait_text("The key is being created").await?;
    ensure!(is_button_disabled(&app, "Cancel").await?, "the Cancel button is not disabled");
    desktop.press(&["Escape"])?;
    click_outside_dialog(&desktop)?;
    app.click("Cancel").await?;
    app.click("Create").await?;
    desktop.press(&["Escape", "Return"])?;
    // While the key is being created, typing must not change the name. Key presses are processed in order, so once the
    // field has the focus, all earlier key presses have been processed.
    app.click("Name").await?;
    desktop.press(&["x", "End"])?;
    app.wait_focus("Name").await?;
    app.wait_name_field("mobile-app").await?;
    wait_delayed(&app, 1).await?;
    ensure!(active_key_names(&app).await?.is_empty(), "the key was created too early");
    release_responses(&app).await?;
    app.switch_to_key_window().await?;
    app.switch_to_list_window().await?;
    ensure!(active_key_names(&app).await? == ["mobile-app"], "the key was not created exactly once");
    Ok(())
}

/// Clicks outside the dialog.
fn click_outside_dialog(desktop: &Desktop) -> Result<()> {
    let window = desktop.list_window()?;
    desktop.run("xdotool", &["mousemove", "--window", &window, "60", "600", "click", "1"]).map(drop)
}
