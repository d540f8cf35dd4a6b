//! Tests that data survive a clean exit, a kill during writes, and launching the app a second time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, app_binary, descendant_processes, run_ul};

async fn call_api(
    port: u16,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<(StatusCode, Value)> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let mut request = client.request(method, format!("http://127.0.0.1:{port}{path}")).bearer_auth(key);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await?;
    let status = response.status();
    Ok((status, response.json().await?))
}

#[tokio::test]
async fn restart_after_quit_preserves_keys() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let gone = app.create_and_copy_key(&desktop, "gone", "read").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    let key = app.create_and_copy_key(&desktop, "kept", "read").await?;
    ensure!(
        run_ul(&desktop, &key, app.port, &["cloud", "account", "summary"])?.code == Some(0),
        "the key is not accepted"
    );
    let before = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    ensure!(before["keys"][0]["lastUsedAt"].is_string(), "{before}");
    let port = app.port;
    // Closing the window would ask, because the key was just used.
    app.quit().await?;

    let app = App::start(&desktop).await?;
    ensure!(app.port == port, "the port has changed, so exported addresses no longer work");
    app.wait_text("kept").await?;
    ensure!(app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed") == before, "the list has changed");
    ensure!(
        run_ul(&desktop, &key, port, &["cloud", "account", "summary"])?.code == Some(0),
        "the key is no longer accepted"
    );
    ensure!(
        run_ul(&desktop, &gone, port, &["cloud", "account", "summary"])?.code == Some(1),
        "the revoked key is accepted again"
    );
    Ok(())
}

/// A key that a client has created, and whether the client has requested its revocation and received the response.
#[derive(Default)]
struct AckedWrites {
    key: String,
    key_id: String,
    revoke_asked: bool,
    revoke_acknowledged: bool,
}

#[tokio::test]
async fn acknowledged_writes_survive_kill() -> Result<()> {
    const CREATE_REVOKE_PAIRS: usize = 100;
    const WORKER_COUNT: usize = 4;
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = Arc::new(app.create_and_copy_key(&desktop, "admin", "admin").await?);
    let (port, done) = (app.port, Arc::new(AtomicUsize::new(0)));

    // The workers create 200 keys and revoke every other one.
    let workers: Vec<_> = (0..WORKER_COUNT)
        .map(|worker| {
            let (admin, done) = (admin.clone(), done.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for number in 0..2 * CREATE_REVOKE_PAIRS / WORKER_COUNT {
                    let body = json!({ "name": format!("key {worker}-{number}"), "scopes": ["read"] });
                    let Ok((_, created)) = call_api(port, &admin, Method::POST, "/api/api-keys", Some(body)).await
                    else {
                        break;
                    };
                    let text = |field: &str| created[field].as_str().unwrap_or_default().to_owned();
                    let mut acked = AckedWrites { key: text("key"), key_id: text("keyId"), ..AckedWrites::default() };
                    done.fetch_add(1, Ordering::SeqCst);
                    if number % 2 == 0 {
                        acked.revoke_asked = true;
                        let path = format!("/api/api-keys/{}", acked.key_id);
                        acked.revoke_acknowledged = call_api(port, &admin, Method::DELETE, &path, None)
                            .await
                            .is_ok_and(|(status, _)| status.is_success());
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    seen.push(acked);
                }
                seen
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < CREATE_REVOKE_PAIRS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    app.kill().await?;
    let mut all_acked = Vec::new();
    for worker in workers {
        all_acked.extend(worker.await?);
    }
    ensure!(done.load(Ordering::SeqCst) < 3 * CREATE_REVOKE_PAIRS, "all changes were completed before the kill");
    ensure!(all_acked.iter().any(|acked| acked.revoke_acknowledged), "no revocation was acknowledged before the kill");

    let app = App::start(&desktop).await?;
    let (_, listed) = call_api(app.port, &admin, Method::GET, "/api/api-keys", None).await?;
    let listed = listed["keys"].as_array().context("not a list")?;
    for acked in &all_acked {
        let (status, _) = call_api(app.port, &acked.key, Method::GET, "/api/account/summary", None).await?;
        let is_listed = listed.iter().any(|key| key["keyId"] == acked.key_id.as_str());
        ensure!(is_listed == (status == StatusCode::OK), "{} is only partly stored", acked.key_id);
        match (acked.revoke_asked, acked.revoke_acknowledged) {
            (_, true) => ensure!(status == StatusCode::UNAUTHORIZED, "{} is accepted again", acked.key_id),
            (false, false) => ensure!(status == StatusCode::OK, "the key {} was lost", acked.key_id),
            // The revocation was requested but not acknowledged before the kill, so the key may be active or revoked.
            (true, false) => {}
        }
    }
    // Each worker may have created one key without receiving the response, in addition to the acknowledged keys and the
    // admin key.
    ensure!(listed.len() <= all_acked.len() + WORKER_COUNT + 1, "there are {} keys, which is too many", listed.len());
    Ok(())
}

#[tokio::test]
async fn core_dumps_are_disabled() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let pages = descendant_processes(app.pid)?.into_iter().map(|process| process.pid);
    let processes: Vec<u32> = pages.chain([app.pid]).collect();
    ensure!(processes.len() > 2, "the page's process or the network process is missing");
    for pid in processes {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let dumps = limits.lines().find(|line| line.starts_with("Max core file size")).context("no limit")?;
        let values: Vec<_> = dumps["Max core file size".len()..].split_whitespace().take(2).collect();
        // A core size limit of 1 byte is smaller than any core dump. It is also the only value for which the kernel
        // does not pipe the dump to a program; see core(5).
        ensure!(values == ["1", "1"], "{dumps}");
    }
    Ok(())
}

#[tokio::test]
async fn second_start_brings_first_window_to_front() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let window = desktop.list_window()?;
    desktop.run("xdotool", &["windowminimize", &window])?;
    app.wait("the minimized window", async || desktop.list_window().is_err()).await?;

    let mut second = desktop.command(app_binary()).spawn()?;
    let ended = tokio::task::spawn_blocking(move || second.wait()).await??;
    ensure!(ended.success(), "the second start failed: {ended}");
    app.wait("the first window", async || desktop.list_window().is_ok_and(|visible| visible == window)).await?;
    app.wait("the first window to get the focus", async || {
        desktop.run("xdotool", &["getactivewindow"]).is_ok_and(|active| active.trim() == window)
    })
    .await
}
