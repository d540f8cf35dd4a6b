//! Tests the Activity section: live updates, filters and the export to a file.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::send_request;

use crate::file_dialog;
use ulkeys_tests::ipc_stub::{call_count, count_calls, reject};

/// A regular expression that matches the title of the system's file dialog.
const DIALOG_TITLE: &str = "^Export activity";

/// Returns the sample keys that were created within the last 90 days, the time for which activity is retained.
fn keys_within_retention(samples: &'static [seed::SeedKey]) -> impl Iterator<Item = &'static seed::SeedKey> {
    samples.iter().filter(|sample| sample.made < 90 * 24)
}

/// Returns the text of each displayed entry, newest first.
async fn shown_entries(app: &App) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('main ol > li')].map(item => item.innerText);";
    let entries = app.script(script, Vec::new()).await?;
    let entries = entries.as_array().context("not a list")?;
    Ok(entries.iter().filter_map(Value::as_str).map(|entry| entry.replace('\n', " ")).collect())
}

/// Waits until the newest entry that contains `first` also contains every string in `rest`.
async fn wait_entry(app: &App, first: &str, rest: &[&str]) -> Result<()> {
    app.wait(&format!("an entry {first} with {rest:?}"), async || {
        shown_entries(app).await.is_ok_and(|entries| {
            let entry = entries.iter().find(|entry| entry.contains(first));
            entry.is_some_and(|entry| rest.iter().all(|part| entry.contains(part)))
        })
    })
    .await
}

/// Waits until the list has entries and all of them contain `what`.
async fn wait_only_entries_with(app: &App, what: &str) -> Result<()> {
    app.wait(&format!("only entries with {what}"), async || {
        shown_entries(app).await.is_ok_and(|all| !all.is_empty() && all.iter().all(|it| it.contains(what)))
    })
    .await
}

/// Returns the prefixes of the keys with this name as the page shows them (`ul_01234567…`), newest key first.
async fn key_prefixes(app: &App, name: &str) -> Result<Vec<String>> {
    let listed = app.invoke("list_keys", json!({ "query": { "name": name } })).await?.expect("listed");
    let keys = listed["keys"].as_array().context("not a list")?;
    keys.iter().map(|key| Ok(format!("{}…", key["keyPrefix"].as_str().context("no prefix")?))).collect()
}

#[tokio::test]
async fn events_appear_live() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    app.wait_focus("Activity").await?;
    app.wait_text("Nothing has happened yet").await?;

    app.click("API Keys").await?;
    let key = app.create_and_copy_key(&desktop, "watched", "read").await?;
    app.click("Activity").await?;
    wait_entry(&app, "Created", &["By this app", "127.0.0.1", "watched"]).await?;

    let accepted = send_request(&app, &desktop, &key, "probe/1.0", "GET", "/api/account/summary")?;
    ensure!(accepted == "200", "{accepted}");
    wait_entry(&app, "New program or address", &["probe/1.0", "127.0.0.1", "watched"]).await?;

    // The service sends no event when it rejects a request, so the page has to poll.
    let create = || send_request(&app, &desktop, &key, "probe/1.0", "POST", "/api/api-keys");
    ensure!(create()? == "403", "a key with the read scope created a key");
    wait_entry(&app, "1 request refused: a scope was missing", &["probe/1.0", "watched"]).await?;
    ensure!(create()? == "403", "a key with the read scope created a key");
    wait_entry(&app, "2 requests refused: a scope was missing", &["watched"]).await?;
    let stranger = format!("ul_{}", "0".repeat(40));
    ensure!(
        send_request(&app, &desktop, &stranger, "guess/1", "GET", "/api/account/summary")? == "401",
        "an unknown key was not rejected"
    );
    wait_entry(&app, "refused: no such key here", &["guess/1", "No known key"]).await?;
    // A user agent that contains a key is not shown.
    send_request(&app, &desktop, &key, &format!("oops/{key}"), "GET", "/api/account/summary")?;
    wait_entry(&app, "New program or address", &["(hidden: it contains a key)"]).await?;

    let key_id = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed")["keys"][0]["keyId"].clone();
    app.invoke("rename_key", json!({ "keyId": key_id, "name": "seen" })).await?.expect("renamed");
    wait_entry(&app, "Renamed from watched to seen", &["By this app", "seen"]).await?;
    wait_entry(&app, "Created", &["seen"]).await?;
    app.invoke("revoke_key", json!({ "keyId": key_id })).await?.expect("revoked");
    wait_entry(&app, "Revoked", &["By this app", "seen"]).await?;
    ensure!(!app.text("body").await?.contains(&key), "the page shows the key");
    Ok(())
}

