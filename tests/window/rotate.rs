//! Tests the rotation of a key while a program continues to use it: the four documented steps, which can be interrupted
//! and resumed.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use ulkeys_tests::ipc_stub::{call_count, count_calls};
use ulkeys_tests::{App, Desktop, run_ul, seed};

use crate::helpers::{
    active_key_names, choose_menu_entry, set_language, start_with_keys, tab_to, wait_confirmation, wait_dialog_closed,
    wait_key_window_closed_behind_dialog,
};

const SUMMARY_COMMAND: &[&str] = &["cloud", "account", "summary"];

fn is_accepted(desktop: &Desktop, app: &App, key: &str) -> Result<bool> {
    Ok(run_ul(desktop, key, app.port, SUMMARY_COMMAND)?.code == Some(0))
}

/// Waits until the step with this title is the current one.
async fn wait_step(app: &App, title: &str) -> Result<()> {
    let current = "return [...document.querySelectorAll('li[aria-current=step] h3')]
        .some((heading) => heading.innerText.includes(arguments[0]))";
    app.wait(title, async || app.script(current, vec![json!(title)]).await.is_ok_and(|it| it == true)).await
}

/// Waits until the row of a key that is being rotated contains these words, which refer to the other key of the
/// rotation.
async fn wait_row_text(app: &App, row: u32, words: &str) -> Result<()> {
    let shown = "return document.querySelector(`[data-row='${arguments[0]}'] th`)?.textContent ?? ''";
    let says = async || {
        let text = app.script(shown, vec![json!(row)]).await;
        text.is_ok_and(|text| text.as_str().is_some_and(|text| text.contains(words)))
    };
    app.wait(&format!("{words:?} in row {row}"), says).await
}

/// Waits until the screen-reader description of any key in the list contains these words.
async fn wait_accessible_description(app: &App, words: &str) -> Result<()> {
    let says = "return [...document.querySelectorAll('[data-control=open][aria-describedby]')].some((button) =>
        document.getElementById(button.getAttribute('aria-describedby')).textContent.includes(arguments[0]))";
    app.wait(words, async || app.script(says, vec![json!(words)]).await.is_ok_and(|says| says == true)).await
}

/// Returns the scopes of each active key with this name, newest key first.
async fn scopes_of(app: &App, name: &str) -> Result<Vec<Value>> {
    let listed = app.invoke("list_keys", json!({ "query": { "name": name } })).await?.expect("listed");
    let keys = listed["keys"].as_array().cloned().unwrap_or_default();
    Ok(keys.into_iter().map(|mut key| key["scopes"].take()).collect())
}

