//! Whether the list's window, and the app with it, may close. Trainings that still report lose their reports once the
//! service has stopped, so a person is asked first.
//!
//! Only a request to close a window is asked about. Signals, and with them the end of a session, are not held up.

use std::time::Duration;

use serde::Serialize;
use tauri::{AppHandle, Manager as _};
use tokio::sync::watch;
use ts_rs::TS;

use crate::clipboard::Clipboard;
use crate::state::AppState;
use crate::window;

/// The longest wait for the service to name the trainings. It answers within milliseconds; a database that is held by
/// another program must not keep the window open.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for the page to show the question. A page that hangs must not keep the window open.
const QUESTION_SHOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest wait for the clipboard.
const CLIPBOARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Runs that the question names.
const MAX_NAMED_RUNS: usize = 3;

/// What the page asks before the app quits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuitQuestion {
    /// Project and slug of some runs that still report, the one that reported last first.
    runs: Vec<String>,
    /// How many there are in all.
    count: usize,
}

/// How far a request to close has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum QuitPhase {
    /// Nobody wants to close the window.
    #[default]
    Open,
    /// The service is asked for live runs.
    Checking,
    /// The page is to show the question.
    Asked,
    /// The page shows the question.
    Shown,
    /// The window may close.
    Quitting,
}

/// The question, and how far it has come.
#[derive(Default)]
pub(crate) struct QuitConfirmation {
    phase: watch::Sender<QuitPhase>,
    question: watch::Sender<Option<QuitQuestion>>,
}

impl QuitConfirmation {
    /// Follows the question that the page is to show.
    pub(crate) fn subscribe_quit_question(&self) -> watch::Receiver<Option<QuitQuestion>> {
        self.question.subscribe()
    }

    /// The page shows the question.
    pub(crate) fn mark_question_shown(&self) {
        self.phase.send_if_modified(|phase| {
            let is_asked = *phase == QuitPhase::Asked;
            *phase = if is_asked { QuitPhase::Shown } else { *phase };
            is_asked
        });
    }

    /// The person keeps the window open.
    pub(crate) fn keep_open(&self) {
        self.question.send_replace(None);
        self.phase.send_replace(QuitPhase::Open);
    }

    /// Begins to check, unless that is under way. `None` when the window may close.
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

/// Whether a request to close the list's window waits for an answer. If nothing is to be asked, the window closes by
/// itself.
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

/// Closes the window and ends the app in order.
pub(crate) fn quit_app(app: &AppHandle) {
    // Further requests wait.
    app.state::<AppState>().quit_confirmation.phase.send_replace(QuitPhase::Checking);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let state = app.state::<AppState>();
        // While the window is there: on Wayland only a program with the focus may replace what it has copied.
        match tokio::time::timeout(CLIPBOARD_TIMEOUT, state.clipboard.run_blocking(Clipboard::remove_copied_key)).await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the clipboard could not be cleared"),
            Err(_) => {
                tracing::warn!("the window closes before the clipboard is cleared, because the system does not answer")
            }
        }
        state.quit_confirmation.phase.send_replace(QuitPhase::Quitting);
        window::close_list_window(&app);
    });
}

/// Has the page ask, if trainings would lose reports. Whether the person is asked.
async fn ask_before_quit(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    let Some(client) = state.service.api_client() else {
        return false;
    };
    let runs = match tokio::time::timeout(SERVICE_TIMEOUT, client.list_live_runs()).await {
        Ok(Ok(list)) => list.runs,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the window closes without a question, because the running trainings are not known");
            return false;
        }
        Err(_) => {
            tracing::warn!("the window closes without a question, because the key service does not answer");
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
        tracing::warn!("the window closes without a question, because its page does not answer");
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
        assert_eq!(closing.begin_check(), Some(false), "it is being checked");
        closing.mark_question_shown();
        assert_eq!(*closing.phase.borrow(), QuitPhase::Checking, "nothing is shown yet");
        closing.phase.send_replace(QuitPhase::Asked);
        assert_eq!(closing.begin_check(), Some(false));
        closing.mark_question_shown();
        assert_eq!(closing.begin_check(), Some(true), "once more, as the trainings may have ended since");
        closing.keep_open();
        assert_eq!((closing.begin_check(), closing.question.borrow().is_none()), (Some(true), true));
        closing.phase.send_replace(QuitPhase::Quitting);
        assert_eq!(closing.begin_check(), None);
    }
}
