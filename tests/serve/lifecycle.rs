//! Starting, stopping and restarting the service.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use ulkeys_tests::{HeadlessService, cli_binary, free_address, send_signal};

use crate::{create_key, new_data_folder, request_with_key};

#[tokio::test]
async fn service_without_window_accepts_keys_and_stops_without_loss() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let mut service = HeadlessService::start(&data).await?;
    let (id, key) = create_key(&service.client, "headless").await?;
    ensure!(request_with_key(&service.url, &key).await?.status() == StatusCode::OK, "the key is not accepted");
    ensure!(service.stop().await?.success(), "{}", service.log()?);
    service.wait_for_report("STOPPING=1").await.context("systemd is not notified")?;
    ensure!(service.session_file().is_err(), "the session file is left over");
    ensure!(!data.join("keys.db-wal").exists(), "the database is not complete in one file");

    let service = HeadlessService::start(&data).await?;
    let usage = service.client.get_usage(&id, 1).await?;
    ensure!(usage.hours.iter().map(|hour| hour.requests).sum::<u64>() == 1, "the request is not counted: {usage:?}");
    service.client.revoke_key(&id).await?;
    ensure!(request_with_key(&service.url, &key).await?.status() == StatusCode::UNAUTHORIZED, "still accepted");
    Ok(())
}

/// The session is the only way to manage keys, so other users must not be able to read it.
#[tokio::test]
async fn session_ends_with_its_service() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let (_home, data) = new_data_folder()?;
    let service = HeadlessService::start(&data).await?;
    let mode = service.session_file()?.metadata()?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    let former = service.session.clone();
    ensure!(!service.log()?.contains(&former), "the session is logged");
    send_signal(service.pid(), "KILL")?;
    drop(service);
    let service = HeadlessService::start(&data).await?;
    ensure!(service.session != former, "the session is the same");
    let listed = reqwest::Client::builder().no_proxy().build()?.get(format!("{}/api/api-keys", service.url));
    ensure!(listed.bearer_auth(former).send().await?.status() == StatusCode::UNAUTHORIZED, "the former session works");
    Ok(())
}

#[tokio::test]
async fn second_service_with_same_database_does_not_start() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let service = HeadlessService::start(&data).await?;
    let (_, key) = create_key(&service.client, "first").await?;
    let mut second = Command::new(cli_binary());
    let second = second.args(["serve", "--listen", &free_address()?, "--data"]).arg(&data).output()?;
    let log = String::from_utf8(second.stderr)?;
    ensure!(second.status.code() == Some(1) && log.contains("keys.db: another"), "{:?}: {log}", second.status);
    ensure!(request_with_key(&service.url, &key).await?.status() == StatusCode::OK, "the first one is disturbed");
    ensure!(service.session_file().is_ok(), "the session of the first one is gone");
    Ok(())
}

#[tokio::test]
async fn port_in_use_is_reported() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let taken = std::net::TcpListener::bind(free_address()?)?;
    let address = taken.local_addr()?.to_string();
    let output = Command::new(cli_binary()).args(["serve", "--listen", &address, "--data"]).arg(&data).output()?;
    let log = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && log.contains(&format!("cannot listen on {address}")), "{log}");
    Ok(())
}

/// If the output is not a terminal, each line is a JSON object.
#[tokio::test]
async fn log_is_json_and_contains_no_key() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let mut command = Command::new("env");
    command.arg("RUST_LOG=trace").arg(cli_binary()).args(["serve", "--listen", &free_address()?]);
    let mut service = HeadlessService::start_with(&data, &mut command).await?;
    let (_, key) = create_key(&service.client, "logged").await?;
    request_with_key(&service.url, &key).await?;
    service.stop().await?;
    let log = service.log()?;
    ensure!(log.contains("listening") && !log.contains(&key[11..]) && !log.contains(&service.session), "{log}");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
    Ok(())
}

/// SIGHUP applies the limits of the changed file. A file that is not valid changes nothing.
#[tokio::test]
async fn hang_up_signal_reloads_limits() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    std::fs::create_dir_all(&data)?;
    let mut service = HeadlessService::start(&data).await?;
    let (_, key) = create_key(&service.client, "limited").await?;
    let url = service.url.clone();
    let limit = async || -> Result<String> {
        let response = request_with_key(&url, &key).await?;
        Ok(response.headers()["x-ratelimit-limit"].to_str()?.to_owned())
    };
    ensure!(limit().await? == "100");
    std::fs::write(data.join("serve.toml"), "[limits]\ndefault = 7\n")?;
    send_signal(service.pid(), "HUP")?;
    service.wait_for_report("RELOADING=1").await?;
    service.wait_for_report("READY=1").await?;
    ensure!(limit().await? == "7");
    std::fs::write(data.join("serve.toml"), "[limits]\ndefault = 0\n")?;
    send_signal(service.pid(), "HUP")?;
    service.wait_for_report("RELOADING=1").await?;
    service.wait_for_report("READY=1").await?;
    ensure!(limit().await? == "7" && service.log()?.contains("serve.toml:2: limits.default: must be"));
    Ok(())
}

/// systemd restarts a service whose tasks do not run any more.
#[tokio::test]
async fn watchdog_is_notified_while_service_runs() -> Result<()> {
    let (_home, data) = new_data_folder()?;
    let mut command = Command::new("env");
    command.arg("WATCHDOG_USEC=200000").arg(cli_binary()).args(["serve", "--listen", &free_address()?]);
    let mut service = HeadlessService::start_with(&data, &mut command).await?;
    for _ in 0..3 {
        service.wait_for_report("WATCHDOG=1").await?;
    }
    Ok(())
}
