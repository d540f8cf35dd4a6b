//! Tests the list of keys: search, sort order, filters, selection, live updates and a very large number of keys.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::{
    active_key_names, is_button_disabled, paste_over_field, start_with_bulk_keys, start_with_keys, tab_to,
    type_confirmation, wait_dialog_closed,
};
use crate::secret::{count_in_page, files_containing};
use ulkeys_tests::ipc_stub::{delay_responses, reject, release_responses, restart_page, wait_delayed};

/// Returns the names in the rows, from top to bottom.
async fn shown_names(app: &App) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('[data-key-id]')]
        .sort((a, b) => a.dataset.row - b.dataset.row)
        .map(row => row.querySelector('[data-control=open]').textContent.trim());";
    let names = app.script(script, Vec::new()).await?;
    Ok(names.as_array().context("not a list")?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

async fn wait_shown_names(app: &App, expected: &[&str]) -> Result<()> {
    let what = format!("the keys {expected:?}");
    app.wait(&what, async || shown_names(app).await.is_ok_and(|names| names == expected)).await
}

#[tokio::test]
async fn search_matches_names_prefixes_and_scopes() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    desktop.press(&["ctrl+f"])?;
    app.wait_focus("Search keys").await?;
    desktop.type_text("LABELI")?;
    wait_shown_names(&app, &["labeling-team"]).await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("Search keys").await?;
    app.wait("all keys", async || shown_names(&app).await.is_ok_and(|names| names.len() > 5)).await?;

    desktop.type_text("write")?;
    wait_shown_names(&app, &["nightly-export"]).await?;
    let listed = app.invoke("list_keys", json!({ "query": { "name": "mobile-app" } })).await?.expect("listed");
    let prefix = listed["keys"][0]["keyPrefix"].as_str().context("no prefix")?.to_owned();
    desktop.press(&["ctrl+a"])?;
    // A key entered into the search field is shortened to its prefix.
    desktop.type_text(&format!("{prefix}{}", "0".repeat(32)))?;
    wait_shown_names(&app, &["mobile-app"]).await?;
    app.wait_text("This looks like a key").await?;
    let text = app.script("return document.querySelector('[role=searchbox]').value", Vec::new()).await?;
    ensure!(text == prefix.as_str(), "the key was not shortened to its prefix: {text}");

    desktop.press(&["ctrl+a"])?;
    desktop.type_text("no such key")?;
    app.wait_text("No active key matches “no such key”").await?;
    app.click("Clear search").await?;
    app.wait_focus("Search keys").await?;
    app.wait("all keys", async || shown_names(&app).await.is_ok_and(|names| names.len() > 5)).await
}

/// The log never contains text from the search field, even while the service does not respond.
#[tokio::test]
async fn key_in_search_is_rejected_and_not_logged() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "one", "read").await?;
    for _ in 0..8 {
        let port = ulkeys_tests::free_port()?;
        app.script("window.__TAURI_INTERNALS__.invoke('change_port', { port: arguments[0] })", vec![json!(port)])
            .await?;
        for query in [json!({ "text": key }), json!({ "name": format!("my {key}") }), json!({ "sort": key })] {
            let error =
                app.invoke("list_keys", json!({ "query": query })).await?.expect_err("the query contains a key");
            let reason = error["error"].as_str().unwrap_or_default();
            ensure!(error["code"] == "VALIDATION_ERROR" && reason.ends_with("must not contain an API key"), "{error}");
        }
    }
    app.wait_text("127.0.0.1:").await?;
    ensure!(!app.output().contains(&key[..43]), "the key was printed");
    app.quit().await?;
    ensure!(files_containing(desktop.home(), &key)?.is_empty(), "{:?}", files_containing(desktop.home(), &key)?);
    Ok(())
}

/// When a key is pasted into the search field, one click opens the key check with that key.
#[tokio::test]
async fn pasted_key_offers_key_check() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_read_key("gpu-box", "read").await?;
    app.create_key_without_copying("other", "read").await?;
    app.click("Search keys").await?;
    paste_over_field(&desktop, &format!("export ULTRALYTICS_API_KEY={key}"))?;
    app.wait_text("This looks like a key").await?;
    app.click("Check this key").await?;
    app.wait_text("Check a key").await?;
    app.wait_text("gpu-box").await?;
    app.click("API Keys").await?;
    app.click("Search keys").await?;
    ensure!(count_in_page(&app, &key).await? == 0, "the page of the list contains the key");
    Ok(())
}

