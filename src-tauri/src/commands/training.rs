//! Training runs that keys fed, and stopping one.

use tauri::State;
use ulkeys_client::RunQuery;
use ulkeys_domain::training::RunId;
use ulkeys_domain::wire::training::{CancelledRun, DeletedRun, TrainingRunDetails, TrainingRunList, TrainingStorage};

use super::{Argument, invalid};
use crate::error::Result;
use crate::state::AppState;

/// A page of the runs that a key fed, newest first, and how much is stored. `cursor` is the `nextCursor` of the page before, or `null`.
#[tauri::command]
pub(crate) async fn list_runs(
    state: State<'_, AppState>,
    key_id: Argument,
    cursor: Argument,
) -> Result<TrainingRunList> {
    let cursor = cursor.optional().map(|cursor| cursor.text("cursor")).transpose()?;
    let query = RunQuery { key: Some(key_id.key_id()?), limit: Some(20), cursor };
    Ok(state.client()?.list_runs(&query).await?)
}

/// Everything about a run but its console.
#[tauri::command]
pub(crate) async fn show_run(state: State<'_, AppState>, run_id: Argument) -> Result<TrainingRunDetails> {
    Ok(state.client()?.run(read_run_id(run_id)?).await?)
}

/// How much training data is stored in all.
#[tauri::command]
pub(crate) async fn training_storage(state: State<'_, AppState>) -> Result<TrainingStorage> {
    let query = RunQuery { limit: Some(1), ..RunQuery::default() };
    Ok(state.client()?.list_runs(&query).await?.storage)
}

/// Deletes a run that is not running.
#[tauri::command]
pub(crate) async fn delete_run(state: State<'_, AppState>, run_id: Argument) -> Result<DeletedRun> {
    Ok(state.client()?.delete_run(read_run_id(run_id)?).await?)
}

/// Tells a run to stop at its next event.
#[tauri::command]
pub(crate) async fn cancel_run(state: State<'_, AppState>, run_id: Argument) -> Result<CancelledRun> {
    Ok(state.client()?.cancel_run(read_run_id(run_id)?).await?)
}

fn read_run_id(argument: Argument) -> Result<RunId> {
    let number = argument.whole("runId", 1..=u64::MAX)?;
    i64::try_from(number).ok().and_then(RunId::new).ok_or_else(|| invalid("runId", "is not a run's number"))
}
