//! The question whether the app may quit while training runs are in progress, and the phases in which it is asked.

use serde::Serialize;
use tokio::sync::watch;
use ts_rs::TS;

/// The question that the page asks before the app quits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuitQuestion {
    /// Names of some live runs in the form `project/slug`, most recently reported first.
    runs: Vec<String>,
    /// Total number of live runs.
    count: usize,
}

impl QuitQuestion {
    /// Creates a question about live runs: the names of some of them, and the number of all.
    pub(crate) fn new(runs: Vec<String>, count: usize) -> Self {
        Self { runs, count }
    }
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
    pub(crate) fn begin_check(&self) -> Option<bool> {
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

    /// Returns whether a page is subscribed to the question.
    pub(crate) fn has_subscriber(&self) -> bool {
        self.question.receiver_count() > 0
    }

    /// Makes the page ask for confirmation. The returned future completes when the page shows the question, or when the
    /// request to close is cancelled.
    pub(crate) fn ask(&self, question: QuitQuestion) -> impl Future<Output = ()> + use<> {
        let mut phase = self.phase.subscribe();
        self.phase.send_replace(QuitPhase::Asked);
        self.question.send_replace(Some(question));
        async move {
            // Waiting fails only if the sender is dropped. Then no page can show the question.
            let _ = phase.wait_for(|phase| *phase != QuitPhase::Asked).await;
        }
    }

    /// Ignores further requests to close the window, because the app is about to quit.
    pub(crate) fn ignore_requests(&self) {
        self.phase.send_replace(QuitPhase::Checking);
    }

    /// Lets the window close.
    pub(crate) fn allow_quit(&self) {
        self.phase.send_replace(QuitPhase::Quitting);
    }
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
