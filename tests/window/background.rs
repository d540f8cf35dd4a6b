//! Keys that work without a window: the question when the last window closes, each answer, and the background service.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use ulkeys_domain::RateLimits;
use ulkeys_tests::{
    App, AppOptions, Desktop, descendant_processes, free_port, request_status, send_signal, wait_until,
};

use crate::helpers::{bring_to_front, go_to_section, wait_dialog_closed};

const KEEP_QUESTION: &str = "Keep your keys working?";
const QUIT_QUESTION: &str = "Quit UL Keys?";

/// Starts an app with settings that name a free port and these other values.
async fn start_with_settings(desktop: &Desktop, mut settings: Value) -> Result<App> {
    let port = free_port()?;
    settings["port"] = port.into();
    settings["limits"] = json!({ "default": 999_999, "invalidCredentials": 999_999 });
    std::fs::create_dir_all(desktop.data_folder())?;
    std::fs::write(desktop.settings_file(), settings.to_string())?;
    start_again(desktop, port).await
}

/// Starts an app whose settings exist.
async fn start_again(desktop: &Desktop, port: u16) -> Result<App> {
    App::start_with(desktop, AppOptions { port: Some(port), ..AppOptions::default() }).await
}

fn read_settings(desktop: &Desktop) -> Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(desktop.settings_file())?)?)
}

async fn ensure_accepted(port: u16, key: &str) -> Result<()> {
    let status = request_status(port, key).await?;
    ensure!(status == StatusCode::OK, "the key is not accepted: {status}");
    Ok(())
}

/// Closes the window with its close button, and waits for the question.
async fn ask_by_closing(desktop: &Desktop, app: &App) -> Result<()> {
    bring_to_front(app, desktop).await?;
    desktop.run("wmctrl", &["-i", "-c", &desktop.list_window()?])?;
    app.wait_text(KEEP_QUESTION).await?;
    app.wait_focus("Keep running").await
}

/// Quits although a key was used in the last minutes.
async fn quit_by_menu_key(desktop: &Desktop, app: &App) -> Result<()> {
    bring_to_front(app, desktop).await?;
    desktop.press(&["ctrl+q"])?;
    app.wait_text(QUIT_QUESTION).await?;
    app.wait_text("key was used in the last five minutes").await?;
    app.click("Quit").await?;
    app.wait_exit().await
}

#[tokio::test]
async fn kept_service_accepts_keys_until_user_quits() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let (port, key) = (app.port, app.create_and_copy_key(&desktop, "gpu box", "read").await?);
    ensure_accepted(port, &key).await?;
    ask_by_closing(&desktop, &app).await?;
    app.wait_text("1 key was used in the last five minutes.").await?;
    app.wait_text("gpu box").await?;
    app.close_by_keys(&desktop, "Return").await?;
    ensure_accepted(port, &key).await?;
    ensure!(read_settings(&desktop)?.get("closing").is_none_or(|it| it == "ask"), "the answer was remembered");

    // The next window shows the same keys, and closes without a question.
    let app = start_again(&desktop, port).await?;
    go_to_section(&app, "Connection").await?;
    app.wait_text("The key service keeps running when you close this window").await?;
    go_to_section(&app, "API Keys").await?;
    app.wait_text("gpu box").await?;
    app.close_window(&desktop).await?;
    ensure_accepted(port, &key).await?;

    let app = start_again(&desktop, port).await?;
    quit_by_menu_key(&desktop, &app).await?;
    let is_stopped = async || request_status(port, &key).await.is_err();
    wait_until("the end of the service", is_stopped).await
}

#[tokio::test]
async fn canceled_question_keeps_window_open() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    for cancel in ["Escape", "Cancel"] {
        ask_by_closing(&desktop, &app).await?;
        match cancel {
            "Escape" => desktop.press(&["Escape"])?,
            name => app.click(name).await?,
        }
        wait_dialog_closed(&app).await?;
    }
    ensure_accepted(app.port, &key).await
}

#[tokio::test]
async fn remembered_answer_is_not_asked_again() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let (port, key) = (app.port, app.create_and_copy_key(&desktop, "kept", "read").await?);
    ask_by_closing(&desktop, &app).await?;
    app.click("Remember my choice").await?;
    app.click("Quit").await?;
    app.wait_exit().await?;
    ensure!(request_status(port, &key).await.is_err(), "the service is still running");
    ensure!(read_settings(&desktop)?["closing"] == "quit", "the answer was not remembered");

    let app = start_again(&desktop, port).await?;
    go_to_section(&app, "Connection").await?;
    app.click("Keep running in the background").await?;
    app.wait("the saved choice", async || read_settings(&desktop).is_ok_and(|it| it["closing"] == "keepRunning"))
        .await?;
    app.close_window(&desktop).await?;
    ensure_accepted(port, &key).await?;

    // Without a service, the next window starts it in the background, so that not even its crash ends the service.
    let app = start_again(&desktop, port).await?;
    quit_by_menu_key(&desktop, &app).await?;
    ensure!(request_status(port, &key).await.is_err(), "the service is still running");
    let app = start_again(&desktop, port).await?;
    app.wait_text("kept").await?;
    app.kill().await?;
    ensure_accepted(port, &key).await
}

