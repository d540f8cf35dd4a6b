//! What happened to keys and with them: seen while it happens, filtered, and taken along as a file.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, seed};

use crate::file_dialog;

/// Title of the system's dialog.
const DIALOG: &str = "^Export activity";

/// The keys whose making is not forgotten yet.
fn kept(samples: &'static [seed::Sample]) -> impl Iterator<Item = &'static seed::Sample> {
    samples.iter().filter(|sample| sample.made < 90 * 24)
}

/// A request by a real program that calls itself `agent`; the answer's status.
fn request(app: &App, desktop: &Desktop, key: &str, agent: &str, method: &str, path: &str) -> Result<String> {
    let url = format!("http://127.0.0.1:{}{path}", app.port);
    let credential = format!("Authorization: Bearer {key}");
    let arguments = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--user-agent", agent];
    desktop.run("curl", &[&arguments[..], &["--request", method, "--header", &credential, &url]].concat())
}

/// The shown entries, newest first, as they read.
async fn entries(app: &App) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('main ol > li')].map(item => item.innerText);";
    let entries = app.script(script, Vec::new()).await?;
    let entries = entries.as_array().context("a list")?;
    Ok(entries.iter().filter_map(Value::as_str).map(|entry| entry.replace('\n', " ")).collect())
}

/// Waits until the newest entry that contains `first` contains all of `rest` as well.
async fn wait_entry(app: &App, first: &str, rest: &[&str]) -> Result<()> {
    app.wait(&format!("an entry {first} with {rest:?}"), async || {
        entries(app).await.is_ok_and(|entries| {
            let entry = entries.iter().find(|entry| entry.contains(first));
            entry.is_some_and(|entry| rest.iter().all(|part| entry.contains(part)))
        })
    })
    .await
}

/// Waits until there are entries, and each contains `what`.
async fn wait_all(app: &App, what: &str) -> Result<()> {
    app.wait(&format!("entries with {what} alone"), async || {
        entries(app).await.is_ok_and(|all| !all.is_empty() && all.iter().all(|it| it.contains(what)))
    })
    .await
}

/// How the keys of this name begin, newest first, as lists show it.
async fn prefixes(app: &App, name: &str) -> Result<Vec<String>> {
    let listed = app.invoke("list_keys", json!({ "query": { "name": name } })).await?.expect("listed");
    let keys = listed["keys"].as_array().context("a list")?;
    keys.iter().map(|key| Ok(format!("{}…", key["keyPrefix"].as_str().context("text")?))).collect()
}

#[tokio::test]
async fn what_happens_is_seen_while_it_happens() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    app.wait_focus("Activity").await?;
    app.wait_text("Nothing has happened yet").await?;

    app.click("API Keys").await?;
    let key = app.create_and_copy(&desktop, "watched", "read").await?;
    app.click("Activity").await?;
    wait_entry(&app, "Created", &["By this app", "127.0.0.1", "watched"]).await?;

    let accepted = request(&app, &desktop, &key, "probe/1.0", "GET", "/api/account/summary")?;
    ensure!(accepted == "200", "{accepted}");
    wait_entry(&app, "New program or address", &["probe/1.0", "127.0.0.1", "watched"]).await?;

    // A refusal is announced by no event.
    let create = || request(&app, &desktop, &key, "probe/1.0", "POST", "/api/api-keys");
    ensure!(create()? == "403", "the key may only read");
    wait_entry(&app, "1 request refused: a scope was missing", &["probe/1.0", "watched"]).await?;
    ensure!(create()? == "403", "the key may only read");
    wait_entry(&app, "2 requests refused: a scope was missing", &["watched"]).await?;
    let stranger = format!("ul_{}", "0".repeat(40));
    ensure!(request(&app, &desktop, &stranger, "guess/1", "GET", "/api/account/summary")? == "401", "no such key");
    wait_entry(&app, "refused: no such key here", &["guess/1", "No known key"]).await?;
    // A program that gives its key for its name is not quoted.
    request(&app, &desktop, &key, &format!("oops/{key}"), "GET", "/api/account/summary")?;
    wait_entry(&app, "New program or address", &["(hidden: it contains a key)"]).await?;

    let key_id = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed")["keys"][0]["keyId"].clone();
    app.invoke("rename_key", json!({ "keyId": key_id, "name": "seen" })).await?.expect("renamed");
    wait_entry(&app, "Renamed from watched to seen", &["By this app", "seen"]).await?;
    wait_entry(&app, "Created", &["seen"]).await?;
    app.invoke("revoke_key", json!({ "keyId": key_id })).await?.expect("revoked");
    wait_entry(&app, "Revoked", &["By this app", "seen"]).await?;
    ensure!(!app.text("body").await?.contains(&key), "no key is shown");
    Ok(())
}

