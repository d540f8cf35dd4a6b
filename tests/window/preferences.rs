//! Tests that preferences take effect immediately, are saved, and are reverted if they cannot be saved.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::seed::{SeedKey, seed_database};

use crate::helpers::go_to_section;
use ulkeys_tests::{App, Desktop, ensure_holds, free_port};

use ulkeys_tests::ipc_stub::{delay_events, delay_responses, release_responses, wait_delayed};

/// Returns the label of each preference's selected option.
async fn checked_options(app: &App) -> Result<Value> {
    let script =
        "return [...document.querySelectorAll('input:checked')].map(radio => radio.labels[0].innerText.trim());";
    app.script(script, Vec::new()).await
}

/// Waits until these options are selected, and "Never" is selected for the deletion of training runs.
async fn wait_checked_options(app: &App, wanted: [&str; 5]) -> Result<()> {
    let never = if wanted[0] == "Deutsch" { "Nie" } else { "Never" };
    let wanted = [&wanted[..], &[never]].concat();
    app.wait(&format!("{wanted:?}"), async || checked_options(app).await.is_ok_and(|chosen| chosen == json!(wanted)))
        .await
}

fn saved_preferences(desktop: &Desktop) -> Result<Value> {
    let mut settings: Value = serde_json::from_slice(&std::fs::read(desktop.data_folder().join("settings.json"))?)?;
    let preferences = ["language", "theme", "clipboardSeconds", "rotationDays"].map(|name| settings[name].take());
    Ok(json!(preferences))
}

const LANGUAGE_AND_COLORS_SCRIPT: &str =
    "const { colorScheme, backgroundColor } = getComputedStyle(document.documentElement);
    return [document.documentElement.lang, colorScheme, backgroundColor];";

#[tokio::test]
async fn changed_preferences_apply_immediately_and_persist() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Preferences").await?;
    wait_checked_options(&app, ["Same as the system", "Same as the system", "100%", "60 seconds", "90 days"]).await?;

    app.click("Dark").await?;
    app.wait_text("Saved").await?;
    let look = app.script(LANGUAGE_AND_COLORS_SCRIPT, Vec::new()).await?;
    ensure!(look == json!(["en", "dark", "rgb(21, 23, 28)"]), "{look}");
    app.click("10 seconds").await?;
    wait_checked_options(&app, ["Same as the system", "Dark", "100%", "10 seconds", "90 days"]).await?;
    app.click("365 days").await?;
    app.click("Deutsch").await?;
    app.wait("German", async || app.text("h1").await.is_ok_and(|title| title == "Einstellungen")).await?;
    wait_checked_options(&app, ["Deutsch", "Dunkel", "100\u{a0}%", "10 Sekunden", "365 Tage"]).await?;
    ensure!(
        app.script(LANGUAGE_AND_COLORS_SCRIPT, Vec::new()).await? == json!(["de", "dark", "rgb(21, 23, 28)"]),
        "the page is not German, or no longer dark"
    );
    ensure!(saved_preferences(&desktop)? == json!(["de", "dark", 10, 365]), "{}", saved_preferences(&desktop)?);
    app.close_window(&desktop).await?;

    let app = App::start(&desktop).await?;
    go_to_section(&app, "Einstellungen").await?;
    wait_checked_options(&app, ["Deutsch", "Dunkel", "100\u{a0}%", "10 Sekunden", "365 Tage"]).await?;
    app.click("Português (Brasil)").await?;
    app.wait_text("Preferências").await?;
    app.click("Igual ao sistema").await?;
    app.wait("the system's language", async || app.text("h1").await.is_ok_and(|title| title == "Preferences")).await
}

/// Waits until the text has this size.
async fn wait_font_size(app: &App, wanted: &str) -> Result<()> {
    let script = "return getComputedStyle(document.documentElement).fontSize";
    app.wait(wanted, async || app.script(script, Vec::new()).await.is_ok_and(|size| size == wanted)).await
}

