//! Decides whether the list window may close, which quits the app and stops the service. Training runs in progress can
//! then no longer report, so the user is asked first.
//!
//! The user is asked only after a request to close the window. Signals, including those at the end of a session, quit
//! the app immediately.

use std::time::Duration;

use serde::Serialize;
use tauri::{AppHandle, Manager as _};
use tokio::sync::watch;
use ts_rs::TS;

use crate::clipboard::Clipboard;
use crate::state::AppState;
use crate::window;

/// Maximum time to wait for the service's list of live training runs. The service normally answers within milliseconds,
/// but a database locked by another program must not keep the window open.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time to wait for the page to show the question. An unresponsive page must not keep the window open.
const QUESTION_SHOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum time to wait for the clipboard to be cleared.
const CLIPBOARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of training runs that the confirmation lists by name.
const MAX_NAMED_RUNS: usize = 3;

/// The question that the page asks before the app quits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuitQuestion {
    /// Names of some live runs in the form `project/slug`, most recently reported first.
    runs: Vec<String>,
    /// Total number of live runs.
    count: usize,
}

/// The phase of a request to close the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum QuitPhase {
    /// No request to close is pending.
    #[default]
    Open,
    /// The service is being queried for live runs.
    Checking,
    /// The page has been requested to ask for confirmation.
    Asked,
    /// The page is asking for confirmation.
    Shown,
    /// The window may close.
    Quitting,
}

/// The state of the quit confirmation: its phase and its question.
#[derive(Default)]
pub(crate) struct QuitConfirmation {
    phase: watch::Sender<QuitPhase>,
    question: watch::Sender<Option<QuitQuestion>>,
}

impl QuitConfirmation {
    /// Subscribes to the question that the page should ask before the app quits.
    pub(crate) fn subscribe_quit_question(&self) -> watch::Receiver<Option<QuitQuestion>> {
        self.question.subscribe()
    }

    /// Records that the page is asking for confirmation.
    pub(crate) fn mark_question_shown(&self) {
        self.phase.send_if_modified(|phase| {
            let is_asked = *phase == QuitPhase::Asked;
            *phase = if is_asked { QuitPhase::Shown } else { *phase };
            is_asked
        });
    }

    /// Cancels the request to close: the user keeps the window open.
    pub(crate) fn keep_open(&self) {
        self.question.send_replace(None);
        self.phase.send_replace(QuitPhase::Open);
    }

    /// Starts a check for live training runs, unless such a check is already in progress. Returns whether a check was
    /// started, or `None` if the window may close without one.
    fn begin_check(&self) -> Option<bool> {
        let mut begins = Some(false);
        self.phase.send_if_modified(|phase| match *phase {
            QuitPhase::Quitting => {
                begins = None;
                false
            }
            QuitPhase::Checking | QuitPhase::Asked => false,
            QuitPhase::Open | QuitPhase::Shown => {
                *phase = QuitPhase::Checking;
                begins = Some(true);
                true
            }
        });
        begins
    }
}

/// Returns whether the list window must stay open for now after a request to close it. In that case, a check for live
/// training runs is in progress. The window closes after the check if there is no reason to ask the user.
pub(crate) fn intercept_close_request(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    match state.quit_confirmation.begin_check() {
        None => false,
        Some(false) => true,
        Some(true) => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                if !ask_before_quit(&app).await {
                    quit_app(&app);
                }
            });
            true
        }
    }
}

/// Closes the list window and quits the app gracefully.
pub(crate) fn quit_app(app: &AppHandle) {
    // While the phase is `Checking`, further requests to close the window have no effect.
    app.state::<AppState>().quit_confirmation.phase.send_replace(QuitPhase::Checking);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let state = app.state::<AppState>();
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
        state.quit_confirmation.phase.send_replace(QuitPhase::Quitting);
        window::close_list_window(&app);
    });
}

/// If training runs are live, makes the page ask the user whether to quit, because the runs' reports would be lost.
/// Returns whether the page shows the question.
async fn ask_before_quit(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    let Some(client) = state.service.api_client() else {
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
    let closing = &state.quit_confirmation;
    if runs.is_empty() || closing.question.receiver_count() == 0 {
        return false;
    }
    let names = runs.iter().map(|run| format!("{}/{}", run.summary.project, run.summary.slug)).take(MAX_NAMED_RUNS);
    let question = QuitQuestion { runs: names.collect(), count: runs.len() };
    let mut phase = closing.phase.subscribe();
    closing.phase.send_replace(QuitPhase::Asked);
    closing.question.send_replace(Some(question));
    window::focus_front_window(app);
    let answered = phase.wait_for(|phase| *phase != QuitPhase::Asked);
    let is_shown = tokio::time::timeout(QUESTION_SHOWN_TIMEOUT, answered).await.is_ok();
    if !is_shown {
        tracing::warn!("closing the window without a question, because its page does not answer");
    }
    is_shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_check_during_check_does_not_start_another() {
        let closing = QuitConfirmation::default();
        assert_eq!(closing.begin_check(), Some(true));
        assert_eq!(closing.begin_check(), Some(false), "a check is in progress");
        closing.mark_question_shown();
        assert_eq!(*closing.phase.borrow(), QuitPhase::Checking, "the question is not shown yet");
        closing.phase.send_replace(QuitPhase::Asked);
        assert_eq!(closing.begin_check(), Some(false));
        closing.mark_question_shown();
        assert_eq!(closing.begin_check(), Some(true), "checks again, because the runs may have ended");
        closing.keep_open();
        assert_eq!((closing.begin_check(), closing.question.borrow().is_none()), (Some(true), true));
        closing.phase.send_replace(QuitPhase::Quitting);
        assert_eq!(closing.begin_check(), None);
    }
}
