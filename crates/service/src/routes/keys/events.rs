//! `GET /api/api-keys/events`: changes as server-sent events (WHATWG HTML, section 9.2), so that nobody has to poll.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt as _, future, stream};
use tokio_stream::wrappers::BroadcastStream;
use ulkeys_domain::wire::KeyEvent;

use crate::authz::Caller;
use crate::error::ApiError;
use crate::state::ServiceState;

/// Changes to keys, as they happen
///
/// Server-sent events; the data of each is a `KeyEvent`. The first is always `resync`: a client that lists the keys
/// after it misses no change. The stream ends when the key that opened it is revoked, and when its reader lags too far
/// behind.
#[utoipa::path(
    get,
    path = "/api/api-keys/events",
    operation_id = "keyEvents",
    tag = "keys",
    responses((
        status = OK,
        description = "A stream without end.",
        body = String,
        content_type = "text/event-stream"
    ))
)]
// A stream must not outlive the key that opened it: the key is read again before each event. A stream that lags ends;
// its reader opens another one, if it may.
pub(crate) async fn stream_events(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let changes = BroadcastStream::new(state.events.subscribe());
    let asked = state.clone();
    let events = stream::once(future::ready(Ok(KeyEvent::Resync)))
        .chain(changes)
        .take_while(move |change| {
            let (state, caller, has_lagged) = (asked.clone(), caller.clone(), change.is_err());
            async move { !has_lagged && caller.revalidate(&state).await.is_ok() }
        })
        .filter_map(|change| future::ready(change.ok()))
        .take_until(state.shutdown.clone().cancelled_owned())
        .filter_map(|event| future::ready(Event::default().json_data(event).ok().map(Ok)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