/// A search among active keys also shows how many revoked keys match, and vice versa.
#[tokio::test]
async fn search_links_to_matches_of_other_status() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    app.click("Search keys").await?;
    desktop.type_text("old-laptop")?;
    app.wait_text("No active key matches “old-laptop”").await?;
    app.wait_text("1 revoked key matches.").await?;
    app.click("Show").await?;
    wait_shown_names(&app, &["old-laptop"]).await?;
    app.wait_focus("Search keys").await?;

    desktop.press(&["ctrl+a"])?;
    desktop.type_text("inference")?;
    app.wait_text("No revoked key matches “inference”").await?;
    app.wait_text("2 active keys match.").await?;
    app.click("Show").await?;
    wait_shown_names(&app, &["inference-gateway", "inference-gateway"]).await
}

#[tokio::test]
async fn columns_sort_both_ways_and_status_filters_list() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    let sorted = async |by: &str, sort: &str| {
        app.click(by).await?;
        let listed = app.invoke("list_keys", json!({ "query": { "sort": sort } })).await?.expect("listed");
        let expected: Vec<String> = listed["keys"]
            .as_array()
            .context("not a list")?
            .iter()
            .filter_map(|key| key["name"].as_str().map(str::to_owned))
            .collect();
        app.wait(sort, async || {
            shown_names(&app).await.is_ok_and(|names| names == expected[..names.len()] && !names.is_empty())
        })
        .await
    };
    for (by, sort) in [
        ("Name", "name"),
        ("Name", "-name"),
        ("Scopes", "scopes"),
        ("Scopes", "-scopes"),
        ("Last used", "-lastUsedAt"),
        ("Last used", "lastUsedAt"),
        ("Created", "-createdAt"),
        ("Created", "createdAt"),
    ] {
        sorted(by, sort).await?;
    }
    let sort = "return document.querySelector('th[aria-sort=ascending]').innerText.trim()";
    ensure!(app.script(sort, Vec::new()).await? == "Created", "the sorted column is not marked");

    app.click("Needs attention").await?;
    app.wait_text("and never used since").await?;
    app.wait("the keys that need attention", async || shown_names(&app).await.is_ok_and(|names| names.len() == 5))
        .await?;
    ensure!(!shown_names(&app).await?.contains(&"training-server".to_owned()), "a key without a warning is shown");
    app.click("Revoked").await?;
    wait_shown_names(&app, &["trial-account", "old-laptop"]).await?;
    app.click("Actions for old-laptop").await?;
    app.find_control("Copy key ID").await?;
    let entries = "return [...document.querySelectorAll('[role=menuitem]')].map(item => item.innerText.trim())";
    ensure!(
        app.script(entries, Vec::new()).await? == json!(["Details", "Copy key ID"]),
        "a revoked key offers other actions"
    );
    Ok(())
}

#[tokio::test]
async fn selected_keys_are_revoked_together() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    app.click("Select mobile-app").await?;
    app.click("Select ci-pipeline").await?;
    app.wait_text("2 keys selected").await?;
    app.script("document.querySelector('[role=region] button:last-of-type').click()", Vec::new()).await?;
    app.wait_text("Revoke 2 keys?").await?;
    app.wait_focus("To confirm, type the number of keys: 2").await?;
    // One of the two keys was used two hours ago, so the dialog requires the user to type the number of keys.
    type_confirmation(&desktop, &app, "2").await?;
    app.click("Revoke 2 keys").await?;
    app.wait_text("2 keys were revoked").await?;
    app.wait("a list without the revoked keys", async || {
        shown_names(&app)
            .await
            .is_ok_and(|names| !names.contains(&"mobile-app".into()) && !names.contains(&"ci-pipeline".into()))
    })
    .await?;
    ensure!(
        !active_key_names(&app).await?.contains(&"ci-pipeline".to_owned()),
        "the service still lists a revoked key as active"
    );
    app.wait_gone("keys selected").await?;
    app.wait_text("Revoked\n4").await
}