#[tokio::test]
async fn a_filter_shows_a_kind_or_a_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed(&desktop.data().join("keys.db"), seed::TEAM).await?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    wait_entry(&app, "12 requests refused: too many in one minute", &["training-server"]).await?;

    app.click("Refused").await?;
    wait_all(&app, "refused:").await?;
    app.click("training-server").await?;
    wait_all(&app, "training-server").await?;
    app.click("All").await?;
    app.wait("what happened to one key", async || {
        entries(&app).await.is_ok_and(|all| {
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
    app.wait("what was created", async || {
        entries(&app)
            .await
            .is_ok_and(|all| all.len() == kept(seed::TEAM).count() && all.iter().all(|it| it.contains("Created")))
    })
    .await
}

/// Each rotation makes two keys of one name.
#[tokio::test]
async fn keys_of_one_name_are_told_apart() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed(&desktop.data().join("keys.db"), seed::TEAM).await?;
    let app = App::start(&desktop).await?;
    let rotated = prefixes(&app, "inference-gateway").await?;
    ensure!(rotated.len() == 2 && rotated[0] != rotated[1], "{rotated:?}");
    for prefix in rotated {
        app.click("Activity").await?;
        // The button says both, one below the other.
        app.click(&format!("inference-gateway\n{prefix}")).await?;
        wait_all(&app, &format!("inference-gateway {prefix}")).await?;
        ensure!(app.text(".bar .key").await?.contains(&prefix), "what the list is limited to");
        app.click("Show every key").await?;
    }
    Ok(())
}

/// A heading names the day; what is below it says when on that day.
#[tokio::test]
async fn below_a_day_is_the_time_of_day() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed(&desktop.data().join("keys.db"), seed::TEAM).await?;
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
        // The test's computer is in Greenwich.
        let (hour, minute): (u32, &str) = (at[11..13].parse()?, &at[14..16]);
        let half = if hour < 12 { "AM" } else { "PM" };
        let clock = format!("{}:{minute} {half}", (hour + 11) % 12 + 1);
        if day == "Today" {
            ensure!(words == "just now" || words.ends_with(" ago"), "{words}");
        } else {
            ensure!(words.replace('\u{202f}', " ") == clock, "{words} for {at} below {day}");
        }
        ensure!(exact.contains(&at[..4]), "the tooltip tells the date, too: {exact}");
    }
    ensure!(shown.iter().any(|[day, ..]| day.contains(',')), "days with a date: {shown:?}");
    Ok(())
}

/// Older entries come while one reads on, and what one reads stays in its place when something new comes above it.
#[tokio::test]
async fn a_long_list_is_read_on() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed(&desktop.data().join("keys.db"), &seed::TEAM[..1]).await?;
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
    ensure!(entries(&app).await?.len() == 50, "a page");

    let to_the_end = "const all = [...document.querySelectorAll('main ol > li')]; all.at(-1).scrollIntoView();";
    app.wait("the oldest entry", async || {
        app.script(to_the_end, Vec::new()).await.ok();
        entries(&app).await.is_ok_and(|all| all.last().is_some_and(|it| it.contains("Created")))
    })
    .await?;
    let seen = "return document.querySelectorAll('main ol > li')[arguments[0]].getBoundingClientRect().top";
    let all = entries(&app).await?;
    ensure!(all.len() == 124, "{} entries", all.len());
    let before = app.script(seen, vec![json!(100)]).await?.as_f64().context("a place")?;
    rename("the newest".to_owned()).await?;
    wait_entry(&app, "Renamed from name 119 to the newest", &[]).await?;
    let after = app.script(seen, vec![json!(101)]).await?.as_f64().context("a place")?;
    ensure!((before - after).abs() < 2.0, "what was at {before} is at {after}");
    Ok(())
}

