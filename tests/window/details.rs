//! Tests the details panel of a key, which appears next to the list and updates live when real programs send requests.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_domain::decision::Decision;
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::send_request;

use ulkeys_tests::ipc_stub::reject;

/// Waits until the section with this heading in the details panel contains all of these strings.
pub(crate) async fn wait_section(app: &App, heading: &str, texts: &[&str]) -> Result<()> {
    let script = "const parts = [...document.querySelectorAll('aside section')];
        const part = parts.find(part => part.querySelector('h3')?.innerText === arguments[0]);
        return part?.innerText ?? '';";
    app.wait(&format!("{texts:?} below {heading}"), async || {
        let part = app.script(script, vec![json!(heading)]).await;
        part.is_ok_and(|part| texts.iter().all(|text| part.as_str().unwrap_or_default().contains(text)))
    })
    .await
}

/// Waits until the details panel shows the key with this prefix.
pub(crate) async fn wait_details_of(app: &App, prefix: &str) -> Result<()> {
    app.wait(&format!("the details of {prefix}"), async || {
        app.text("aside header").await.is_ok_and(|header| header.contains(prefix))
    })
    .await
}

#[tokio::test]
async fn requests_and_changes_appear_live() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "watched", "read").await?;
    app.click("watched").await?;
    app.wait_focus("watched").await?;
    wait_details_of(&app, &key[..11]).await?;
    wait_section(&app, "Programs and addresses", &["No program has used this key"]).await?;
    wait_section(&app, "History", &["Created", "By this app"]).await?;

    ensure!(
        send_request(&app, &desktop, &key, "probe/1.0", "GET", "/api/account/summary")? == "200",
        "the request was not accepted"
    );
    wait_section(&app, "Programs and addresses", &["probe/1.0", "127.0.0.1", "1 request"]).await?;
    wait_section(&app, "History", &["New program or address"]).await?;
    wait_section(&app, "Requests", &["1 accepted"]).await?;
    ensure!(
        send_request(&app, &desktop, &key, "probe/1.0", "GET", "/api/account/summary")? == "200",
        "the request was not accepted"
    );
    ensure!(
        send_request(&app, &desktop, &key, "second/2", "GET", "/api/account/summary")? == "200",
        "the request was not accepted"
    );
    wait_section(&app, "Programs and addresses", &["2 requests", "second/2"]).await?;
    ensure!(
        send_request(&app, &desktop, &key, "second/2", "POST", "/api/api-keys")? == "403",
        "a key with the read scope created a key"
    );
    wait_section(&app, "History", &["1 request refused: a scope was missing"]).await?;

    // Changes to the key also appear live.
    let key_id = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed")["keys"][0]["keyId"].clone();
    app.invoke("rename_key", json!({ "keyId": key_id, "name": "seen" })).await?.expect("renamed");
    app.wait("the new name", async || app.text("aside h2").await.is_ok_and(|name| name == "seen")).await?;
    wait_section(&app, "History", &["Renamed from watched to seen"]).await?;
    app.click("Show all in Activity").await?;
    app.wait_focus("Activity").await?;
    app.find_control("Show every key").await?;
    app.wait_text("Renamed from watched to seen").await?;
    // A second renaming also updates the key's name in the filter of the Activity section.
    app.invoke("rename_key", json!({ "keyId": key_id, "name": "again" })).await?.expect("renamed");
    let chip = "return document.querySelector('button[data-tip=\"Show every key\"]').parentElement.innerText";
    let renamed =
        async || app.script(chip, vec![]).await.is_ok_and(|chip| chip.as_str().is_some_and(|it| it.contains("again")));
    app.wait("the new name in the filter", renamed).await?;
    app.click("API Keys").await?;
    app.click("again").await?;
    app.invoke("revoke_key", json!({ "keyId": key_id })).await?.expect("revoked");
    app.wait("the key to be shown as revoked", async || {
        app.text("aside header").await.is_ok_and(|header| header.contains("Revoked"))
    })
    .await?;
    app.find_control("Copy key ID").await?;
    ensure!(!app.text("aside").await?.contains("Rotate"), "a revoked key can be rotated");
    ensure!(!app.text("body").await?.contains(&key), "the page shows the key");
    Ok(())
}