/// Without a key, nothing could use the service.
#[tokio::test]
async fn close_without_keys_does_not_ask() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let port = app.port;
    app.close_window(&desktop).await?;
    ensure!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the service is still running");
    Ok(())
}

#[tokio::test]
async fn window_changes_limits_and_port_of_background_service() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({ "closing": "keepRunning" })).await?;
    let (port, key) = (app.port, app.create_and_copy_key(&desktop, "kept", "read").await?);
    ensure_accepted(port, &key).await?;
    let limits = serde_json::to_value(RateLimits { default: 1, ..RateLimits::default() })?;
    let preferences = json!({
        "language": "en", "theme": "system", "textPercent": 100, "clipboardSeconds": 60, "rotationDays": 90,
        "limits": limits,
    });
    app.invoke("change_preferences", json!({ "preferences": preferences })).await?.expect("changed");
    let is_limited =
        async || request_status(port, &key).await.is_ok_and(|status| status == StatusCode::TOO_MANY_REQUESTS);
    app.wait("the new limit", is_limited).await?;
    let moved = free_port()?;
    app.invoke("change_port", json!({ "port": moved })).await?.expect("moved");
    ensure_accepted(moved, &key).await?;
    ensure!(request_status(port, &key).await.is_err(), "the service is still at its former port");
    app.close_window(&desktop).await?;
    ensure!(request_status(moved, &key).await? == StatusCode::TOO_MANY_REQUESTS, "the service has ended");
    Ok(())
}

/// Nothing else restarts the background service, and a program that uses a key must not wait for a person.
#[tokio::test]
async fn killed_background_service_is_replaced_by_window() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({ "closing": "keepRunning" })).await?;
    let (port, key) = (app.port, app.create_and_copy_key(&desktop, "kept", "read").await?);
    let service = background_pid(&desktop)?;
    send_signal(service, "KILL")?;
    wait_until("the key to be accepted again", async || {
        request_status(port, &key).await.is_ok_and(|it| it == StatusCode::OK)
    })
    .await?;
    ensure!(background_pid(&desktop)? != service, "the service is not in the background");
    // A signal ends the window, and leaves the service.
    app.quit().await?;
    ensure_accepted(port, &key).await
}

/// The keys are known only to the running service, so it cannot hand them over.
#[tokio::test]
async fn service_with_moved_database_is_not_kept_running() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    ensure_accepted(app.port, &key).await?;
    let database = desktop.data_folder().join("keys.db");
    std::fs::rename(&database, database.with_file_name("elsewhere.db"))?;
    app.wait_text("The key database was moved or deleted").await?;
    bring_to_front(&app, &desktop).await?;
    desktop.press(&["ctrl+w"])?;
    app.wait_text(QUIT_QUESTION).await?;
    app.wait_focus("Keep open").await?;
    ensure!(!database.exists(), "an empty database was created");
    ensure_accepted(app.port, &key).await
}

/// A second question takes the place of the first one, with the focus on its safe answer.
#[tokio::test]
async fn quit_while_question_is_open_asks_whether_to_quit() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    ensure_accepted(app.port, &key).await?;
    ask_by_closing(&desktop, &app).await?;
    desktop.press(&["ctrl+q"])?;
    app.wait_text(QUIT_QUESTION).await?;
    app.wait_focus("Keep open").await?;
    desktop.press(&["Return"])?;
    wait_dialog_closed(&app).await?;
    ensure_accepted(app.port, &key).await
}

/// Returns the process ID of the service in the background.
fn background_pid(desktop: &Desktop) -> Result<u32> {
    let file = desktop.home().join("run/ul-keys").read_dir()?.next().context("no service")??.path();
    let session: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    ensure!(session["is_background"] == true, "the service is not in the background");
    Ok(u32::try_from(session["pid"].as_u64().context("no process ID")?)?)
}

