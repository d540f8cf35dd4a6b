//! `POST /api/webhooks/training/metrics` and `/api/webhooks/models/upload`: receive events from training processes and
//! issue upload URLs to them.

mod request_bodies;

use std::sync::Arc;

use axum::Json;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request, State};
use rand::rngs::SysRng;
use tokio::sync::SemaphorePermit;
use ulkeys_api::training::{EventAck, UploadTicket};
use ulkeys_domain::RateLimitClass;
use ulkeys_domain::training::{
    CheckpointId, Event, EventReport, FieldError, ModelId, ModelRef, RunId, RunStart, RunStatus, RunUpdate, Slug,
    StartedRun, UploadRequest,
};
use ulkeys_store::ReportedBy;

use request_bodies::{TrainingReport, UploadBody};

use crate::body::LimitedBytes;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::key_rate_limits::RunRequest;
use crate::loopback_guard::RequestHost;
use crate::openapi::{BodyErrors, InsufficientStorage, NotFound};
use crate::request_context::RunRequestCounter;
use crate::state::ServiceState;
use crate::upload_grants::{GrantError, UploadGrant};

/// The maximum size of a report in bytes. A model with many classes reports curves of several megabytes.
const MAX_REPORT_BYTES: usize = 8 * 1024 * 1024;
/// The maximum size in bytes of a report that is parsed on the async thread. Parsing a larger report would block other
/// requests.
const MAX_INLINE_PARSE_BYTES: usize = 64 * 1024;

/// Records one event of a training run
///
/// The response tells the training process which run the event belongs to, and whether the process must stop. A report
/// can be at most 8 MiB in size. Each run has its own rate limit, so parallel runs do not use up each other's limit,
/// and the report that ends a run is not rejected because other runs are busy.
#[utoipa::path(
    post,
    path = "/api/webhooks/training/metrics",
    operation_id = "reportTraining",
    tag = "training",
    request_body = TrainingReport,
    responses((status = OK, description = "The event is recorded.", body = EventAck), BodyErrors, NotFound, InsufficientStorage)
)]
pub(super) async fn report_event(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    counter: RunRequestCounter,
    RequestHost(host): RequestHost,
    request: Request,
) -> Result<Json<EventAck>, ApiError> {
    // The permits are held until the event is recorded.
    let (EventReport { target, run, event }, bytes, _permits) = match read_report_body(&state, request).await {
        Ok(received) => received,
        Err(error) => return Err(count_request_without_run(&counter, RateLimitClass::Stream, error)),
    };
    let feed = ReportedBy { actor: caller.actor(), at: state.now() };
    let name = event.name();
    let mut results_dropped = false;
    let run = if let Event::Started(start) = event {
        counter.count_against_run_limit(RunRequest::Start)?;
        state.training_quota.check_database(feed.actor.key_id(), bytes).await?;
        start_run(&state, target, start, feed).await?
    } else {
        let run = match find_run(&state, target, run).await {
            Ok(run) => run,
            Err(error) => return Err(count_request_without_run(&counter, RateLimitClass::Stream, error)),
        };
        counter.count_against_run_limit(classify_event(&event, &run))?;
        let event = match event {
            Event::Update(change) => Event::Update(reduce_to_quota(&state, change, &feed, bytes).await?),
            other => other,
        };
        results_dropped = matches!(&event, Event::Update(RunUpdate::Complete(ending)) if ending.is_dropped);
        record_event(&state, run, event, feed).await?
    };
    Ok(Json(EventAck {
        received: true,
        event: name.to_owned(),
        model_url: build_model_page_url(&state, &host, &run.project, &run.slug),
        cancelled: run.status == RunStatus::Cancelled,
        model_id: run.model_id,
        run_id: run.run_id,
        model_slug: run.slug,
        results_dropped,
    }))
}

/// Returns the part of an update that fits into the storage limits: the whole update, or only the fact that the run is
/// alive or has ended.
async fn reduce_to_quota(
    state: &ServiceState,
    change: RunUpdate,
    feed: &ReportedBy,
    bytes: u64,
) -> Result<RunUpdate, ApiError> {
    if change == RunUpdate::Alive {
        return Ok(change);
    }
    match state.training_quota.check_database(feed.actor.key_id(), bytes).await {
        Ok(()) => Ok(change),
        Err(error) => change.without_data().ok_or(error.into()),
    }
}

