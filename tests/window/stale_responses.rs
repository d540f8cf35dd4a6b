//! Tests that the page never shows the data of one key as the data of another key, even if a response is late or
//! missing.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, seed};

use crate::details::{wait_details_of, wait_section};
use crate::helpers::start_focused_with_keys;
use ulkeys_tests::ipc_stub::{delay_responses, reject, release_responses};

async fn prefix_of(app: &App, name: &str) -> Result<String> {
    let listed = app.invoke("list_keys", json!({ "query": { "name": name } })).await?.expect("listed");
    Ok(listed["keys"][0]["keyPrefix"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn details_of_previous_key_are_not_shown_for_next_key() -> Result<()> {
    const ROTATION_CHAIN: &[seed::SeedKey] = &[
        seed::SeedKey::new("eldest", "read", 900),
        seed::SeedKey { replaces: Some(("eldest", 900)), ..seed::SeedKey::new("middle", "read", 600) },
        seed::SeedKey { replaces: Some(("middle", 600)), ..seed::SeedKey::new("youngest", "read", 300) },
        seed::SeedKey::new("used-by-curl", "read", 200).with_usage(1, &[("curl/8.9.1", "127.0.0.1")]),
        seed::SeedKey {
            renamed: Some(("formerly", 40)),
            ..seed::SeedKey::new("used-by-okhttp", "read", 100).with_usage(1, &[("okhttp/4.12.0", "127.0.0.1")])
        },
    ];
    let (_desktop, app) = start_focused_with_keys(ROTATION_CHAIN).await?;
    app.click("used-by-okhttp").await?;
    wait_section(&app, "Programs and addresses", &["okhttp/4.12.0"]).await?;
    wait_section(&app, "History", &["Renamed from formerly"]).await?;

    // While the responses for the second key are delayed, the panel does not show the data of the first key.
    delay_responses(&app, "get_key_usage").await?;
    delay_responses(&app, "list_activity").await?;
    app.click("used-by-curl").await?;
    wait_details_of(&app, &prefix_of(&app, "used-by-curl").await?).await?;
    let panel = app.text("aside").await?;
    ensure!(!panel.contains("okhttp") && !panel.contains("formerly"), "data of the previous key are shown: {panel}");
    release_responses(&app).await?;
    wait_section(&app, "Programs and addresses", &["curl/8.9.1"]).await?;

    // Even if the query for the next key fails, the panel does not keep showing the previous key's data.
    reject(&app, "get_key_usage", "DATABASE_BUSY").await?;
    app.click("used-by-okhttp").await?;
    wait_details_of(&app, &prefix_of(&app, "used-by-okhttp").await?).await?;
    wait_section(&app, "Programs and addresses", &["Try again"]).await?;
    ensure!(!app.text("aside").await?.contains("curl"), "data of the previous key are shown");
    release_responses(&app).await?;

    app.click("youngest").await?;
    let middle = format!("middle {}…", prefix_of(&app, "middle").await?);
    app.find_control(&middle).await?;
    reject(&app, "get_key", "DATABASE_BUSY").await?;
    app.script("document.querySelector('[data-row=\"3\"] [data-control=open]').click()", vec![]).await?;
    app.wait("the details of middle", async || app.text("aside h2").await.is_ok_and(|name| name == "middle")).await?;
    app.wait_text("Replaced by").await?;
    let facts = "return [...document.querySelectorAll('aside dl button')].map((button) => button.innerText.trim())";
    app.wait("details without other keys", async || {
        app.script(facts, vec![]).await.is_ok_and(|facts| facts == json!(["Try again", "Try again"]))
    })
    .await
}
