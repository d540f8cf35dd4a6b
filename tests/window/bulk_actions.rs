//! Bulk actions apply to the selected keys as they are now, also when keys change in between.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, ensure_holds, seed};

use crate::helpers::{
    active_key_names, bring_to_front, choose_menu_entry, is_button_disabled, start_with_bulk_keys, start_with_keys,
    type_confirmation, use_key_once, wait_dialog_closed,
};
use ulkeys_tests::ipc_stub::{
    clear_rules, delay_responses, drop_key_events, lose_responses, reject, release_responses, wait_delayed,
};

/// The bar's own button; each row has one of the same name.
async fn click_revoke_selected(app: &App) -> Result<()> {
    app.script("document.querySelector('[role=region] button:last-of-type').click()", Vec::new()).await.map(drop)
}

/// A use after the selection, and one while the dialog is open, are both asked about.
#[tokio::test]
async fn bulk_revoke_dialog_shows_current_usage() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let asleep = app.create_and_copy_key(&desktop, "asleep", "read").await?;
    let other = app.create_and_copy_key(&desktop, "other", "read").await?;
    app.click("Select asleep").await?;
    app.click("Select other").await?;
    app.wait_text("2 keys selected").await?;
    use_key_once(&desktop, &app, &asleep)?;
    app.wait_text("just now").await?;
    click_revoke_selected(&app).await?;
    app.wait_text("1 of them was used in the last 24 hours").await?;
    ensure!(is_button_disabled(&app, "Revoke 2 keys").await?, "a number is asked for");

    use_key_once(&desktop, &app, &other)?;
    app.wait_text("2 of them were used in the last 24 hours").await?;
    type_confirmation(&desktop, &app, "2").await?;
    app.click("Revoke 2 keys").await?;
    app.wait_text("2 keys were revoked").await?;
    ensure!(active_key_names(&app).await?.is_empty(), "both ended");
    Ok(())
}

#[tokio::test]
async fn usage_while_bulk_dialog_is_open_requires_confirmation() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "asleep", "read").await?;
    app.create_key_without_copying("never", "read").await?;
    app.click("Select asleep").await?;
    app.click("Select never").await?;
    click_revoke_selected(&app).await?;
    app.wait_text("Revoke 2 keys?").await?;
    ensure!(!is_button_disabled(&app, "Revoke 2 keys").await?, "nobody has used them");
    use_key_once(&desktop, &app, &key)?;
    app.wait_text("1 of them was used in the last 24 hours").await?;
    ensure!(is_button_disabled(&app, "Revoke 2 keys").await?, "now somebody has");
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await
}

/// Nobody was asked about a key that is used while others are being revoked.
#[tokio::test]
async fn usage_during_bulk_revocation_stops_it() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("never", "read").await?;
    let key = app.create_and_copy_key(&desktop, "asleep", "read").await?;
    app.click("Select never").await?;
    app.click("Select asleep").await?;
    click_revoke_selected(&app).await?;
    app.wait_focus("Cancel").await?;
    delay_responses(&app, "revoke_key").await?;
    app.click("Revoke 2 keys").await?;
    wait_delayed(&app, 1).await?;
    use_key_once(&desktop, &app, &key)?;
    app.wait_text("last used just now").await?;
    release_responses(&app).await?;
    app.wait_text("1 key was revoked").await?;
    app.wait_text("Revoke 1 key?").await?;
    app.wait_text("1 of them was used in the last 24 hours").await?;
    ensure!(is_button_disabled(&app, "Revoke 1 key").await?, "a number is asked for");
    ensure!(active_key_names(&app).await? == ["asleep"], "the one that is in use was not revoked");
    type_confirmation(&desktop, &app, "1").await?;
    app.click("Revoke 1 key").await?;
    wait_dialog_closed(&app).await?;
    ensure!(active_key_names(&app).await?.is_empty(), "now both ended");
    Ok(())
}

/// Whatever the answer was lost of is asked for again; what is still not known is not claimed.
#[tokio::test]
async fn lost_response_is_not_reported_as_rejection() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    for name in ["first", "second", "third"] {
        app.create_key_without_copying(name, "read").await?;
    }
    let revoke_two = async |one: &str, other: &str| {
        app.click(&format!("Select {one}")).await?;
        app.click(&format!("Select {other}")).await?;
        click_revoke_selected(&app).await?;
        app.wait_focus("Cancel").await?;
        app.click("Revoke 2 keys").await
    };
    reject(&app, "revoke_key", "SERVICE_UNAVAILABLE").await?;
    revoke_two("first", "second").await?;
    app.wait_text("2 keys were not revoked. They stay selected.").await?;
    reject(&app, "get_key", "SERVICE_UNAVAILABLE").await?;
    app.click("Try again").await?;
    app.wait_text("It is not known whether 2 keys were revoked.").await?;
    ensure!(!app.text("[role=alertdialog]").await?.contains("were not revoked"), "nothing more is claimed");
    release_responses(&app).await?;
    lose_responses(&app, "revoke_key").await?;
    app.click("Try again").await?;
    app.wait_text("2 keys were revoked").await?;
    wait_dialog_closed(&app).await?;
    ensure!(active_key_names(&app).await? == ["third"], "they were");
    Ok(())
}

