//! Replaces the app's responses to individual commands that the page calls. The tests contain no other stub; this one
//! exists because no real service is slow or rejects requests on demand.
//!
//! Reloading the page removes the stub with all its rules.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::App;

/// Replaces `fetch`, which the page uses to call the app's commands. A rule for a command defines what the page
/// receives instead of the app's response. Commands without a rule reach the app.
const INSTALL_SCRIPT: &str = "
    if (!window.ipcStub) {
        const appFetch = window.fetch;
        const stub = { rules: {}, delayed: [], calls: {}, bypassed: false };
        window.ipcStub = stub;
        const respond = ({ ok, error }) => new Response(JSON.stringify(error ?? ok), {
            headers: { 'Tauri-Response': error ? 'error' : 'ok', 'content-type': 'application/json' },
        });
        window.fetch = (url, options) => {
            const command = String(url).split('/').at(-1);
            stub.calls[command] = (stub.calls[command] ?? 0) + 1;
            const rule = stub.rules[command];
            const call = () => appFetch(url, options);
            if (!rule || stub.bypassed) return call();
            if (rule.only) {
                const body = new TextDecoder().decode(new Uint8Array(options.body)) + String(options.body);
                if (!body.includes(rule.only)) return call();
                delete stub.rules[command];
            }
            rule.used = (rule.used ?? 0) + 1;
            // After 1,000 calls, stop responding: a page that calls in an endless loop would block the test's own
            // scripts.
            if (rule.kind === 'never' || rule.used > 1000) return new Promise(() => {});
            if (rule.kind === 'delay') return new Promise((resolve) => stub.delayed.push(() => resolve(call())));
            if (rule.kind === 'lose') return call().then(() => respond(rule.response));
            return Promise.resolve(respond(rule.response));
        };
    }";

/// Intercepts events, which arrive over a Tauri channel. Append this script to one that defines the function
/// `receive(raw, callback)`. That function decides which part of each message the page receives.
const INTERCEPT_EVENTS_SCRIPT: &str = "const { callbacks } = window.__TAURI_INTERNALS__;
    callbacks.set = (id, callback) => Map.prototype.set.call(callbacks, id, (raw) => receive(raw, callback));";

async fn add_rule(app: &App, command: &str, rule: Value) -> Result<()> {
    let script = format!("{INSTALL_SCRIPT} ipcStub.rules[arguments[0]] = arguments[1];");
    app.script(&script, vec![json!(command), rule]).await.map(drop)
}

/// From now on, holds back calls of this command. [`release_responses`] sends them to the app.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn delay_responses(app: &App, command: &str) -> Result<()> {
    add_rule(app, command, json!({ "kind": "delay" })).await
}

/// From now on, leaves calls of this command without a response. The app does not receive them.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn never_respond(app: &App, command: &str) -> Result<()> {
    add_rule(app, command, json!({ "kind": "never" })).await
}

/// From now on, answers calls of this command with `response`. The app does not receive them.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn respond(app: &App, command: &str, response: Value) -> Result<()> {
    add_rule(app, command, json!({ "kind": "respond", "response": { "ok": response } })).await
}

/// From now on, rejects calls of this command with the error code `code`.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn reject(app: &App, command: &str, code: &str) -> Result<()> {
    reject_with(app, command, json!({ "error": "simulated by the test", "code": code })).await
}

/// From now on, rejects calls of this command with `error`.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn reject_with(app: &App, command: &str, error: Value) -> Result<()> {
    add_rule(app, command, json!({ "kind": "respond", "response": { "error": error } })).await
}

/// Rejects one call of this command with the error code `code`: the next call whose arguments contain the text
/// `argument`.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn reject_next_with_argument(app: &App, command: &str, argument: &str, code: &str) -> Result<()> {
    let error = json!({ "error": "simulated by the test", "code": code });
    add_rule(app, command, json!({ "kind": "respond", "response": { "error": error }, "only": argument })).await
}

/// From now on, lets the app execute calls of this command, but discards the responses. The page receives a
/// `SERVICE_UNAVAILABLE` error instead.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn lose_responses(app: &App, command: &str) -> Result<()> {
    let error = json!({ "error": "simulated by the test", "code": "SERVICE_UNAVAILABLE" });
    add_rule(app, command, json!({ "kind": "lose", "response": { "error": error } })).await
}

/// Removes all rules. Calls that are already being held back are not released until [`release_responses`] is called.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn clear_rules(app: &App) -> Result<()> {
    app.script(&format!("{INSTALL_SCRIPT} ipcStub.rules = {{}};"), Vec::new()).await.map(drop)
}