/// Issues a URL for uploading one file
///
/// Without `runId`, the file becomes the checkpoint of the model's newest run as soon as it is uploaded.
#[utoipa::path(
    post,
    path = "/api/webhooks/models/upload",
    operation_id = "requestUpload",
    tag = "training",
    request_body = UploadBody,
    responses((status = OK, description = "The address to upload the file to.", body = UploadTicket), BodyErrors, NotFound, InsufficientStorage)
)]
pub(super) async fn request_upload(
    State(state): State<Arc<ServiceState>>,
    caller: Caller,
    counter: RunRequestCounter,
    RequestHost(host): RequestHost,
    request: Request,
) -> Result<Json<UploadTicket>, ApiError> {
    let (run, request) = match read_upload_request_body(&state, request).await {
        Ok(known) => known,
        Err(error) => return Err(count_request_without_run(&counter, RateLimitClass::Checkpoint, error)),
    };
    counter.count_against_run_limit(RunRequest::Checkpoint(run.run_id))?;
    state.training_quota.check_file(caller.key_id().as_ref(), request.size.unwrap_or_default()).await?;
    let id = CheckpointId::generate(&mut SysRng).map_err(|_| ApiError::NoRandomness)?;
    let path = id.to_path();
    let grant = UploadGrant {
        id,
        model: run.model_id.clone(),
        run: run.run_id,
        filename: request.filename,
        size: request.size,
        // A client that names no run also does not send `checkpoint_saved`, so the file is saved as soon as it arrives.
        save_on_arrival: request.run.is_none(),
        caller,
    };
    let mut issued = state.upload_grants.issue_grant(grant.clone(), state.uptime(), &mut SysRng);
    if matches!(issued, Err(GrantError::TooMany)) {
        withdraw_grants_of_revoked_keys(&state);
        issued = state.upload_grants.issue_grant(grant, state.uptime(), &mut SysRng);
    }
    let capability = issued.map_err(|error| match error {
        GrantError::TooMany => ApiError::TooManyUploads,
        GrantError::NoRandomness => ApiError::NoRandomness,
    })?;
    Ok(Json(UploadTicket {
        upload_url: format!("http://{host}/uploads/{}", capability.as_str()),
        gcs_path: path.clone(),
        upload_path: path,
        model_id: run.model_id,
    }))
}

/// Makes an uploaded file the checkpoint of its run, and removes the files of the checkpoints that it replaces.
pub(super) async fn save_checkpoint(
    state: &Arc<ServiceState>,
    run: RunId,
    id: CheckpointId,
    feed: ReportedBy,
) -> Result<(), ApiError> {
    let account = state.account.clone();
    let save = async move { account.save_checkpoint(run, id, feed).await };
    let replaced = state.commit_run(save, move |saved| saved.as_ref().map(|_| run)).await?.ok_or(ApiError::NotFound)?;
    for id in &replaced {
        state.checkpoints.remove(id).await;
    }
    Ok(())
}

/// Builds the URL of a model's page, for a training process to print. `host` is the host and port that the process used
/// to reach the service.
pub(super) fn build_model_page_url(state: &ServiceState, host: &str, project: &Slug, slug: &Slug) -> String {
    let owner = Slug::of(&state.config.account.username, "user");
    format!("http://{host}/{owner}/{project}/{slug}")
}

/// Removes pending upload grants of revoked keys, which would otherwise count against the limits until they expire.
fn withdraw_grants_of_revoked_keys(state: &ServiceState) {
    for caller in state.upload_grants.callers_with_grants(state.uptime()) {
        if let (Err(_), Some(key)) = (caller.revalidate(), caller.key_id()) {
            state.upload_grants.withdraw_grants_of_key(key, state.uptime());
        }
    }
}

/// Counts a request that names no valid run or has an invalid body, so that the rate limit also applies to such
/// requests. Returns `error`, or the rejection if the rate limit rejects the request.
fn count_request_without_run(counter: &RunRequestCounter, class: RateLimitClass, error: ApiError) -> ApiError {
    counter.count_against_run_limit(RunRequest::NoRun(class)).err().unwrap_or(error)
}

