//! Reads training runs.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, Console, ConsoleChunk, Epoch, EpochDetails, FileName, ModelId, ModelRef, RunDetails,
    RunId, RunStatus, RunSummary, Slug, StartedRun,
};
use ulkeys_domain::{AccountId, KeyId};

use crate::sqlite::account_scope::AccountScope;
use crate::sqlite::rows::{read_account, read_enum, read_optional_time, read_text, read_time, unreadable_column};
use crate::{ResourceCounts, StoredBytes, TrainingBytes};

const SUMMARY_COLUMNS: &str = "runs.id, model_id, project, slug, status, planned_epochs,
    (SELECT count(*) FROM epochs WHERE account_id = runs.account_id AND run_id = runs.id), device, started_at,
    last_event_at, ended_at, error, EXISTS (SELECT 1 FROM checkpoints
        WHERE account_id = runs.account_id AND run_id = runs.id AND state = 'saved'), results_dropped";
const RUNS_WITH_MODEL: &str = "runs JOIN models ON models.account_id = runs.account_id AND models.id = model_id";
const CHECKPOINT_SELECT: &str = "SELECT id, filename, size, state, key_id, uploaded_at FROM checkpoints
    WHERE account_id = :account_id AND run_id = :run";

/// Returns the number of projects and the number of models in all projects, for each account that has models.
pub(in crate::sqlite) fn count_resources(
    connection: &Connection,
) -> rusqlite::Result<FxHashMap<AccountId, ResourceCounts>> {
    connection
        .prepare_cached(
            "SELECT account_id, count(DISTINCT project), count(*) FROM models
             WHERE account_id IN (SELECT id FROM accounts) GROUP BY account_id",
        )?
        .query_map([], |row| {
            let count = |column| row.get(column).map(i64::cast_unsigned);
            Ok((read_account(row, 0)?, ResourceCounts { projects: count(1)?, models: count(2)? }))
        })?
        .collect()
}

/// Returns the identifier, the project, and the slug of a model.
pub(super) fn find_model(scope: AccountScope<'_>, id: &ModelId) -> rusqlite::Result<Option<(ModelId, Slug, Slug)>> {
    let select = "SELECT id, project, slug FROM models WHERE account_id = :account_id AND id = :id";
    let read = |row: &Row<'_>| {
        Ok((read_text(row, 0, ModelId::parse)?, read_text(row, 1, Slug::parse)?, read_text(row, 2, Slug::parse)?))
    };
    scope.query_row(select, named_params! { ":id": id.as_str() }, read).optional()
}

pub(super) fn find_run(
    scope: AccountScope<'_>,
    target: &ModelRef,
    run: Option<RunId>,
) -> rusqlite::Result<Option<StartedRun>> {
    let (place, first, second) = match target {
        ModelRef::Model(id) => ("models.id = :first AND :second = ''", id.as_str(), ""),
        ModelRef::Named { project, name } => ("project = :first AND name = :second", project.as_str(), name.as_str()),
    };
    let select = format!(
        "SELECT runs.id, model_id, project, slug, status
         FROM models CROSS JOIN runs ON runs.account_id = models.account_id AND model_id = models.id
         WHERE models.account_id = :account_id AND {place} AND (:run IS NULL OR runs.id = :run)
         ORDER BY runs.id DESC LIMIT 1"
    );
    let read = |row: &Row<'_>| {
        Ok(StartedRun {
            run_id: read_run_id(row, 0)?,
            model_id: read_text(row, 1, ModelId::parse)?,
            project: read_text(row, 2, Slug::parse)?,
            slug: read_text(row, 3, Slug::parse)?,
            status: read_enum(row, 4)?,
        })
    };
    let parameters = named_params! { ":first": first, ":second": second, ":run": run.map(RunId::get) };
    scope.query_row(&select, parameters, read).optional()
}