/// Tests WCAG 1.4.4 (Resize Text): the text size can be changed in the preferences and with the usual browser zoom
/// shortcuts.
#[tokio::test]
async fn text_size_can_be_doubled() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    wait_font_size(&app, "16px").await?;
    // Each key press counts, no matter how long saving takes.
    delay_responses(&app, "change_preferences").await?;
    desktop.press(&["ctrl+plus", "ctrl+plus"])?;
    wait_delayed(&app, 1).await?;
    release_responses(&app).await?;
    wait_font_size(&app, "24px").await?;
    desktop.press(&["ctrl+plus", "ctrl+plus", "ctrl+plus"])?;
    wait_font_size(&app, "32px").await?;
    go_to_section(&app, "Preferences").await?;
    wait_checked_options(&app, ["Same as the system", "Same as the system", "200%", "60 seconds", "90 days"]).await?;
    desktop.press(&["ctrl+minus"])?;
    wait_font_size(&app, "24px").await?;
    app.close_window(&desktop).await?;

    let app = App::start(&desktop).await?;
    wait_font_size(&app, "24px").await?;
    app.create_key_in_dialog("large", "read").await?;
    app.wait_text("Copy your key").await?;
    wait_font_size(&app, "24px").await?;
    app.click("Copy").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    desktop.press(&["ctrl+0"])?;
    wait_font_size(&app, "16px").await
}

#[tokio::test]
async fn clipboard_timeout_preference_is_applied() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Preferences").await?;
    app.click("Never").await?;
    app.wait_text("A copied key then stays on the clipboard").await?;
    go_to_section(&app, "API Keys").await?;
    app.create_key_in_dialog("first", "read").await?;
    app.click("Copy").await?;
    app.wait_text("Copied").await?;
    ensure!(
        !app.text("body").await?.contains("On the clipboard for another"),
        "the page announces that the clipboard will be cleared"
    );
    app.click("Done").await?;
    app.wait_key_window_closed().await?;

    go_to_section(&app, "Preferences").await?;
    app.click("10 seconds").await?;
    app.wait_gone("A copied key then stays on the clipboard").await?;
    go_to_section(&app, "API Keys").await?;
    app.create_key_in_dialog("second", "read").await?;
    app.wait_text("after 10 seconds").await?;
    app.click("Copy").await?;
    app.wait_text("On the clipboard for another").await?;
    app.click("Done").await?;
    app.wait_key_window_closed().await?;
    app.wait_gone("On the clipboard for another").await?;
    ensure!(!desktop.read_clipboard().unwrap_or_default().starts_with("ul_"), "the key is still on the clipboard");
    Ok(())
}

#[tokio::test]
async fn custom_number_is_saved_within_bounds() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Preferences").await?;
    // Selects "Other" in the last of the two groups that accept a custom number.
    let other = "const others = [...document.querySelectorAll('input[value=other]')]; others.at(-1).click();";
    app.script(other, Vec::new()).await?;
    for (text, accepted) in [("0", false), ("3651", false), ("1.5", false), ("45", true)] {
        app.click("Days").await?;
        desktop.press(&["ctrl+a"])?;
        desktop.type_text(text)?;
        desktop.press(&["Return"])?;
        let wrong = json!((!accepted).then_some("true"));
        let told = "return document.querySelector('input[type=text], input[inputmode]').getAttribute('aria-invalid');";
        app.wait(text, async || app.script(told, Vec::new()).await.is_ok_and(|told| told == wrong)).await?;
    }
    app.wait("the number", async || saved_preferences(&desktop).is_ok_and(|kept| kept[3] == 45)).await?;

    // The saved rotation period is 45 days. Entering 45 again while 60 is still being saved must count as a new change.
    delay_responses(&app, "change_preferences").await?;
    for text in ["60", "45"] {
        app.click("Days").await?;
        desktop.press(&["ctrl+a"])?;
        desktop.type_text(text)?;
        desktop.press(&["Return"])?;
        wait_delayed(&app, 1).await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    release_responses(&app).await?;
    app.wait_text("Saved").await?;
    let is_last = async || saved_preferences(&desktop).is_ok_and(|saved| saved[3] == 45);
    app.wait("the last number", is_last).await?;
    ensure_holds("the last number", Duration::from_millis(300), is_last).await?;

    // Text that was typed but not submitted stays in its field when another option is chosen.
    app.click("Days").await?;
    desktop.press(&["ctrl+a"])?;
    desktop.type_text("0")?;
    app.script("document.querySelector('[value=dark]').click()", Vec::new()).await?;
    let dark = "return document.documentElement.dataset.theme === 'dark'";
    app.wait("the theme", async || app.script(dark, Vec::new()).await.is_ok_and(|dark| dark == true)).await?;
    let days = app.find_control("Days").await?.prop("value").await?;
    ensure!(days.as_deref() == Some("0"), "{days:?}");
    app.quit().await?;

    let app = App::start(&desktop).await?;
    go_to_section(&app, "Preferences").await?;
    wait_checked_options(&app, ["Same as the system", "Dark", "100%", "60 seconds", "Other"]).await?;
    let days = app.find_control("Days").await?.prop("value").await?;
    ensure!(days.as_deref() == Some("45"), "{days:?}");
    Ok(())
}