/// In a narrow window, each key of the list is a card, and there are no column headers.
#[tokio::test]
async fn narrow_list_can_be_sorted_and_selected() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    app.resize(&desktop, 640, 700).await?;
    let all = active_key_names(&app).await?;
    app.script(
        "const by = document.querySelector('select'); by.value = 'name'; by.dispatchEvent(new Event('change', { bubbles: true }))",
        vec![],
    )
    .await?;
    app.wait("names in ascending order", async || shown_names(&app).await.is_ok_and(|names| names[0] == all[0]))
        .await?;
    app.click("Ascending; change to descending").await?;
    app.wait("names in descending order", async || {
        shown_names(&app).await.is_ok_and(|names| Some(&names[0]) == all.last())
    })
    .await?;
    app.wait_focus("Descending; change to ascending").await?;

    app.click(&format!("Select {}", all[all.len() - 1])).await?;
    app.click(&format!("Select all {}", all.len())).await?;
    app.wait_text(&format!("{} keys selected", all.len())).await?;
    // The "Select all" button stays and has the focus, even though there is nothing left to select.
    app.wait_focus(&format!("Select all {}", all.len())).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    desktop.press(&["Tab"])?;
    app.wait_focus("Clear").await?;
    desktop.press(&["Return"])?;
    app.wait_gone("keys selected").await?;
    ensure!(app.focused_name().await?.starts_with("Select "), "the focus is lost to {}", app.focused_name().await?);
    Ok(())
}

/// The arrow keys move between the rows. When the menu or the details close, the focus returns to the control that
/// opened them.
#[tokio::test]
async fn arrow_keys_move_between_rows() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    tab_to(&desktop, &app, "nightly-export").await?;
    desktop.press(&["Down"])?;
    app.wait_focus("mobile-app").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("mobile-app").await?;
    app.find_control("Close details").await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("mobile-app").await?;
    desktop.press(&["Up"])?;
    app.wait_focus("nightly-export").await?;
    tab_to(&desktop, &app, "Actions for nightly-export").await?;
    desktop.press(&["Return"])?;
    app.find_control("Details").await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("Actions for nightly-export").await?;
    desktop.press(&["Down"])?;
    app.wait_focus("Actions for mobile-app").await
}

/// Only the visible rows are in the page, but every row can be reached.
#[tokio::test]
async fn list_of_100_000_keys_renders_few_rows() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_bulk_keys(&desktop, 100_000).await?;
    app.wait("the first rows", async || shown_names(&app).await.is_ok_and(|names| names.len() > 5)).await?;
    let rows = "return document.querySelectorAll('tr').length";
    ensure!(
        app.script(rows, Vec::new()).await?.as_u64().is_some_and(|rows| rows < 60),
        "too many rows are in the page"
    );
    let count = app.script("return document.querySelector('table').ariaRowCount", Vec::new()).await?;
    ensure!(count == "100001", "the accessible number of rows is wrong: {count}");

    let oldest = app.invoke("list_keys", json!({ "query": { "skip": 99_999, "limit": 1 } })).await?.expect("listed");
    let oldest = oldest["keys"][0]["name"].as_str().context("no name")?.to_owned();
    app.script("const s = document.querySelector('.window'); s.scrollTop = s.scrollHeight", Vec::new()).await?;
    app.wait("the last row", async || shown_names(&app).await.is_ok_and(|names| names.last() == Some(&oldest))).await?;
    // The focused control keeps the focus, no matter how far the list is scrolled.
    let control = "document.querySelector('tbody tr:last-child [data-control=menu]')";
    let focus = format!("{control}.focus(); return document.activeElement === {control}");
    app.wait("the focus", async || app.script(&focus, Vec::new()).await.is_ok_and(|has| has == true)).await?;
    let focused = app.focused_name().await?;
    for place in ["0.5", "0", "0.3"] {
        let scroll = format!("const s = document.querySelector('.window'); s.scrollTop = s.scrollHeight * {place}");
        app.script(&scroll, Vec::new()).await?;
        app.wait("the rows in between", async || shown_names(&app).await.is_ok_and(|names| names.len() > 5)).await?;
        for _ in 0..30 {
            app.script("document.querySelector('.window').scrollTop += 3000", Vec::new()).await?;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        ensure!(focused == app.focused_name().await?, "{focused} has lost the focus");
    }
    ensure!(
        app.script(rows, Vec::new()).await?.as_u64().is_some_and(|rows| rows < 60),
        "too many rows are in the page"
    );

    app.click("Search keys").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    desktop.type_text("key 77777")?;
    wait_shown_names(&app, &["key 77777"]).await
}

/// When another program creates or revokes a key, the list is updated without a reload.
#[tokio::test]
async fn list_and_counts_update_live() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = app.create_and_copy_key(&desktop, "admin", "admin").await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let body = json!({ "name": "made by a program", "scopes": ["read"] });
    let made: Value = client.post(&url).bearer_auth(&admin).json(&body).send().await?.json().await?;
    app.wait_text("made by a program").await?;
    app.wait_text("Active\n2").await?;
    let id = made["keyId"].as_str().context("no key ID")?;
    let revoked = client.delete(format!("{url}/{id}")).bearer_auth(&admin).send().await?;
    ensure!(revoked.status().is_success(), "{revoked:?}");
    app.wait_gone("made by a program").await?;
    app.wait_text("Revoked\n1").await
}