#[tokio::test]
async fn rotation_partner_is_linked_and_escape_returns_to_row() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::TEAM_KEYS).await?;
    let app = App::start(&desktop).await?;
    let listed = app.invoke("list_keys", json!({ "query": { "name": "inference-gateway" } })).await?.expect("listed");
    let keys = listed["keys"].as_array().context("not a list")?;
    let old = keys.iter().find(|key| key["replacedBy"].is_string()).context("no old key")?;
    let new = keys.iter().find(|key| key["replaces"].is_string()).context("no new key")?;
    let (old, new) = (old["keyPrefix"].as_str().context("no prefix")?, new["keyPrefix"].as_str().context("no prefix")?);

    // The newer of the two keys is listed first.
    app.click("inference-gateway").await?;
    wait_details_of(&app, new).await?;
    app.wait_text("Replaces").await?;
    let partner = format!("inference-gateway {old}…");
    app.click(&partner).await?;
    wait_details_of(&app, old).await?;
    app.wait_focus("inference-gateway").await?;
    app.wait_text("Replaced by").await?;
    app.click(&format!("inference-gateway {new}…")).await?;
    wait_details_of(&app, new).await?;

    // Escape closes an open menu of the details panel before it closes the panel.
    app.click("More actions").await?;
    app.find_control("Copy key ID").await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("More actions").await?;
    app.click("More actions").await?;
    app.click("Copy key ID").await?;
    app.wait_text("The ID of inference-gateway was copied").await?;
    ensure!(desktop.read_clipboard()?.starts_with("key_"), "the key ID was not copied");
    app.wait_focus("More actions").await?;
    desktop.press(&["Escape"])?;
    app.wait("the panel to close", async || app.text("aside h2").await.is_err()).await?;
    app.wait("the focus on the row", async || {
        app.focused_name().await.is_ok_and(|focus| focus.contains("inference-gateway"))
    })
    .await
}

#[tokio::test]
async fn attention_reason_offers_its_action() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    seed::seed_database(&desktop.data_folder().join("keys.db"), seed::TEAM_KEYS).await?;
    let app = App::start(&desktop).await?;
    for (name, step, dialog) in [
        ("conference-demo", "Revoke…", "[role=alertdialog]"),
        ("workspace-admin", "Rotate with fewer scopes…", "[role=dialog]"),
    ] {
        app.click(name).await?;
        wait_section(&app, "Needs attention", &[step]).await?;
        app.click(step).await?;
        app.wait("a dialog", async || app.text(dialog).await.is_ok_and(|text| text.contains(name))).await?;
        desktop.press(&["Escape"])?;
        app.wait("the dialog to close", async || app.text(dialog).await.is_err()).await?;
        app.wait_focus(step).await?;
        app.click("Close details").await?;
    }
    Ok(())
}

/// Returns how many requests the service has accepted and how many it has rejected in the last `hours` hours.
async fn count_requests(app: &App, hours: u64) -> Result<[u64; 2]> {
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let query = json!({ "keyId": listed["keys"][0]["keyId"], "hours": hours });
    let usage = app.invoke("get_key_usage", query).await?.expect("the usage is listed");
    let mut sums = [0; 2];
    for hour in usage["hours"].as_array().context("no hours")? {
        let refused = usize::from(hour["outcome"] != "accepted");
        sums[refused] += hour["requests"].as_u64().context("not a number")?;
    }
    Ok(sums)
}

/// Returns the number of rows in the Requests table, its first column header, and the totals of its two number columns.
async fn requests_table(app: &App) -> Result<Value> {
    let script = "const rows = [...document.querySelectorAll('table[aria-label=Requests] tbody tr')];
        const sum = (column) => rows.reduce(
            (all, row) => all + Number(row.querySelectorAll('td')[column].innerText.replaceAll(',', '')), 0);
        return [rows.length, document.querySelector('table[aria-label=Requests] th').innerText, sum(0), sum(1)];";
    app.script(script, Vec::new()).await
}