#[tokio::test]
async fn changed_rotation_period_updates_attention_immediately() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    std::fs::create_dir_all(desktop.data_folder())?;
    seed_database(&desktop.data_folder().join("keys.db"), &[SeedKey::new("aged", "read", 24 * 40).with_usage(1, &[])])
        .await?;
    let app = App::start(&desktop).await?;
    let attention =
        async || app.invoke("count_keys", json!({})).await.map(|counts| counts.expect("the keys are counted"));
    ensure!(attention().await?["attention"] == 0, "a key younger than 90 days needs attention");
    go_to_section(&app, "Preferences").await?;
    app.click("30 days").await?;
    app.wait_text("Saved").await?;
    ensure!(attention().await?["attention"] == 1, "a key older than 30 days does not need attention");
    go_to_section(&app, "API Keys").await?;
    app.wait_text("Needs attention\n1").await?;

    // Normally, an event updates the count of keys that need attention. While events are delayed, the response to
    // `change_preferences` updates it.
    delay_events(&app).await?;
    app.wait_text("Needs attention\n1").await?;
    go_to_section(&app, "Preferences").await?;
    app.click("90 days").await?;
    app.wait_text("Saved").await?;
    go_to_section(&app, "API Keys").await?;
    app.wait_text("Needs attention\n0").await
}

#[tokio::test]
async fn failed_save_reverts_choice_and_explains() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Preferences").await?;
    // A folder at the path of the settings file makes saving fail, even for root.
    let settings = desktop.data_folder().join("settings.json");
    std::fs::remove_file(&settings)?;
    std::fs::create_dir_all(settings.join("in-the-way"))?;
    for choice in ["Dark", "Deutsch", "Never", "30 days"] {
        app.click(choice).await?;
        app.wait_text("The setting could not be saved").await?;
        wait_checked_options(&app, ["Same as the system", "Same as the system", "100%", "60 seconds", "90 days"])
            .await?;
    }
    let look = app.script(LANGUAGE_AND_COLORS_SCRIPT, Vec::new()).await?;
    ensure!(look[0] == "en" && look[1] == "light dark", "{look}");
    std::fs::remove_dir_all(&settings)?;
    app.click("Dark").await?;
    wait_checked_options(&app, ["Same as the system", "Dark", "100%", "60 seconds", "90 days"]).await
}

#[tokio::test]
async fn preferences_can_be_changed_by_keyboard_alone() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    go_to_section(&app, "Preferences").await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    app.script("document.getElementById('section-title').focus()", Vec::new()).await?;
    desktop.press(&["Tab"])?;
    app.wait_focus("Same as the system").await?;
    desktop.press(&["Down", "Down"])?;
    app.wait("German", async || app.text("h1").await.is_ok_and(|title| title == "Einstellungen")).await?;
    desktop.press(&["Up"])?;
    app.wait("English", async || app.text("h1").await.is_ok_and(|title| title == "Preferences")).await?;
    desktop.press(&["Tab", "Down", "Down"])?;
    app.wait("a dark page", async || {
        app.script(LANGUAGE_AND_COLORS_SCRIPT, Vec::new()).await.is_ok_and(|look| look[1] == "dark")
    })
    .await?;
    wait_checked_options(&app, ["English", "Dark", "100%", "60 seconds", "90 days"]).await.context("after key presses")
}

