//! What the service publishes to the subscribers of its event stream.

use std::sync::Arc;
use std::time::Duration;

use ulkeys_api::KeyEvent;
use ulkeys_domain::training::{RunId, RunSummary};

/// The time for which usage, rejections and changes of runs are collected before they are published.
pub(crate) const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// An event in the channel to all subscribers.
#[derive(Debug, Clone)]
pub(crate) enum PublishedEvent {
    /// An event that all subscribers receive in the same form.
    Key(Box<KeyEvent>),
    /// Changes of runs. They take one place in the channel, so that a subscriber does not lag behind because many runs
    /// report at the same time. Each subscriber receives one event per run.
    Runs(Arc<RunChanges>),
}

/// Runs that have changed, in the state after the change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunChanges {
    pub(crate) changed: Vec<RunSummary>,
    pub(crate) deleted: Vec<RunId>,
}

impl From<KeyEvent> for PublishedEvent {
    fn from(event: KeyEvent) -> Self {
        Self::Key(Box::new(event))
    }
}
