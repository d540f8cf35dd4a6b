//! Tests the use of a mouse on a small screen: the control under the mouse pointer does not move, typed text goes to
//! the field that expects it, and the rotation guide and the Revoke dialog agree on whether a key is still in use.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, ScreenPoint, SmallDisk, ensure_holds, seed};

use crate::details::wait_details_of;
use crate::helpers::{start_with_keys, use_key_once, wait_dialog_closed, wait_key_window_closed_behind_dialog};
use crate::{env_file, file_dialog};

const SCREEN_WIDTH: u32 = 1280;
const SCREEN_HEIGHT: u32 = 800;

/// Returns the positions of controls on the screen.
async fn control_positions(app: &App, desktop: &Desktop, names: &[&str]) -> Result<Vec<ScreenPoint>> {
    let mut places = Vec::new();
    for name in names {
        places.push(app.hover_control(desktop, name).await?);
    }
    Ok(places)
}

/// Checks whether the focus is visible: the focused element has an outline, is within the window and is not covered.
const FOCUS_IS_VISIBLE_SCRIPT: &str = "const focus = document.activeElement;
    const { x, y, width, height } = focus.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return getComputedStyle(focus).outlineStyle !== 'none'
        && !!top && (focus.contains(top) || top.contains(focus) || top.closest('label')?.control === focus);";

/// Checks whether the innermost element with this text is within the window and is not covered.
const TEXT_IS_VISIBLE_SCRIPT: &str = "const all = [...document.querySelectorAll('[role=dialog] *')];
    const found = all.findLast((element) => element.innerText?.includes(arguments[0]));
    const { x, y, width, height } = found.getBoundingClientRect();
    const top = document.elementFromPoint(x + width / 2, y + height / 2);
    return !!top && (found.contains(top) || top.contains(found));";

/// Returns the top edge of a control in CSS pixels from the top of the window. If the control is in a row, returns the
/// top edge of the row.
const TOP_EDGE_SCRIPT: &str = "const controls = [...document.querySelectorAll('button, input, [role=tab]')];
    const control = controls.find((it) => (it.ariaLabel ?? it.innerText.trim()) === arguments[0]);
    return Math.round((control?.closest('[data-row]') ?? control)?.getBoundingClientRect().top ?? -1000);";

/// Checks that a control is at this position, and that it stays there for a second, because data that arrive late could
/// move it.
async fn ensure_stays_at(app: &App, name: &str, top: &Value, after: &str) -> Result<()> {
    let is_there = async || app.script(TOP_EDGE_SCRIPT, vec![name.into()]).await.is_ok_and(|it| it == *top);
    ensure_holds(&format!("{name} at {top} after {after}"), Duration::from_secs(1), is_there).await
}

