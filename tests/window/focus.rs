//! Tests that the focus is never lost: when a menu closes, when the clipboard is cleared, and when a focused button is
//! removed.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, seed};

use crate::details::wait_section;
use crate::helpers::{start_focused_with_keys, wait_dialog_closed};
use ulkeys_tests::ipc_stub::{reject, release_responses};

const MENU_SELECTOR: &str = "[role=menu]";

async fn wait_menu_closed(app: &App) -> Result<()> {
    app.wait("the menu to close", async || app.text(MENU_SELECTOR).await.is_err()).await
}

#[tokio::test]
async fn row_menu_closed_leaves_focus_on_clicked_control_or_its_button() -> Result<()> {
    let (desktop, app) = start_focused_with_keys(seed::TEAM_KEYS).await?;
    let open = async || {
        app.click("Actions for mobile-app").await?;
        app.wait("the menu", async || app.text(MENU_SELECTOR).await.is_ok()).await
    };

    open().await?;
    app.click_selector_with_mouse(&desktop, "[role=searchbox]").await?;
    wait_menu_closed(&app).await?;
    app.wait_focus("Search keys").await?;

    // The menu button opens and closes the menu.
    open().await?;
    let seen = "window.clicks = 0; document.addEventListener('click', () => clicks++);";
    app.script(seen, vec![]).await?;
    let key = "return document.querySelector('[aria-expanded=true][data-menu-of]').dataset.menuOf";
    let key = app.script(key, vec![]).await?;
    let button = format!("[data-menu-of={key}]");
    app.click_selector_with_mouse(&desktop, &button).await?;
    app.wait("the click", async || app.script("return clicks", vec![]).await.is_ok_and(|clicks| clicks == 1)).await?;
    wait_menu_closed(&app).await?;
    app.wait_focus("Actions for mobile-app").await?;

    desktop.press(&["Return"])?;
    app.find_control("Copy key ID").await?;
    desktop.press(&["Escape"])?;
    wait_menu_closed(&app).await?;
    app.wait_focus("Actions for mobile-app").await?;

    // Tab closes the menu and moves the focus to the control after the menu button.
    desktop.press(&["Return"])?;
    app.find_control("Copy key ID").await?;
    desktop.press(&["Tab"])?;
    wait_menu_closed(&app).await?;
    let next =
        "const rows = [...document.querySelectorAll('[data-key-id]')].sort((a, b) => a.dataset.row - b.dataset.row);
        const row = rows.findIndex((one) => one.dataset.keyId === arguments[0]);
        return rows[row + 1].contains(document.activeElement);";
    app.wait("the focus in the next row", async || {
        app.script(next, vec![key.clone()]).await.is_ok_and(|next| next == true)
    })
    .await?;

    // The menu closes when the row that it belongs to is removed.
    open().await?;
    app.invoke("revoke_key", json!({ "keyId": key })).await?.expect("revoked");
    wait_menu_closed(&app).await?;
    app.wait_focus("API Keys").await
}

#[tokio::test]
async fn clipboard_cleared_while_dialog_is_open_keeps_dialog_and_focus() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let copied = async |name: &str| {
        app.create_key_in_dialog(name, "read").await?;
        app.click("Copy").await?;
        app.wait_text("On the clipboard for another").await?;
        app.click("Done").await?;
        app.wait_key_window_closed().await?;
        app.wait_text("On the clipboard for another").await
    };
    copied("first").await?;
    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    app.find_control("Name").await?.send_keys("half typed").await?;
    app.click_selector_with_mouse(&desktop, "aside[aria-label] button").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    app.wait_name_field("half typed").await?;
    ensure!(
        app.script("return document.querySelector('[role=dialog]').dataset.state", vec![]).await? == "open",
        "the dialog is not open"
    );
    app.wait("the focus in the dialog", async || app.focused_name().await.is_ok_and(|focus| focus == "Name")).await?;
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await?;

    // The focused button is removed together with its notice.
    copied("second").await?;
    app.click_with_mouse(&desktop, "Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    app.wait_focus("API Keys").await
}

#[tokio::test]
async fn removed_button_moves_focus_to_heading_above() -> Result<()> {
    let (desktop, app) = start_focused_with_keys(seed::TEAM_KEYS).await?;
    reject(&app, "list_activity", "DATABASE_BUSY").await?;
    app.click("Activity").await?;
    app.find_control("Try again").await?.focus().await?;
    release_responses(&app).await?;
    desktop.press(&["Return"])?;
    app.wait_gone("Try again").await?;
    app.wait_focus("Activity").await?;

    app.click("API Keys").await?;
    reject(&app, "get_key_usage", "DATABASE_BUSY").await?;
    app.click("ci-pipeline").await?;
    wait_section(&app, "Programs and addresses", &["Try again"]).await?;
    let focus = "[...document.querySelectorAll('aside section')]
        .find((part) => part.querySelector('h3')?.innerText === 'Programs and addresses').querySelector('button').focus()";
    app.script(focus, vec![]).await?;
    release_responses(&app).await?;
    desktop.press(&["Return"])?;
    wait_section(&app, "Programs and addresses", &["curl/8.9.1"]).await?;
    app.wait_focus("Programs and addresses").await
}
