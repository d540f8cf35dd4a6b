//! Reads training runs. A read that needs several statements uses one transaction for a consistent result.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use ulkeys_api::ResourceCounts;
use ulkeys_domain::KeyId;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, Console, ConsoleChunk, Epoch, EpochDetails, FileName, ModelId, ModelRef, RunDetails,
    RunId, RunStatus, RunSummary, Slug, StartedRun,
};

use crate::sqlite::rows::{read_enum, read_optional_time, read_text, read_time, unreadable_column};
use crate::{StoredBytes, TrainingBytes};

const SUMMARY_SELECT: &str = "SELECT runs.id, model_id, project, slug, status, planned_epochs,
    (SELECT count(*) FROM epochs WHERE run_id = runs.id), device, started_at, last_event_at, ended_at, error,
    EXISTS (SELECT 1 FROM checkpoints WHERE run_id = runs.id AND state = 'saved'), results_dropped
    FROM runs JOIN models ON models.id = model_id";
const CHECKPOINT_SELECT: &str = "SELECT id, filename, size, state, key_id, uploaded_at FROM checkpoints";

/// Returns the number of projects and the number of models in all projects.
pub(in crate::sqlite) fn count_resources(connection: &Connection) -> rusqlite::Result<ResourceCounts> {
    connection.query_row("SELECT count(DISTINCT project), count(*) FROM models", [], |row| {
        let count = |column| row.get(column).map(i64::cast_unsigned);
        Ok(ResourceCounts { projects: count(0)?, models: count(1)?, datasets: 0 })
    })
}

/// Returns the identifier, the project, and the slug of a model.
pub(super) fn find_model(connection: &Connection, id: &ModelId) -> rusqlite::Result<Option<(ModelId, Slug, Slug)>> {
    let select = "SELECT id, project, slug FROM models WHERE id = ?1";
    let read = |row: &Row<'_>| {
        Ok((read_text(row, 0, ModelId::parse)?, read_text(row, 1, Slug::parse)?, read_text(row, 2, Slug::parse)?))
    };
    connection.query_row(select, [id.as_str()], read).optional()
}

