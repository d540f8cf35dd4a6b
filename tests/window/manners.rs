//! What a careful window does: it shows of a key only what is that key's, hits nothing twice, and never loses the focus.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, seed};

use crate::details::{wait_key, wait_part};
use crate::hands::{active_names, app_with, choose, closed};
use crate::stand_in::{hold, let_go, refuse};

const MENU: &str = "[role=menu]";

async fn with(samples: &[seed::Sample]) -> Result<(Desktop, App)> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = app_with(&desktop, samples).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;
    Ok((desktop, app))
}

async fn menu_gone(app: &App) -> Result<()> {
    app.wait("the end of the menu", async || app.text(MENU).await.is_err()).await
}

async fn prefix_of(app: &App, name: &str) -> Result<String> {
    let listed = app.invoke("list_keys", json!({ "query": { "name": name } })).await?.expect("listed");
    Ok(listed["keys"][0]["keyPrefix"].as_str().unwrap_or_default().to_owned())
}

/// Chooses this button of the open dialog once more at the moment when the dialog begins to close.
async fn choose_twice(app: &App, button: &str) -> Result<()> {
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

/// Waits for the second choice; whether a mouse would have made it, too.
async fn wait_again(app: &App) -> Result<bool> {
    let again = "return window.again";
    app.wait("the second choice", async || app.script(again, vec![]).await.is_ok_and(|it| it.is_string())).await?;
    Ok(app.script(again, vec![]).await? != "none")
}

#[tokio::test]
async fn nothing_of_one_key_is_shown_as_another_keys() -> Result<()> {
    const CHAIN: &[seed::Sample] = &[
        seed::Sample::new("eldest", "read", 900),
        seed::Sample { replaces: Some(("eldest", 900)), ..seed::Sample::new("middle", "read", 600) },
        seed::Sample { replaces: Some(("middle", 600)), ..seed::Sample::new("youngest", "read", 300) },
        seed::Sample::new("used-by-curl", "read", 200).used(1, &[("curl/8.9.1", "127.0.0.1")]),
        seed::Sample {
            renamed: Some(("formerly", 40)),
            ..seed::Sample::new("used-by-okhttp", "read", 100).used(1, &[("okhttp/4.12.0", "127.0.0.1")])
        },
    ];
    let (_desktop, app) = with(CHAIN).await?;
    app.click("used-by-okhttp").await?;
    wait_part(&app, "Programs and addresses", &["okhttp/4.12.0"]).await?;
    wait_part(&app, "History", &["Renamed from formerly"]).await?;

    // A slow answer.
    hold(&app, "key_usage").await?;
    hold(&app, "list_activity").await?;
    app.click("used-by-curl").await?;
    wait_key(&app, &prefix_of(&app, "used-by-curl").await?).await?;
    let panel = app.text("aside").await?;
    ensure!(!panel.contains("okhttp") && !panel.contains("formerly"), "of the other key: {panel}");
    let_go(&app).await?;
    wait_part(&app, "Programs and addresses", &["curl/8.9.1"]).await?;

    // None at all.
    refuse(&app, "key_usage", "DATABASE_BUSY").await?;
    app.click("used-by-okhttp").await?;
    wait_key(&app, &prefix_of(&app, "used-by-okhttp").await?).await?;
    wait_part(&app, "Programs and addresses", &["Try again"]).await?;
    ensure!(!app.text("aside").await?.contains("curl"), "of the other key");
    let_go(&app).await?;

    app.click("youngest").await?;
    let middle = format!("middle {}…", prefix_of(&app, "middle").await?);
    app.control(&middle).await?;
    refuse(&app, "show_key", "DATABASE_BUSY").await?;
    app.script("document.querySelector('[data-row=\"3\"] [data-control=open]').click()", vec![]).await?;
    app.wait("the details of middle", async || app.text("aside h2").await.is_ok_and(|name| name == "middle")).await?;
    app.wait_text("Replaced by").await?;
    let facts = "return [...document.querySelectorAll('aside dl button')].map((button) => button.innerText.trim())";
    app.wait("neither partner", async || {
        app.script(facts, vec![]).await.is_ok_and(|facts| facts == json!(["Try again", "Try again"]))
    })
    .await
}

#[tokio::test]
async fn a_menu_of_a_row_leaves_the_focus_where_one_goes() -> Result<()> {
    let (desktop, app) = with(seed::TEAM).await?;
    let open = async || {
        app.click("Actions for mobile-app").await?;
        app.wait("the menu", async || app.text(MENU).await.is_ok()).await
    };

    open().await?;
    app.press_with_mouse(&desktop, "[role=searchbox]").await?;
    menu_gone(&app).await?;
    app.wait_focus("Search keys").await?;

    // Its button opens it and closes it.
    open().await?;
    let seen = "window.clicks = 0; document.addEventListener('click', () => clicks++);";
    app.script(seen, vec![]).await?;
    let key = "return document.querySelector('[aria-expanded=true][data-menu-of]').dataset.menuOf";
    let key = app.script(key, vec![]).await?;
    let button = format!("[data-menu-of={key}]");
    app.press_with_mouse(&desktop, &button).await?;
    app.wait("the click", async || app.script("return clicks", vec![]).await.is_ok_and(|clicks| clicks == 1)).await?;
    menu_gone(&app).await?;
    app.wait_focus("Actions for mobile-app").await?;

    desktop.press(&["Return"])?;
    app.control("Copy key ID").await?;
    desktop.press(&["Escape"])?;
    menu_gone(&app).await?;
    app.wait_focus("Actions for mobile-app").await?;

    // Tab leaves it, and goes on from its button.
    desktop.press(&["Return"])?;
    app.control("Copy key ID").await?;
    desktop.press(&["Tab"])?;
    menu_gone(&app).await?;
    let next =
        "const rows = [...document.querySelectorAll('[data-key-id]')].sort((a, b) => a.dataset.row - b.dataset.row);
        const row = rows.findIndex((one) => one.dataset.keyId === arguments[0]);
        return rows[row + 1].contains(document.activeElement);";
    app.wait("the focus in the next row", async || {
        app.script(next, vec![key.clone()]).await.is_ok_and(|next| next == true)
    })
    .await?;

    // It goes with its row.
    open().await?;
    app.invoke("revoke_key", json!({ "keyId": key })).await?.expect("revoked");
    menu_gone(&app).await?;
    app.wait_focus("API Keys").await
}

#[tokio::test]
async fn a_second_choice_while_a_dialog_closes_does_nothing() -> Result<()> {
    let (_desktop, app) = with(&[seed::Sample::new("unwanted", "read", 900)]).await?;
    let count = "window.asked = { create_key: 0, revoke_key: 0 };
        const before = window.fetch;
        window.fetch = (url, options) => {
            const command = String(url).split('/').at(-1);
            if (command in asked) asked[command]++;
            return before(url, options);
        };";
    app.script(count, vec![]).await?;

    choose(&app, "unwanted", "Revoke…").await?;
    choose_twice(&app, "Revoke key").await?;
    ensure!(!wait_again(&app).await?, "a mouse hits what fades");
    closed(&app).await?;
    app.wait_text("unwanted was revoked").await?;
    let toasts = app.script("return document.querySelectorAll('.toast').length", vec![]).await?;
    ensure!(toasts == 1, "said once, not {toasts} times");

    app.click("Create Key").await?;
    app.control("Name").await?.send_keys("wanted").await?;
    app.click("read").await?;
    choose_twice(&app, "Create").await?;
    app.enter_key_window().await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.leave_key_window().await?;
    ensure!(!wait_again(&app).await?, "a mouse hits what fades");
    ensure!(active_names(&app).await? == ["wanted"], "once");
    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    app.wait_name("").await?;
    let dialog = app.text("[role=dialog]").await?;
    ensure!(!dialog.contains("Enter a name"), "nobody has tried yet: {dialog}");
    ensure!(app.script("return asked", vec![]).await? == json!({ "create_key": 1, "revoke_key": 1 }), "asked once");
    Ok(())
}

#[tokio::test]
async fn clearing_the_clipboard_leaves_an_open_dialog_alone() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let copied = async |name: &str| {
        app.create_in_dialog(name, "read").await?;
        app.click("Copy").await?;
        app.wait_text("On the clipboard for another").await?;
        app.click("Done").await?;
        app.leave_key_window().await?;
        app.wait_text("On the clipboard for another").await
    };
    copied("first").await?;
    app.click("Create Key").await?;
    app.wait_focus("Name").await?;
    app.control("Name").await?.send_keys("half typed").await?;
    app.press_with_mouse(&desktop, "aside[aria-label] button").await?;
    app.wait_text("The key is no longer on the clipboard").await?;
    app.wait_name("half typed").await?;
    ensure!(
        app.script("return document.querySelector('[role=dialog]').dataset.state", vec![]).await? == "open",
        "open"
    );
    app.wait("the focus in the dialog", async || app.focus().await.is_ok_and(|focus| focus == "Name")).await?;
    app.click("Cancel").await?;
    closed(&app).await?;

    // The button leaves with the note.
    copied("second").await?;
    app.click_with_mouse(&desktop, "Clear now").await?;
    app.wait_gone("On the clipboard for another").await?;
    app.wait_focus("API Keys").await
}