/// Removes all rules, and sends the calls that were held back to the app.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn release_responses(app: &App) -> Result<()> {
    clear_rules(app).await?;
    app.script("for (const release of ipcStub.delayed.splice(0)) release();", Vec::new()).await.map(drop)
}

/// Waits until exactly `count` calls are being held back.
///
/// # Errors
/// Returns an error in the same cases as [`App::wait`].
pub async fn wait_delayed(app: &App, count: usize) -> Result<()> {
    let script = "return ipcStub.delayed.length";
    let has_count = async || app.script(script, Vec::new()).await.is_ok_and(|delayed| delayed == count);
    app.wait(&format!("{count} delayed responses"), has_count).await
}

/// Starts counting how many times the page calls each command.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn count_calls(app: &App) -> Result<()> {
    app.script(&format!("{INSTALL_SCRIPT} ipcStub.calls = {{}};"), Vec::new()).await.map(drop)
}

/// Returns how many times the page has called a command since [`count_calls`] was called.
///
/// # Errors
/// Returns an error if the script cannot be run in the page.
pub async fn call_count(app: &App, command: &str) -> Result<u64> {
    let count = app.script("return ipcStub.calls[arguments[0]] ?? 0", vec![json!(command)]).await?;
    count.as_u64().context("expected a number")
}

/// Calls a command of the app, ignoring any rule for this command.
///
/// # Errors
/// Returns an error if the app rejects the command.
pub async fn invoke_without_stub(app: &App, command: &str, arguments: Value) -> Result<()> {
    let script = format!(
        "const done = arguments[arguments.length - 1];
        {INSTALL_SCRIPT}
        ipcStub.bypassed = true;
        window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])
            .then(() => done(true), (error) => done(JSON.stringify(error)));
        ipcStub.bypassed = false;"
    );
    let answer = app.driver.execute_async(&script, vec![json!(command), arguments]).await?.json().clone();
    if answer != true {
        bail!("the app rejected the command: {answer}");
    }
    Ok(())
}

/// Restarts the page's script, so that it loads all data again. Unlike a reload of the page, this keeps the rules in
/// effect.
///
/// # Errors
/// Returns an error if the page cannot be restarted.
pub async fn restart_page(app: &App) -> Result<()> {
    let script = "const done = arguments[arguments.length - 1];
        const { src } = document.querySelector('script[type=module]');
        document.querySelector('#app').replaceChildren();
        import(src + '?anew').then(() => done(true), (error) => done(String(error)));";
    let answer = app.driver.execute_async(script, Vec::new()).await?.json().clone();
    if answer != true {
        bail!("the page did not restart: {answer}");
    }
    app.wait("the page", async || app.text("h1").await.is_ok()).await
}

/// Restarts the page. From then on, replaces each event about keys with `resync`, from which the page learns only that
/// something has changed.
///
/// # Errors
/// Returns an error if the page cannot be restarted.
pub async fn drop_key_events(app: &App) -> Result<()> {
    let receive = "const resync = { type: 'keys', event: { type: 'resync' } };
        const receive = (raw, callback) => callback(raw?.message?.type === 'keys' ? { ...raw, message: resync } : raw);";
    app.script(&format!("{receive} {INTERCEPT_EVENTS_SCRIPT}"), Vec::new()).await?;
    restart_page(app).await
}

/// Restarts the page. From then on, delays each event by 500 ms, so that it arrives after the response to the call that
/// caused it.
///
/// # Errors
/// Returns an error if the page cannot be restarted.
pub async fn delay_events(app: &App) -> Result<()> {
    let receive = "const receive = (raw, callback) => (raw?.message ? void setTimeout(() => callback(raw), 500) : callback(raw));";
    app.script(&format!("{receive} {INTERCEPT_EVENTS_SCRIPT}"), Vec::new()).await?;
    restart_page(app).await
}

/// Restarts the page and sends it an event as if the app had sent it. Tauri's channel numbers its messages, so each
/// event sent this way increases the numbers of all later messages by one.
///
/// # Errors
/// Returns an error if the page cannot be restarted.
pub async fn send_event(app: &App, event: Value) -> Result<()> {
    let receive = "const receive = (raw, callback) => {
            if (typeof raw?.index !== 'number') return callback(raw);
            const sent = (window.sentEvents ??= []).length;
            window.sendEventToPage = (message) => {
                callback({ message, index: raw.index + 1 + window.sentEvents.length });
                window.sentEvents.push(message);
            };
            return callback({ ...raw, index: raw.index + sent });
        };";
    app.script(&format!("{receive} {INTERCEPT_EVENTS_SCRIPT}"), Vec::new()).await?;
    restart_page(app).await?;
    app.script("window.sendEventToPage(arguments[0])", vec![event]).await.map(drop)
}