pub(super) fn run_status(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<Option<RunStatus>> {
    let select = "SELECT status FROM runs WHERE account_id = :account_id AND id = :run";
    scope.query_row(select, named_params! { ":run": run.get() }, |row| read_enum(row, 0)).optional()
}

pub(super) fn list_runs(
    scope: AccountScope<'_>,
    key: Option<&KeyId>,
    before: Option<RunId>,
    limit: u32,
) -> rusqlite::Result<Vec<RunSummary>> {
    // The runs of one key are found through the primary key of `run_keys`, newest first; without a key, all runs are
    // read from their own table. In a CROSS JOIN, SQLite reads the tables in this order.
    let (source, condition) = match key {
        Some(_) => (
            "run_keys CROSS JOIN runs ON runs.account_id = run_keys.account_id AND runs.id = run_id
             JOIN models ON models.account_id = runs.account_id AND models.id = model_id",
            "run_keys.account_id = :account_id AND run_keys.key_id = :key",
        ),
        None => (RUNS_WITH_MODEL, "runs.account_id = :account_id AND :key IS NULL"),
    };
    let select = format!(
        "SELECT {SUMMARY_COLUMNS} FROM {source} WHERE {condition} AND (:before IS NULL OR runs.id < :before)
         ORDER BY runs.id DESC LIMIT :limit"
    );
    let parameters = named_params! {
        ":key": key.map(KeyId::as_str),
        ":before": before.map(RunId::get),
        ":limit": limit,
    };
    let mut runs: Vec<_> = scope.query_all(&select, parameters, read_summary)?;
    for run in &mut runs {
        run.key_ids = keys_of_run(scope, run.run_id)?;
    }
    Ok(runs)
}

pub(super) fn find_summaries(scope: AccountScope<'_>, runs: &[RunId]) -> rusqlite::Result<Vec<RunSummary>> {
    runs.iter().filter_map(|run| find_summary(scope, *run).transpose()).collect()
}

fn find_summary(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<Option<RunSummary>> {
    let select = format!(
        "SELECT {SUMMARY_COLUMNS} FROM {RUNS_WITH_MODEL} WHERE runs.account_id = :account_id AND runs.id = :run"
    );
    let found = scope.query_row(&select, named_params! { ":run": run.get() }, read_summary).optional()?;
    let Some(mut summary) = found else {
        return Ok(None);
    };
    summary.key_ids = keys_of_run(scope, run)?;
    Ok(Some(summary))
}

pub(super) fn open_runs(scope: AccountScope<'_>, limit: u32) -> rusqlite::Result<Vec<RunSummary>> {
    let select = format!(
        "SELECT {SUMMARY_COLUMNS} FROM {RUNS_WITH_MODEL} WHERE runs.account_id = :account_id
         AND (status = 'running' OR (status = 'cancelled' AND last_event_at <= ended_at))
         ORDER BY last_event_at DESC, runs.id DESC LIMIT :limit"
    );
    let mut runs: Vec<_> = scope.query_all(&select, named_params! { ":limit": limit }, read_summary)?;
    for run in &mut runs {
        run.key_ids = keys_of_run(scope, run.run_id)?;
    }
    Ok(runs)
}

pub(super) fn run_details(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<Option<RunDetails>> {
    let Some(summary) = find_summary(scope, run)? else {
        return Ok(None);
    };
    let epochs = scope.query_all(
        "SELECT epoch, metrics, fitness, best_fitness, key_id, received_at FROM epochs
         WHERE account_id = :account_id AND run_id = :run ORDER BY epoch",
        named_params! { ":run": run.get() },
        read_epoch,
    )?;
    let checkpoints = scope.query_all(
        &format!("{CHECKPOINT_SELECT} ORDER BY rowid DESC"),
        named_params! { ":run": run.get() },
        read_checkpoint,
    )?;
    let select = "SELECT system, train_args, environment, model_info, results, class_names, plots FROM runs
        WHERE account_id = :account_id AND id = :run";
    scope
        .query_row(select, named_params! { ":run": run.get() }, |row| {
            Ok(RunDetails {
                summary,
                epochs,
                system: read_json(row, 0)?,
                train_args: read_json(row, 1)?,
                environment: read_json(row, 2)?,
                model_info: read_json(row, 3)?,
                results: read_json(row, 4)?,
                class_names: read_json(row, 5)?,
                plots: read_json(row, 6)?,
                checkpoints,
            })
        })
        .optional()
}

pub(super) fn run_epochs(
    scope: AccountScope<'_>,
    run: RunId,
    after: Option<u32>,
    limit: u32,
) -> rusqlite::Result<Option<Vec<EpochDetails>>> {
    if run_status(scope, run)?.is_none() {
        return Ok(None);
    }
    let read = |row: &Row<'_>| Ok(EpochDetails { epoch: read_epoch(row)?, system: read_json(row, 6)? });
    scope
        .query_all(
            "SELECT epoch, metrics, fitness, best_fitness, key_id, received_at, system FROM epochs
             WHERE account_id = :account_id AND run_id = :run AND epoch > coalesce(:after, -1)
             ORDER BY epoch LIMIT :limit",
            named_params! { ":run": run.get(), ":after": after, ":limit": limit },
            read,
        )
        .map(Some)
}

pub(super) fn run_console(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<Option<Console>> {
    let dropped = "SELECT console_dropped FROM runs WHERE account_id = :account_id AND id = :run";
    let parameters = named_params! { ":run": run.get() };
    let Some(dropped) = scope.query_row(dropped, parameters, |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    let chunks = scope.query_all(
        "SELECT chunk_id, content, key_id FROM console
         WHERE account_id = :account_id AND run_id = :run ORDER BY chunk_id",
        parameters,
        |row| {
            let chunk_id: i64 = row.get(0)?;
            let chunk_id = u64::try_from(chunk_id).map_err(|_| unreadable_column(0, Type::Integer))?;
            Ok(ConsoleChunk { chunk_id, content: row.get(1)?, key_id: read_key_id(row, 2)? })
        },
    )?;
    Ok(Some(Console { chunks, dropped }))
}

pub(super) fn saved_checkpoint(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<Option<Checkpoint>> {
    let select = format!("{CHECKPOINT_SELECT} AND state = 'saved' ORDER BY rowid DESC LIMIT 1");
    scope.query_row(&select, named_params! { ":run": run.get() }, read_checkpoint).optional()
}

/// Returns the checkpoints of all accounts whose files should exist.
pub(in crate::sqlite) fn checkpoints_with_file(connection: &Connection) -> rusqlite::Result<Vec<CheckpointId>> {
    connection
        .prepare("SELECT id FROM checkpoints WHERE state <> 'replaced'")?
        .query_map([], read_checkpoint_id)?
        .collect()
}

/// Returns the checkpoints of all accounts whose files must be deleted.
pub(in crate::sqlite) fn files_to_remove(
    connection: &Connection,
    with_replaced: bool,
) -> rusqlite::Result<Vec<CheckpointId>> {
    let select = "SELECT id FROM removed_files UNION ALL SELECT id FROM checkpoints WHERE state = 'replaced' AND ?1";
    connection.prepare(select)?.query_map([with_replaced], read_checkpoint_id)?.collect()
}

pub(super) fn training_bytes(scope: AccountScope<'_>, key: Option<&KeyId>) -> rusqlite::Result<TrainingBytes> {
    // The total and the free pages describe the database, whose size the total limits, so they cover all accounts.
    let connection = scope.whole_database();
    let all = "SELECT coalesce(sum(rows), 0), coalesce(sum(files), 0) FROM training_bytes";
    let of_key = "SELECT coalesce(sum(rows), 0), coalesce(sum(files), 0) FROM training_bytes
        WHERE account_id = :account_id AND key_id = :key";
    let free = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size";
    let reusable: i64 = connection.prepare_cached(free)?.query_row([], |row| row.get(0))?;
    let reusable = u64::try_from(reusable).unwrap_or_default();
    let read = |row: &Row<'_>| {
        let bytes = |column| row.get::<_, i64>(column).map(|bytes| u64::try_from(bytes).unwrap_or_default());
        Ok(StoredBytes { rows: bytes(0)?, files: bytes(1)? })
    };
    let all = connection.prepare_cached(all)?.query_row([], read)?;
    let key = scope.query_row(of_key, named_params! { ":key": key.map_or("", KeyId::as_str) }, read)?;
    Ok(TrainingBytes { all, key, reusable })
}

/// Reads the checkpoint identifier in the first column.
pub(super) fn read_checkpoint_id(row: &Row<'_>) -> rusqlite::Result<CheckpointId> {
    read_text(row, 0, CheckpointId::parse)
}

fn keys_of_run(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<Vec<KeyId>> {
    scope.query_all(
        "SELECT key_id FROM run_keys WHERE account_id = :account_id AND run_id = :run ORDER BY first_at, key_id",
        named_params! { ":run": run.get() },
        |row| read_text(row, 0, KeyId::parse),
    )
}

fn read_summary(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    Ok(RunSummary {
        run_id: read_run_id(row, 0)?,
        model_id: read_text(row, 1, ModelId::parse)?,
        project: read_text(row, 2, Slug::parse)?,
        slug: read_text(row, 3, Slug::parse)?,
        status: read_enum(row, 4)?,
        planned_epochs: row.get(5)?,
        recorded_epochs: row.get(6)?,
        device: row.get(7)?,
        key_ids: Vec::new(),
        started_at: read_time(row, 8)?,
        last_event_at: read_time(row, 9)?,
        ended_at: read_optional_time(row, 10)?,
        error: row.get(11)?,
        has_checkpoint: row.get(12)?,
        results_dropped: row.get(13)?,
    })
}

fn read_epoch(row: &Row<'_>) -> rusqlite::Result<Epoch> {
    Ok(Epoch {
        epoch: row.get(0)?,
        metrics: read_json(row, 1)?.ok_or_else(|| unreadable_column(1, Type::Null))?,
        fitness: row.get(2)?,
        best_fitness: row.get(3)?,
        key_id: read_key_id(row, 4)?,
        received_at: read_time(row, 5)?,
    })
}

fn read_checkpoint(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    let size: i64 = row.get(2)?;
    Ok(Checkpoint {
        checkpoint_id: read_checkpoint_id(row)?,
        filename: read_text(row, 1, |text| FileName::parse(text).ok())?,
        size: u64::try_from(size).map_err(|_| unreadable_column(2, Type::Integer))?,
        state: read_enum(row, 3)?,
        key_id: read_key_id(row, 4)?,
        uploaded_at: read_time(row, 5)?,
    })
}

pub(super) fn read_run_id(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    RunId::new(row.get(column)?).ok_or_else(|| unreadable_column(column, Type::Integer))
}

fn read_key_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<KeyId>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => read_text(row, column, KeyId::parse).map(Some),
    }
}

fn read_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| unreadable_column(column, Type::Text))
}
