//! Closing the window while trainings still report: the app asks, by every way to close it, and never hangs on that.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use crate::hands::{closed, in_front, key_window_closed};
use crate::runs::Trainer;

const QUESTION: &str = "Quit UL Keys?";

async fn start(desktop: &Desktop) -> Result<(App, String)> {
    let app = App::start(desktop).await?;
    let key = app.create_and_copy(desktop, "trainer", "training").await?;
    in_front(&app, desktop).await?;
    Ok((app, key))
}

/// Waits for the question, and for the safe answer to have the focus.
async fn asked(app: &App, texts: &[&str]) -> Result<()> {
    app.wait_text(QUESTION).await?;
    for text in texts {
        app.wait_text(text).await?;
    }
    app.wait_focus("Keep open").await
}

#[tokio::test]
async fn close_while_training_asks_by_every_way_and_quit_ends_the_app() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    let trainer = Trainer::start(&app, &key).await?;
    trainer.epoch(0).await?;
    let ways: [(&str, &[&str]); 4] = [
        ("ctrl+q", &["xdotool", "key", "ctrl+q"]),
        ("ctrl+w", &["xdotool", "key", "ctrl+w"]),
        ("Alt+F4", &["xdotool", "key", "alt+F4"]),
        ("the close button", &["wmctrl", "-c", "UL Keys"]),
    ];
    for (number, (_, command)) in ways.iter().enumerate() {
        in_front(&app, &desktop).await?;
        desktop.run(command[0], &command[1..])?;
        asked(&app, &["1 training run is still sending data to UL Keys.", "project/exp1", "It keeps training"]).await?;
        desktop.press(&[if number % 2 == 0 { "Escape" } else { "Return" }])?;
        closed(&app).await?;
        trainer.epoch(1).await?;
    }

    // Asked once more while the question is there, it stays.
    desktop.press(&["ctrl+q"])?;
    asked(&app, &[]).await?;
    desktop.press(&["ctrl+q"])?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    asked(&app, &["project/exp1"]).await?;
    desktop.press(&["shift+Tab"])?;
    app.wait_focus("Quit").await?;
    app.close_with(&desktop, "Return").await?;

    // It ended in order: what was reported is there.
    let app = App::start(&desktop).await?;
    let key_id = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed")["keys"][0]["keyId"].clone();
    let runs = app.invoke("list_runs", json!({ "keyId": key_id, "cursor": null })).await?.expect("listed");
    ensure!(runs["runs"][0]["recordedEpochs"] == 2 && runs["runs"][0]["silentSince"].is_null(), "{runs}");
    Ok(())
}

#[tokio::test]
async fn close_after_the_training_has_ended_does_not_ask() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    let trainer = Trainer::start(&app, &key).await?;
    desktop.press(&["ctrl+q"])?;
    asked(&app, &[]).await?;
    trainer.send(json!({ "event": "training_failed", "data": { "error": "CUDA out of memory" } })).await?;
    desktop.press(&["Escape"])?;
    closed(&app).await?;
    app.close_with(&desktop, "ctrl+q").await
}

#[tokio::test]
async fn close_with_many_trainings_names_three() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    for _ in 0..6 {
        Trainer::start(&app, &key).await?;
    }
    desktop.press(&["ctrl+w"])?;
    asked(&app, &["6 training runs are still sending", "project/exp1-6", "project/exp1-4", "and 3 more"]).await?;
    ensure!(!app.text("[role=alertdialog]").await?.contains("exp1-3"), "a name too many");
    Ok(())
}

#[tokio::test]
async fn close_minimized_window_comes_back_and_asks() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    let trainer = Trainer::start(&app, &key).await?;
    let window = desktop.window()?;
    desktop.run("xdotool", &["windowminimize", &window])?;
    app.wait("the minimized window", async || desktop.window().is_err()).await?;
    desktop.run("wmctrl", &["-i", "-c", &window])?;
    app.wait("the window", async || desktop.window().is_ok()).await?;
    asked(&app, &["project/exp1"]).await?;
    trainer.epoch(0).await.map(drop)
}

/// What was typed elsewhere stays, and the focus returns to it.
#[tokio::test]
async fn close_over_an_open_dialog_asks_and_returns_to_it() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    Trainer::start(&app, &key).await?;
    desktop.press(&["ctrl+n"])?;
    app.wait_focus("Name").await?;
    desktop.type_text("typed")?;
    app.wait_name("typed").await?;
    desktop.press(&["ctrl+q"])?;
    asked(&app, &["project/exp1"]).await?;
    desktop.press(&["Escape"])?;
    app.wait_gone(QUESTION).await?;
    app.wait_name("typed").await?;
    app.wait_focus("Name").await
}

#[tokio::test]
async fn close_with_an_unsaved_key_asks_one_question_at_a_time() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    Trainer::start(&app, &key).await?;
    app.create_in_dialog("unseen", "read").await?;
    in_front(&app, &desktop).await?;
    desktop.press(&["ctrl+q"])?;
    app.wait_text("The key has not been copied or saved yet").await?;
    app.click("Close anyway").await?;
    key_window_closed(&app).await?;
    ensure!(!app.text("body").await?.contains(QUESTION), "two questions for one request");
    in_front(&app, &desktop).await?;
    desktop.press(&["ctrl+q"])?;
    asked(&app, &["project/exp1"]).await
}

/// The end of a session, and whoever ends the process, wait for nobody.
#[tokio::test]
async fn signal_while_training_ends_the_app_without_a_question() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    for signal in ["TERM", "HUP"] {
        let app = App::start(&desktop).await?;
        let key = app.create_and_copy(&desktop, signal, "training").await?;
        Trainer::start(&app, &key).await?;
        in_front(&app, &desktop).await?;
        desktop.press(&["ctrl+q"])?;
        asked(&app, &[]).await?;
        app.signal(signal)?;
        app.gone().await?;
    }
    Ok(())
}

#[tokio::test]
async fn close_page_that_hangs_ends_the_app_after_a_short_time() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start(&desktop).await?;
    Trainer::start(&app, &key).await?;
    app.script("setTimeout(() => { for (;;) {} }, 200)", Vec::new()).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    app.close_window(&desktop).await
}
