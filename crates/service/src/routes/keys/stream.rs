//! The list of all active keys, sent piece by piece.

use std::io::{Error, ErrorKind, Result, Write as _};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, future, stream};
use ulkeys_api::ApiKey;
use ulkeys_domain::{AttentionThresholds, KeyId, Timestamp};
use ulkeys_store::StoreError;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::state::ServiceState;

/// The number of keys that are read and sent together.
const PIECE_SIZE: u32 = 1_000;

/// Returns all active keys, newest first, in the form of a [`ulkeys_api::KeyList`]. Holds one piece in memory at a
/// time. Keys that are created during the response are missing.
///
/// If a later piece cannot be read, or if the caller's key is revoked before it is sent, the connection breaks in the
/// middle of the body. The status has already been sent, and a body that ended properly would look like a complete
/// list.
pub(super) async fn stream_active_keys(
    state: Arc<ServiceState>,
    caller: Caller,
    thresholds: AttentionThresholds,
) -> std::result::Result<Response, ApiError> {
    let mut list = ActiveKeyList { state, thresholds, last: None, total: 0, is_complete: false };
    let keys = list.read_piece().await?;
    let first = list.write_piece(&keys).map_err(ApiError::Io)?;
    let rest = stream::try_unfold((list, caller), |(mut list, caller)| async move {
        if list.is_complete {
            return Ok(None);
        }
        let is_revoked = |_| Error::new(ErrorKind::PermissionDenied, "the client's key is no longer accepted");
        caller.revalidate().map_err(is_revoked)?;
        let keys = list.read_piece().await.map_err(|error| {
            tracing::warn!(%error, "cannot read the rest of the keys; closing the connection of the client");
            Error::other(error)
        })?;
        let piece = list.write_piece(&keys)?;
        Ok::<_, Error>(Some((piece, (list, caller))))
    });
    let body = Body::from_stream(stream::once(future::ready(Ok(first))).chain(rest));
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

struct ActiveKeyList {
    state: Arc<ServiceState>,
    thresholds: AttentionThresholds,
    /// The last key that was read.
    last: Option<(Timestamp, KeyId)>,
    /// The number of keys that were written.
    total: u64,
    is_complete: bool,
}

impl ActiveKeyList {
    async fn read_piece(&mut self) -> std::result::Result<Vec<ApiKey>, StoreError> {
        let pending_times = self.state.usage.pending_times();
        let records = self.state.account.list_active(self.last, PIECE_SIZE).await?;
        self.is_complete = records.len() < PIECE_SIZE as usize;
        self.last = records.last().map(|key| (key.created_at, key.id)).or(self.last);
        let describe = |mut record| {
            pending_times.overlay_on_record(&mut record, self.thresholds.latest);
            ApiKey::new(record, &self.thresholds)
        };
        Ok(records.into_iter().map(describe).collect())
    }

    fn write_piece(&mut self, keys: &[ApiKey]) -> Result<Bytes> {
        let mut piece = Vec::new();
        for key in keys {
            piece.write_all(if self.total == 0 { br#"{"keys":["# } else { b"," })?;
            serde_json::to_writer(&mut piece, key)?;
            self.total += 1;
        }
        if self.is_complete {
            let start = if self.total == 0 { r#"{"keys":["# } else { "" };
            write!(piece, r#"{start}],"total":{},"next":null}}"#, self.total)?;
        }
        Ok(piece.into())
    }
}
