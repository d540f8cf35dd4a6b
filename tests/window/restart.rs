//! What survives: an orderly end, a kill in the middle of work, and a second start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ulkeys_tests::{App, Desktop, binary, descendants, ul};

async fn call(port: u16, key: &str, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
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
async fn everything_is_as_it_was_after_quitting() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let gone = app.create_and_copy(&desktop, "gone", "read").await?;
    let listed = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    app.invoke("revoke_key", json!({ "keyId": listed["keys"][0]["keyId"] })).await?.expect("revoked");
    let key = app.create_and_copy(&desktop, "kept", "read").await?;
    ensure!(ul(&desktop, &key, app.port, &["cloud", "account", "summary"])?.code == Some(0), "accepted");
    let before = app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed");
    ensure!(before["keys"][0]["lastUsedAt"].is_string(), "{before}");
    let port = app.port;
    app.close_window(&desktop).await?;

    let app = App::start(&desktop).await?;
    ensure!(app.port == port, "an exported address keeps working");
    app.wait_text("kept").await?;
    ensure!(app.invoke("list_keys", json!({ "query": {} })).await?.expect("listed") == before, "the same list");
    ensure!(ul(&desktop, &key, port, &["cloud", "account", "summary"])?.code == Some(0), "still accepted");
    ensure!(ul(&desktop, &gone, port, &["cloud", "account", "summary"])?.code == Some(1), "still refused");
    Ok(())
}

/// One key's life as a client saw it: what was acknowledged, and what was only asked for.
#[derive(Default)]
struct Witness {
    key: String,
    key_id: String,
    revoke_asked: bool,
    revoke_acknowledged: bool,
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() -> Result<()> {
    const PAIRS: usize = 100;
    const WORKERS: usize = 4;
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let admin = Arc::new(app.create_and_copy(&desktop, "admin", "admin").await?);
    let (port, done) = (app.port, Arc::new(AtomicUsize::new(0)));

    // 200 creates and revokes; every other created key is meant to stay.
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (admin, done) = (admin.clone(), done.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for number in 0..2 * PAIRS / WORKERS {
                    let body = json!({ "name": format!("key {worker}-{number}"), "scopes": ["read"] });
                    let Ok((_, created)) = call(port, &admin, Method::POST, "/api/api-keys", Some(body)).await else {
                        break;
                    };
                    let text = |field: &str| created[field].as_str().unwrap_or_default().to_owned();
                    let mut witness = Witness { key: text("key"), key_id: text("keyId"), ..Witness::default() };
                    done.fetch_add(1, Ordering::SeqCst);
                    if number % 2 == 0 {
                        witness.revoke_asked = true;
                        let path = format!("/api/api-keys/{}", witness.key_id);
                        witness.revoke_acknowledged = call(port, &admin, Method::DELETE, &path, None)
                            .await
                            .is_ok_and(|(status, _)| status.is_success());
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                    seen.push(witness);
                }
                seen
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < PAIRS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    app.kill().await?;
    let mut witnesses = Vec::new();
    for worker in workers {
        witnesses.extend(worker.await?);
    }
    ensure!(done.load(Ordering::SeqCst) < 3 * PAIRS, "killed in the middle");
    ensure!(witnesses.iter().any(|witness| witness.revoke_acknowledged), "some were revoked");

    let app = App::start(&desktop).await?;
    let (_, listed) = call(app.port, &admin, Method::GET, "/api/api-keys", None).await?;
    let listed = listed["keys"].as_array().context("a list")?;
    for witness in &witnesses {
        let (status, _) = call(app.port, &witness.key, Method::GET, "/api/account/summary", None).await?;
        let is_listed = listed.iter().any(|key| key["keyId"] == witness.key_id.as_str());
        ensure!(is_listed == (status == StatusCode::OK), "{} is half-done", witness.key_id);
        match (witness.revoke_asked, witness.revoke_acknowledged) {
            (_, true) => ensure!(status == StatusCode::UNAUTHORIZED, "{} came back", witness.key_id),
            (false, false) => ensure!(status == StatusCode::OK, "{} was lost", witness.key_id),
            // Asked for when the app was killed: either is right, but not both.
            (true, false) => {}
        }
    }
    // At most one unacknowledged create for each worker beside the witnessed ones and the admin.
    ensure!(listed.len() <= witnesses.len() + WORKERS + 1, "{} keys", listed.len());
    Ok(())
}

#[tokio::test]
async fn a_crash_writes_no_dump() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let pages = descendants(app.pid)?.into_iter().map(|process| process.pid);
    let processes: Vec<u32> = pages.chain([app.pid]).collect();
    ensure!(processes.len() > 2, "the app, a page and the network process");
    for pid in processes {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
        let dumps = limits.lines().find(|line| line.starts_with("Max core file size")).context("a limit")?;
        let values: Vec<_> = dumps["Max core file size".len()..].split_whitespace().take(2).collect();
        // Less than any dump is long, and the one value at which the kernel pipes none into a program (core(5)).
        ensure!(values == ["1", "1"], "{dumps}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_start_brings_the_first_window_forward() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start(&desktop).await?;
    let window = desktop.window()?;
    desktop.run("xdotool", &["windowminimize", &window])?;
    app.wait("the minimised window", async || desktop.window().is_err()).await?;

    let mut second = desktop.command(binary()).spawn()?;
    let ended = tokio::task::spawn_blocking(move || second.wait()).await??;
    ensure!(ended.success(), "the second start ends well: {ended}");
    app.wait("the first window", async || desktop.window().is_ok_and(|visible| visible == window)).await?;
    app.wait("its focus", async || {
        desktop.run("xdotool", &["getactivewindow"]).is_ok_and(|active| active.trim() == window)
    })
    .await
}
