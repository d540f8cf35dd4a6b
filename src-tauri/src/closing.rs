//! Whether the list's window, and the app with it, may close. Trainings that still report lose their reports once the service
//! has stopped, so a person is asked first.
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
const PAGE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest wait for the clipboard.
const CLIPBOARD_TIMEOUT: Duration = Duration::from_secs(2);
/// Runs that the question names.
const MAX_NAMES: usize = 3;

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
enum Phase {
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
pub(crate) struct Closing {
    phase: watch::Sender<Phase>,
    question: watch::Sender<Option<QuitQuestion>>,
}

impl Closing {
    /// Follows the question that the page is to show.
    pub(crate) fn question(&self) -> watch::Receiver<Option<QuitQuestion>> {
        self.question.subscribe()
    }

    /// The page shows the question.
    pub(crate) fn shown(&self) {
        self.phase.send_if_modified(|phase| {
            let is_asked = *phase == Phase::Asked;
            *phase = if is_asked { Phase::Shown } else { *phase };
            is_asked
        });
    }

    /// The person keeps the window open.
    pub(crate) fn keep_open(&self) {
        self.question.send_replace(None);
        self.phase.send_replace(Phase::Open);
    }

    /// Begins to check, unless that is under way. `None` when the window may close.
    fn begin(&self) -> Option<bool> {
        let mut begins = Some(false);
        self.phase.send_if_modified(|phase| match *phase {
            Phase::Quitting => {
                begins = None;
                false
            }
            Phase::Checking | Phase::Asked => false,
            Phase::Open | Phase::Shown => {
                *phase = Phase::Checking;
                begins = Some(true);
                true
            }
        });
        begins
    }
}

/// Whether a request to close the list's window waits for an answer. If nothing is to be asked, the window closes by itself.
pub(crate) fn holds_back(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    match state.closing.begin() {
        None => false,
        Some(false) => true,
        Some(true) => {
            let app = app.clone();
            tauri::async_runtime::spawn(async move {
                if !ask(&app).await {
                    quit(&app);
                }
            });
            true
        }
    }
}

/// Closes the window and ends the app in order.
pub(crate) fn quit(app: &AppHandle) {
    // Further requests wait.
    app.state::<AppState>().closing.phase.send_replace(Phase::Checking);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let state = app.state::<AppState>();
        // While the window is there: on Wayland only a program with the focus may replace what it has copied.
        match tokio::time::timeout(CLIPBOARD_TIMEOUT, state.clipboard.work(Clipboard::clear_key)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the clipboard could not be cleared"),
            Err(_) => {
                tracing::warn!("the window closes before the clipboard is cleared, because the system does not answer")
            }
        }
        state.closing.phase.send_replace(Phase::Quitting);
        window::close_list_window(&app);
    });
}

/// Has the page ask, if trainings would lose reports. Whether the person is asked.
async fn ask(app: &AppHandle) -> bool {
    let state = app.state::<AppState>();
    let Some(client) = state.service.client() else {
        return false;
    };
    let runs = match tokio::time::timeout(SERVICE_TIMEOUT, client.live_runs()).await {
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
    let closing = &state.closing;
    if runs.is_empty() || closing.question.receiver_count() == 0 {
        return false;
    }
    let names = runs.iter().map(|run| format!("{}/{}", run.summary.project, run.summary.slug)).take(MAX_NAMES);
    let question = QuitQuestion { runs: names.collect(), count: runs.len() };
    let mut phase = closing.phase.subscribe();
    closing.phase.send_replace(Phase::Asked);
    closing.question.send_replace(Some(question));
    window::bring_forward(app);
    let answered = phase.wait_for(|phase| *phase != Phase::Asked);
    let is_shown = tokio::time::timeout(PAGE_TIMEOUT, answered).await.is_ok();
    if !is_shown {
        tracing::warn!("the window closes without a question, because its page does not answer");
    }
    is_shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_request_under_way_is_not_repeated() {
        let closing = Closing::default();
        assert_eq!(closing.begin(), Some(true));
        assert_eq!(closing.begin(), Some(false), "it is being checked");
        closing.shown();
        assert_eq!(*closing.phase.borrow(), Phase::Checking, "nothing is shown yet");
        closing.phase.send_replace(Phase::Asked);
        assert_eq!(closing.begin(), Some(false));
        closing.shown();
        assert_eq!(closing.begin(), Some(true), "once more, as the trainings may have ended since");
        closing.keep_open();
        assert_eq!((closing.begin(), closing.question.borrow().is_none()), (Some(true), true));
        closing.phase.send_replace(Phase::Quitting);
        assert_eq!(closing.begin(), None);
    }
}
