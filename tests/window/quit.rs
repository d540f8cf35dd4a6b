//! Tests quitting while keys are in use: each way of quitting asks for confirmation first, and the app never hangs. The
//! settings of these tests make the close button quit, too.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, ensure_holds};

use crate::helpers::{bring_to_front, wait_dialog_closed, wait_key_window_closed_behind_dialog};
use crate::training_runs::Trainer;

const QUIT_QUESTION: &str = "Quit UL Keys?";

async fn start_with_training_key(desktop: &Desktop) -> Result<(App, String)> {
    let app = App::start(desktop).await?;
    let key = app.create_and_copy_key(desktop, "trainer", "training").await?;
    bring_to_front(&app, desktop).await?;
    Ok((app, key))
}

/// Waits until the question whether to quit is shown with all of these strings, and the safe answer ("Keep open") has
/// the focus.
async fn wait_quit_question(app: &App, texts: &[&str]) -> Result<()> {
    app.wait_text(QUIT_QUESTION).await?;
    for text in texts {
        app.wait_text(text).await?;
    }
    app.wait_focus("Keep open").await
}

#[tokio::test]
async fn close_while_training_asks_and_quit_ends_app() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    let trainer = Trainer::start(&app, &key).await?;
    trainer.report_epoch_end(0).await?;
    let ways: [(&str, &[&str]); 4] = [
        ("ctrl+q", &["xdotool", "key", "ctrl+q"]),
        ("ctrl+w", &["xdotool", "key", "ctrl+w"]),
        ("Alt+F4", &["xdotool", "key", "alt+F4"]),
        ("the close button", &["wmctrl", "-c", "UL Keys"]),
    ];
    for (number, (_, command)) in ways.iter().enumerate() {
        bring_to_front(&app, &desktop).await?;
        desktop.run(command[0], &command[1..])?;
        wait_quit_question(
            &app,
            &["1 training run is still sending data to UL Keys.", "project/exp1", "It keeps training"],
        )
        .await?;
        desktop.press(&[if number % 2 == 0 { "Escape" } else { "Return" }])?;
        wait_dialog_closed(&app).await?;
        trainer.report_epoch_end(1).await?;
    }

    // A second request to quit does not close the confirmation dialog that is already open.
    desktop.press(&["ctrl+q"])?;
    wait_quit_question(&app, &[]).await?;
    desktop.press(&["ctrl+q"])?;
    let is_asked = async || app.text("body").await.is_ok_and(|text| text.contains(QUIT_QUESTION));
    ensure_holds("the question", std::time::Duration::from_secs(1), is_asked).await?;
    wait_quit_question(&app, &["project/exp1"]).await?;
    desktop.press(&["shift+Tab"])?;
    app.wait_focus("Quit").await?;
    app.close_by_keys(&desktop, "Return").await?;

    // The app exited cleanly, so all reported data are stored.
    let app = App::start(&desktop).await?;
    let key_id = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed")["keys"][0]["keyId"].clone();
    let runs = app.invoke("list_runs", json!({ "keyId": key_id, "cursor": null })).await?.expect("listed");
    ensure!(runs["runs"][0]["recordedEpochs"] == 2 && runs["runs"][0]["silentSince"].is_null(), "{runs}");
    Ok(())
}

#[tokio::test]
async fn quit_after_training_has_ended_names_its_key() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    let trainer = Trainer::start(&app, &key).await?;
    desktop.press(&["ctrl+q"])?;
    wait_quit_question(&app, &[]).await?;
    trainer.send_event(json!({ "event": "training_failed", "data": { "error": "CUDA out of memory" } })).await?;
    desktop.press(&["Escape"])?;
    wait_dialog_closed(&app).await?;
    desktop.press(&["ctrl+q"])?;
    wait_quit_question(&app, &["1 key was used in the last five minutes.", "trainer", "programs can’t use your keys"])
        .await?;
    app.click("Quit").await?;
    app.wait_exit().await
}

#[tokio::test]
async fn close_with_many_trainings_names_three() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    for _ in 0..6 {
        Trainer::start(&app, &key).await?;
    }
    desktop.press(&["ctrl+w"])?;
    wait_quit_question(&app, &["6 training runs are still sending", "project/exp1-6", "project/exp1-4", "and 3 more"])
        .await?;
    ensure!(!app.text("[role=alertdialog]").await?.contains("exp1-3"), "the question names more than three runs");
    Ok(())
}

#[tokio::test]
async fn close_of_minimized_window_restores_it_and_asks() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    let trainer = Trainer::start(&app, &key).await?;
    let window = desktop.list_window()?;
    desktop.run("xdotool", &["windowminimize", &window])?;
    app.wait("the minimized window", async || desktop.list_window().is_err()).await?;
    desktop.run("wmctrl", &["-i", "-c", &window])?;
    app.wait("the window", async || desktop.list_window().is_ok()).await?;
    wait_quit_question(&app, &["project/exp1"]).await?;
    trainer.report_epoch_end(0).await.map(drop)
}

/// The text typed into the open dialog is retained, and the focus returns to the dialog.
#[tokio::test]
async fn close_over_open_dialog_asks_and_returns_to_it() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    Trainer::start(&app, &key).await?;
    desktop.press(&["ctrl+n"])?;
    app.wait_focus("Name").await?;
    desktop.type_text("typed")?;
    app.wait_name_field("typed").await?;
    desktop.press(&["ctrl+q"])?;
    wait_quit_question(&app, &["project/exp1"]).await?;
    desktop.press(&["Escape"])?;
    app.wait_gone(QUIT_QUESTION).await?;
    app.wait_name_field("typed").await?;
    app.wait_focus("Name").await
}

#[tokio::test]
async fn close_with_unsaved_key_asks_one_question_at_a_time() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    Trainer::start(&app, &key).await?;
    app.create_key_in_dialog("unseen", "read").await?;
    bring_to_front(&app, &desktop).await?;
    desktop.press(&["ctrl+q"])?;
    app.wait_text("The key has not been copied or saved yet").await?;
    app.click("Close anyway").await?;
    wait_key_window_closed_behind_dialog(&app).await?;
    ensure!(!app.text("body").await?.contains(QUIT_QUESTION), "one request to close led to two questions");
    bring_to_front(&app, &desktop).await?;
    desktop.press(&["ctrl+q"])?;
    wait_quit_question(&app, &["project/exp1"]).await
}

/// When a desktop session ends, programs receive a signal and must exit without asking, because the session does not
/// wait for an answer.
#[tokio::test]
async fn signal_while_training_ends_app_without_question() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    for signal in ["TERM", "HUP"] {
        let app = App::start(&desktop).await?;
        let key = app.create_and_copy_key(&desktop, signal, "training").await?;
        Trainer::start(&app, &key).await?;
        bring_to_front(&app, &desktop).await?;
        desktop.press(&["ctrl+q"])?;
        wait_quit_question(&app, &[]).await?;
        app.send_signal(signal)?;
        app.wait_exit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn close_with_hung_page_ends_app_soon() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (app, key) = start_with_training_key(&desktop).await?;
    Trainer::start(&app, &key).await?;
    app.script("setTimeout(() => { for (;;) {} }, 200)", Vec::new()).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    app.close_window(&desktop).await
}
