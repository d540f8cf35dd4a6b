//! Tests that Tab visits the controls in their visual order, and that the focus returns to the right control after a
//! dialog closes.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::{choose_menu_entry, start_with_keys, wait_dialog_closed};

async fn start_focused_with_team(desktop: &Desktop) -> Result<App> {
    let app = start_with_keys(desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    Ok(app)
}

/// Presses a key the given number of times, and returns the control that had the focus after each press.
async fn press_and_record_focus(desktop: &Desktop, app: &App, key: &str, presses: usize) -> Result<Vec<String>> {
    let watch = "window.stops = [];
        removeEventListener('focusin', window.noteStop);
        const nameOf = (element) =>
            element.ariaLabel ?? element.labels?.[0]?.innerText ??
            (document.getElementById(element.getAttribute('aria-labelledby')) ?? element).innerText;
        window.noteStop = ({ target }) =>
            stops.push(nameOf(target).replace(/[\\u2066-\\u2069]/g, '').trim().split('\\n')[0]);
        addEventListener('focusin', window.noteStop);";
    app.script(watch, Vec::new()).await?;
    for number in 1..=presses {
        desktop.press(&[key])?;
        let arrived = "return stops.length >= arguments[0]";
        app.wait(&format!("stop {number}"), async || {
            app.script(arrived, vec![json!(number)]).await.is_ok_and(|arrived| arrived == true)
        })
        .await?;
    }
    Ok(serde_json::from_value(app.script("return stops", Vec::new()).await?)?)
}

/// Checks that Tab visits these controls in this order, and that Shift+Tab visits them in reverse.
async fn check_tab_order_both_ways(desktop: &Desktop, app: &App, way: &[&str]) -> Result<()> {
    let there = press_and_record_focus(desktop, app, "Tab", way.len()).await?;
    ensure!(there == way, "{there:#?}");
    let mut back = press_and_record_focus(desktop, app, "shift+Tab", way.len() - 1).await?;
    back.reverse();
    ensure!(back == way[..way.len() - 1], "the order of Shift+Tab differs: {back:#?}");
    Ok(())
}

/// Checks the Tab order of a dialog. Tab moves from the focused control to the end of `order`, wraps around to the
/// first control and moves to the end again. From there, Shift+Tab moves back to the first control and wraps around to
/// the last.
async fn check_tab_order_wraps(desktop: &Desktop, app: &App, order: &[&str]) -> Result<()> {
    let focus = app.focused_name().await?;
    let start = order.iter().position(|name| *name == focus).with_context(|| focus)?;
    let way: Vec<&str> = order.iter().cycle().skip(start + 1).take(2 * order.len() - 1 - start).copied().collect();
    let there = press_and_record_focus(desktop, app, "Tab", way.len()).await?;
    ensure!(there == way, "{there:#?}");
    let mut back = press_and_record_focus(desktop, app, "shift+Tab", order.len() - 1).await?;
    back.reverse();
    ensure!(back == order[..order.len() - 1], "the order of Shift+Tab differs: {back:#?}");
    desktop.press(&["shift+Tab"])?;
    app.wait_focus(order[order.len() - 1]).await
}

#[tokio::test]
async fn tab_order_of_key_list_is_same_both_ways() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_focused_with_team(&desktop).await?;
    let way = [
        "API Keys",
        "Activity",
        "Connection",
        "Preferences",
        "Help",
        "Key service",
        "Create Key",
        "Active",
        "Needs attention",
        "Revoked",
        "Search keys",
        "Select all",
        "Name",
        "Scopes",
        "Created",
        "Last used",
        "Select inference-gateway",
        "inference-gateway",
        "Actions for inference-gateway",
        "Select nightly-export",
    ];
    check_tab_order_both_ways(&desktop, &app, &way).await
}

#[tokio::test]
async fn tab_order_of_dialogs_wraps_and_focus_returns() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_focused_with_team(&desktop).await?;
    let leave = async |control: &str| -> Result<()> {
        desktop.press(&["Escape"])?;
        wait_dialog_closed(&app).await?;
        app.wait_focus(control).await
    };

    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    let suggestions = ["training-server", "ci-pipeline", "mobile-app"];
    let scopes = ["training", "models", "datasets", "read", "write", "admin"];
    check_tab_order_wraps(&desktop, &app, &[&["Name"][..], &suggestions, &scopes, &["Cancel", "Create"]].concat())
        .await?;
    leave("Create Key").await?;

    choose_menu_entry(&app, "training-server", "Revoke…").await?;
    app.wait_focus("To confirm, type training-server").await?;
    check_tab_order_wraps(&desktop, &app, &["To confirm, type training-server", "Cancel", "Revoke key"]).await?;
    leave("Actions for training-server").await?;

    choose_menu_entry(&app, "training-server", "Rotate…").await?;
    app.wait("the first step", async || {
        app.focused_name().await.is_ok_and(|focus| focus.ends_with("Create a new key"))
    })
    .await?;
    // Tab does not stop at a heading.
    desktop.press(&["Tab"])?;
    app.wait_focus("Create the new key").await?;
    check_tab_order_wraps(&desktop, &app, &["Create the new key", "Change scopes…", "Close"]).await?;
    leave("Actions for training-server").await?;

    choose_menu_entry(&app, "training-server", "Rename…").await?;
    app.wait_focus("Name").await?;
    check_tab_order_wraps(&desktop, &app, &["Name", "Cancel", "Save"]).await?;
    leave("Actions for training-server").await?;

    choose_menu_entry(&app, "training-server", "Use this key…").await?;
    app.wait_text("Use training-server").await?;
    leave("Actions for training-server").await?;

    app.click("Select training-server").await?;
    app.click("Select mobile-app").await?;
    app.click("Revoke…").await?;
    app.wait_text("Revoke 2 keys?").await?;
    let number = "To confirm, type the number of keys: 2";
    app.wait_focus(number).await?;
    check_tab_order_wraps(&desktop, &app, &["Keys that will be revoked", number, "Cancel", "Revoke 2 keys"]).await?;
    leave("Revoke…").await
}

#[tokio::test]
async fn tab_order_of_key_window_wraps() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_in_dialog("new", "read").await?;
    app.wait_focus("Copy").await?;
    app.click("curl").await?;
    app.wait_text("/api/account/summary").await?;
    app.script("document.querySelector('button').focus()", Vec::new()).await?;
    app.wait_focus("Copy").await?;
    let way = ["Save in this computer’s keychain", "Save as .env…", "curl", "Copy the example", "curl", "Done", "Copy"];
    check_tab_order_both_ways(&desktop, &app, &way).await?;
    desktop.press(&["shift+Tab"])?;
    app.wait_focus("Copy").await
}