/// A program that runs once a day may have used any of them a little longer ago.
#[tokio::test]
async fn revoking_more_than_ten_keys_requires_their_number() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let samples = names.map(|name| seed::SeedKey::new(name, "read", 30));
    let app = start_with_keys(&desktop, &samples).await?;
    app.click("Select all").await?;
    app.wait_text("11 keys selected").await?;
    click_revoke_selected(&app).await?;
    app.wait_text("To confirm, type the number of keys: 11").await?;
    ensure!(!app.text("[role=alertdialog]").await?.contains("of them"), "none of them was used");
    ensure!(is_button_disabled(&app, "Revoke 11 keys").await?, "a number is asked for");
    type_confirmation(&desktop, &app, "11").await?;
    app.click("Revoke 11 keys").await?;
    app.wait_text("11 keys were revoked").await?;
    ensure!(active_key_names(&app).await?.is_empty(), "all ended");
    Ok(())
}

/// A window that was told nothing of what happened asks for all that it shows.
#[tokio::test]
async fn resync_updates_details_and_selection() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = app.create_and_copy_key(&desktop, "admin", "admin").await?;
    app.create_key_without_copying("other", "read").await?;
    drop_key_events(&app).await?;
    app.click("Select other").await?;
    app.wait_text("1 key selected").await?;
    app.click("other").await?;
    app.find_control("Close details").await?;
    let listed = app.invoke("list_keys", json!({ "query": { "name": "other" } })).await?.expect("listed");
    let id = listed["keys"][0]["keyId"].as_str().expect("an id");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys/{id}", app.port);
    let revoked = client.delete(url).bearer_auth(&admin).send().await?;
    ensure!(revoked.status().is_success(), "{revoked:?}");
    app.wait_gone("1 key selected").await?;
    app.wait("the details", async || app.text("aside").await.is_ok_and(|text| text.contains("Revoked"))).await
}

/// What is chosen by an answer that comes too late is nothing that anybody sees, or means any longer.
#[tokio::test]
async fn late_response_selects_nothing() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.click("Select mobile-app").await?;
    delay_responses(&app, "list_keys").await?;
    app.click("Select all 10").await?;
    wait_delayed(&app, 1).await?;
    app.click("Clear").await?;
    app.wait_gone("key selected").await?;
    release_responses(&app).await?;
    ensure_nothing_selected(&app).await?;

    delay_responses(&app, "list_keys").await?;
    app.click("Select all").await?;
    wait_delayed(&app, 1).await?;
    clear_rules(&app).await?;
    app.click("Revoked").await?;
    app.wait_text("old-laptop").await?;
    release_responses(&app).await?;
    ensure_nothing_selected(&app).await
}

/// Also not after a while.
async fn ensure_nothing_selected(app: &App) -> Result<()> {
    let is_nothing_selected = async || app.text("body").await.is_ok_and(|text| !text.contains("selected"));
    ensure_holds("a page without a selection", std::time::Duration::from_millis(500), is_nothing_selected).await
}

#[tokio::test]
async fn revoked_key_is_deselected() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.create_key_without_copying("first", "read").await?;
    app.create_key_without_copying("second", "read").await?;
    app.click("Select first").await?;
    app.click("Select second").await?;
    app.wait_text("2 keys selected").await?;
    choose_menu_entry(&app, "first", "Revoke…").await?;
    app.click("Revoke key").await?;
    app.wait_text("first was revoked").await?;
    app.wait_text("1 key selected").await
}

/// Clicks the box of a row, wherever that is.
async fn click_row_checkbox(app: &App, row: u32, shift: bool) -> Result<()> {
    let script = "const [row, shift] = arguments;
        const scroller = document.querySelector('.window');
        const box = document.querySelector(`[data-row='${row}'] [data-control=select]`);
        if (!box) { scroller.scrollTop = row * 65; return false; }
        box.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: shift }));
        return true;";
    let clicked = async || app.script(script, vec![json!(row), json!(shift)]).await.is_ok_and(|it| it == true);
    app.wait(&format!("row {row}"), clicked).await
}