#[tokio::test]
async fn filter_by_kind_or_key_limits_entries() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::TEAM_KEYS).await?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    wait_entry(&app, "12 requests refused: too many in one minute", &["training-server"]).await?;

    app.click("Refused").await?;
    wait_only_entries_with(&app, "refused:").await?;
    app.click("training-server").await?;
    wait_only_entries_with(&app, "training-server").await?;
    app.click("All").await?;
    app.wait("the activity of one key", async || {
        shown_entries(&app).await.is_ok_and(|all| {
            all.len() > 2
                && all.iter().all(|it| it.contains("training-server"))
                && all.iter().any(|it| it.contains("Created"))
        })
    })
    .await?;
    app.click("Renamed").await?;
    app.wait_text("Nothing of this kind has happened").await?;
    app.click("Show every key").await?;
    app.wait_focus("All").await?;
    wait_entry(&app, "Renamed from phone to mobile-app", &["mobile-app"]).await?;
    app.click("Created").await?;
    app.wait("the created keys", async || {
        shown_entries(&app).await.is_ok_and(|all| {
            all.len() == keys_within_retention(seed::TEAM_KEYS).count() && all.iter().all(|it| it.contains("Created"))
        })
    })
    .await
}

/// After each rotation, there are two keys with the same name.
#[tokio::test]
async fn keys_with_same_name_are_distinguished_by_prefix() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::TEAM_KEYS).await?;
    let app = App::start(&desktop).await?;
    let rotated = key_prefixes(&app, "inference-gateway").await?;
    ensure!(rotated.len() == 2 && rotated[0] != rotated[1], "{rotated:?}");
    for prefix in rotated {
        app.click("Activity").await?;
        // A key's button shows the key's name and, below it, the prefix.
        app.click(&format!("inference-gateway\n{prefix}")).await?;
        wait_only_entries_with(&app, &format!("inference-gateway {prefix}")).await?;
        ensure!(app.text(".bar .key").await?.contains(&prefix), "the filter does not show the prefix");
        app.click("Show every key").await?;
    }
    Ok(())
}

/// A heading shows the day, so the entries below it show only the time of day.
#[tokio::test]
async fn entries_below_day_heading_show_time_of_day() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::TEAM_KEYS).await?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    app.wait_text("Yesterday").await?;
    let script = "return [...document.querySelectorAll('main section li')].map((item) => {
        const time = item.querySelector('.when time');
        const day = item.closest('section').querySelector('h2').innerText;
        return [day, time.firstChild.data, time.dateTime, time.dataset.tip];
    });";
    let shown: Vec<[String; 4]> = serde_json::from_value(app.script(script, Vec::new()).await?)?;
    for [day, words, at, exact] in &shown {
        // The test desktop uses the UTC time zone.
        let (hour, minute): (u32, &str) = (at[11..13].parse()?, &at[14..16]);
        let half = if hour < 12 { "AM" } else { "PM" };
        let clock = format!("{}:{minute} {half}", (hour + 11) % 12 + 1);
        if day == "Today" {
            ensure!(words == "just now" || words.ends_with(" ago"), "{words}");
        } else {
            ensure!(words.replace('\u{202f}', " ") == clock, "{words} is shown for {at} below {day}");
        }
        ensure!(exact.contains(&at[..4]), "the tooltip does not contain the date: {exact}");
    }
    ensure!(shown.iter().any(|[day, ..]| day.contains(',')), "no heading has a date: {shown:?}");
    Ok(())
}

/// Older entries load while the user scrolls down. The visible entries keep their position when a new entry appears
/// above them.
#[tokio::test]
async fn scrolling_loads_older_entries_and_keeps_position() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), &seed::TEAM_KEYS[..1]).await?;
    let app = App::start(&desktop).await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let rename = async |name: String| -> Result<()> {
        let key = json!({ "keyId": listed["keys"][0]["keyId"], "name": name });
        app.invoke("rename_key", key).await?.expect("renamed");
        Ok(())
    };
    for number in 0..120 {
        rename(format!("name {number}")).await?;
    }
    app.click("Activity").await?;
    wait_entry(&app, "Renamed from name 118 to name 119", &[]).await?;
    ensure!(shown_entries(&app).await?.len() == 50, "the list does not start with one page of entries");

    let to_the_end = "const all = [...document.querySelectorAll('main ol > li')]; all.at(-1).scrollIntoView();";
    app.wait("the oldest entry", async || {
        app.script(to_the_end, Vec::new()).await.ok();
        shown_entries(&app).await.is_ok_and(|all| all.last().is_some_and(|it| it.contains("Created")))
    })
    .await?;
    let seen = "return document.querySelectorAll('main ol > li')[arguments[0]].getBoundingClientRect().top";
    let all = shown_entries(&app).await?;
    ensure!(all.len() == 124, "{} entries", all.len());
    let before = app.script(seen, vec![json!(100)]).await?.as_f64().context("no position")?;
    rename("the newest".to_owned()).await?;
    wait_entry(&app, "Renamed from name 119 to the newest", &[]).await?;
    let after = app.script(seen, vec![json!(101)]).await?.as_f64().context("no position")?;
    ensure!((before - after).abs() < 2.0, "the entry moved from {before} to {after}");
    Ok(())
}

async fn export_to(app: &App, desktop: &Desktop, format: &str, path: &Path) -> Result<()> {
    app.click("Export").await?;
    app.click(format).await?;
    file_dialog::wait_open(app, desktop, DIALOG_TITLE).await?;
    file_dialog::choose_path(app, desktop, DIALOG_TITLE, path).await
}

