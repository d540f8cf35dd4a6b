//! Decides what happens when the user closes the last window or quits the app. Programs that use keys then depend on
//! whether the key service keeps running, so the user is asked first.
//!
//! The user is asked only after a request to close the window or to quit. Signals, including those at the end of a
//! session, end the app immediately.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use ulkeys_client::{ApiClient, ApiClientError, KeyQuery};
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, KeySort, SortBy, Timestamp};
use ulkeys_local::settings::Closing;

use super::WindowContext;
use crate::clipboard::Clipboard;
use crate::quit_confirmation::{CloseCheck, CloseRequest, QuitQuestion, UsesInProgress};
use crate::service_status::ServiceHost;
use crate::service_supervisor::ServiceFate;

/// Maximum time to wait for the service's list of uses in progress. The service normally answers within milliseconds,
/// but a database locked by another program must not keep the window open.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time to wait for the page to show the question. An unresponsive page must not keep the window open.
const QUESTION_SHOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum time to wait for the clipboard to be cleared.
const CLIPBOARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of training runs, and of keys, that the question lists by name.
const MAX_NAMED: usize = 3;
/// The time after its last use for which a key counts as in use.
const RECENT_USE: Duration = Duration::from_mins(5);
/// Maximum number of keys that are listed, the most recently used first.
const MAX_LISTED: u32 = 500;
/// Maximum time to wait for the clients of one key.
const CLIENT_TIMEOUT: Duration = Duration::from_millis(400);
/// The number of hours of usage that is requested, the smallest possible one.
const USAGE_HOURS: u32 = 1;

/// What a request to close the window or to quit leads to.
enum Decision {
    /// The app ends.
    End(ServiceFate),
    /// The page asks the user. If the page does not answer, the app ends.
    Ask { question: QuitQuestion, otherwise: ServiceFate },
}

/// Returns whether the list window must stay open for now after a request to close it. In that case, the decision is in
/// progress. The window closes after the decision if there is no reason to ask the user.
pub(super) fn intercept_close_request(context: &WindowContext) -> bool {
    match context.state.quit_confirmation.begin_check() {
        CloseCheck::MayClose => false,
        CloseCheck::InProgress => true,
        CloseCheck::Begun(request) => {
            let context = context.clone();
            tauri::async_runtime::spawn(async move {
                match decide(&context, request).await {
                    Decision::End(fate) => end_app(&context, fate),
                    Decision::Ask { question, otherwise } => {
                        if !ask(&context, question).await {
                            end_app(&context, otherwise);
                        }
                    }
                }
            });
            true
        }
    }
}

/// Closes the list window and ends the app gracefully.
pub(crate) fn end_app(context: &WindowContext, fate: ServiceFate) {
    context.state.quit_confirmation.ignore_requests(fate);
    let context = context.clone();
    tauri::async_runtime::spawn(async move {
        let WindowContext { app, state, .. } = &context;
        // The window stays open until the service is in the background, so that a second start finds it.
        if fate == ServiceFate::KeepRunning
            && let Err(reason) = state.service.move_to_background().await
        {
            tracing::error!(reason, "the key service does not continue in the background");
            let uses = find_uses(&context).await.map(|(uses, _)| uses).unwrap_or_default();
            if ask(&context, QuitQuestion::Quit(uses)).await {
                return;
            }
        }
        // Clear the clipboard while the window is still open: on Wayland, only a program with the focus can replace
        // what it has copied.
        match tokio::time::timeout(CLIPBOARD_TIMEOUT, state.clipboard.run_blocking(Clipboard::remove_copied_key)).await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "could not clear the clipboard"),
            Err(_) => {
                tracing::warn!("closing the window before the clipboard is cleared, because the system does not answer")
            }
        }
        state.quit_confirmation.allow_quit();
        super::close_list_window(app);
    });
}

