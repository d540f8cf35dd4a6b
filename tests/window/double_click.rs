//! Tests that a second click on a button whose dialog is closing has no effect.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::ipc_stub::{call_count, count_calls};
use ulkeys_tests::{App, seed};

use crate::helpers::{active_key_names, choose_menu_entry, start_focused_with_keys, wait_dialog_closed};

/// Clicks this button of the open dialog, and clicks it once more when the dialog begins to close.
async fn click_twice_while_closing(app: &App, button: &str) -> Result<()> {
    let script = "const panel = document.querySelector('.dialog-panel');
        const button = [...panel.querySelectorAll('button')].find((one) => one.innerText.trim() === arguments[0]);
        window.again = null;
        new MutationObserver(() => {
            if (panel.dataset.state !== 'closed' || again) return;
            window.again = getComputedStyle(panel).pointerEvents;
            button.click();
        }).observe(panel, { attributes: true });";
    app.script(script, vec![json!(button)]).await?;
    app.click(button).await
}

/// Waits for the second click, and returns whether a click with a mouse would have reached the button at that moment.
async fn is_second_click_hit(app: &App) -> Result<bool> {
    let again = "return window.again";
    app.wait("the second click", async || app.script(again, vec![]).await.is_ok_and(|it| it.is_string())).await?;
    Ok(app.script(again, vec![]).await? != "none")
}

#[tokio::test]
async fn second_click_while_dialog_closes_is_ignored() -> Result<()> {
    let (_desktop, app) = start_focused_with_keys(&[seed::SeedKey::new("unwanted", "read", 900)]).await?;
    count_calls(&app).await?;

    choose_menu_entry(&app, "unwanted", "Revoke…").await?;
    click_twice_while_closing(&app, "Revoke key").await?;
    ensure!(!is_second_click_hit(&app).await?, "a mouse click reaches the closing dialog");
    wait_dialog_closed(&app).await?;
    app.wait_text("unwanted was revoked").await?;
    let toasts = app.script("return document.querySelectorAll('.toast').length", vec![]).await?;
    ensure!(toasts == 1, "{toasts} messages are shown instead of one");

    app.click("Create Key").await?;
    app.find_control("Name").await?.send_keys("wanted").await?;
    app.click("read").await?;
    click_twice_while_closing(&app, "Create").await?;
    app.switch_to_key_window().await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.wait_key_window_closed().await?;
    ensure!(!is_second_click_hit(&app).await?, "a mouse click reaches the closing dialog");
    ensure!(active_key_names(&app).await? == ["wanted"], "the key was not created exactly once");
    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    app.wait_name_field("").await?;
    let dialog = app.text("[role=dialog]").await?;
    ensure!(!dialog.contains("Enter a name"), "the new dialog already shows an error: {dialog}");
    for command in ["create_key", "revoke_key"] {
        ensure!(call_count(&app, command).await? == 1, "{command} is not called exactly once");
    }
    Ok(())
}
