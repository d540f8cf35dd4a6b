//! The question that is asked before the app ends, and the phases in which it is asked.

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use ts_rs::TS;

use crate::service_supervisor::ServiceFate;

/// What uses keys at present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsesInProgress {
    /// Names of some live runs in the form `project/slug`, most recently reported first.
    pub(crate) runs: Vec<String>,
    /// Total number of live runs.
    pub(crate) run_count: usize,
    /// Names of some other keys that were used in the last minutes, each with its client, most recently used first.
    pub(crate) keys: Vec<String>,
    /// Total number of other keys that were used in the last minutes.
    pub(crate) key_count: usize,
}

impl UsesInProgress {
    pub(crate) fn is_empty(&self) -> bool {
        self.run_count == 0 && self.key_count == 0
    }
}

/// The question that the page asks before the app ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(tag = "kind", content = "uses", rename_all = "camelCase")]
pub(crate) enum QuitQuestion {
    /// Whether the key service continues in the background. The user has closed the window.
    KeepRunning(UsesInProgress),
    /// Whether to quit although keys are in use.
    Quit(UsesInProgress),
}

/// What the user has requested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CloseRequest {
    /// To close the window.
    #[default]
    Window,
    /// To quit the app with its key service.
    App,
}

/// What happens with a request to close the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCheck {
    /// A decision about this request has begun.
    Begun(CloseRequest),
    /// A decision is already in progress.
    InProgress,
    /// The decision was made: the window may close.
    MayClose,
}

/// The phase of a request to close the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum QuitPhase {
    /// No request to close is pending.
    #[default]
    Open,
    /// The service is being asked what uses keys.
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
    /// What the next request to close the window requests.
    request: Mutex<CloseRequest>,
    /// What happens to the service when the app ends.
    fate: Mutex<ServiceFate>,
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
        *self.request.lock() = CloseRequest::default();
        *self.fate.lock() = ServiceFate::default();
        self.question.send_replace(None);
        self.phase.send_replace(QuitPhase::Open);
    }

    /// Makes the next request to close the window a request to quit.
    pub(crate) fn request_quit(&self) {
        *self.request.lock() = CloseRequest::App;
    }

    /// Starts to decide about a request to close the window, unless a decision is already in progress.
    pub(crate) fn begin_check(&self) -> CloseCheck {
        let mut check = CloseCheck::InProgress;
        self.phase.send_if_modified(|phase| match *phase {
            QuitPhase::Quitting => {
                check = CloseCheck::MayClose;
                false
            }
            QuitPhase::Checking | QuitPhase::Asked => false,
            QuitPhase::Open | QuitPhase::Shown => {
                *phase = QuitPhase::Checking;
                check = CloseCheck::Begun(std::mem::take(&mut *self.request.lock()));
                true
            }
        });
        check
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

    /// Ignores further requests to close the window, because the app is about to end.
    pub(crate) fn ignore_requests(&self, fate: ServiceFate) {
        *self.fate.lock() = fate;
        self.phase.send_replace(QuitPhase::Checking);
    }

    /// Returns what happens to the service when the app ends.
    pub(crate) fn service_fate(&self) -> ServiceFate {
        *self.fate.lock()
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
        assert_eq!(closing.begin_check(), CloseCheck::Begun(CloseRequest::Window));
        assert_eq!(closing.begin_check(), CloseCheck::InProgress, "a decision is in progress");
        closing.mark_question_shown();
        assert_eq!(*closing.phase.borrow(), QuitPhase::Checking, "the question is not shown yet");
        closing.phase.send_replace(QuitPhase::Asked);
        assert_eq!(closing.begin_check(), CloseCheck::InProgress);
        closing.mark_question_shown();
        closing.request_quit();
        assert_eq!(
            closing.begin_check(),
            CloseCheck::Begun(CloseRequest::App),
            "decides again, because uses may have ended"
        );
        closing.keep_open();
        assert_eq!(
            (closing.begin_check(), closing.question.borrow().is_none()),
            (CloseCheck::Begun(CloseRequest::Window), true)
        );
        closing.phase.send_replace(QuitPhase::Quitting);
        assert_eq!(closing.begin_check(), CloseCheck::MayClose);
    }
}