/// Returns how an event of a run is counted.
fn classify_event(event: &Event, run: &StartedRun) -> RunRequest {
    match event {
        Event::CheckpointSaved(_) | Event::Update(RunUpdate::Complete(_) | RunUpdate::Failed(_)) => {
            // A cancelled run counts as live, because its process still has to report the results.
            let is_live = matches!(run.status, RunStatus::Running | RunStatus::Cancelled);
            RunRequest::Result { run: run.run_id, is_live }
        }
        Event::Started(_) | Event::Update(_) => RunRequest::Event(run.run_id),
    }
}

async fn record_event(
    state: &Arc<ServiceState>,
    run: StartedRun,
    event: Event,
    feed: ReportedBy,
) -> Result<StartedRun, ApiError> {
    match event {
        Event::Update(change) => {
            let (account, run_id) = (state.account.clone(), run.run_id);
            let record = async move { account.record_update(run_id, change, feed).await };
            let status =
                state.commit_run(record, move |found| found.map(|_| run_id)).await?.ok_or(ApiError::NotFound)?;
            Ok(StartedRun { status, ..run })
        }
        Event::CheckpointSaved(checkpoint) => {
            save_checkpoint(state, run.run_id, checkpoint.ok_or(ApiError::NotFound)?, feed).await?;
            Ok(run)
        }
        Event::Started(_) => Ok(run),
    }
}

/// Reads a report. Returns it with its size in bytes and, if it is large, the permits for receiving and parsing it.
async fn read_report_body(
    state: &Arc<ServiceState>,
    request: Request,
) -> Result<(EventReport, u64, [Option<SemaphorePermit<'_>>; 2]), ApiError> {
    // A body of unknown size is treated as large.
    let is_small = request.body().size_hint().upper().is_some_and(|bytes| bytes <= MAX_INLINE_PARSE_BYTES as u64);
    let received = if is_small { None } else { Some(state.concurrency.large_bodies.acquire().await?) };
    let LimitedBytes(body) = LimitedBytes::<MAX_REPORT_BYTES>::from_request(request, state).await?;
    let read =
        if body.len() > MAX_INLINE_PARSE_BYTES { Some(state.concurrency.large_reports.acquire().await?) } else { None };
    let bytes = body.len() as u64;
    Ok((parse_report(body).await?, bytes, [received, read]))
}

async fn read_upload_request_body(
    state: &Arc<ServiceState>,
    request: Request,
) -> Result<(StartedRun, UploadRequest), ApiError> {
    let LimitedBytes(body): LimitedBytes = LimitedBytes::from_request(request, state).await?;
    let request = UploadRequest::parse(&body)?;
    let max = state.config.checkpoints.max_bytes;
    if request.size.is_some_and(|size| size > max) {
        return Err(ApiError::FileTooLarge(max));
    }
    let run = find_run(state, request.target.clone(), request.run).await?;
    Ok((run, request))
}

async fn start_run(
    state: &Arc<ServiceState>,
    target: ModelRef,
    start: RunStart,
    feed: ReportedBy,
) -> Result<StartedRun, ApiError> {
    let new_model = ModelId::generate(&mut SysRng).map_err(|_| ApiError::NoRandomness)?;
    let account = state.account.clone();
    let started = async move { account.start_run(new_model, target, start, feed).await };
    state.commit_run(started, |run| run.as_ref().map(|run| run.run_id)).await?.ok_or(ApiError::NotFound)
}

async fn find_run(state: &ServiceState, target: ModelRef, run: Option<RunId>) -> Result<StartedRun, ApiError> {
    state.account.find_run(target, run).await?.ok_or(ApiError::NotFound)
}

async fn parse_report(body: Bytes) -> Result<EventReport, ApiError> {
    if body.len() <= MAX_INLINE_PARSE_BYTES {
        return Ok(EventReport::parse(&body)?);
    }
    let parsed = tokio::task::spawn_blocking(move || EventReport::parse(&body)).await;
    Ok(parsed.map_err(|error| ApiError::Io(std::io::Error::other(error)))??)
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::Invalid(error.to_string())
    }
}