#[tokio::test]
async fn rotation_by_keyboard_can_be_left_and_resumed() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let old = app.create_and_copy_key(&desktop, "server", "read").await?;
    ensure!(is_accepted(&desktop, &app, &old)?, "the old key is not accepted");
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;

    // Opening the guide and leaving it immediately changes nothing.
    let open = async |entry: &str| -> Result<()> {
        tab_to(&desktop, &app, "Actions for server").await?;
        desktop.press(&["Return"])?;
        app.find_control(entry).await?;
        while app.focused_name().await? != entry {
            desktop.press(&["Down"])?;
        }
        desktop.press(&["Return"])?;
        app.wait_text("Rotate server").await
    };
    open("Rotate…").await?;
    wait_step(&app, "Create a new key").await?;
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Actions for server").await?;
    ensure!(active_key_names(&app).await? == ["server"], "a key was created");

    open("Rotate…").await?;
    wait_step(&app, "Create a new key").await?;
    tab_to(&desktop, &app, "Create the new key").await?;
    desktop.press(&["Return"])?;
    app.switch_to_key_window().await?;
    app.wait_focus("Copy").await?;
    desktop.press(&["Return"])?;
    app.wait_text("On the clipboard for another").await?;
    let new = desktop.read_clipboard()?;
    ensure!(new != old && new.len() == 43, "the new key was not copied");
    tab_to(&desktop, &app, "Done").await?;
    desktop.press(&["Return"])?;
    wait_key_window_closed_behind_dialog(&app).await?;
    wait_step(&app, "Update your applications").await?;
    app.wait_text("Waiting for the first request with the new key").await?;
    app.wait_text("Give the new key to the programs that used the old one").await?;
    ensure!(active_key_names(&app).await? == ["server", "server"], "there are not two keys during the rotation");

    // The user leaves the guide, and resumes the rotation later in this test. In the list, each of the two keys refers
    // to the other one.
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    ensure!(is_accepted(&desktop, &app, &old)?, "the old key is not accepted");
    wait_row_text(&app, 0, &format!("Replaces {}…", &old[..11])).await?;
    wait_row_text(&app, 1, &format!("Being replaced by {}…", &new[..11])).await?;

    // Requests with the old key do not make the list query the keys of the rotation again.
    count_calls(&app).await?;
    for _ in 0..2 {
        ensure!(is_accepted(&desktop, &app, &old)?, "the old key is not accepted");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    ensure!(call_count(&app, "get_key").await? == 0, "the list queries the keys after each use");

    open("Continue rotation…").await?;
    wait_step(&app, "Update your applications").await?;
    app.wait_text(&format!("It begins with {}", &new[..11])).await?;

    // The program switches to the new key while the guide is open.
    ensure!(is_accepted(&desktop, &app, &new)?, "the new key is not accepted");
    app.wait_text("The new key is in use, and the old one has been silent since").await?;
    wait_step(&app, "Revoke the old key").await?;
    // After a single use of the old key, the rotation is no longer complete.
    ensure!(is_accepted(&desktop, &app, &old)?, "the old key is not accepted");
    app.wait_text("Something still depends on it").await?;
    ensure!(is_accepted(&desktop, &app, &new)?, "the new key is not accepted");

    tab_to(&desktop, &app, "Revoke the old key…").await?;
    desktop.press(&["Return"])?;
    app.wait_text("Revoke server?").await?;
    app.wait_text(&format!("{}…", &old[..11])).await?;
    app.wait_focus("To confirm, type server").await?;
    desktop.type_text("server")?;
    wait_confirmation(&app, "server").await?;
    desktop.press(&["Return"])?;
    app.wait_text("The old key is revoked. The new one has taken its place.").await?;
    ensure!(
        !is_accepted(&desktop, &app, &old)? && is_accepted(&desktop, &app, &new)?,
        "the new key has not replaced the old one"
    );
    tab_to(&desktop, &app, "Close").await?;
    desktop.press(&["Return"])?;
    wait_dialog_closed(&app).await?;
    ensure!(active_key_names(&app).await? == ["server"], "there is not exactly one key after the rotation");
    // After the rotation, the remaining key no longer refers to the revoked key.
    app.wait_gone(&format!("Replaces {}…", &old[..11])).await?;
    app.click("Actions for server").await?;
    app.find_control("Rotate…").await?;
    Ok(())
}

#[tokio::test]
async fn lost_new_key_can_be_replaced() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let old = app.create_and_copy_key(&desktop, "careless", "read").await?;
    choose_menu_entry(&app, "careless", "Rotate…").await?;
    app.click("Create the new key").await?;
    app.switch_to_key_window().await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    wait_key_window_closed_behind_dialog(&app).await?;
    wait_step(&app, "Update your applications").await?;
    app.click("Revoke it and create another…").await?;
    app.wait_text("Revoke careless?").await?;
    app.click("Revoke key").await?;
    wait_step(&app, "Create a new key").await?;
    ensure!(is_accepted(&desktop, &app, &old)?, "the old key is not accepted");
    app.click("Create the new key").await?;
    app.switch_to_key_window().await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let new = desktop.read_clipboard()?;
    app.click("Done").await?;
    wait_key_window_closed_behind_dialog(&app).await?;
    ensure!(is_accepted(&desktop, &app, &new)?, "the second new key is not accepted");
    app.wait_text("The new key is in use, and the old one has been silent since").await
}

