//! Replaces the app for single commands of its page: the only stub, as no real service is slow or rejects on command.
//!
//! All of it ends when the page is loaded again.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::App;

/// Replaces `fetch`, by which the page calls commands. A rule for a command says what it gets instead of the app's
/// response; without a rule, the app responds.
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
            // A page that calls without a pause would not let the test look.
            if (rule.kind === 'never' || rule.used > 1000) return new Promise(() => {});
            if (rule.kind === 'delay') return new Promise((resolve) => stub.delayed.push(() => resolve(call())));
            if (rule.kind === 'lose') return call().then(() => respond(rule.response));
            return Promise.resolve(respond(rule.response));
        };
    }";

/// Events arrive over a channel of Tauri's. `receive(raw, callback)` decides what the page receives of each message.
const INTERCEPT_EVENTS_SCRIPT: &str = "const { callbacks } = window.__TAURI_INTERNALS__;
    callbacks.set = (id, callback) => Map.prototype.set.call(callbacks, id, (raw) => receive(raw, callback));";

async fn add_rule(app: &App, command: &str, rule: Value) -> Result<()> {
    let script = format!("{INSTALL_SCRIPT} ipcStub.rules[arguments[0]] = arguments[1];");
    app.script(&script, vec![json!(command), rule]).await.map(drop)
}

/// From now on, responses to this command are delayed until [`release_responses`].
///
/// # Errors
/// When the page does not answer.
pub async fn delay_responses(app: &App, command: &str) -> Result<()> {
    add_rule(app, command, json!({ "kind": "delay" })).await
}

/// From now on, this command gets no response.
///
/// # Errors
/// When the page does not answer.
pub async fn never_respond(app: &App, command: &str) -> Result<()> {
    add_rule(app, command, json!({ "kind": "never" })).await
}

/// From now on, this command gets this response, which the app never sees.
///
/// # Errors
/// When the page does not answer.
pub async fn respond(app: &App, command: &str, response: Value) -> Result<()> {
    add_rule(app, command, json!({ "kind": "respond", "response": { "ok": response } })).await
}

/// From now on, this command is rejected with this code.
///
/// # Errors
/// When the page does not answer.
pub async fn reject(app: &App, command: &str, code: &str) -> Result<()> {
    reject_with(app, command, json!({ "error": "as a test wants it", "code": code })).await
}

/// From now on, this command is rejected with this error.
///
/// # Errors
/// When the page does not answer.
pub async fn reject_with(app: &App, command: &str, error: Value) -> Result<()> {
    add_rule(app, command, json!({ "kind": "respond", "response": { "error": error } })).await
}

/// The next call of this command that has this text in its arguments is rejected with this code.
///
/// # Errors
/// When the page does not answer.
pub async fn reject_next_with_argument(app: &App, command: &str, argument: &str, code: &str) -> Result<()> {
    let error = json!({ "error": "as a test wants it", "code": code });
    add_rule(app, command, json!({ "kind": "respond", "response": { "error": error }, "only": argument })).await
}

/// From now on, the app executes this command, but its response is lost.
///
/// # Errors
/// When the page does not answer.
pub async fn lose_responses(app: &App, command: &str) -> Result<()> {
    let error = json!({ "error": "as a test wants it", "code": "SERVICE_UNAVAILABLE" });
    add_rule(app, command, json!({ "kind": "lose", "response": { "error": error } })).await
}

/// Ends all rules. Responses that are delayed stay delayed until [`release_responses`].
///
/// # Errors
/// When the page does not answer.
pub async fn clear_rules(app: &App) -> Result<()> {
    app.script(&format!("{INSTALL_SCRIPT} ipcStub.rules = {{}};"), Vec::new()).await.map(drop)
}

/// Ends all rules, and delivers the responses that are delayed.
///
/// # Errors
/// When the page does not answer.
pub async fn release_responses(app: &App) -> Result<()> {
    clear_rules(app).await?;
    app.script("for (const release of ipcStub.delayed.splice(0)) release();", Vec::new()).await.map(drop)
}

/// Waits until this many responses are delayed.
///
/// # Errors
/// See [`App::wait`].
pub async fn wait_delayed(app: &App, count: usize) -> Result<()> {
    let script = "return ipcStub.delayed.length";
    let has_count = async || app.script(script, Vec::new()).await.is_ok_and(|delayed| delayed == count);
    app.wait(&format!("{count} delayed responses"), has_count).await
}

/// Counts the page's calls of commands from now on.
///
/// # Errors
/// When the page does not answer.
pub async fn count_calls(app: &App) -> Result<()> {
    app.script(&format!("{INSTALL_SCRIPT} ipcStub.calls = {{}};"), Vec::new()).await.map(drop)
}

/// How often the page has called a command since [`count_calls`].
///
/// # Errors
/// When the page does not answer.
pub async fn call_count(app: &App, command: &str) -> Result<u64> {
    let count = app.script("return ipcStub.calls[arguments[0]] ?? 0", vec![json!(command)]).await?;
    count.as_u64().context("a number")
}

/// Calls a command whatever rules there are for it.
///
/// # Errors
/// When the app rejects it.
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
        bail!("{answer}");
    }
    Ok(())
}

/// Starts the page again within its window, so that it loads everything again. The rules stay.
///
/// # Errors
/// When the page does not come up.
pub async fn restart_page(app: &App) -> Result<()> {
    let script = "const done = arguments[arguments.length - 1];
        const { src } = document.querySelector('script[type=module]');
        document.querySelector('#app').replaceChildren();
        import(src + '?anew').then(() => done(true), (error) => done(String(error)));";
    let answer = app.driver.execute_async(script, Vec::new()).await?.json().clone();
    if answer != true {
        bail!("the page does not start again: {answer}");
    }
    app.wait("the page", async || app.text("h1").await.is_ok()).await
}

/// Restarts the page, which from then on receives of every change of keys only that there was one.
///
/// # Errors
/// When the page does not come up.
pub async fn drop_key_events(app: &App) -> Result<()> {
    let receive = "const resync = { type: 'keys', event: { type: 'resync' } };
        const receive = (raw, callback) => callback(raw?.message?.type === 'keys' ? { ...raw, message: resync } : raw);";
    app.script(&format!("{receive} {INTERCEPT_EVENTS_SCRIPT}"), Vec::new()).await?;
    restart_page(app).await
}

/// Restarts the page, which from then on receives every event later than the response to the call that caused it.
///
/// # Errors
/// When the page does not come up.
pub async fn delay_events(app: &App) -> Result<()> {
    let receive = "const receive = (raw, callback) => (raw?.message ? void setTimeout(() => callback(raw), 500) : callback(raw));";
    app.script(&format!("{receive} {INTERCEPT_EVENTS_SCRIPT}"), Vec::new()).await?;
    restart_page(app).await
}

/// Restarts the page and sends it an event as if the app had sent it. Tauri's channel numbers its messages.
///
/// # Errors
/// When the page does not come up.
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