#[tokio::test]
async fn requests_are_shown_by_hour_and_day_as_chart_and_table() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    // The key was last used at noon (UTC) of the day before yesterday, so that the two hours with rejections fall on
    // the same day.
    let hours_since_noon = 36 + SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 3600 % 24;
    let sample = seed::SeedKey {
        refused: &[(Decision::Limit, 12), (Decision::Scope, 3)],
        ..seed::SeedKey::new("busy", "read", 20 * 24).with_usage(hours_since_noon, &[("probe/1.0", "127.0.0.1")])
    };
    seed::seed_database(&desktop.data_folder().join("keys.db"), &[sample]).await?;
    let app = App::start(&desktop).await?;
    app.click("busy").await?;
    // The key was not used in the last 24 hours.
    wait_section(&app, "Requests", &["No requests in the last 24 hours", "will be counted here"]).await?;

    app.click("30 days").await?;
    let [accepted, refused] = count_requests(&app, 31 * 24).await?;
    ensure!(accepted > 1000 && refused == 15, "{accepted} accepted and {refused} rejected requests were counted");
    let grouped = format!("{},{:03}", accepted / 1000, accepted % 1000);
    let totals = [format!("{grouped} accepted"), "15 refused".to_owned()];
    wait_section(&app, "Requests", &[&totals[0], &totals[1]]).await?;
    let chart = format!("Requests of the last 30 days by day: {grouped} accepted, 15 refused. Busiest: ");
    let label = "return [...document.querySelectorAll('aside [role=img]')].some(({ ariaLabel }) => ariaLabel.startsWith(arguments[0]))";
    app.wait(&chart, async || app.script(label, vec![json!(chart)]).await.is_ok_and(|it| it == true)).await?;

    app.click("Show as table: Requests").await?;
    app.wait_focus("Show as chart: Requests").await?;
    let by_day = requests_table(&app).await?;
    ensure!(by_day == json!([30, "Day", accepted, refused]), "{by_day}");
    wait_section(&app, "Requests", &["too many requests: 12", "scope missing: 3"]).await?;
    app.click("24 hours").await?;
    wait_section(&app, "Requests", &["No requests in the last 24 hours"]).await?;
    ensure!(app.text("table[aria-label=Requests]").await.is_err(), "a table without requests is shown");
    app.click("30 days").await?;
    app.click("Show as chart: Requests").await?;
    app.wait("only the chart", async || app.text("table[aria-label=Requests]").await.is_err()).await
}

/// If newer usage data cannot be loaded, the page keeps the previous data, adds a note and offers a retry.
#[tokio::test]
async fn failed_queries_show_errors_and_can_be_retried() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "watched", "read").await?;
    ensure!(
        send_request(&app, &desktop, &key, "probe/1.0", "GET", "/api/account/summary")? == "200",
        "the request was not accepted"
    );
    app.wait("the count", async || count_requests(&app, 24).await.is_ok_and(|counted| counted == [1, 0])).await?;
    reject(&app, "get_key_usage", "DATABASE_BUSY").await?;
    app.click("watched").await?;
    let busy = "The key database is in use by another program.";
    wait_section(&app, "Requests", &["The requests cannot be shown.", busy, "Try again"]).await?;
    wait_section(&app, "Programs and addresses", &["This cannot be shown.", busy, "Try again"]).await?;
    wait_section(&app, "History", &["Created"]).await?;
    // One script clicks both buttons. If each click had its own script, a successful poll in between could remove the
    // second button.
    let answer_and_retry = "ipcStub.rules = {};
        for (const heading of arguments) {
            const parts = [...document.querySelectorAll('aside section')];
            const part = parts.find((part) => part.querySelector('h3')?.innerText === heading);
            [...part.querySelectorAll('button')].find((button) => button.innerText.trim() === 'Try again').click();
        }";
    let headings = || vec![json!("Requests"), json!("Programs and addresses")];
    app.script(answer_and_retry, headings()).await?;
    wait_section(&app, "Requests", &["1 accepted"]).await?;
    wait_section(&app, "Programs and addresses", &["probe/1.0"]).await?;

    reject(&app, "get_key_usage", "DATABASE_BUSY").await?;
    ensure!(
        send_request(&app, &desktop, &key, "second/2", "GET", "/api/account/summary")? == "200",
        "the request was not accepted"
    );
    wait_section(&app, "Requests", &["1 accepted", "These numbers may be out of date.", busy]).await?;
    wait_section(&app, "Programs and addresses", &["probe/1.0", "This may be out of date.", busy]).await?;
    app.script(answer_and_retry, headings()).await?;
    wait_section(&app, "Requests", &["2 accepted"]).await?;
    wait_section(&app, "Programs and addresses", &["second/2"]).await?;
    app.wait_gone("out of date").await
}
