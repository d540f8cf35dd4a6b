//! `/api/training/runs`: lists, describes, cancels and deletes training runs.

use std::io::ErrorKind;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use ulkeys_api::schema;
use ulkeys_api::training::{
    CancelledRun, Console, DeletedRun, EpochList, LiveRunList, TrainingRun, TrainingRunDetails, TrainingRunList,
};
use ulkeys_domain::KeyId;
use ulkeys_domain::training::{Checkpoint, FileName, MAX_EPOCH, RunId};
use ulkeys_store::RunDeletion;
use utoipa::IntoParams;

use super::query_params::{parse_canonical_number, parse_number_up_to};
use super::training::build_model_page_url;
use crate::caller::Caller;
use crate::checkpoints::CheckpointReader;
use crate::download;
use crate::error::ApiError;
use crate::loopback_guard::RequestHost;
use crate::openapi::{BadRequest, Conflict, FileBytes, InsufficientStorage, NotFound};
use crate::state::ServiceState;

/// The default and maximum number of runs on a page.
const DEFAULT_RUNS_PAGE_SIZE: u32 = 50;
const MAX_RUNS_PAGE_SIZE: u32 = 200;
/// The default and maximum number of epochs on a page.
const DEFAULT_EPOCHS_PAGE_SIZE: u32 = 50;
const MAX_EPOCHS_PAGE_SIZE: u32 = 200;

type RunIdPath = Result<Path<String>, PathRejection>;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct RunListQuery {
    /// Returns only runs that this key has reported.
    #[param(value_type = Option<schema::KeyId>, nullable = false)]
    key_id: Option<String>,
    /// The maximum number of runs on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The value of `nextCursor` on the previous page.
    #[param(nullable = false, pattern = "^[1-9][0-9]{0,15}$")]
    cursor: Option<String>,
}

/// Lists runs, newest first
#[utoipa::path(
    get,
    path = "/api/training/runs",
    operation_id = "listRuns",
    tag = "training",
    params(RunListQuery),
    responses((status = OK, description = "A page of runs.", body = TrainingRunList), BadRequest)
)]
pub(super) async fn list(
    State(state): State<Arc<ServiceState>>,
    RequestHost(host): RequestHost,
    query: Result<Query<RunListQuery>, QueryRejection>,
) -> Result<Json<TrainingRunList>, ApiError> {
    let invalid = |why: &str| ApiError::Invalid(why.to_owned());
    let Query(query) = query.map_err(|_| invalid("query: keyId, limit and cursor may each occur only once"))?;
    let read_key = |text: String| KeyId::parse(&text).ok_or_else(|| invalid("keyId: is not the identifier of a key"));
    let key = query.key_id.map(read_key).transpose()?;
    let parse_cursor = |text: String| parse_cursor(&text).ok_or_else(|| invalid("cursor: is not from a page of runs"));
    let before = query.cursor.map(parse_cursor).transpose()?;
    let limit =
        parse_number_up_to("limit", query.limit.as_deref(), DEFAULT_RUNS_PAGE_SIZE.into(), MAX_RUNS_PAGE_SIZE.into())
            .map_err(ApiError::Invalid)?;
    let limit = u32::try_from(limit).unwrap_or(MAX_RUNS_PAGE_SIZE);

    // Read one run more than requested, to find out whether there is another page.
    let mut runs = state.account.list_runs(key, before, limit + 1).await?;
    let has_more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next_cursor = runs.last().filter(|_| has_more).map(|run| run.run_id.to_string());
    let now = state.now();
    let runs = runs.into_iter().map(|summary| {
        let model_url = build_model_page_url(&state, &host, &summary.project, &summary.slug);
        TrainingRun::at(now, summary, model_url)
    });
    let storage = state.training_quota.used_storage(key.as_ref()).await?;
    Ok(Json(TrainingRunList { runs: runs.collect(), next_cursor, storage }))
}

/// Parses a cursor: any number with no more digits than a run identifier can have. The run need not exist, because it
/// may have been deleted after the cursor was issued.
fn parse_cursor(text: &str) -> Option<RunId> {
    let number = parse_canonical_number(text).filter(|number| (1..10_u64.pow(16)).contains(number))?;
    RunId::new(i64::try_from(number).ok()?.min(RunId::MAX_NUMBER.get()))
}

