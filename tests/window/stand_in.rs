//! Takes the app's place for single commands of the page. No real service is slow or refuses on command.

use anyhow::Result;
use serde_json::{Value, json};
use ulkeys_tests::App;

const REPLACE: &str = "const [command, answer, after] = arguments;
    window.ownFetch ??= window.fetch;
    window.held ??= [];
    const before = window.fetch;
    window.fetch = (url, options) => {
        if (!String(url).endsWith('/' + command)) return before(url, options);
        if (answer === null) return new Promise((go) => held.push(() => go(ownFetch(url, options))));
        const headers = { 'Tauri-Response': 'error', 'content-type': 'application/json' };
        const refuse = () => new Response(JSON.stringify(answer), { headers });
        return after ? ownFetch(url, options).then(refuse) : Promise.resolve(refuse());
    };";

/// From now on, nothing is heard of what the page asks by this command, until [`let_go`].
pub(crate) async fn hold(app: &App, command: &str) -> Result<()> {
    app.script(REPLACE, vec![json!(command), Value::Null, json!(false)]).await.map(drop)
}

/// What the page asks from now on is answered again; what is held stays so until [`let_go`].
pub(crate) async fn hold_no_more(app: &App) -> Result<()> {
    app.script("window.fetch = window.ownFetch", Vec::new()).await.map(drop)
}

/// From now on, this command is refused with this code, until [`let_go`].
pub(crate) async fn refuse(app: &App, command: &str, code: &str) -> Result<()> {
    let answer = json!({ "error": "as a test wants it", "code": code });
    app.script(REPLACE, vec![json!(command), answer, json!(false)]).await.map(drop)
}

/// From now on, this command is carried out, but its answer is lost, until [`let_go`].
pub(crate) async fn lose(app: &App, command: &str) -> Result<()> {
    let answer = json!({ "error": "as a test wants it", "code": "SERVICE_UNAVAILABLE" });
    app.script(REPLACE, vec![json!(command), answer, json!(true)]).await.map(drop)
}

/// Waits until so many questions are held.
pub(crate) async fn wait_held(app: &App, count: usize) -> Result<()> {
    let held = async || app.script("return held.length", Vec::new()).await.is_ok_and(|held| held == count);
    app.wait(&format!("{count} questions"), held).await
}

/// The app answers again, what was held included.
pub(crate) async fn let_go(app: &App) -> Result<()> {
    let script = "window.fetch = window.ownFetch; for (const go of window.held.splice(0)) go();";
    app.script(script, Vec::new()).await.map(drop)
}

/// The page begins anew, so that it asks again for what it asks at first. What takes the app's place stays.
pub(crate) async fn begin_anew(app: &App) -> Result<()> {
    let script = "const { src } = document.querySelector('script[type=module]');
        document.querySelector('#app').replaceChildren();
        import(src + '?anew');";
    app.script(script, Vec::new()).await.map(drop)
}

/// Events come over a channel of Tauri's.
const HEAR: &str = "const { callbacks } = window.__TAURI_INTERNALS__;
    callbacks.set = (id, callback) => Map.prototype.set.call(callbacks, id, (raw) => hear(raw, callback));";

/// The page begins anew, and hears of every change of keys only that there was one.
pub(crate) async fn miss_events(app: &App) -> Result<()> {
    let hear = "const resync = { type: 'keys', event: { type: 'resync' } };
        const hear = (raw, go) => go(raw?.message?.type === 'keys' ? { ...raw, message: resync } : raw);";
    app.script(&format!("{hear} {HEAR}"), Vec::new()).await?;
    begin_anew(app).await
}

/// The page begins anew, and hears of every event later than of the answer to what caused it.
pub(crate) async fn hear_late(app: &App) -> Result<()> {
    let hear = "const hear = (raw, go) => (raw?.message ? void setTimeout(() => go(raw), 500) : go(raw));";
    app.script(&format!("{hear} {HEAR}"), Vec::new()).await?;
    begin_anew(app).await
}
