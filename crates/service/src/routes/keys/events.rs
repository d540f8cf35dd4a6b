//! `GET /api/api-keys/events`: publishes changes as server-sent events (WHATWG HTML, section 9.2), so that clients do
//! not have to poll.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt as _, future, stream};
use tokio_stream::wrappers::BroadcastStream;
use ulkeys_api::KeyEvent;
use ulkeys_api::training::{DeletedRun, TrainingRun};

use crate::actions::Action;
use crate::caller::Caller;
use crate::database_monitor::DatabaseMonitor;
use crate::error::ApiError;
use crate::events::PublishedEvent;
use crate::loopback_guard::RequestHost;
use crate::routes::training::build_model_page_url;
use crate::state::ServiceState;

/// Streams changes to keys and runs as they happen
///
/// The data of each server-sent event is a `KeyEvent`. The first event is always `resync`: a client that lists the keys
/// and the runs after receiving it misses no change. A key receives only events about data that its scopes allow it to
/// read: `rejected` needs `read` or `write`, and `runChanged` and `runDeleted` need `training`, `read` or `write`. No
/// key receives `databaseHealth`. The stream ends if the key that opened it is revoked, or if the client lags too far
/// behind.
#[utoipa::path(
    get,
    path = "/api/api-keys/events",
    operation_id = "keyEvents",
    tag = "keys",
    responses((
        status = OK,
        description = "A stream of events that does not end by itself.",
        body = String,
        content_type = "text/event-stream"
    ))
)]
// The caller is revalidated before each event, because a stream must not outlive the key that opened it, and because
// the scopes of the key may change. If the client lags too far behind, its stream ends, and the client may open a new
// one.
pub(crate) async fn stream_events(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    RequestHost(host): RequestHost,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let published = BroadcastStream::new(state.events.subscribe());
    let monitor = state.config.database.as_ref().filter(|_| caller.may(Action::ReadDatabaseHealth));
    let health = stream::iter(monitor.map(DatabaseMonitor::health_stream)).flatten();
    let health = health.map(|health| Ok(KeyEvent::DatabaseHealth(Box::new(health)).into()));
    let shutdown = state.shutdown.clone().cancelled_owned();
    let events = stream::once(future::ready(Ok(KeyEvent::Resync.into())))
        .chain(stream::select(published, health))
        .take_while(|published| future::ready(published.is_ok()))
        .filter_map(|published| future::ready(published.ok()))
        .flat_map(move |published| stream::iter(key_events(&state, &host, published)))
        .take_while({
            let caller = caller.clone();
            move |_| future::ready(caller.revalidate().is_ok())
        })
        .filter(move |event| future::ready(caller.may(action_to_receive(event))))
        .take_until(shutdown)
        .filter_map(|event| future::ready(Event::default().json_data(event).ok().map(Ok)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Converts a published event to the events that a client receives. `host` is the host and port that the client used to
/// reach the service.
fn key_events(state: &ServiceState, host: &str, published: PublishedEvent) -> Vec<KeyEvent> {
    let changes = match published {
        PublishedEvent::Key(event) => return vec![*event],
        PublishedEvent::Runs(changes) => changes,
    };
    let now = state.now();
    let changed = changes.changed.iter().map(|summary| {
        let model_url = build_model_page_url(state, host, &summary.project, &summary.slug);
        KeyEvent::RunChanged(Box::new(TrainingRun::at(now, summary.clone(), model_url)))
    });
    let deleted = changes.deleted.iter().map(|run| KeyEvent::RunDeleted(DeletedRun { run_id: *run }));
    changed.chain(deleted).collect()
}

/// Returns the action that a caller must be allowed to perform in order to receive an event: the one that reads the
/// same data.
fn action_to_receive(event: &KeyEvent) -> Action {
    match event {
        KeyEvent::Created(_)
        | KeyEvent::Renamed(_)
        | KeyEvent::Revoked(_)
        | KeyEvent::Used { .. }
        | KeyEvent::Resync => Action::ReadKeys,
        KeyEvent::DatabaseHealth(_) => Action::ReadDatabaseHealth,
        KeyEvent::Rejected { .. } => Action::ReadActivity,
        KeyEvent::RunChanged(_) | KeyEvent::RunDeleted(_) => Action::ReadRuns,
    }
}