#[tokio::test]
async fn rotation_of_unused_admin_key_asks_for_fewer_scopes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.click("Needs attention").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    tab_to(&desktop, &app, "Rotate with fewer scopes…").await?;
    desktop.press(&["Return"])?;
    app.wait_text("Rotate workspace-admin").await?;
    wait_step(&app, "Create a new key").await?;
    app.wait_text("the scopes chosen here").await?;
    app.wait("the focus on the step", async || {
        app.focused_name().await.is_ok_and(|it| it.contains("Create a new key"))
    })
    .await?;

    // The old key has only the admin scope, so no scope is preselected.
    tab_to(&desktop, &app, "Create the new key").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("training").await?;
    app.wait_text("Choose at least one scope.").await?;
    ensure!(scopes_of(&app, "workspace-admin").await? == [json!(["admin"])], "a key was created");

    tab_to(&desktop, &app, "datasets").await?;
    desktop.press(&["space"])?;
    app.wait_gone("Choose at least one scope.").await?;
    tab_to(&desktop, &app, "models").await?;
    desktop.press(&["space", "Return"])?;
    app.switch_to_key_window().await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Done").await?;
    wait_key_window_closed_behind_dialog(&app).await?;
    wait_step(&app, "Update your applications").await?;
    ensure!(
        scopes_of(&app, "workspace-admin").await? == [json!(["models", "datasets"]), json!(["admin"])],
        "the new key does not have the chosen scopes"
    );
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    app.find_control("Continue rotation…").await?;
    Ok(())
}

#[tokio::test]
async fn scopes_can_be_changed_during_rotation() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    choose_menu_entry(&app, "ci-pipeline", "Rotate…").await?;
    app.wait_text("the same name and the same scopes").await?;
    app.click("Change scopes…").await?;
    app.wait_focus("training").await?;
    app.click("datasets").await?;
    app.click("Create the new key").await?;
    app.switch_to_key_window().await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    wait_key_window_closed_behind_dialog(&app).await?;
    let scopes = scopes_of(&app, "ci-pipeline").await?;
    ensure!(scopes == [json!(["models"]), json!(["models", "datasets"])], "{scopes:?}");
    Ok(())
}

#[tokio::test]
async fn rotating_keys_are_linked_in_list() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.resize(&desktop, 1100, 1000).await?;
    let listed = app.invoke("list_keys", json!({ "query": { "name": "inference-gateway" } })).await?.expect("listed");
    let prefix = |at: usize| listed["keys"][at]["keyPrefix"].as_str().unwrap_or_default().to_owned();
    let (new, old) = (prefix(0), prefix(1));
    wait_accessible_description(&app, &format!("Replaces {old}…; both work until that key is revoked.")).await?;
    wait_accessible_description(&app, &format!("Being replaced by {new}…; both work until this key is revoked."))
        .await?;

    // The note about a rotation does not make a row taller than its neighbors in any language.
    let heights = "const height = name => [...document.querySelectorAll('[data-row]')]
            .filter(row => row.innerText.includes(name)).map(row => row.offsetHeight);
        return [...height('inference-gateway'), ...height('nightly-export')]";
    for (language, said) in [("de", "beide funktionieren"), ("pt-BR", "as duas funcionam"), ("en", "both work")] {
        set_language(&app, language).await?;
        wait_accessible_description(&app, said).await?;
        let heights = app.script(heights, Vec::new()).await?;
        let [new, old, other] = heights.as_array().map(Vec::as_slice).unwrap_or_default() else {
            bail!("the rows are missing: {heights}");
        };
        ensure!(new == other && old == other, "{language}: {heights}");
    }

    // The details panel also offers to continue the rotation. For a key that is not being rotated, it offers to start a
    // rotation.
    app.click("inference-gateway").await?;
    app.wait_text("Key ID").await?;
    ensure!(
        app.text("aside").await?.contains("Continue rotation…"),
        "the details do not offer to continue the rotation"
    );
    app.click("ci-pipeline").await?;
    app.wait("the other key", async || app.text("aside h2").await.is_ok_and(|name| name == "ci-pipeline")).await?;
    let text = app.text("aside").await?;
    ensure!(text.contains("Rotate…") && !text.contains("Continue rotation…"), "{text}");
    Ok(())
}

/// While the rotation guide is open, the page polls every two seconds, and the interval does not become shorter over
/// time.
#[tokio::test]
async fn open_rotation_guide_polls_slowly() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::ROTATING_KEYS).await?;
    choose_menu_entry(&app, "both-in-use", "Continue rotation…").await?;
    app.wait_text("Something still").await?;
    count_calls(&app).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = call_count(&app, "get_key_usage").await?;
    ensure!((2..20).contains(&asked), "two keys were queried {asked} times");
    Ok(())
}
