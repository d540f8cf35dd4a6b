//! Decides whether the list window may close, which quits the app and stops the service. Training runs in progress can
//! then no longer report, so the user is asked first.
//!
//! The user is asked only after a request to close the window. Signals, including those at the end of a session, quit
//! the app immediately.

use std::time::Duration;

use super::WindowContext;
use crate::clipboard::Clipboard;
use crate::quit_confirmation::QuitQuestion;

/// Maximum time to wait for the service's list of live training runs. The service normally answers within milliseconds,
/// but a database locked by another program must not keep the window open.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time to wait for the page to show the question. An unresponsive page must not keep the window open.
const QUESTION_SHOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum time to wait for the clipboard to be cleared.
const CLIPBOARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of training runs that the confirmation lists by name.
const MAX_NAMED_RUNS: usize = 3;

/// Returns whether the list window must stay open for now after a request to close it. In that case, a check for live
/// training runs is in progress. The window closes after the check if there is no reason to ask the user.
pub(super) fn intercept_close_request(context: &WindowContext) -> bool {
    match context.state.quit_confirmation.begin_check() {
        None => false,
        Some(false) => true,
        Some(true) => {
            let context = context.clone();
            tauri::async_runtime::spawn(async move {
                if !ask_before_quit(&context).await {
                    quit_app(&context);
                }
            });
            true
        }
    }
}

/// Closes the list window and quits the app gracefully.
pub(crate) fn quit_app(context: &WindowContext) {
    context.state.quit_confirmation.ignore_requests();
    let context = context.clone();
    tauri::async_runtime::spawn(async move {
        let WindowContext { app, state, .. } = &context;
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

/// If training runs are live and the service ends with the app, makes the page ask the user whether to quit, because
/// the runs' reports would be lost. Returns whether the page shows the question.
async fn ask_before_quit(context: &WindowContext) -> bool {
    let WindowContext { app, state, .. } = context;
    let Some(client) = state.service.api_client().filter(|_| state.service.is_embedded()) else {
        return false;
    };
    let runs = match tokio::time::timeout(SERVICE_TIMEOUT, client.list_live_runs()).await {
        Ok(Ok(list)) => list.runs,
        Ok(Err(error)) => {
            tracing::warn!(%error, "closing the window without a question, because live runs cannot be listed");
            return false;
        }
        Err(_) => {
            tracing::warn!("closing the window without a question, because the key service does not answer");
            return false;
        }
    };
    if runs.is_empty() || !state.quit_confirmation.has_subscriber() {
        return false;
    }
    let names = runs.iter().map(|run| format!("{}/{}", run.summary.project, run.summary.slug)).take(MAX_NAMED_RUNS);
    let shown = state.quit_confirmation.ask(QuitQuestion::new(names.collect(), runs.len()));
    super::focus_front_window(app);
    let is_shown = tokio::time::timeout(QUESTION_SHOWN_TIMEOUT, shown).await.is_ok();
    if !is_shown {
        tracing::warn!("closing the window without a question, because its page does not answer");
    }
    is_shown
}
