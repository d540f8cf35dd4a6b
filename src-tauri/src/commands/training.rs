//! Commands that list training runs, and that cancel or delete one.

use std::sync::Arc;

use tauri::State;
use ulkeys_api::training::{CancelledRun, DeletedRun, TrainingRunDetails, TrainingRunList, TrainingStorage};
use ulkeys_client::RunQuery;
use ulkeys_domain::training::RunId;

use super::{UntrustedArg, invalid_argument};
use crate::error::Result;
use crate::state::AppState;

/// Returns a page of the training runs that were reported with a given key, newest first, and the size of the stored
/// training data. `cursor` is the `nextCursor` of the previous page, or `null`.
#[tauri::command]
pub(crate) async fn list_runs(
    state: State<'_, Arc<AppState>>,
    key_id: UntrustedArg,
    cursor: UntrustedArg,
) -> Result<TrainingRunList> {
    let cursor = cursor.non_null().map(|cursor| cursor.into_text("cursor")).transpose()?;
    let query = RunQuery { key: Some(key_id.into_key_id()?), limit: Some(20), cursor };
    Ok(state.api_client()?.list_runs(&query).await?)
}

/// Returns all details of a run except its console output.
#[tauri::command]
pub(crate) async fn get_run(state: State<'_, Arc<AppState>>, run_id: UntrustedArg) -> Result<TrainingRunDetails> {
    Ok(state.api_client()?.get_run(parse_run_id(run_id)?).await?)
}

/// Returns the total size of the stored training data.
#[tauri::command]
pub(crate) async fn get_training_storage(state: State<'_, Arc<AppState>>) -> Result<TrainingStorage> {
    let query = RunQuery { limit: Some(1), ..RunQuery::default() };
    Ok(state.api_client()?.list_runs(&query).await?.storage)
}

/// Deletes a run that is not in progress.
#[tauri::command]
pub(crate) async fn delete_run(state: State<'_, Arc<AppState>>, run_id: UntrustedArg) -> Result<DeletedRun> {
    Ok(state.api_client()?.delete_run(parse_run_id(run_id)?).await?)
}

/// Requests the cancellation of a run. The run stops when it next reports an event.
#[tauri::command]
pub(crate) async fn cancel_run(state: State<'_, Arc<AppState>>, run_id: UntrustedArg) -> Result<CancelledRun> {
    Ok(state.api_client()?.cancel_run(parse_run_id(run_id)?).await?)
}

fn parse_run_id(argument: UntrustedArg) -> Result<RunId> {
    let number = argument.into_integer("runId", 1..=u64::MAX)?;
    i64::try_from(number).ok().and_then(RunId::new).ok_or_else(|| invalid_argument("runId", "is not a run's number"))
}
