//! `GET /api/api-keys/events`: changes as server-sent events (WHATWG HTML, section 9.2), so that nobody has to poll.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt as _, future, stream};
use tokio_stream::wrappers::BroadcastStream;
use ulkeys_domain::wire::KeyEvent;

use crate::auth::Caller;
use crate::state::AppState;

/// The first event is always `resync`: whoever lists the keys after it misses nothing.
pub(super) async fn stream(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = BroadcastStream::new(state.events.subscribe()).map(|event| event.unwrap_or(KeyEvent::Resync));
    let events = stream::once(future::ready(KeyEvent::Resync))
        .chain(changes)
        // A stream must not outlive the key that opened it.
        .take_while(move |event| future::ready(!revokes(event, &caller)))
        .take_until(state.shutdown.clone().cancelled_owned())
        .filter_map(|event| future::ready(Event::default().json_data(event).ok().map(Ok)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn revokes(event: &KeyEvent, caller: &Caller) -> bool {
    matches!((event, caller), (KeyEvent::Revoked(revoked), Caller::Key(id)) if revoked.key_id == *id)
}
