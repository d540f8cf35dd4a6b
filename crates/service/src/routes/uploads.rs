//! `PUT /uploads/{capability}`: the bytes of a checkpoint. The address itself is the permission; no other credential is
//! read, and the address opens nothing else.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::training::{Checkpoint, CheckpointState};
use ulkeys_store::ReportedBy;

use super::training::save_checkpoint;
use crate::authz::Caller;
use crate::checkpoints::{IncomingFile, ReceiveError};
use crate::error::ApiError;
use crate::openapi::{BodyErrors, FileBytes, InsufficientStorage, NotFound, StorageErrors};
use crate::state::ServiceState;
use crate::upload_grants::UploadGrant;

/// Receives a file
///
/// The address is the permission: no other credential is read. Until a file was kept, the same address may be tried
/// again.
#[utoipa::path(
    put,
    path = "/uploads/{capability}",
    operation_id = "upload",
    tag = "training",
    params(("capability" = String, Path, description = "Part of an `uploadUrl`.")),
    request_body(content = inline(FileBytes), content_type = "application/octet-stream"),
    responses((status = OK, description = "The file is on the disk."), BodyErrors, NotFound, StorageErrors, InsufficientStorage)
)]
pub(super) async fn receive_upload(
    State(state): State<Arc<ServiceState>>,
    capability: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let Path(capability) = capability.map_err(|_| ApiError::NotFound)?;
    let limits = &state.config.checkpoints;
    let begun = state.upload_grants.begin_attempt(&capability, state.uptime(), limits.max_time);
    let (grant, attempt) = begun.ok_or(ApiError::NotFound)?;
    revalidate_caller(&state, &grant.caller).await?;

    let key = grant.caller.key_id().copied();
    state.check_file_quota(key.as_ref(), body.size_hint().lower()).await?;
    let received = tokio::select! {
        received = state.checkpoints.receive(body, |bytes| state.check_disk_reserve(bytes)) => received,
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
    if received.size == 0 || grant.size.is_some_and(|size| size != received.size) {
        return Err(ApiError::Invalid("body: does not have the size of the file".to_owned()));
    }

    state.check_received_file_quota(key.as_ref(), received.size).await?;
    // Not to be dropped half-way when the client goes.
    let kept = tokio::spawn(store_file(state, grant, attempt, capability, received)).await;
    kept.unwrap_or_else(|error| Err(ApiError::Io(std::io::Error::other(error))))?;
    Ok(StatusCode::OK)
}

/// Puts the file in its place and records it, both or neither.
async fn store_file(
    state: Arc<ServiceState>,
    grant: UploadGrant,
    attempt: CancellationToken,
    capability: String,
    received: IncomingFile,
) -> Result<(), ApiError> {
    // It may have been revoked while the file was on its way.
    revalidate_caller(&state, &grant.caller).await?;
    if !state.upload_grants.consume_grant(&capability, &attempt, state.uptime()) {
        return Err(ApiError::NotFound);
    }
    let kept = record_checkpoint(&state, &grant, received).await;
    if kept.is_err() {
        state.checkpoints.remove(&grant.id).await;
        state.upload_grants.restore_grant(&capability, grant, state.uptime());
    }
    kept
}

async fn record_checkpoint(state: &ServiceState, grant: &UploadGrant, received: IncomingFile) -> Result<(), ApiError> {
    let feed = ReportedBy { key: grant.caller.key_id().cloned(), at: state.now() };
    let checkpoint = Checkpoint {
        checkpoint_id: grant.id.clone(),
        filename: grant.filename.clone(),
        size: received.size,
        state: CheckpointState::Uploaded,
        key_id: feed.key,
        uploaded_at: feed.at,
    };
    state.checkpoints.persist(received, &grant.id).await.map_err(ApiError::Io)?;
    for replaced in state.store.add_checkpoint(grant.run, checkpoint).await? {
        state.checkpoints.remove(&replaced).await;
    }
    if grant.save_on_arrival {
        // The file and its record are there: failing now would take them away again.
        if save_checkpoint(state, grant.run, grant.id.clone(), feed).await.is_err() {
            tracing::error!(checkpoint = grant.id.as_str(), "an upload is kept but not saved as its run's checkpoint");
        }
    }
    Ok(())
}

/// A permission does not outlive the key that asked for it; the answer is that of an unknown one.
async fn revalidate_caller(state: &ServiceState, caller: &Caller) -> Result<(), ApiError> {
    caller.revalidate(state).await.map_err(|error| match error {
        ApiError::Rejected(_) => ApiError::NotFound,
        other => other,
    })
}