#[tokio::test]
async fn export_in_either_format_contains_shown_entries() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::HOSTILE_KEYS).await?;
    let app = App::start(&desktop).await?;
    let listed = app.invoke("list_keys", json!({ "query": { "text": "bold" } })).await?.expect("listed");
    let formula = json!({ "keyId": listed["keys"][0]["keyId"], "name": "=1+1, \"quoted\"" });
    app.invoke("rename_key", formula).await?.expect("renamed");
    app.click("Activity").await?;
    wait_entry(&app, "Renamed from <b>bold</b>", &["=1+1"]).await?;

    // A cancelled dialog is not reported as a failure.
    let folder = desktop.home().join("exports");
    std::fs::create_dir(&folder)?;
    app.click("Export").await?;
    app.click("CSV for spreadsheets").await?;
    file_dialog::wait_open(&app, &desktop, DIALOG_TITLE).await?;
    desktop.press(&["Escape"])?;
    file_dialog::wait_closed(&app, &desktop, DIALOG_TITLE).await?;
    app.wait_focus("Export").await?;
    ensure!(
        app.text(".toaster").await?.is_empty() && folder.read_dir()?.count() == 0,
        "a file was written or a message was shown"
    );

    let path = folder.join("activity.json");
    export_to(&app, &desktop, "JSON for programs", &path).await?;
    app.wait_text(&format!("saved in {}", path.display())).await?;
    let exported: Vec<Value> = serde_json::from_slice(&std::fs::read(&path)?)?;
    let page = app.invoke("list_activity", json!({ "query": { "limit": 200 } })).await?.expect("listed");
    ensure!(
        Some(&exported) == page["entries"].as_array(),
        "the export differs from the service's entries: {exported:?}"
    );
    let prefix_of = |key: &Value| exported.iter().find(|entry| entry["keyId"] == *key).map(|it| &it["keyPrefix"]);
    let key = &listed["keys"][0];
    ensure!(prefix_of(&key["keyId"]) == Some(&key["keyPrefix"]), "the prefix of the key is missing: {exported:?}");

    app.click("Created").await?;
    app.wait("the created keys", async || {
        shown_entries(&app).await.is_ok_and(|all| !all.is_empty() && all.iter().all(|it| it.contains("Created")))
    })
    .await?;
    let path = folder.join("activity.csv");
    std::fs::write(&path, "something else")?;
    export_to(&app, &desktop, "CSV for spreadsheets", &path).await?;
    app.wait_text(&format!(
        "{} entries were saved in {}",
        keys_within_retention(seed::HOSTILE_KEYS).count(),
        path.display()
    ))
    .await?;
    let mut reader = csv::Reader::from_path(&path)?;
    let columns = reader.headers()?.clone();
    let column = |name: &str| columns.iter().position(|column| column == name).context("no such column");
    let (kind, name, at) = (column("kind")?, column("keyName")?, column("at")?);
    let (key, prefix) = (column("keyId")?, column("keyPrefix")?);
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    ensure!(rows.iter().all(|row| &row[kind] == "created" && row[at].ends_with('Z')), "{rows:?}");
    ensure!(rows.iter().all(|row| prefix_of(&json!(row[key])) == Some(&json!(row[prefix]))), "{rows:?}");
    let names: Vec<&str> = rows.iter().map(|row| &row[name]).collect();
    for sample in keys_within_retention(seed::HOSTILE_KEYS).filter(|sample| !sample.name.contains("bold")) {
        ensure!(names.contains(&sample.name), "{} is missing from {names:?}", sample.name);
    }
    ensure!(
        names.contains(&"'=1+1, \"quoted\""),
        "the name is not protected from being calculated as a formula: {names:?}"
    );
    ensure!(folder.read_dir()?.count() == 2, "the folder contains other files than the two exports");
    Ok(())
}

#[tokio::test]
async fn export_to_unwritable_file_shows_error() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::TEAM_KEYS).await?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    wait_entry(&app, "Created", &[]).await?;
    export_to(&app, &desktop, "CSV for spreadsheets", Path::new("/proc/activity.csv")).await?;
    app.wait_text("The file was not changed.").await?;
    app.wait_focus("Export").await
}

#[tokio::test]
async fn failed_key_name_lookup_is_not_retried_in_a_loop() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "manager", "admin").await?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let body = json!({ "name": "made by a key", "scopes": ["read"] });
    let client = reqwest::Client::builder().no_proxy().build()?;
    ensure!(
        client.post(url).bearer_auth(&key).json(&body).send().await?.status().is_success(),
        "the key was not created"
    );

    reject(&app, "get_key", "DATABASE_BUSY").await?;
    count_calls(&app).await?;
    app.click("Activity").await?;
    let counts = async || -> Result<(u64, u64)> {
        Ok((call_count(&app, "get_key").await?, call_count(&app, "list_activity").await?))
    };
    let has_refreshed = async || counts().await.is_ok_and(|(names, lists)| lists > 3 || names > 50);
    app.wait("several refreshes", has_refreshed).await?;
    let (names, lists) = counts().await?;
    ensure!(names <= lists, "names are queried more often than lists: {names} names, {lists} lists");
    Ok(())
}