pub(super) fn find_run(
    connection: &Connection,
    target: &ModelRef,
    run: Option<RunId>,
) -> rusqlite::Result<Option<StartedRun>> {
    let (place, first, second) = match target {
        ModelRef::Model(id) => ("models.id = ?1 AND ?2 = ''", id.as_str(), ""),
        ModelRef::Named { project, name } => ("project = ?1 AND name = ?2", project.as_str(), name.as_str()),
    };
    let select = format!(
        "SELECT runs.id, model_id, project, slug, status FROM runs JOIN models ON models.id = model_id
         WHERE {place} AND (?3 IS NULL OR runs.id = ?3) ORDER BY runs.id DESC LIMIT 1"
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
    connection.prepare_cached(&select)?.query_row(params![first, second, run.map(RunId::get)], read).optional()
}

pub(super) fn run_status(connection: &Connection, run: RunId) -> rusqlite::Result<Option<RunStatus>> {
    let select = "SELECT status FROM runs WHERE id = ?1";
    connection.query_row(select, [run.get()], |row| read_enum(row, 0)).optional()
}

pub(super) fn list_runs(
    connection: &mut Connection,
    key: Option<&KeyId>,
    before: Option<RunId>,
    limit: u32,
) -> rusqlite::Result<Vec<RunSummary>> {
    let moment = connection.transaction()?;
    // The runs of one key are found through the index of `run_keys`, newest first; without a key, all runs are read
    // from their own table.
    let (source, condition) = match key {
        Some(_) => ("JOIN run_keys ON run_id = runs.id", "run_keys.key_id = ?1"),
        None => ("", "?1 IS NULL"),
    };
    let select = format!(
        "{SUMMARY_SELECT} {source} WHERE {condition} AND (?2 IS NULL OR runs.id < ?2) ORDER BY runs.id DESC LIMIT ?3"
    );
    let key = key.map(KeyId::as_str);
    let mut runs = moment
        .prepare_cached(&select)?
        .query_map(params![key, before.map(RunId::get), limit], read_summary)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for run in &mut runs {
        run.key_ids = keys_of_run(&moment, run.run_id)?;
    }
    Ok(runs)
}

pub(super) fn find_summaries(connection: &mut Connection, runs: &[RunId]) -> rusqlite::Result<Vec<RunSummary>> {
    let moment = connection.transaction()?;
    runs.iter().filter_map(|run| find_summary(&moment, *run).transpose()).collect()
}

fn find_summary(connection: &Connection, run: RunId) -> rusqlite::Result<Option<RunSummary>> {
    let mut select = connection.prepare_cached(&format!("{SUMMARY_SELECT} WHERE runs.id = ?1"))?;
    let Some(mut summary) = select.query_row([run.get()], read_summary).optional()? else {
        return Ok(None);
    };
    summary.key_ids = keys_of_run(connection, run)?;
    Ok(Some(summary))
}

pub(super) fn open_runs(connection: &mut Connection, limit: u32) -> rusqlite::Result<Vec<RunSummary>> {
    let moment = connection.transaction()?;
    let select = format!(
        "{SUMMARY_SELECT} WHERE status = 'running' OR (status = 'cancelled' AND last_event_at <= ended_at)
         ORDER BY last_event_at DESC, runs.id DESC LIMIT ?1"
    );
    let mut runs =
        moment.prepare_cached(&select)?.query_map([limit], read_summary)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for run in &mut runs {
        run.key_ids = keys_of_run(&moment, run.run_id)?;
    }
    Ok(runs)
}

pub(super) fn run_details(connection: &mut Connection, run: RunId) -> rusqlite::Result<Option<RunDetails>> {
    let moment = connection.transaction()?;
    let Some(summary) = find_summary(&moment, run)? else {
        return Ok(None);
    };
    let epochs = moment
        .prepare_cached(
            "SELECT epoch, metrics, fitness, best_fitness, key_id, received_at FROM epochs
             WHERE run_id = ?1 ORDER BY epoch",
        )?
        .query_map([run.get()], read_epoch)?
        .collect::<rusqlite::Result<_>>()?;
    let checkpoints = moment
        .prepare_cached(&format!("{CHECKPOINT_SELECT} WHERE run_id = ?1 ORDER BY rowid DESC"))?
        .query_map([run.get()], read_checkpoint)?
        .collect::<rusqlite::Result<_>>()?;
    let select =
        "SELECT system, train_args, environment, model_info, results, class_names, plots FROM runs WHERE id = ?1";
    moment
        .query_row(select, [run.get()], |row| {
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
    connection: &mut Connection,
    run: RunId,
    after: Option<u32>,
    limit: u32,
) -> rusqlite::Result<Option<Vec<EpochDetails>>> {
    let moment = connection.transaction()?;
    if run_status(&moment, run)?.is_none() {
        return Ok(None);
    }
    let read = |row: &Row<'_>| Ok(EpochDetails { epoch: read_epoch(row)?, system: read_json(row, 6)? });
    moment
        .prepare_cached(
            "SELECT epoch, metrics, fitness, best_fitness, key_id, received_at, system FROM epochs
             WHERE run_id = ?1 AND epoch > coalesce(?2, -1) ORDER BY epoch LIMIT ?3",
        )?
        .query_map(params![run.get(), after, limit], read)?
        .collect::<rusqlite::Result<_>>()
        .map(Some)
}

pub(super) fn run_console(connection: &mut Connection, run: RunId) -> rusqlite::Result<Option<Console>> {
    let moment = connection.transaction()?;
    let dropped = "SELECT console_dropped FROM runs WHERE id = ?1";
    let Some(dropped) = moment.query_row(dropped, [run.get()], |row| row.get(0)).optional()? else {
        return Ok(None);
    };
    let chunks = moment
        .prepare_cached("SELECT chunk_id, content, key_id FROM console WHERE run_id = ?1 ORDER BY chunk_id")?
        .query_map([run.get()], |row| {
            let chunk_id: i64 = row.get(0)?;
            let chunk_id = u64::try_from(chunk_id).map_err(|_| unreadable_column(0, Type::Integer))?;
            Ok(ConsoleChunk { chunk_id, content: row.get(1)?, key_id: read_key_id(row, 2)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(Console { chunks, dropped }))
}

pub(super) fn saved_checkpoint(connection: &Connection, run: RunId) -> rusqlite::Result<Option<Checkpoint>> {
    let select = format!("{CHECKPOINT_SELECT} WHERE run_id = ?1 AND state = 'saved' ORDER BY rowid DESC LIMIT 1");
    connection.query_row(&select, [run.get()], read_checkpoint).optional()
}

pub(in crate::sqlite) fn checkpoints_with_file(connection: &Connection) -> rusqlite::Result<Vec<CheckpointId>> {
    connection
        .prepare("SELECT id FROM checkpoints WHERE state <> 'replaced'")?
        .query_map([], read_checkpoint_id)?
        .collect()
}

/// Returns the checkpoints whose files must be deleted.
pub(in crate::sqlite) fn files_to_remove(
    connection: &Connection,
    with_replaced: bool,
) -> rusqlite::Result<Vec<CheckpointId>> {
    let select = "SELECT id FROM removed_files UNION ALL SELECT id FROM checkpoints WHERE state = 'replaced' AND ?1";
    connection.prepare(select)?.query_map([with_replaced], read_checkpoint_id)?.collect()
}

pub(super) fn training_bytes(connection: &Connection, key: Option<&KeyId>) -> rusqlite::Result<TrainingBytes> {
    let select = "SELECT coalesce(sum(rows), 0), coalesce(sum(files), 0),
        coalesce(sum(rows) FILTER (WHERE key_id = ?1), 0), coalesce(sum(files) FILTER (WHERE key_id = ?1), 0)
        FROM training_bytes";
    let free = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size";
    let reusable: i64 = connection.prepare_cached(free)?.query_row([], |row| row.get(0))?;
    let reusable = u64::try_from(reusable).unwrap_or_default();
    connection.prepare_cached(select)?.query_row([key.map_or("", KeyId::as_str)], |row| {
        let bytes = |column| row.get::<_, i64>(column).map(|bytes| u64::try_from(bytes).unwrap_or_default());
        let stored = |first| Ok::<_, rusqlite::Error>(StoredBytes { rows: bytes(first)?, files: bytes(first + 1)? });
        Ok(TrainingBytes { all: stored(0)?, key: stored(2)?, reusable })
    })
}

/// Reads the checkpoint identifier in the first column.
pub(super) fn read_checkpoint_id(row: &Row<'_>) -> rusqlite::Result<CheckpointId> {
    read_text(row, 0, CheckpointId::parse)
}

fn keys_of_run(connection: &Connection, run: RunId) -> rusqlite::Result<Vec<KeyId>> {
    connection
        .prepare_cached("SELECT key_id FROM run_keys WHERE run_id = ?1 ORDER BY first_at, key_id")?
        .query_map([run.get()], |row| read_text(row, 0, KeyId::parse))?
        .collect()
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