/// The checkbox in the header selects or deselects all keys of the view, and also shows when only some of them are
/// selected.
#[tokio::test]
async fn header_checkbox_selects_all_and_clears() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    let head = "const box = document.querySelector('th input');
        return box.indeterminate ? 'some' : box.checked ? 'all' : 'none';";
    let wait_head = async |wanted: &str| {
        app.wait(wanted, async || app.script(head, Vec::new()).await.is_ok_and(|state| state == wanted)).await
    };
    wait_head("none").await?;
    app.click("Select all").await?;
    app.wait_text("10 keys selected").await?;
    wait_head("all").await?;
    app.click("Select mobile-app").await?;
    app.wait_text("9 keys selected").await?;
    wait_head("some").await?;
    app.click("Select all").await?;
    app.wait_gone("keys selected").await?;
    wait_head("none").await?;
    app.click("Select mobile-app").await?;
    wait_head("some").await?;

    // During a search, the checkbox applies only to the keys that match.
    app.click("Search keys").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    desktop.type_text("datasets")?;
    wait_shown_names(&app, &["ci-pipeline", "conference-demo", "labeling-team"]).await?;
    wait_head("none").await?;
    app.click("Select all").await?;
    app.wait_text("3 keys selected").await?;
    wait_head("all").await
}

#[tokio::test]
async fn bulk_revocation_can_be_stopped() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;
    for name in ["nightly-export", "mobile-app", "conference-demo"] {
        app.click(&format!("Select {name}")).await?;
    }
    app.wait_text("3 keys selected").await?;
    app.click("Revoke…").await?;
    app.wait_focus("Cancel").await?;
    delay_responses(&app, "revoke_key").await?;
    app.click("Revoke 3 keys").await?;
    app.wait_text("0 of 3 done").await?;
    wait_delayed(&app, 1).await?;
    // A revocation in progress can be stopped, but the dialog cannot be closed.
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    desktop.press(&["Escape"])?;
    app.click("Stop").await?;
    app.wait("the revocation to stop", async || is_button_disabled(&app, "Stop").await.is_ok_and(|stopping| stopping))
        .await?;
    app.wait_text("0 of 3 done").await?;
    release_responses(&app).await?;
    app.wait_text("1 key was revoked").await?;
    wait_dialog_closed(&app).await?;
    app.wait_text("2 keys selected").await?;
    // The most recently used key was revoked first.
    let left = active_key_names(&app).await?;
    ensure!(left.len() == 9 && !left.contains(&"mobile-app".to_owned()), "{left:?}");
    ensure!(left.contains(&"nightly-export".to_owned()) && left.contains(&"conference-demo".to_owned()), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn failed_list_query_shows_error_and_can_be_retried() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.wait_text("training-server").await?;

    // If the list cannot be reloaded, the previous rows stay visible, with a note.
    reject(&app, "list_keys", "DATABASE_BUSY").await?;
    let before = shown_names(&app).await?;
    app.click("Name").await?;
    app.wait_text("This list may be out of date. The key database is in use by another program.").await?;
    let after = shown_names(&app).await?;
    ensure!(!after.is_empty() && before.starts_with(&after), "the rows have changed: {after:?}");
    app.click("Try again").await?;
    app.wait_text("This list may be out of date").await?;
    release_responses(&app).await?;
    app.click("Try again").await?;
    app.wait_gone("This list may be out of date").await?;
    app.wait("the requested order", async || {
        shown_names(&app)
            .await
            .is_ok_and(|names| names.starts_with(&["ci-pipeline".to_owned(), "conference-demo".to_owned()]))
    })
    .await?;
    app.wait_focus("Create Key").await?;

    // If the list has never been loaded, an error is shown in its place.
    reject(&app, "list_keys", "DATABASE_BUSY").await?;
    restart_page(&app).await?;
    app.wait_text("The keys cannot be shown").await?;
    app.wait_text("The key database is in use by another program.").await?;
    ensure!(is_button_disabled(&app, "Create Key").await?, "keys can be created although the list was not loaded");
    app.click("Try again").await?;
    app.wait_text("The keys cannot be shown").await?;
    release_responses(&app).await?;
    app.click("Try again").await?;
    app.wait_text("training-server").await?;
    app.wait_gone("The keys cannot be shown").await?;
    app.wait_focus("Create Key").await
}