#[tokio::test]
async fn a_button_that_leaves_hands_the_focus_to_the_heading_above_it() -> Result<()> {
    let (desktop, app) = with(seed::TEAM).await?;
    refuse(&app, "list_activity", "DATABASE_BUSY").await?;
    app.click("Activity").await?;
    app.control("Try again").await?.focus().await?;
    let_go(&app).await?;
    desktop.press(&["Return"])?;
    app.wait_gone("Try again").await?;
    app.wait_focus("Activity").await?;

    app.click("API Keys").await?;
    refuse(&app, "key_usage", "DATABASE_BUSY").await?;
    app.click("ci-pipeline").await?;
    wait_part(&app, "Programs and addresses", &["Try again"]).await?;
    let focus = "[...document.querySelectorAll('aside section')]
        .find((part) => part.querySelector('h3')?.innerText === 'Programs and addresses').querySelector('button').focus()";
    app.script(focus, vec![]).await?;
    let_go(&app).await?;
    desktop.press(&["Return"])?;
    wait_part(&app, "Programs and addresses", &["curl/8.9.1"]).await?;
    app.wait_focus("Programs and addresses").await
}

#[tokio::test]
async fn a_name_that_cannot_be_had_is_not_asked_for_without_a_pause() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy(&desktop, "manager", "admin").await?;
    let url = format!("http://127.0.0.1:{}/api/api-keys", app.port);
    let body = json!({ "name": "made by a key", "scopes": ["read"] });
    let client = reqwest::Client::builder().no_proxy().build()?;
    ensure!(client.post(url).bearer_auth(&key).json(&body).send().await?.status().is_success(), "created");

    refuse(&app, "show_key", "DATABASE_BUSY").await?;
    let count = "window.asked = { show_key: 0, list_activity: 0 };
        const before = window.fetch;
        window.fetch = (url, options) => {
            const command = String(url).split('/').at(-1);
            if (command in asked) asked[command]++;
            // A page that asks without a pause would not let the test look.
            return asked.show_key > 50 ? new Promise(() => {}) : before(url, options);
        };";
    app.script(count, vec![]).await?;
    app.click("Activity").await?;
    app.wait("some refreshes", async || {
        app.script("return asked.list_activity > 3 || asked.show_key > 50", vec![]).await.is_ok_and(|it| it == true)
    })
    .await?;
    let asked = app.script("return asked", vec![]).await?;
    ensure!(asked["show_key"].as_u64() <= asked["list_activity"].as_u64(), "once for each list: {asked}");
    Ok(())
}
