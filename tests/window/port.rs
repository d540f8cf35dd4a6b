//! Tests the port: if it is taken, the window names the program that uses it and offers the next free port. The port
//! can be changed at any time.

use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop, run_ul};

use crate::helpers::is_button_disabled;

/// Occupies the port that the app is configured to use.
fn occupy_port(desktop: &Desktop) -> Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", ulkeys_tests::free_port()?))?;
    std::fs::create_dir_all(desktop.data_folder())?;
    let settings = json!({ "port": listener.local_addr()?.port() });
    std::fs::write(desktop.data_folder().join("settings.json"), settings.to_string())?;
    Ok(listener)
}

#[tokio::test]
async fn port_in_use_names_process_and_offers_free_port() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let listener = occupy_port(&desktop)?;
    let port = listener.local_addr()?.port();
    let app = App::start(&desktop).await?;
    app.wait_text(&format!("Port {port} is used by")).await?;
    app.wait_text(&format!("(process {})", std::process::id())).await?;
    let refused = app.invoke("list_keys", json!({ "query": {} })).await?.expect_err("the service is not running");
    ensure!(refused["code"] == "SERVICE_UNAVAILABLE", "{refused}");

    let text = app.text("body").await?;
    let offered = text.split_once("Use port ").and_then(|(_, rest)| rest.split_whitespace().next());
    let next: u64 = offered.context("no free port is offered")?.parse()?;
    app.click(&format!("Use port {next}")).await?;
    app.wait_text("No keys yet").await?;
    app.wait_text(&format!("127.0.0.1:{next}")).await?;
    let key = app.create_and_copy_key(&desktop, "key", "read").await?;
    let summary = run_ul(&desktop, &key, u16::try_from(next)?, &["cloud", "account", "summary"])?;
    ensure!(summary.code == Some(0), "{summary:?}");
    app.quit().await?;

    let app = App::start(&desktop).await?;
    ensure!(u64::from(app.port) == next, "the chosen port was not saved");
    app.wait_text("key").await
}

#[tokio::test]
async fn retry_after_port_is_freed_starts_service() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let listener = occupy_port(&desktop)?;
    let app = App::start(&desktop).await?;
    app.wait_text("is used by").await?;
    app.click("Try again").await?;
    // The error message stays visible during the attempt, so the test waits until the button is enabled again. Clicking
    // a disabled button has no effect.
    app.wait("the first attempt to end", async || is_button_disabled(&app, "Try again").await.is_ok_and(|busy| !busy))
        .await?;
    app.wait_text("is used by").await?;
    drop(listener);
    app.click("Try again").await?;
    app.wait_text("No keys yet").await
}

#[tokio::test]
async fn change_to_port_in_use_is_rejected() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    app.wait_text("No keys yet").await?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    for (port, reason) in [(json!(taken.local_addr()?.port()), "in use"), (json!(80), "1024"), (json!(0), "1024")] {
        let refused = app.invoke("change_port", json!({ "port": port })).await?.expect_err("the port is rejected");
        ensure!(refused["error"].as_str().is_some_and(|error| error.contains(reason)), "{refused}");
    }
    app.wait_text(&format!("127.0.0.1:{}", app.port)).await?;

    let free = ulkeys_tests::free_port()?;
    let status = app.invoke("change_port", json!({ "port": free })).await?.expect("changed");
    ensure!(status["state"] == "running" && status["port"] == free, "{status}");
    app.wait_text(&format!("127.0.0.1:{free}")).await?;
    app.invoke("copy_service_url", json!({})).await?.expect("copied");
    let line = desktop.read_clipboard()?;
    ensure!(line == format!("export ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{free}"), "{line}");
    Ok(())
}
