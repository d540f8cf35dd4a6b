//! Tests the Connection page, which shows the service's address, the port, the file paths, and the shell lines that set
//! the address for programs.

use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use ulkeys_tests::{App, Desktop};

use ulkeys_tests::ipc_stub::{delay_responses, release_responses, wait_delayed};

async fn open_page(app: &App) -> Result<()> {
    app.script("document.querySelector('button:has([data-service-address])').click()", Vec::new()).await?;
    app.wait("the page", async || app.text("h1").await.is_ok_and(|title| title == "Connection")).await
}

#[tokio::test]
async fn page_shows_service_address_and_file_paths() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    open_page(&app).await?;
    app.wait_text("Running").await?;
    let url = format!("http://127.0.0.1:{}", app.port);
    for (copy, line) in [
        ("Copy the address line", format!("export ULTRALYTICS_PLATFORM_URL={url}")),
        ("Copy the address line for PowerShell", format!("$env:ULTRALYTICS_PLATFORM_URL = \"{url}\"")),
        ("Copy the path: Key database", desktop.data_folder().join("keys.db").display().to_string()),
        ("Copy the path: Settings", desktop.data_folder().join("settings.json").display().to_string()),
        ("Copy the path: Logs", desktop.data_folder().join("logs").display().to_string()),
    ] {
        app.wait_text(&line).await?;
        app.click(copy).await?;
        app.wait(&line, async || desktop.read_clipboard().is_ok_and(|copied| copied == line)).await?;
    }
    ensure!(desktop.data_folder().join("keys.db").is_file(), "the database is not at the displayed path");
    Ok(())
}

#[tokio::test]
async fn port_is_changed_and_invalid_port_is_rejected() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    open_page(&app).await?;
    let free = ulkeys_tests::free_port()?;
    app.click("Change port…").await?;
    app.wait_focus("Port").await?;
    desktop.press(&["Escape"])?;
    app.wait_focus("Change port…").await?;
    desktop.press(&["Return"])?;
    app.wait_focus("Port").await?;
    for (port, answer) in [
        ("80", "Enter a whole number from 1024 to 65535.".to_owned()),
        (&free.to_string(), format!("The key service is now at 127.0.0.1:{free}")),
    ] {
        desktop.press(&["ctrl+a"])?;
        desktop.type_text(port)?;
        desktop.press(&["Return"])?;
        app.wait_text(&answer).await?;
    }
    app.wait_focus("Change port…").await?;
    app.wait_text(&format!("export ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{free}")).await
}

#[tokio::test]
async fn port_in_use_is_rejected_in_its_field() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    open_page(&app).await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let taken = listener.local_addr()?.port();
    app.click("Change port…").await?;
    app.wait_focus("Port").await?;
    desktop.press(&["ctrl+a"])?;
    desktop.type_text(&taken.to_string())?;
    desktop.press(&["Return"])?;
    app.wait_text(&format!("Port {taken} is used by another program. Choose another one.")).await?;
    app.wait_focus("Port").await?;
    app.click("Cancel").await?;
    app.wait_text(&format!("export ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{}", app.port)).await?;

    // The form stays open while the port is being changed, because otherwise a failure would not be shown anywhere.
    delay_responses(&app, "change_port").await?;
    app.click("Change port…").await?;
    app.wait_focus("Port").await?;
    desktop.press(&["ctrl+a"])?;
    desktop.type_text(&taken.to_string())?;
    desktop.press(&["Return"])?;
    wait_delayed(&app, 1).await?;
    desktop.press(&["Escape"])?;
    release_responses(&app).await?;
    app.wait_text(&format!("Port {taken} is used by another program. Choose another one.")).await
}

#[tokio::test]
async fn stopped_service_is_explained() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let listener = TcpListener::bind(("127.0.0.1", ulkeys_tests::free_port()?))?;
    let port = listener.local_addr()?.port();
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.data_folder().join("settings.json"), json!({ "port": port }).to_string())?;
    let app = App::start(&desktop).await?;
    open_page(&app).await?;
    app.wait_text(&format!("Port {port} is used by")).await?;
    app.wait_text("The address appears here as soon as the service runs.").await?;
    drop(listener);
    app.click("Try again").await?;
    app.wait_text(&format!("export ULTRALYTICS_PLATFORM_URL=http://127.0.0.1:{port}")).await?;
    app.wait_focus("Connection").await.context("the focus was lost")
}