/// A range of rows that hold other keys by the time of the answer is not the one that was meant.
#[tokio::test]
async fn shift_click_ignores_keys_that_moved() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let samples = ["a", "b", "c", "d", "e"].map(|name| seed::SeedKey::new(name, "read", 30));
    let app = start_with_keys(&desktop, &samples).await?;
    app.click("Name").await?;
    app.wait("names from A", async || {
        app.text("[data-row='0'] [data-control=open]").await.is_ok_and(|name| name.trim() == "a")
    })
    .await?;
    click_row_checkbox(&app, 1, false).await?;
    app.wait_text("1 key selected").await?;
    delay_responses(&app, "list_keys").await?;
    click_row_checkbox(&app, 3, true).await?;
    wait_delayed(&app, 1).await?;
    clear_rules(&app).await?;
    let listed = app.invoke("list_keys", json!({ "query": { "name": "a" } })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    release_responses(&app).await?;
    // The two that were clicked, and neither the one between them nor the one after.
    app.wait_text("2 keys selected").await?;
    for (name, is_selected) in [("b", true), ("c", false), ("d", true), ("e", false)] {
        let box_of = app.find_control(&format!("Select {name}")).await?;
        ensure!(box_of.is_selected().await? == is_selected, "{name}");
    }
    Ok(())
}

/// Shift selects the range between two keys, whether or not its rows were ever seen; never another, and not too many.
#[tokio::test]
async fn shift_click_selects_range() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_bulk_keys(&desktop, 1000).await?;
    let click = async |row, shift| click_row_checkbox(&app, row, shift).await;
    click(2, false).await?;
    app.wait_text("1 key selected").await?;
    click(400, true).await?;
    app.wait_text("399 keys selected").await?;
    // Back from there: all of the range but the first are deselected.
    click(3, true).await?;
    app.wait_text("1 key selected").await?;
    click(900, true).await?;
    app.wait_text("Up to 500 keys can be selected together").await?;
    app.wait_text("1 key selected").await?;
    app.wait_gone("Up to 500 keys").await?;
    // Neither by one range after the other.
    click(401, false).await?;
    click(800, true).await?;
    app.wait_text("401 keys selected").await?;
    click(850, false).await?;
    app.wait_text("402 keys selected").await?;
    click(960, true).await?;
    app.wait_text("Up to 500 keys can be selected together").await?;
    app.wait_text("402 keys selected").await?;

    // In another order there is nothing to begin from.
    app.click("Name").await?;
    app.wait_gone("key selected").await?;
    click(5, true).await?;
    app.wait_text("1 key selected").await
}

/// A key that was never used for too long is used: it needs no attention any more; the number and the details say so.
#[tokio::test]
async fn usage_clears_attention() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "forgotten", "read").await?;
    app.quit().await?;
    let database = rusqlite::Connection::open(desktop.data_folder().join("keys.db"))?;
    let day: i64 = 24 * 60 * 60 * 1000;
    ensure!(database.execute("UPDATE keys SET created_at = created_at - ?1", [40 * day])? == 1, "one key");
    drop(database);

    let app = App::start(&desktop).await?;
    app.wait_text("Needs attention\n1").await?;
    app.click("Needs attention").await?;
    app.click("forgotten").await?;
    app.find_control("Close details").await?;
    app.wait_text("and never used since").await?;
    use_key_once(&desktop, &app, &key)?;
    app.wait_text("Needs attention\n0").await?;
    app.wait_gone("and never used since").await
}

/// The focus goes back to where it was when a key is made by the menu's shortcut; a search leaves the details.
#[tokio::test]
async fn menu_shortcuts_restore_focus() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    bring_to_front(&app, &desktop).await?;
    desktop.press(&["ctrl+f"])?;
    app.wait_focus("Search keys").await?;
    desktop.press(&["ctrl+n"])?;
    app.wait_focus("Name").await?;
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    app.wait_focus("Search keys").await?;

    // Where the details lie over the list, the navigation stays free.
    app.resize(&desktop, 640, 480).await?;
    app.click("mobile-app").await?;
    app.find_control("Close details").await?;
    let free = "const place = document.querySelector('nav button:last-of-type, nav li:last-child button').getBoundingClientRect();
        return document.elementFromPoint(place.x + place.width / 2, place.y + place.height / 2).closest('nav') !== null";
    app.wait("the navigation", async || app.script(free, Vec::new()).await.is_ok_and(|free| free == true)).await?;
    desktop.press(&["ctrl+f"])?;
    app.wait_focus("Search keys").await?;
    app.click("mobile-app").await?;
    app.find_control("Close details").await?;
    app.script("document.querySelector('.scrim').click()", Vec::new()).await?;
    app.wait_focus("mobile-app").await
}

/// Beside the details, rows are others and higher; the one that was opened is not lost from sight.
#[tokio::test]
async fn opened_row_stays_visible() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.resize(&desktop, 1100, 760).await?;
    for name in ["training-server", "conference-demo", "edge-camera-07"] {
        app.click(name).await?;
        // The row stays below the mouse, where it was clicked; a part of it may lie below the window.
        let seen = "const row = document.querySelector('tr.chosen')?.getBoundingClientRect();
            return row !== undefined && row.top >= 0 && row.top < innerHeight
                && document.querySelector('aside h2')?.textContent === arguments[0];";
        app.wait(name, async || app.script(seen, vec![json!(name)]).await.is_ok_and(|seen| seen == true)).await?;
    }
    Ok(())
}