async fn export(app: &App, desktop: &Desktop, format: &str, path: &Path) -> Result<()> {
    app.click("Export").await?;
    app.click(format).await?;
    file_dialog::opened(app, desktop, DIALOG).await?;
    file_dialog::choose(app, desktop, DIALOG, path).await
}

#[tokio::test]
async fn both_formats_hold_what_is_shown() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed(&desktop.data().join("keys.db"), seed::HOSTILE).await?;
    let app = App::start(&desktop).await?;
    let listed = app.invoke("list_keys", json!({ "query": { "text": "bold" } })).await?.expect("listed");
    let formula = json!({ "keyId": listed["keys"][0]["keyId"], "name": "=1+1, \"quoted\"" });
    app.invoke("rename_key", formula).await?.expect("renamed");
    app.click("Activity").await?;
    wait_entry(&app, "Renamed from <b>bold</b>", &["=1+1"]).await?;

    // Thinking better of it is no failure.
    let folder = desktop.home().join("exports");
    std::fs::create_dir(&folder)?;
    app.click("Export").await?;
    app.click("CSV for spreadsheets").await?;
    file_dialog::opened(&app, &desktop, DIALOG).await?;
    desktop.press(&["Escape"])?;
    file_dialog::ended(&app, &desktop, DIALOG).await?;
    app.wait_focus("Export").await?;
    ensure!(app.text(".toaster").await?.is_empty() && folder.read_dir()?.count() == 0, "nothing was written or said");

    let path = folder.join("activity.json");
    export(&app, &desktop, "JSON for programs", &path).await?;
    app.wait_text(&format!("saved in {}", path.display())).await?;
    let exported: Vec<Value> = serde_json::from_slice(&std::fs::read(&path)?)?;
    let page = app.invoke("list_activity", json!({ "query": { "limit": 200 } })).await?.expect("listed");
    ensure!(Some(&exported) == page["entries"].as_array(), "all that the service tells: {exported:?}");
    let prefix_of = |key: &Value| exported.iter().find(|entry| entry["keyId"] == *key).map(|it| &it["keyPrefix"]);
    let key = &listed["keys"][0];
    ensure!(prefix_of(&key["keyId"]) == Some(&key["keyPrefix"]), "how the key begins: {exported:?}");

    app.click("Created").await?;
    app.wait("what was created", async || {
        entries(&app).await.is_ok_and(|all| !all.is_empty() && all.iter().all(|it| it.contains("Created")))
    })
    .await?;
    let path = folder.join("activity.csv");
    std::fs::write(&path, "something else")?;
    export(&app, &desktop, "CSV for spreadsheets", &path).await?;
    app.wait_text(&format!("{} entries were saved in {}", kept(seed::HOSTILE).count(), path.display())).await?;
    let mut reader = csv::Reader::from_path(&path)?;
    let columns = reader.headers()?.clone();
    let column = |name: &str| columns.iter().position(|column| column == name).context("a column");
    let (kind, name, at) = (column("kind")?, column("keyName")?, column("at")?);
    let (key, prefix) = (column("keyId")?, column("keyPrefix")?);
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    ensure!(rows.iter().all(|row| &row[kind] == "created" && row[at].ends_with('Z')), "{rows:?}");
    ensure!(rows.iter().all(|row| prefix_of(&json!(row[key])) == Some(&json!(row[prefix]))), "{rows:?}");
    let names: Vec<&str> = rows.iter().map(|row| &row[name]).collect();
    for sample in kept(seed::HOSTILE).filter(|sample| !sample.name.contains("bold")) {
        ensure!(names.contains(&sample.name), "{} is missing from {names:?}", sample.name);
    }
    ensure!(names.contains(&"'=1+1, \"quoted\""), "no spreadsheet calculates a name: {names:?}");
    ensure!(folder.read_dir()?.count() == 2, "nothing is left beside the files");
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_explained() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed(&desktop.data().join("keys.db"), seed::TEAM).await?;
    let app = App::start(&desktop).await?;
    app.click("Activity").await?;
    wait_entry(&app, "Created", &[]).await?;
    export(&app, &desktop, "CSV for spreadsheets", Path::new("/proc/activity.csv")).await?;
    app.wait_text("The file was not changed.").await?;
    app.wait_focus("Export").await
}