/// Lists runs that are currently reporting
///
/// Returns runs that have not ended and whose next report is not overdue. A cancelled run is included until its process
/// has received the cancellation. Returns at most 200 runs, sorted by their latest report, newest first.
#[utoipa::path(
    get,
    path = "/api/training/runs/live",
    operation_id = "listLiveRuns",
    tag = "training",
    responses((status = OK, description = "The runs that are reporting.", body = LiveRunList))
)]
pub(super) async fn list_live(
    State(state): State<Arc<ServiceState>>,
    RequestHost(host): RequestHost,
) -> Result<Json<LiveRunList>, ApiError> {
    let (now, runs) = (state.now(), state.account.open_runs(MAX_RUNS_PAGE_SIZE).await?);
    let runs = runs.into_iter().filter(|run| run.is_live(now)).map(|summary| {
        let model_url = build_model_page_url(&state, &host, &summary.project, &summary.slug);
        TrainingRun::at(now, summary, model_url)
    });
    Ok(Json(LiveRunList { runs: runs.collect() }))
}

/// Returns a run, without its console output and without the machine's load per epoch
#[utoipa::path(
    get,
    path = "/api/training/runs/{runId}",
    operation_id = "run",
    tag = "training",
    params(("runId" = schema::RunId, Path, description = "The identifier of the run.")),
    responses((status = OK, description = "The run.", body = TrainingRunDetails), NotFound)
)]
pub(super) async fn get(
    State(state): State<Arc<ServiceState>>,
    RequestHost(host): RequestHost,
    run: RunIdPath,
) -> Result<Response, ApiError> {
    let _permit = state.concurrency.large_answers.acquire().await?;
    let details = state.account.run_details(parse_run_id(run)?).await?.ok_or(ApiError::NotFound)?;
    let model_url = build_model_page_url(&state, &host, &details.summary.project, &details.summary.slug);
    // Serialize here, while the permit is held, instead of when the response is sent: the JSON text takes only a tenth
    // of the memory of the run's data.
    Ok(Json(TrainingRunDetails::at(state.now(), details, model_url)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EpochListQuery {
    /// The value of `nextAfter` on the previous page. Only epochs after this one are returned.
    #[param(value_type = Option<u32>, nullable = false, minimum = 0, maximum = 20_000)]
    after: Option<String>,
    /// The maximum number of epochs on a page.
    #[param(value_type = Option<u32>, nullable = false, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
}

/// Lists the epochs of a run, with the machine's load at each epoch
#[utoipa::path(
    get,
    path = "/api/training/runs/{runId}/epochs",
    operation_id = "runEpochs",
    tag = "training",
    params(("runId" = schema::RunId, Path, description = "The identifier of the run."), EpochListQuery),
    responses((status = OK, description = "A page of epochs.", body = EpochList), BadRequest, NotFound)
)]
pub(super) async fn list_epochs(
    State(state): State<Arc<ServiceState>>,
    run: RunIdPath,
    query: Result<Query<EpochListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let run = parse_run_id(run)?;
    let invalid = |why: &str| ApiError::Invalid(why.to_owned());
    let Query(query) = query.map_err(|_| invalid("query: after and limit may each occur only once"))?;
    let read_after = |text: String| {
        let number = parse_canonical_number(&text)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number <= MAX_EPOCH);
        number.ok_or_else(|| invalid("after: is not the number of an epoch"))
    };
    let after = query.after.map(read_after).transpose()?;
    let limit = parse_number_up_to(
        "limit",
        query.limit.as_deref(),
        DEFAULT_EPOCHS_PAGE_SIZE.into(),
        MAX_EPOCHS_PAGE_SIZE.into(),
    );
    let limit = u32::try_from(limit.map_err(ApiError::Invalid)?).unwrap_or(MAX_EPOCHS_PAGE_SIZE);

    let _permit = state.concurrency.large_answers.acquire().await?;
    // Read one epoch more than requested, to find out whether there is another page.
    let mut epochs = state.account.run_epochs(run, after, limit + 1).await?.ok_or(ApiError::NotFound)?;
    let has_more = epochs.len() > limit as usize;
    epochs.truncate(limit as usize);
    let next_after = epochs.last().filter(|_| has_more).map(|details| details.epoch.epoch);
    let epochs = epochs.into_iter().map(Into::into).collect();
    Ok(Json(EpochList { epochs, next_after }).into_response())
}

/// Returns the stored console output of a run
#[utoipa::path(
    get,
    path = "/api/training/runs/{runId}/console",
    operation_id = "runConsole",
    tag = "training",
    params(("runId" = schema::RunId, Path, description = "The identifier of the run.")),
    responses((status = OK, description = "The console output.", body = Console), NotFound)
)]
pub(super) async fn get_console(
    State(state): State<Arc<ServiceState>>,
    run: RunIdPath,
) -> Result<Json<Console>, ApiError> {
    let console = state.account.run_console(parse_run_id(run)?).await?.ok_or(ApiError::NotFound)?;
    Ok(Json(console.into()))
}