/// Sends requests until it is stopped: every second one on a new connection.
struct Load {
    stops: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

impl Load {
    fn start(port: u16, key: &str) -> Result<Self> {
        let (stops, accepted) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let kept = reqwest::Client::builder().no_proxy().build()?;
        let new = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        let (url, key) = (format!("http://127.0.0.1:{port}/api/account/summary"), key.to_owned());
        let (stopping, counted) = (stops.clone(), accepted.clone());
        let task = tokio::spawn(async move {
            let mut is_new = false;
            while !stopping.load(Ordering::Relaxed) {
                is_new = !is_new;
                let client = if is_new { &new } else { &kept };
                let send = || client.get(&url).bearer_auth(&key).timeout(Duration::from_secs(10)).send();
                let sent = match send().await {
                    // A server may close a kept connection at any time, so clients send again on another one (RFC
                    // 9112, section 9.3.1).
                    Err(_) if !is_new => send().await,
                    sent => sent,
                };
                match sent {
                    Ok(response) if response.status() == StatusCode::OK => _ = counted.fetch_add(1, Ordering::Relaxed),
                    Ok(response) => bail!("rejected: {}", response.status()),
                    Err(error) => bail!("no answer: {error:?}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        });
        Ok(Self { stops, accepted, task })
    }

    /// Returns the number of accepted requests.
    ///
    /// # Errors
    /// Returns an error if a request was rejected or got no answer.
    async fn stop(self) -> Result<u64> {
        self.stops.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(self.accepted.load(Ordering::Relaxed))
    }
}

/// Windows open and close, their web processes are killed, and the display is lost and comes back, while a program uses
/// a key all the time.
#[tokio::test]
async fn windows_and_display_come_and_go_without_rejected_requests() -> Result<()> {
    let mut desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let (port, key) = (app.port, app.create_and_copy_key(&desktop, "busy", "read").await?);
    let load = Load::start(port, &key)?;
    ask_by_closing(&desktop, &app).await?;
    app.close_by_keys(&desktop, "Return").await?;

    let app = start_again(&desktop, port).await?;
    for process in descendant_processes(app.pid)? {
        send_signal(process.pid, "KILL")?;
    }
    app.kill().await?;
    let app = start_again(&desktop, port).await?;
    desktop.lose_display();
    app.wait_exit().await?;
    drop(app);
    desktop.restore_display()?;
    let app = start_again(&desktop, port).await?;
    app.wait_text("busy").await?;
    app.close_window(&desktop).await?;

    let accepted = load.stop().await?;
    ensure!(accepted > 100, "only {accepted} requests");
    let app = start_again(&desktop, port).await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    let key_id = listed["keys"][0]["keyId"].clone();
    let usage = app.invoke("get_key_usage", json!({ "keyId": key_id, "hours": 24 })).await?.expect("usage");
    let hours = usage["hours"].as_array().context("no hours")?;
    let counted: u64 =
        hours.iter().filter(|hour| hour["outcome"] == "accepted").filter_map(|hour| hour["requests"].as_u64()).sum();
    ensure!(counted == accepted, "{accepted} requests were accepted, and {counted} counted: {usage}");
    Ok(())
}

/// Returns the path of openbox's implementation of autostart, whose folder depends on the kind of processor.
fn autostart_program() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let found = folders.into_iter().map(|folder| folder.join("openbox-xdg-autostart")).find(|path| path.exists());
    found.context("openbox-xdg-autostart is missing; install the package openbox")
}

/// A desktop session starts the service without a window, and honors the switch.
#[tokio::test]
async fn session_starts_service_at_login_if_switched_on() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_settings(&desktop, json!({})).await?;
    let (port, key) = (app.port, app.create_and_copy_key(&desktop, "kept", "read").await?);
    go_to_section(&app, "Connection").await?;
    app.click("Start the key service when I log in").await?;
    app.wait_text("Saved").await?;
    bring_to_front(&app, &desktop).await?;
    app.close_by_keys(&desktop, "ctrl+q").await?;
    // The started programs keep the output of the session, so it must not be a pipe.
    let program = autostart_program()?;
    let log_in = || -> Result<()> {
        let mut session = desktop.command(&program);
        let status = session.arg("OPENBOX").stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "the session failed: {status}");
        Ok(())
    };
    log_in()?;
    wait_until("the service", async || request_status(port, &key).await.is_ok_and(|it| it == StatusCode::OK)).await?;

    let app = start_again(&desktop, port).await?;
    go_to_section(&app, "Connection").await?;
    app.wait_text("The key service keeps running when you close this window").await?;
    app.click("Start the key service when I log in").await?;
    app.wait_text("Saved").await?;
    quit_by_menu_key(&desktop, &app).await?;
    log_in()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(request_status(port, &key).await.is_err(), "the service was started");
    Ok(())
}
