//! Tests the keys that need attention: each reason is explained in a sentence and offers an action.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::wait_dialog_closed;

/// Returns the key name, the reasons and the actions of each row.
async fn shown_reasons(app: &App) -> Result<Value> {
    let script = "return [...document.querySelectorAll('[data-key-id]')]
        .sort((one, other) => one.dataset.row - other.dataset.row)
        .map((row) => [row.querySelector('[data-control=open]').innerText.trim(), ...[...row.querySelectorAll('.attention li')]
            .flatMap((reason) => ['.words', 'button'].flatMap((part) => reason.querySelector(part)?.innerText ?? []))]);";
    app.script(script, Vec::new()).await
}

#[tokio::test]
async fn each_reason_shows_explanation_and_action() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    // The two keys named `inference-gateway` are omitted, because one is being replaced by the other.
    let samples: Vec<_> = seed::TEAM_KEYS.iter().copied().filter(|key| key.name != "inference-gateway").collect();
    seed::seed_database(&desktop.data_folder().join("keys.db"), &samples).await?;
    let app = App::start(&desktop).await?;
    app.wait_text("training-server").await?;
    app.click("Needs attention").await?;
    let listed = app.invoke("list_keys", json!({ "query": { "status": "attention" } })).await?.expect("listed");
    let when =
        "const date = (moment) => new Intl.DateTimeFormat('en', { dateStyle: 'medium' }).format(new Date(moment));
        return Object.fromEntries(arguments[0].map(({ name, createdAt, lastUsedAt }) =>
            [name, { made: date(createdAt), used: lastUsedAt && date(lastUsedAt) }]));";
    let when = app.script(when, vec![listed["keys"].clone()]).await?;
    let (made, used) = (
        |name: &str| when[name]["made"].as_str().unwrap_or("?"),
        |name: &str| when[name]["used"].as_str().unwrap_or("?"),
    );
    let old = |name| format!("Created {}, longer ago than your rotation period of 90 days.", made(name));
    let expected = json!([
        ["conference-demo", format!("Created {}, and never used since.", made("conference-demo")), "Revoke…"],
        ["workspace-admin", "Holds admin, and has not needed it for a month.", "Rotate with fewer scopes…"],
        ["edge-camera-07", old("edge-camera-07"), "Rotate…"],
        [
            "labeling-team",
            format!("Not used for more than 90 days. Last used: {}.", used("labeling-team")),
            "Revoke…",
            old("labeling-team"),
        ],
    ]);
    let mut shown = Value::Null;
    app.wait("the reasons", async || {
        shown = shown_reasons(&app).await.unwrap_or_default();
        shown.as_array().is_some_and(|rows| rows.len() == 4)
    })
    .await?;
    ensure!(shown == expected, "{shown:#}");

    // Tries each action. An action is identified by the key's name and the index of the action's button in the key's
    // row.
    for (name, place, dialog, title) in [
        ("conference-demo", 0, "alertdialog", "Revoke conference-demo?"),
        ("workspace-admin", 0, "dialog", "Rotate workspace-admin"),
        ("edge-camera-07", 0, "dialog", "Rotate edge-camera-07"),
        ("labeling-team", 0, "alertdialog", "Revoke labeling-team?"),
    ] {
        let press = "const row = [...document.querySelectorAll('[data-key-id]')]
                .find((row) => row.querySelector('[data-control=open]').innerText.trim() === arguments[0]);
            const step = row.querySelectorAll('.attention li button')[arguments[1]];
            step.focus();
            step.click();";
        app.script(press, vec![json!(name), json!(place)]).await?;
        let heading = format!("[role={dialog}] h2");
        app.wait(title, async || {
            app.text(&heading).await.is_ok_and(|text| text.replace(['\u{2068}', '\u{2069}'], "") == title)
        })
        .await?;
        desktop.press(&["Escape"])?;
        wait_dialog_closed(&app).await?;
        let back = "const row = document.activeElement.closest('[data-key-id]');
            return row?.querySelectorAll('.attention li button')[arguments[0]] === document.activeElement
                && row.querySelector('[data-control=open]').innerText.trim() === arguments[1];";
        app.wait("the focus to return", async || {
            app.script(back, vec![json!(place), json!(name)]).await.is_ok_and(|it| it == true)
        })
        .await?;
    }
    Ok(())
}