/// Downloads the file of a run's saved checkpoint
#[utoipa::path(
    get,
    path = "/api/training/runs/{runId}/checkpoint",
    operation_id = "runCheckpoint",
    tag = "training",
    params(("runId" = schema::RunId, Path, description = "The identifier of the run.")),
    responses(
        (status = OK, description = "The file.", body = inline(FileBytes), content_type = "application/octet-stream", headers(
            ("Content-Disposition" = String, description = "The name of the file on the computer that uploaded it."),
        )),
        NotFound
    )
)]
pub(super) async fn download_checkpoint(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    run: RunIdPath,
) -> Result<([(HeaderName, HeaderValue); 4], Body), ApiError> {
    let run = parse_run_id(run)?;
    let (checkpoint, file) = match open_saved_checkpoint(&state, run).await {
        // A newer checkpoint has replaced this one and its file in the meantime, so open the newer one.
        Err(ApiError::Io(error)) if error.kind() == ErrorKind::NotFound => open_saved_checkpoint(&state, run).await?,
        opened => opened?,
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_LENGTH, HeaderValue::from(file.size())),
        (CONTENT_DISPOSITION, content_disposition(&checkpoint.filename)),
    ];
    Ok((headers, download::stream_file(state, caller, file)))
}

async fn open_saved_checkpoint(state: &ServiceState, run: RunId) -> Result<(Checkpoint, CheckpointReader), ApiError> {
    let checkpoint = state.account.saved_checkpoint(run).await?.ok_or(ApiError::NotFound)?;
    let file = state.checkpoints.open(&checkpoint.checkpoint_id).await.map_err(ApiError::Io)?;
    Ok((checkpoint, file))
}

/// Cancels a run
///
/// The responses to the run's next events tell the training process to stop. A run that has ended does not change.
#[utoipa::path(
    post,
    path = "/api/training/runs/{runId}/cancel",
    operation_id = "cancelRun",
    tag = "training",
    params(("runId" = schema::RunId, Path, description = "The identifier of the run.")),
    responses((status = OK, description = "The status of the run.", body = CancelledRun), NotFound, InsufficientStorage)
)]
pub(super) async fn cancel(
    State(state): State<Arc<ServiceState>>,
    run: RunIdPath,
) -> Result<Json<CancelledRun>, ApiError> {
    let run_id = parse_run_id(run)?;
    let (account, now) = (state.account.clone(), state.now());
    let cancel = async move { account.cancel_run(run_id, now).await };
    let status = state.commit_run(cancel, move |found| found.map(|_| run_id)).await?.ok_or(ApiError::NotFound)?;
    Ok(Json(CancelledRun { run_id, status }))
}

/// Deletes a run
///
/// Deletes the run with its epochs, console output, results and checkpoint. Also deletes the run's model if no other
/// run belongs to the model. A running run must be cancelled first.
#[utoipa::path(
    delete,
    path = "/api/training/runs/{runId}",
    operation_id = "deleteRun",
    tag = "training",
    params(("runId" = schema::RunId, Path, description = "The identifier of the run.")),
    responses((status = OK, description = "The run is deleted.", body = DeletedRun), NotFound, Conflict, InsufficientStorage)
)]
pub(super) async fn delete(
    State(state): State<Arc<ServiceState>>,
    run: RunIdPath,
) -> Result<Json<DeletedRun>, ApiError> {
    let run_id = parse_run_id(run)?;
    let account = state.account.clone();
    let delete = async move { account.delete_run(run_id).await };
    match state.commit_run(delete, move |deletion| (*deletion == RunDeletion::Deleted).then_some(run_id)).await? {
        RunDeletion::NotFound => Err(ApiError::NotFound),
        RunDeletion::Running => Err(ApiError::Conflict("The run is running. Cancel it first.")),
        RunDeletion::Deleted => {
            state.checkpoints.remove_files_of_deleted_runs(&*state.store).await;
            Ok(Json(DeletedRun { run_id }))
        }
    }
}

fn parse_run_id(run: RunIdPath) -> Result<RunId, ApiError> {
    run.ok().and_then(|Path(text)| RunId::parse(&text)).ok_or(ApiError::NotFound)
}

/// Builds the `Content-Disposition` header with the name of a downloaded file. A file name contains neither quotes nor
/// control characters. Non-ASCII characters are replaced, because headers cannot contain them (RFC 6266).
fn content_disposition(name: &FileName) -> HeaderValue {
    let name: String = name.as_str().chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}