/// The page reports which settings in a manually edited file have no effect. Changing a preference preserves these
/// settings.
#[tokio::test]
async fn unknown_settings_are_reported_and_preserved() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let settings = desktop.data_folder().join("settings.json");
    std::fs::create_dir_all(desktop.data_folder())?;
    let mut edited = json!({ "port": free_port()?, "theme": "dark", "language": "fr", "limits": { "invalidCredentials": 0, "predicts": 9 } });
    std::fs::write(&settings, edited.to_string())?;
    let app = App::start(&desktop).await?;
    ensure!(app.script(LANGUAGE_AND_COLORS_SCRIPT, Vec::new()).await?[1] == "dark", "a valid setting has no effect");
    go_to_section(&app, "Connection").await?;
    for (name, reason) in [
        ("language", "must be system, en, de, or pt-BR"),
        ("limits.invalidCredentials", "must be a whole number from 1 to 999999"),
        ("limits.predicts", "there is no such setting"),
    ] {
        app.wait_text(&format!("{name}: {reason}")).await?;
    }
    edited["limits"]["default"] = json!(50);
    std::fs::write(&settings, edited.to_string())?;
    go_to_section(&app, "Preferences").await?;
    app.click("30 days").await?;
    app.wait_text("Saved").await?;
    let kept: Value = serde_json::from_slice(&std::fs::read(&settings)?)?;
    ensure!(kept["rotationDays"] == 30 && kept["language"] == "fr" && kept["limits"] == edited["limits"], "{kept}");
    ensure!(
        desktop.data_folder().read_dir()?.all(|file| file.is_ok_and(|file| !is_unreadable_backup(&file))),
        "the readable file was copied as unreadable"
    );

    std::fs::write(&settings, r#"{ "theme": "#)?;
    app.click("Light").await?;
    wait_checked_options(&app, ["Same as the system", "Light", "100%", "60 seconds", "30 days"]).await?;
    app.wait_text("Saved").await?;
    go_to_section(&app, "Connection").await?;
    let copy = desktop.data_folder().join("settings.unreadable-1.json");
    app.wait_text(&format!("it was copied to {}", copy.display())).await?;
    ensure!(std::fs::read_to_string(copy)? == r#"{ "theme": "#, "the copy differs from the unreadable file");
    Ok(())
}

fn is_unreadable_backup(file: &std::fs::DirEntry) -> bool {
    file.file_name().to_string_lossy().contains("unreadable")
}

/// Changed limits take effect without restarting the app.
#[tokio::test]
async fn changed_limits_apply_to_next_request_and_persist() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let url = format!("http://127.0.0.1:{}/api/account/summary", app.port);
    let key = app.create_and_copy_key(&desktop, "reader", "read").await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let ask = async || -> Result<(u16, String)> {
        let answer = http.get(&url).bearer_auth(&key).send().await?;
        let limit =
            answer.headers().get("x-ratelimit-limit").context("no X-RateLimit-Limit header")?.to_str()?.to_owned();
        Ok((answer.status().as_u16(), limit))
    };
    let answer = ask().await?;
    ensure!(answer.0 == 200 && answer.1 != "100", "the tests do not have their own limits: {answer:?}");

    go_to_section(&app, "Preferences").await?;
    type_into_field(&app, &desktop, "Most requests", "1").await?;
    app.wait("the reached limit", async || ask().await.is_ok_and(|answer| answer == (429, "1".to_owned()))).await?;
    for wrong in ["0", "1000000", "1.5", ""] {
        type_into_field(&app, &desktop, "Most requests", wrong).await?;
        app.wait_text("A whole number from 1 to 999,999.").await?;
        ensure!(ask().await?.1 == "1", "the invalid limit {wrong} was saved");
    }
    type_into_field(&app, &desktop, "Most requests", "250").await?;
    app.wait_gone("A whole number from 1 to 999,999.").await?;
    app.wait("the limit of 250 requests", async || ask().await.is_ok_and(|answer| answer == (200, "250".to_owned())))
        .await?;
    type_into_field(&app, &desktop, "Disk space kept free for keys", "512").await?;
    app.wait_text("Default: 256").await?;
    go_to_section(&app, "Help").await?;
    app.wait("the changed limit", async || app.text("main").await.is_ok_and(|text| text.contains("250"))).await?;

    let settings: Value = serde_json::from_slice(&std::fs::read(desktop.data_folder().join("settings.json"))?)?;
    ensure!(settings["limits"]["default"] == 250 && settings["storage"]["reserve"] == 512, "{settings}");
    go_to_section(&app, "Preferences").await?;
    app.script(RESTORE_LIMITS_SCRIPT, Vec::new()).await?;
    app.wait("the default", async || ask().await.is_ok_and(|answer| answer.1 == "100")).await?;
    let settings: Value = serde_json::from_slice(&std::fs::read(desktop.data_folder().join("settings.json"))?)?;
    ensure!(settings["limits"]["default"] == 100 && settings["storage"]["reserve"] == 512, "{settings}");
    Ok(())
}

/// Clicks the last of the two "Restore defaults" buttons.
const RESTORE_LIMITS_SCRIPT: &str = "const restore = [...document.querySelectorAll('button')];
    restore.filter(button => button.innerText.trim() === 'Restore defaults').at(-1).click();";

/// Types into the field with this label, and submits the text with Enter.
async fn type_into_field(app: &App, desktop: &Desktop, label: &str, text: &str) -> Result<()> {
    app.click(label).await?;
    desktop.press(&["ctrl+a", "BackSpace"])?;
    desktop.type_text(text)?;
    desktop.press(&["Return"])
}