#[tokio::test]
async fn row_below_mouse_stays_when_details_open_and_close() -> Result<()> {
    for (width, height) in [(1280, 800), (1100, 760)] {
        let desktop = Desktop::start(width, height)?;
        let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
        app.wait_text("conference-demo").await?;
        app.resize(&desktop, width, height).await?;
        for (name, other) in [("training-server", "ci-pipeline"), ("mobile-app", "ci-pipeline")] {
            app.hover_control(&desktop, name).await?;
            let top = app.script(TOP_EDGE_SCRIPT, vec![name.into()]).await?;
            desktop.run("xdotool", &["click", "1"])?;
            app.wait("the details", async || app.text("aside h2").await.is_ok_and(|it| it == name)).await?;
            ensure_stays_at(&app, name, &top, "opening").await?;
            // This click is the second one of a double click.
            desktop.run("xdotool", &["click", "1"])?;
            ensure_stays_at(&app, name, &top, "the second click").await?;
            ensure!(app.text("aside h2").await? == name, "the details changed at {width} x {height}");
            // Closes the details, first with the mouse on the same row and then with the mouse on another row.
            app.script("document.querySelector('aside h2').focus({ preventScroll: true })", Vec::new()).await?;
            desktop.press(&["Escape"])?;
            app.wait("the details to close", async || app.text("aside h2").await.is_err()).await?;
            ensure_stays_at(&app, name, &top, "closing").await?;
            app.click_with_mouse(&desktop, name).await?;
            app.wait("the details", async || app.text("aside h2").await.is_ok_and(|it| it == name)).await?;
            ensure_stays_at(&app, name, &top, "opening again").await?;
            app.hover_control(&desktop, other).await?;
            let top = app.script(TOP_EDGE_SCRIPT, vec![other.into()]).await?;
            desktop.press(&["Escape"])?;
            app.wait("the details to close", async || app.text("aside h2").await.is_err()).await?;
            ensure_stays_at(&app, other, &top, "closing with the mouse on another row").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn row_below_mouse_stays_when_notice_appears_and_leaves() -> Result<()> {
    const NOTICE_TEXT: &str = "Existing keys keep working and can be revoked";
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let Some(disk) = SmallDisk::mount(&desktop)? else { return Ok(()) };
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("conference-demo").await?;
    let list = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let rename = json!({ "keyId": list["keys"][0]["keyId"], "name": "other" });
    let fill = async || -> Result<()> {
        disk.fill()?;
        app.invoke("rename_key", rename.clone()).await?.expect_err("the disk is full");
        app.wait_text(NOTICE_TEXT).await
    };
    app.hover_control(&desktop, "mobile-app").await?;
    let top = app.script(TOP_EDGE_SCRIPT, vec!["mobile-app".into()]).await?;
    fill().await?;
    ensure_stays_at(&app, "mobile-app", &top, "the notice").await?;
    let seen = "const notice = [...document.querySelectorAll('[role=alert]')].at(-1).getBoundingClientRect();
        return notice.top >= 0 && notice.bottom <= innerHeight;";
    ensure!(app.script(seen, Vec::new()).await? == true, "the notice is not visible");
    disk.free_space()?;
    app.wait_gone(NOTICE_TEXT).await?;
    ensure_stays_at(&app, "mobile-app", &top, "the end of the notice").await?;
    // This time, the notice appears while the mouse is elsewhere. When the notice disappears, the list cannot be
    // scrolled to make up for the freed space, so an empty space must keep the row in its position.
    app.hover_control(&desktop, "Help").await?;
    fill().await?;
    app.hover_control(&desktop, "mobile-app").await?;
    let lower = app.script(TOP_EDGE_SCRIPT, vec!["mobile-app".into()]).await?;
    ensure!(lower != top, "the notice is not above the list");
    disk.free_space()?;
    app.wait_gone(NOTICE_TEXT).await?;
    ensure_stays_at(&app, "mobile-app", &lower, "the end of a notice that was there").await?;
    // The empty space is removed after the mouse has left the list, because then no click can miss its target.
    app.hover_control(&desktop, "Help").await?;
    let is_back = async || app.script(TOP_EDGE_SCRIPT, vec!["mobile-app".into()]).await.is_ok_and(|it| it == top);
    app.wait("the list to return to its position", is_back).await
}

#[tokio::test]
async fn row_below_mouse_stays_when_key_is_created_elsewhere() -> Result<()> {
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    let admin = app.create_and_copy_key(&desktop, "an-admin", "admin").await?;
    app.hover_control(&desktop, "mobile-app").await?;
    let top = app.script(TOP_EDGE_SCRIPT, vec!["mobile-app".into()]).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let key = json!({ "name": "made-elsewhere", "scopes": ["read"] });
    client.post(url).bearer_auth(admin).json(&key).send().await?.error_for_status()?;
    app.wait_text("made-elsewhere").await?;
    ensure_stays_at(&app, "mobile-app", &top, "the new row").await
}

#[tokio::test]
async fn controls_below_file_question_stay_when_it_is_answered() -> Result<()> {
    const ANSWER_BUTTONS: [&str; 2] = ["Cancel", "Replace"];
    let desktop = Desktop::start(SCREEN_WIDTH, 1000)?;
    let app = App::start(&desktop).await?;
    let path = desktop.home().join(".env");
    app.create_key_in_dialog("in-a-file", "read").await?;
    for answer in ANSWER_BUTTONS {
        std::fs::write(&path, "ULTRALYTICS_API_KEY=old\n")?;
        app.click("Save as .env…").await?;
        file_dialog::wait_open(&app, &desktop, env_file::DIALOG_TITLE).await?;
        file_dialog::choose_path(&app, &desktop, env_file::DIALOG_TITLE, &path).await?;
        app.wait_text("Replace its value?").await?;
        app.wait_focus("Cancel").await?;
        app.hover_control(&desktop, answer).await?;
        let before = app.script(TOP_EDGE_SCRIPT, vec!["Python".into()]).await?;
        desktop.run("xdotool", &["click", "1"])?;
        app.wait_gone("Replace its value?").await?;
        ensure_stays_at(&app, "Python", &before, answer).await?;
    }
    app.wait_text("Saved, readable by you alone").await
}

#[tokio::test]
async fn choosing_example_in_key_window_moves_nothing() -> Result<()> {
    const EXAMPLE_TABS: [&str; 5] = ["PowerShell", "Python", "curl", "yolo train", "bash, zsh"];
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("gpu box", "read").await?;
    let before = control_positions(&app, &desktop, &EXAMPLE_TABS).await?;
    for (example, place) in EXAMPLE_TABS.iter().zip(&before) {
        desktop.click_at(place)?;
        let chosen = "return document.querySelector('[role=tab][aria-selected=true]')?.innerText.trim() ?? ''";
        let is_chosen = async || app.script(chosen, Vec::new()).await.is_ok_and(|name| name == *example);
        app.wait(&format!("{example} to be chosen at its position"), is_chosen).await?;
        ensure!(control_positions(&app, &desktop, &EXAMPLE_TABS).await? == before, "choosing {example} moved the tabs");
    }
    Ok(())
}

#[tokio::test]
async fn option_in_dialog_stays_below_mouse_while_dialog_grows() -> Result<()> {
    let desktop = Desktop::start(SCREEN_WIDTH, 1000)?;
    let app = App::start(&desktop).await?;
    app.click_with_mouse(&desktop, "Create Key").await?;
    app.wait_focus("Name").await?;
    // The dialog may still be opening.
    let mut place = app.hover_control(&desktop, "admin").await?;
    let still = async || {
        let now = app.hover_control(&desktop, "admin").await;
        now.is_ok_and(|now| std::mem::replace(&mut place, now.clone()) == now)
    };
    app.wait("the dialog to stand still", still).await?;
    desktop.click_at(&place)?;
    app.wait_text("Few programs need that").await?;
    ensure!(app.hover_control(&desktop, "admin").await? == place, "the option moved when the warning appeared");
    desktop.click_at(&place)?;
    app.wait_gone("Few programs need that").await?;
    ensure!(app.hover_control(&desktop, "admin").await? == place, "the option moved when the warning disappeared");
    Ok(())
}

#[tokio::test]
async fn selection_bar_keeps_its_buttons_when_all_are_selected() -> Result<()> {
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.click_with_mouse(&desktop, "Select ci-pipeline").await?;
    app.wait_text("1 key selected").await?;
    let place = app.hover_control(&desktop, "Select all 10").await?;
    desktop.click_at(&place)?;
    app.wait_text("10 keys selected").await?;
    // This click is the second one of a double click.
    desktop.click_at(&place)?;
    let are_selected = async || app.text("body").await.is_ok_and(|text| text.contains("10 keys selected"));
    ensure_holds("10 selected keys", Duration::from_millis(300), are_selected).await
}

#[tokio::test]
async fn return_without_scope_shows_error_and_focus() -> Result<()> {
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let app = App::start(&desktop).await?;
    app.click_with_mouse(&desktop, "Create Key").await?;
    app.click_with_mouse(&desktop, "Name").await?;
    desktop.type_text("gpu box")?;
    app.wait_name_field("gpu box").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("training").await?;
    let text = "Choose at least one scope.";
    app.wait_text(text).await?;
    let seen = async || app.script(FOCUS_IS_VISIBLE_SCRIPT, Vec::new()).await.is_ok_and(|it| it == true);
    app.wait("a focus that can be seen", seen).await?;
    ensure!(app.script(TEXT_IS_VISIBLE_SCRIPT, vec![text.into()]).await? == true, "the error is not visible");
    // Clicking Create has the same effect as pressing Return. The focus must be visible although the mouse was used
    // last.
    app.click_with_mouse(&desktop, "Create").await?;
    app.wait_focus("training").await?;
    app.wait("a focus that can be seen after a click", seen).await
}

#[tokio::test]
async fn name_typed_when_revoke_dialog_opens_confirms_it() -> Result<()> {
    const USED_KEYS: &[seed::SeedKey] =
        &[seed::SeedKey::new("gpu box", "read", 500).with_usage(1, &[("curl/8.9.1", "127.0.0.1")])];
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let app = start_with_keys(&desktop, USED_KEYS).await?;
    app.click_with_mouse(&desktop, "Actions for gpu box").await?;
    app.click_with_mouse(&desktop, "Revoke…").await?;
    app.wait_text("Revoke gpu box?").await?;
    app.wait_focus("To confirm, type gpu box").await?;
    desktop.type_text("gpu box")?;
    desktop.press(&["Return"])?;
    app.wait_text("gpu box was revoked").await?;
    wait_dialog_closed(&app).await
}

#[tokio::test]
async fn completed_rotation_gives_one_verdict_and_shows_new_key() -> Result<()> {
    let desktop = Desktop::start(SCREEN_WIDTH, SCREEN_HEIGHT)?;
    let app = App::start(&desktop).await?;
    let old = app.create_and_copy_key(&desktop, "server", "read").await?;
    use_key_once(&desktop, &app, &old)?;
    app.click_with_mouse(&desktop, "server").await?;
    wait_details_of(&app, &old[..11]).await?;
    app.click_with_mouse(&desktop, "Rotate…").await?;
    app.click_with_mouse(&desktop, "Create the new key").await?;
    app.switch_to_key_window().await?;
    app.click_with_mouse(&desktop, "Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    let new = desktop.read_clipboard()?;
    app.click_with_mouse(&desktop, "Done").await?;
    wait_key_window_closed_behind_dialog(&app).await?;
    use_key_once(&desktop, &app, &new)?;
    let verdict = "The new key is in use, and the old one has been silent since.";
    app.wait_text(verdict).await?;

    app.click("Revoke the old key…").await?;
    app.wait_text("Revoke server?").await?;
    app.wait_focus("Cancel").await?;
    let dialog = app.text("[role=alertdialog]").await?;
    ensure!(
        dialog.contains(verdict) && !dialog.contains("used this key"),
        "the dialog shows another verdict: {dialog}"
    );
    // After another request with the old key, the dialog and the guide both show that the key is in use.
    use_key_once(&desktop, &app, &old)?;
    app.wait_text("A program has used this key just now").await?;
    app.wait_focus("To confirm, type server").await?;
    desktop.type_text("server")?;
    desktop.press(&["Return"])?;
    app.wait_text("The old key is revoked. The new one has taken its place.").await?;
    app.click("Close").await?;
    wait_dialog_closed(&app).await?;
    wait_details_of(&app, &new[..11]).await?;
    app.wait_focus("server").await?;
    ensure!(app.text("aside").await?.contains("Active"), "the details do not show the new key");
    Ok(())
}
