//! Tests bulk actions, which apply to the current state of the selected keys even if the keys change after the
//! selection.

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

/// Clicks the Revoke button of the selection bar. A search by name would also find the Revoke buttons in the rows.
async fn click_revoke_selected(app: &App) -> Result<()> {
    app.script("document.querySelector('[role=region] button:last-of-type').click()", Vec::new()).await.map(drop)
}

/// The dialog counts requests sent after the keys were selected, including those that arrive while the dialog is open.
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
    ensure!(is_button_disabled(&app, "Revoke 2 keys").await?, "the dialog does not require a number");

    use_key_once(&desktop, &app, &other)?;
    app.wait_text("2 of them were used in the last 24 hours").await?;
    type_confirmation(&desktop, &app, "2").await?;
    app.click("Revoke 2 keys").await?;
    app.wait_text("2 keys were revoked").await?;
    ensure!(active_key_names(&app).await?.is_empty(), "a key is still active");
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
    ensure!(!is_button_disabled(&app, "Revoke 2 keys").await?, "the dialog requires a number for unused keys");
    use_key_once(&desktop, &app, &key)?;
    app.wait_text("1 of them was used in the last 24 hours").await?;
    ensure!(is_button_disabled(&app, "Revoke 2 keys").await?, "the dialog does not require a number after a use");
    app.click("Cancel").await?;
    wait_dialog_closed(&app).await
}

/// If a selected key is used while other selected keys are being revoked, revoking the used key requires another
/// confirmation.
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
    ensure!(is_button_disabled(&app, "Revoke 1 key").await?, "the dialog does not require a number");
    ensure!(active_key_names(&app).await? == ["asleep"], "the key in use was revoked");
    type_confirmation(&desktop, &app, "1").await?;
    app.click("Revoke 1 key").await?;
    wait_dialog_closed(&app).await?;
    ensure!(active_key_names(&app).await?.is_empty(), "a key is still active");
    Ok(())
}

/// If the response to a revocation is lost, the page queries the key again. If that query fails as well, the page
/// reports the outcome as unknown.
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
    ensure!(
        !app.text("[role=alertdialog]").await?.contains("were not revoked"),
        "the dialog claims that keys were not revoked"
    );
    release_responses(&app).await?;
    lose_responses(&app, "revoke_key").await?;
    app.click("Try again").await?;
    app.wait_text("2 keys were revoked").await?;
    wait_dialog_closed(&app).await?;
    ensure!(active_key_names(&app).await? == ["third"], "the keys were not revoked");
    Ok(())
}

/// Revoking more than ten keys always requires typing their number, even if none of the keys was used in the last 24
/// hours: a program that runs once a day may have used a key shortly before that.
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
    ensure!(!app.text("[role=alertdialog]").await?.contains("of them"), "the dialog says that unused keys were used");
    ensure!(is_button_disabled(&app, "Revoke 11 keys").await?, "the dialog does not require a number");
    type_confirmation(&desktop, &app, "11").await?;
    app.click("Revoke 11 keys").await?;
    app.wait_text("11 keys were revoked").await?;
    ensure!(active_key_names(&app).await?.is_empty(), "a key is still active");
    Ok(())
}

/// A page that has missed events reloads all data that it shows.
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
    let id = listed["keys"][0]["keyId"].as_str().expect("the key has an ID");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys/{id}", app.port);
    let revoked = client.delete(url).bearer_auth(&admin).send().await?;
    ensure!(revoked.status().is_success(), "{revoked:?}");
    app.wait_gone("1 key selected").await?;
    app.wait("the details", async || app.text("aside").await.is_ok_and(|text| text.contains("Revoked"))).await
}

/// A response that arrives after the user cleared the selection or changed the view must not select anything.
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

/// Checks that nothing is selected, and that nothing becomes selected within half a second.
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

/// Clicks the checkbox of a row, and scrolls to the row first if necessary.
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

/// A range is not selected if some of its rows contain different keys by the time the service has returned the keys of
/// the range.
#[tokio::test]
async fn shift_click_ignores_keys_that_moved() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let samples = ["a", "b", "c", "d", "e"].map(|name| seed::SeedKey::new(name, "read", 30));
    let app = start_with_keys(&desktop, &samples).await?;
    app.click("Name").await?;
    app.wait("names in ascending order", async || {
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
    // Only the two clicked keys are selected, not the key between them or the key after them.
    app.wait_text("2 keys selected").await?;
    for (name, is_selected) in [("b", true), ("c", false), ("d", true), ("e", false)] {
        let box_of = app.find_control(&format!("Select {name}")).await?;
        ensure!(box_of.is_selected().await? == is_selected, "{name}");
    }
    Ok(())
}

/// A Shift-click selects the range between two keys, even if the rows between them were never displayed. It never
/// selects keys outside the range, and never exceeds the maximum number of selected keys.
#[tokio::test]
async fn shift_click_selects_range() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_bulk_keys(&desktop, 1000).await?;
    let click = async |row, shift| click_row_checkbox(&app, row, shift).await;
    click(2, false).await?;
    app.wait_text("1 key selected").await?;
    click(400, true).await?;
    app.wait_text("399 keys selected").await?;
    // Row 400 was clicked last, so a Shift-click on the selected row 3 deselects rows 3 to 400. Only row 2 stays
    // selected.
    click(3, true).await?;
    app.wait_text("1 key selected").await?;
    click(900, true).await?;
    app.wait_text("Up to 500 keys can be selected together").await?;
    app.wait_text("1 key selected").await?;
    app.wait_gone("Up to 500 keys").await?;
    // Selecting several ranges cannot exceed the maximum number of selected keys.
    click(401, false).await?;
    click(800, true).await?;
    app.wait_text("401 keys selected").await?;
    click(850, false).await?;
    app.wait_text("402 keys selected").await?;
    click(960, true).await?;
    app.wait_text("Up to 500 keys can be selected together").await?;
    app.wait_text("402 keys selected").await?;

    // A new sort order clears the selection. The next Shift-click has no row to start from, so it selects only one key.
    app.click("Name").await?;
    app.wait_gone("key selected").await?;
    click(5, true).await?;
    app.wait_text("1 key selected").await
}

/// A key that needs attention because it was never used stops needing attention once it is used. The count and the
/// details change accordingly.
#[tokio::test]
async fn usage_clears_attention() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "forgotten", "read").await?;
    app.quit().await?;
    let database = rusqlite::Connection::open(desktop.data_folder().join("keys.db"))?;
    let day: i64 = 24 * 60 * 60 * 1000;
    ensure!(
        database.execute("UPDATE keys SET created_at = created_at - ?1", [40 * day])? == 1,
        "the database does not contain exactly one key"
    );
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

/// When a dialog opened by a menu shortcut closes, the focus returns to where it was. The search shortcut closes the
/// details.
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

    // In a narrow window, the details cover the list but not the navigation.
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

/// When the details open next to the list, the layout of the rows changes and the rows become taller. The row that was
/// opened must stay visible.
#[tokio::test]
async fn opened_row_stays_visible() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.resize(&desktop, 1100, 760).await?;
    for name in ["training-server", "conference-demo", "edge-camera-07"] {
        app.click(name).await?;
        // The row stays under the mouse pointer, so only its upper edge must be within the window.
        let seen = "const row = document.querySelector('tr.chosen')?.getBoundingClientRect();
            return row !== undefined && row.top >= 0 && row.top < innerHeight
                && document.querySelector('aside h2')?.textContent === arguments[0];";
        app.wait(name, async || app.script(seen, vec![json!(name)]).await.is_ok_and(|seen| seen == true)).await?;
    }
    Ok(())
}
