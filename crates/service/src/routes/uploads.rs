//! `PUT /uploads/{capability}`: receives the bytes of a checkpoint. Knowing the unguessable address authorizes the
//! upload and nothing else; credentials in the request are ignored.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::training::{Checkpoint, CheckpointState, ModelRef};
use ulkeys_store::ReportedBy;

use super::training::save_checkpoint;
use crate::caller::Caller;
use crate::checkpoints::{IncomingFile, ReceiveError};
use crate::error::ApiError;
use crate::openapi::{BodyErrors, FileBytes, InsufficientStorage, NotFound, StorageErrors};
use crate::state::ServiceState;
use crate::training_quota::QuotaError;
use crate::upload_grants::UploadGrant;

/// Uploads a file
///
/// Knowing the unguessable address authorizes the upload; credentials in the request are ignored. Until a file has been
/// stored, the client may retry with the same address.
#[utoipa::path(
    put,
    path = "/uploads/{capability}",
    operation_id = "upload",
    tag = "training",
    params(("capability" = String, Path, description = "The last segment of an `uploadUrl`.")),
    request_body(content = inline(FileBytes), content_type = "application/octet-stream"),
    responses((status = OK, description = "The file is stored."), BodyErrors, NotFound, StorageErrors, InsufficientStorage)
)]
pub(super) async fn receive_upload(
    State(state): State<Arc<ServiceState>>,
    capability: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let Path(capability) = capability.map_err(|_| ApiError::NotFound)?;
    let max_time = state.config.checkpoints.max_time;
    let begun = state.upload_grants.begin_attempt(&capability, state.uptime(), max_time);
    let (grant, attempt) = begun.ok_or(ApiError::NotFound)?;
    revalidate_caller(&grant.caller)?;
    // Reject the file before it is received. The run can also be deleted later, see `store_file`.
    if !run_exists(&state, &grant).await? {
        return Err(ApiError::NotFound);
    }

    let key = grant.caller.key_id();
    let announced = body.size_hint().lower();
    state.training_quota.check_file(key.as_ref(), announced).await?;
    let check = |bytes| state.training_quota.check_disk_reserve(bytes);
    let received = tokio::select! {
        received = state.checkpoints.receive(announced, body.into_data_stream(), check) => received?,
        () = attempt.cancelled() => return Err(ReceiveError::Interrupted.into()),
        () = state.shutdown.cancelled() => return Err(ApiError::Stopping),
    };
    if received.size() == 0 || grant.size.is_some_and(|size| size != received.size()) {
        return Err(ApiError::Invalid("body: is empty or does not have the announced size".to_owned()));
    }

    state.training_quota.check_received_file(key.as_ref(), received.size()).await?;
    // Store the file in a separate task, so that it is not interrupted if the client disconnects.
    let stored = tokio::spawn(store_file(state, grant, attempt, capability, received)).await;
    stored.unwrap_or_else(|error| Err(ApiError::Io(std::io::Error::other(error))))?;
    Ok(StatusCode::OK)
}

/// Stores the file and records it in the database. If either fails, removes the file and makes the grant valid again,
/// unless the failure is that the run was deleted: the response is then the same as for an unknown grant.
async fn store_file(
    state: Arc<ServiceState>,
    grant: UploadGrant,
    attempt: CancellationToken,
    capability: String,
    received: IncomingFile,
) -> Result<(), ApiError> {
    // The key may have been revoked while the file was received.
    revalidate_caller(&grant.caller)?;
    let consumed = state.upload_grants.consume_grant(&capability, &attempt, state.uptime());
    let consumed = consumed.ok_or(ApiError::NotFound)?;
    let stored = record_checkpoint(&state, &grant, received).await;
    if stored.is_err() {
        state.checkpoints.remove(&grant.id).await;
        // Check after the failure, because a run can be deleted at any time before the checkpoint is recorded.
        if matches!(run_exists(&state, &grant).await, Ok(false)) {
            return Err(ApiError::NotFound);
        }
        state.upload_grants.restore_grant(consumed, state.uptime());
    }
    stored
}

async fn record_checkpoint(
    state: &Arc<ServiceState>,
    grant: &UploadGrant,
    received: IncomingFile,
) -> Result<(), ApiError> {
    let feed = ReportedBy { actor: grant.caller.actor(), at: state.now() };
    let checkpoint = Checkpoint {
        checkpoint_id: grant.id.clone(),
        filename: grant.filename.clone(),
        size: received.size(),
        state: CheckpointState::Uploaded,
        key_id: feed.actor.key_id().copied(),
        uploaded_at: feed.at,
    };
    state.checkpoints.persist(received, &grant.id).await.map_err(ApiError::Io)?;
    for replaced in state.account.add_checkpoint(grant.run, checkpoint).await? {
        state.checkpoints.remove(&replaced).await;
    }
    if grant.save_on_arrival {
        // The file is already stored and recorded, so only log the failure: returning an error would remove the file.
        if save_checkpoint(state, grant.run, grant.id.clone(), feed).await.is_err() {
            tracing::error!(
                checkpoint = grant.id.as_str(),
                "an upload was stored but cannot be made the checkpoint of its run"
            );
        }
    }
    Ok(())
}

/// Returns whether the run of a grant still exists. It may have been deleted after the grant was issued.
async fn run_exists(state: &ServiceState, grant: &UploadGrant) -> Result<bool, ApiError> {
    let run = state.account.find_run(ModelRef::Model(grant.model.clone()), Some(grant.run)).await?;
    Ok(run.is_some())
}

/// Checks again that the key that requested a grant is still valid, because a grant must not outlive its key. The
/// response for a revoked key is the same as for an unknown grant.
fn revalidate_caller(caller: &Caller) -> Result<(), ApiError> {
    caller.revalidate().map_err(|_| ApiError::NotFound)
}

impl From<ReceiveError<QuotaError>> for ApiError {
    fn from(error: ReceiveError<QuotaError>) -> Self {
        match error {
            ReceiveError::TooLarge(max_bytes) => Self::FileTooLarge(max_bytes),
            ReceiveError::Full(max_total) => Self::FolderFull(max_total),
            ReceiveError::Interrupted => Self::Invalid("body: did not arrive completely".to_owned()),
            ReceiveError::Slow => Self::BodyTimeout,
            ReceiveError::Disk(error) => Self::Io(error),
            ReceiveError::Rejected(error) => error.into(),
        }
    }
}
