//! The state that request handlers and background tasks share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use ulkeys_api::KeyEvent;
use ulkeys_domain::training::RunId;
use ulkeys_domain::{AccountId, Timestamp};
use ulkeys_store::{AccountStore, Committed, Store, StoreError, WriteResult};

use crate::checkpoints::CheckpointStore;
use crate::clock::Clock;
use crate::concurrency::ConcurrencyLimits;
use crate::config::Config;
use crate::error::ApiError;
use crate::events::PublishedEvent;
use crate::key_index::KeyIndex;
use crate::metrics::Metrics;
use crate::peer_limiter::PeerLimiter;
use crate::run_events::RunEvents;
use crate::training_quota::TrainingQuota;
use crate::upload_grants::UploadGrants;
use crate::usage::UsageRecorder;

/// The number of events that a slow subscriber may lag behind before its stream ends.
const EVENT_CHANNEL_CAPACITY: usize = 256;

/// State that request handlers and background tasks share, behind one [`Arc`].
pub(crate) struct ServiceState {
    pub(crate) store: Arc<dyn Store>,
    /// The data of the embedded service's only account.
    pub(crate) account: Arc<dyn AccountStore>,
    pub(crate) index: Arc<KeyIndex>,
    /// Held while changes are requested from the store, so that they are applied in order.
    following: tokio::sync::Mutex<()>,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// The address on which the service listens.
    pub(crate) address: SocketAddr,
    pub(crate) usage: UsageRecorder,
    pub(crate) peer_limiter: PeerLimiter,
    pub(crate) metrics: Metrics,
    pub(crate) checkpoints: CheckpointStore,
    pub(crate) upload_grants: UploadGrants,
    pub(crate) concurrency: ConcurrencyLimits,
    pub(crate) training_quota: TrainingQuota,
    pub(crate) events: broadcast::Sender<PublishedEvent>,
    pub(crate) run_events: RunEvents,
    pub(crate) shutdown: CancellationToken,
}

impl ServiceState {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        index: Arc<KeyIndex>,
        config: Config,
        address: SocketAddr,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let (events, _) = broadcast::channel(EVENT_CHANNEL_CAPACITY);
        let account = store.account(AccountId::EMBEDDED);
        let checkpoints = CheckpointStore::new(config.checkpoints.clone());
        let training_quota = TrainingQuota::new(account.clone(), config.training.clone(), checkpoints.clone());
        Arc::new(Self {
            store,
            account,
            clock: Clock::start(config.clock),
            address,
            usage: UsageRecorder::new(index.clone()),
            index,
            following: tokio::sync::Mutex::default(),
            peer_limiter: PeerLimiter::default(),
            metrics: Metrics::new(),
            checkpoints,
            upload_grants: UploadGrants::default(),
            concurrency: ConcurrencyLimits::new(config.timing.permit_timeout),
            training_quota,
            events,
            run_events: RunEvents::default(),
            shutdown,
            config,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Returns how long the service has been running, including (on Linux) the time the computer was asleep.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    /// Sends an event to all subscribers. An event without subscribers is dropped.
    pub(crate) fn publish(&self, event: KeyEvent) {
        let _ = self.events.send(event.into());
    }

    /// Runs a change to a key in the store, and applies it to the index before it returns. The change is completed and
    /// applied even if the caller is dropped, for example because the client closes the connection.
    pub(crate) async fn commit<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl Future<Output = WriteResult<T>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let state = self.clone();
        let committed = tokio::spawn(async move {
            let Committed { value, change, revision } = change.await?;
            match change {
                Some(key) => state.index.apply_commit(key),
                // The write found the key as an earlier write has left it, and the result of that write may be lost.
                None if revision > state.index.delivered() => state.follow_key_changes().await?,
                None => {}
            }
            Ok(value)
        });
        committed.await.unwrap_or(Err(ApiError::Panicked))
    }

    /// Applies the changes to keys that other programs have made to the database, and those of this service whose
    /// result was lost. After changes by another program, publishes [`KeyEvent::Resync`], so that every subscriber
    /// lists the keys again.
    pub(crate) async fn follow_key_changes(&self) -> Result<(), StoreError> {
        let _following = self.following.lock().await;
        let changes = self.store.changes_since(self.index.delivered(), self.index.clone()).await?;
        let is_from_outside = changes.is_from_outside;
        self.index.apply_delivered(changes);
        if is_from_outside {
            self.publish(KeyEvent::Resync);
        }
        Ok(())
    }

    /// Runs a change to a training run in the store, and notes the run for the next event before it returns.
    /// `changed_run` returns the run that was changed, if any. The change is completed and noted even if the caller is
    /// dropped, for example because the client closes the connection.
    pub(crate) async fn commit_run<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        changed_run: impl FnOnce(&T) -> Option<RunId> + Send + 'static,
    ) -> Result<T, ApiError> {
        let state = self.clone();
        let committed = tokio::spawn(async move {
            let value = change.await?;
            if let Some(run) = changed_run(&value) {
                state.run_events.note_change(run);
            }
            Ok(value)
        });
        committed.await.unwrap_or(Err(ApiError::Panicked))
    }
}
