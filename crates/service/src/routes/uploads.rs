//! `PUT /uploads/{capability}`: the bytes of a checkpoint. The address itself is the permission; no other credential is
//! read, and the address opens nothing else.

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::training::{Checkpoint, CheckpointState};
use ulkeys_store::ReportedBy;

use super::training::save_checkpoint;
use crate::auth::Caller;
use crate::checkpoints::{IncomingFile, ReceiveError};
use crate::error::ApiError;
use crate::openapi::{BadBody, FileBytes, NoSpace, NotFound, Stored};
use crate::state::AppState;
use crate::upload_grants::UploadGrant;

/// Receives a file
///
/// The address is the permission: no other credential is read. Until a file was kept, the same address may be tried again.
#[utoipa::path(
    put,
    path = "/uploads/{capability}",
    operation_id = "upload",
    tag = "training",
    params(("capability" = String, Path, description = "Part of an `uploadUrl`.")),
    request_body(content = inline(FileBytes), content_type = "application/octet-stream"),
    responses((status = OK, description = "The file is on the disk."), BadBody, NotFound, Stored, NoSpace)
)]
pub(super) async fn receive(
    State(state): State<AppState>,
    capability: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let Path(capability) = capability.map_err(|_| ApiError::NotFound)?;
    let limits = &state.config.checkpoints;
    let begun = state.upload_grants.begin_attempt(&capability, state.uptime(), limits.max_time);
    let (upload, attempt) = begun.ok_or(ApiError::NotFound)?;
    check_caller(&state, &upload.caller).await?;

    let key = upload.caller.key_id().copied();
    state.check_file(key.as_ref(), body.size_hint().lower()).await?;
    let received = tokio::select! {
        received = limits.receive(body, |bytes| state.check_reserve(bytes)) => received,
        () = attempt.cancelled() => Err(ReceiveError::Interrupted),
        () = state.shutdown.cancelled() => return Err(ApiError::Stopping),
    };
    let received = received.map_err(|error| match error {
        ReceiveError::TooLarge => ApiError::FileTooLarge(limits.max_bytes),
        ReceiveError::Full => ApiError::FolderFull(limits.max_total.get()),
        ReceiveError::Interrupted => ApiError::Invalid("body: did not arrive completely".to_owned()),
        ReceiveError::Slow => ApiError::BodyTimeout,
        ReceiveError::Disk(error) => ApiError::Io(error),
        ReceiveError::Rejected(error) => *error,
    })?;
    if received.size == 0 || upload.size.is_some_and(|size| size != received.size) {
        return Err(ApiError::Invalid("body: does not have the size of the file".to_owned()));
    }

    state.check_received(key.as_ref(), received.size).await?;
    // Not to be dropped half-way when the client goes.
    let kept = tokio::spawn(keep(state, upload, attempt, capability, received)).await;
    kept.unwrap_or_else(|error| Err(ApiError::Io(std::io::Error::other(error))))?;
    Ok(StatusCode::OK)
}

/// Puts the file in its place and records it, both or neither.
async fn keep(
    state: AppState,
    upload: UploadGrant,
    attempt: CancellationToken,
    capability: String,
    received: IncomingFile,
) -> Result<(), ApiError> {
    // It may have been revoked while the file was on its way.
    check_caller(&state, &upload.caller).await?;
    if !state.upload_grants.consume(&capability, &attempt, state.uptime()) {
        return Err(ApiError::NotFound);
    }
    let kept = record(&state, &upload, received).await;
    if kept.is_err() {
        state.config.checkpoints.remove(&upload.id).await;
        state.upload_grants.restore(&capability, upload, state.uptime());
    }
    kept
}

async fn record(state: &AppState, upload: &UploadGrant, received: IncomingFile) -> Result<(), ApiError> {
    let feed = ReportedBy { key: upload.caller.key_id().cloned(), at: state.now() };
    let checkpoint = Checkpoint {
        checkpoint_id: upload.id.clone(),
        filename: upload.filename.clone(),
        size: received.size,
        state: CheckpointState::Uploaded,
        key_id: feed.key,
        uploaded_at: feed.at,
    };
    state.config.checkpoints.persist(received, &upload.id).await.map_err(ApiError::Io)?;
    for replaced in state.store.add_checkpoint(upload.run, checkpoint).await? {
        state.config.checkpoints.remove(&replaced).await;
    }
    if upload.save_at_once {
        // The file and its record are there: failing now would take them away again.
        if save_checkpoint(state, upload.run, upload.id.clone(), feed).await.is_err() {
            tracing::error!(checkpoint = upload.id.as_str(), "an upload is kept but not saved as its run's checkpoint");
        }
    }
    Ok(())
}

/// A permission does not outlive the key that asked for it; the answer is that of an unknown one.
async fn check_caller(state: &AppState, caller: &Caller) -> Result<(), ApiError> {
    caller.revalidate(state).await.map_err(|error| match error {
        ApiError::Refused(_) => ApiError::NotFound,
        other => other,
    })
}