async fn decide(context: &WindowContext, request: CloseRequest) -> Decision {
    let state = &context.state;
    let closing = state.settings.subscribe_preferences().borrow().closing;
    match (request, state.service.host(), closing) {
        (_, ServiceHost::OtherProgram, _) => Decision::End(ServiceFate::Unchanged),
        (CloseRequest::Window, ServiceHost::Background, Closing::Ask | Closing::KeepRunning) => {
            Decision::End(ServiceFate::Unchanged)
        }
        (CloseRequest::Window, ServiceHost::App, Closing::KeepRunning) if state.service.can_keep_running() => {
            Decision::End(ServiceFate::KeepRunning)
        }
        (CloseRequest::Window, ServiceHost::App, Closing::Ask) if state.service.can_keep_running() => {
            match find_uses(context).await {
                // Without keys, nothing could use the service.
                Some((_, false)) => Decision::End(ServiceFate::Stop),
                Some((uses, true)) => {
                    Decision::Ask { question: QuitQuestion::KeepRunning(uses), otherwise: ServiceFate::KeepRunning }
                }
                // The service does not run, or does not answer.
                None => Decision::End(ServiceFate::Stop),
            }
        }
        _ => match find_uses(context).await {
            Some((uses, _)) if !uses.is_empty() => {
                Decision::Ask { question: QuitQuestion::Quit(uses), otherwise: ServiceFate::Stop }
            }
            _ => Decision::End(ServiceFate::Stop),
        },
    }
}

/// Returns the uses in progress, and whether there are keys. Returns `None` if the service does not answer in time.
async fn find_uses(context: &WindowContext) -> Option<(UsesInProgress, bool)> {
    let client = context.state.service.api_client()?;
    match tokio::time::timeout(SERVICE_TIMEOUT, list_uses(&client)).await {
        Ok(Ok(found)) => return Some(found),
        Ok(Err(error)) => tracing::warn!(%error, "cannot find out what uses the keys"),
        Err(_) => tracing::warn!("cannot find out what uses the keys, because the key service does not answer"),
    }
    None
}

/// Lists the live runs, and the other keys that were used recently. If only the keys cannot be listed, none are named.
async fn list_uses(client: &ApiClient) -> Result<(UsesInProgress, bool), ApiClientError> {
    let runs = client.list_live_runs().await?.runs;
    let training: BTreeSet<_> = runs.iter().flat_map(|run| run.summary.key_ids.clone()).collect();
    let names = runs.iter().map(|run| format!("{}/{}", run.summary.project, run.summary.slug));
    let runs = (names.take(MAX_NAMED).collect(), runs.len());

    let sort = KeySort { by: SortBy::LastUsedAt, descending: true };
    let query = KeyQuery { sort, limit: MAX_LISTED, ..KeyQuery::default() };
    let listed = match client.list_key_page(&query, DEFAULT_ROTATION_DAYS).await {
        Ok(listed) => listed,
        Err(error) if runs.1 == 0 => return Err(error),
        Err(_) => return Ok((UsesInProgress { runs: runs.0, run_count: runs.1, ..UsesInProgress::default() }, true)),
    };
    let since = Timestamp::from(SystemTime::now() - RECENT_USE);
    let is_recent = |used: Option<Timestamp>| used.is_some_and(|used| used > since);
    let recent: Vec<_> = (listed.keys.iter().map(|listed| &listed.key))
        .filter(|key| is_recent(key.last_used_at) && !training.contains(&key.key_id))
        .collect();
    let mut keys = Vec::new();
    for key in recent.iter().take(MAX_NAMED) {
        let usage = tokio::time::timeout(CLIENT_TIMEOUT, client.get_usage(&key.key_id, USAGE_HOURS)).await;
        let clients = usage.ok().and_then(Result::ok).map(|usage| usage.sources).unwrap_or_default();
        let latest = clients.into_iter().max_by_key(|client| client.last_used_at);
        keys.push(match latest.and_then(|client| client.agent) {
            Some(agent) => format!("{} ({agent})", key.name),
            None => key.name.to_string(),
        });
    }
    let uses = UsesInProgress { runs: runs.0, run_count: runs.1, keys, key_count: recent.len() };
    Ok((uses, listed.total > 0))
}

/// Makes the page ask the question. Returns whether the page shows it.
async fn ask(context: &WindowContext, question: QuitQuestion) -> bool {
    let WindowContext { app, state, .. } = context;
    if !state.quit_confirmation.has_subscriber() {
        return false;
    }
    let shown = state.quit_confirmation.ask(question);
    super::focus_front_window(app);
    let is_shown = tokio::time::timeout(QUESTION_SHOWN_TIMEOUT, shown).await.is_ok();
    if !is_shown {
        tracing::warn!("closing the window without a question, because its page does not answer");
    }
    is_shown
}
