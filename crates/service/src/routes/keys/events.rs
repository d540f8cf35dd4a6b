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

use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::ServiceState;

/// Streams changes to keys as they happen
///
/// The data of each server-sent event is a `KeyEvent`. The first event is always `resync`: a client that lists the keys
/// after receiving it misses no change. The stream ends if the key that opened it is revoked, or if the client lags too
/// far behind.
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
// The caller is revalidated before each event, because a stream must not outlive the key that opened it. If the client
// lags too far behind, its stream ends, and the client may open a new one.
pub(crate) async fn stream_events(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let changes = BroadcastStream::new(state.events.subscribe());
    let events = stream::once(future::ready(Ok(KeyEvent::Resync)))
        .chain(changes)
        .take_while(move |change| future::ready(change.is_ok() && caller.revalidate().is_ok()))
        .filter_map(|change| future::ready(change.ok()))
        .take_until(state.shutdown.clone().cancelled_owned())
        .filter_map(|event| future::ready(Event::default().json_data(event).ok().map(Ok)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
