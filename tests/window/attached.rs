//! The window uses a key service that the same user runs outside the app, with `ul-keys serve`.

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use ulkeys_tests::{App, AppOptions, Desktop, HeadlessService, free_address, free_port, request_status, send_signal};

use crate::helpers::go_to_section;

/// Starts a service outside the app, and an app that uses it. The settings contain another port, on which the app runs
/// its own service if the other one ends.
async fn start_attached(desktop: &Desktop, address: &str) -> Result<(HeadlessService, App)> {
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), json!({ "port": free_port()? }).to_string())?;
    let service = HeadlessService::start_on_desktop(desktop, address).await?;
    Ok((service, start_app(desktop, address).await?))
}

/// Starts an app that uses the service at `address`.
async fn start_app(desktop: &Desktop, address: &str) -> Result<App> {
    let port = address.rsplit(':').next().context("no port")?.parse()?;
    App::start_with(desktop, AppOptions { port: Some(port), ..AppOptions::default() }).await
}

#[tokio::test]
async fn window_manages_keys_of_running_service_and_leaves_it_running() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let address = free_address()?;
    let (service, app) = start_attached(&desktop, &address).await?;
    app.wait_text(&address).await?;
    let key = app.create_and_copy_key(&desktop, "attached", "read").await?;
    ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    app.wait_text("now").await?;
    let listed = service.client.list_keys().await?;
    ensure!(listed.keys.len() == 1 && listed.keys[0].key.name == "attached", "the service has other keys");
    let port = app.port;
    app.quit().await?;
    ensure!(request_status(port, &key).await? == StatusCode::OK, "the service has ended with the window");
    let app = start_app(&desktop, &address).await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    ensure!(request_status(app.port, &key).await? == StatusCode::UNAUTHORIZED, "the revoked key is accepted");
    Ok(())
}

/// The window shows no control that the service outside the app would not follow.
#[tokio::test]
async fn window_explains_where_settings_of_running_service_are() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (_service, app) = start_attached(&desktop, &free_address()?).await?;
    go_to_section(&app, "Connection").await?;
    app.wait_text("It keeps running when you close this app").await?;
    ensure!(!app.text("body").await?.contains("Change port"), "the port can be changed");
    let refused = app.invoke("change_port", json!({ "port": 20_000 })).await?.expect_err("the port is not ours");
    ensure!(refused["error"].as_str().is_some_and(|text| text.contains("ul-keys serve")), "{refused}");
    go_to_section(&app, "Preferences").await?;
    app.wait_text("in its configuration file, serve.toml").await?;
    ensure!(!app.text("body").await?.contains("Rate limits\n"), "the limits can be changed");
    go_to_section(&app, "Help").await?;
    app.click("Do keys work while this app is closed?").await?;
    app.wait_text("Yes. The key service runs on its own").await
}

#[tokio::test]
async fn window_follows_restarted_service() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let address = free_address()?;
    let (mut service, app) = start_attached(&desktop, &address).await?;
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    for signal in ["TERM", "KILL"] {
        send_signal(service.pid(), signal)?;
        service.wait_for_exit().await?;
        service = HeadlessService::start_on_desktop(&desktop, &address).await?;
        app.wait("the restarted service", async || {
            app.invoke("list_keys", json!({ "query": {} })).await.is_ok_and(|listed| listed.is_ok())
        })
        .await?;
        ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    }
    go_to_section(&app, "Connection").await?;
    app.wait_text("It keeps running when you close this app").await
}

/// If the service outside the app ends and does not return, the app runs its own, so that the keys continue to work.
#[tokio::test]
async fn window_runs_own_service_after_the_other_has_ended() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (mut service, app) = start_attached(&desktop, &free_address()?).await?;
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    ensure!(service.stop().await?.success());
    go_to_section(&app, "Connection").await?;
    app.wait_text("it runs as long as the app is open").await?;
    let port = app.invoke("retry_service", json!({})).await?.expect("running")["port"].as_u64().context("no port")?;
    ensure!(request_status(u16::try_from(port)?, &key).await? == StatusCode::OK, "the key is not accepted");
    // While the app runs the service, a second service does not start.
    let second = HeadlessService::start_on_desktop(&desktop, &free_address()?).await;
    ensure!(format!("{:#}", second.err().context("it started")?).contains("keys.db: another"));
    Ok(())
}

/// The session of a killed service is of no use, and its port could belong to any program.
#[tokio::test]
async fn session_file_of_killed_service_is_not_used() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let address = free_address()?;
    let mut service = HeadlessService::start_on_desktop(&desktop, &address).await?;
    send_signal(service.pid(), "KILL")?;
    service.wait_for_exit().await?;
    let app = App::start(&desktop).await?;
    let key = app.create_and_copy_key(&desktop, "own", "read").await?;
    ensure!(request_status(app.port, &key).await? == StatusCode::OK, "the key is not accepted");
    let left = desktop.home().join("run/ul-keys").read_dir()?.count();
    ensure!(left == 0, "the session file is left over");
    Ok(())
}

/// The window shows what the service outside it reports about the database, and offers nothing that only the service
/// itself could do.
#[tokio::test]
async fn replaced_database_of_running_service_is_explained() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let (mut service, app) = start_attached(&desktop, &free_address()?).await?;
    app.create_and_copy_key(&desktop, "kept", "read").await?;
    let database = desktop.data_folder().join("keys.db");
    std::fs::rename(&database, database.with_file_name("elsewhere.db"))?;
    app.wait_text("The key database was moved or deleted").await?;
    app.wait_text("If you restart “ul-keys serve” instead").await?;
    ensure!(!app.text("body").await?.contains("Try again"), "the window offers what it cannot do");
    std::fs::rename(database.with_file_name("elsewhere.db"), &database)?;
    app.wait_gone("The key database was moved or deleted").await?;
    ensure!(service.stop().await?.success());
    Ok(())
}
