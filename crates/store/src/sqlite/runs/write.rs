//! Changes training runs. Each function acquires the write lock before reading, so the data that it reads cannot change
//! before the commit.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, CheckpointState, ConsolePart, EpochReport, ModelId, ModelRef, RunCompletion, RunId,
    RunStart, RunStatus, RunUpdate, Slug, StartedRun,
};
use ulkeys_domain::{CLOCK_TOLERANCE, Timestamp};

use super::read;
use crate::{MAX_CONSOLE_BYTES, MAX_EPOCH_BYTES, MAX_UNCONFIRMED_CHECKPOINTS, ReportedBy, RunDeletion};

pub(super) fn start_run(
    connection: &mut Connection,
    new_model: &ModelId,
    target: &ModelRef,
    start: &RunStart,
    feed: &ReportedBy,
) -> rusqlite::Result<Option<StartedRun>> {
    let transaction = begin_immediate(connection)?;
    let model = match target {
        ModelRef::Model(id) => read::find_model(&transaction, id)?,
        ModelRef::Named { project, name } => Some(add_model(&transaction, new_model, project, name, feed.at)?),
    };
    let Some((model_id, project, slug)) = model else {
        return Ok(None);
    };
    transaction.execute(
        "INSERT INTO runs (model_id, status, planned_epochs, device, started_at, last_event_at, train_args, environment,
         system, model_info, key_id) VALUES (?1, 'running', ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            model_id.as_str(),
            start.epochs,
            start.device,
            feed.at.as_millis(),
            to_json_text(&start.train_args)?,
            to_json_text(&start.environment)?,
            to_json_text(&start.system)?,
            to_json_text(&start.model_info)?,
            reporting_key(feed),
        ],
    )?;
    let run_id = RunId::new(transaction.last_insert_rowid()).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, 0))?;
    link_key(&transaction, run_id, feed)?;
    transaction.commit()?;
    Ok(Some(StartedRun { run_id, model_id, project, slug, status: RunStatus::Running }))
}

/// Adds a model, with the first free slug that is derived from its name.
fn add_model(
    transaction: &Transaction<'_>,
    id: &ModelId,
    project: &Slug,
    name: &Slug,
    at: Timestamp,
) -> rusqlite::Result<(ModelId, Slug, Slug)> {
    let same_name = "SELECT count(*) FROM models WHERE project = ?1 AND name = ?2";
    let count: u32 = transaction.query_row(same_name, [project.as_str(), name.as_str()], |row| row.get(0))?;
    let numbered =
        (u64::from(count) + 1..).map(|number| if number == 1 { name.clone() } else { name.with_number(number) });
    for slug in numbered {
        // The numbered slug, for example `exp1-2`, may already be taken by a model with that name.
        let inserted = transaction.execute(
            "INSERT INTO models (id, project, name, slug, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (project, slug) DO NOTHING",
            params![id.as_str(), project.as_str(), name.as_str(), slug.as_str(), at.as_millis()],
        )?;
        if inserted == 1 {
            return Ok((id.clone(), project.clone(), slug));
        }
    }
    Err(rusqlite::Error::StatementChangedRows(0))
}

pub(super) fn record_update(
    connection: &mut Connection,
    run: RunId,
    change: &RunUpdate,
    feed: &ReportedBy,
) -> rusqlite::Result<Option<RunStatus>> {
    let transaction = begin_immediate(connection)?;
    if !touch_run(&transaction, run, feed)? {
        return Ok(None);
    }
    match change {
        RunUpdate::Alive => {}
        RunUpdate::System(system) => {
            let update = "UPDATE runs SET system = ?2 WHERE id = ?1";
            transaction.execute(update, params![run.get(), to_json_text(&Some(system))?])?;
        }
        RunUpdate::Epoch(epoch) => record_epoch(&transaction, run, epoch, feed)?,
        RunUpdate::Console(part) => record_console(&transaction, run, part, feed)?,
        RunUpdate::Complete(ending) => {
            end_run(&transaction, run, RunStatus::Completed, feed.at)?;
            record_results(&transaction, run, ending)?;
        }
        RunUpdate::Failed(error) => {
            if end_run(&transaction, run, RunStatus::Failed, feed.at)? {
                transaction.execute("UPDATE runs SET error = ?2 WHERE id = ?1", params![run.get(), error])?;
            }
        }
    }
    let status = read::run_status(&transaction, run)?;
    transaction.commit()?;
    Ok(status)
}

pub(super) fn cancel_run(
    connection: &mut Connection,
    run: RunId,
    at: Timestamp,
) -> rusqlite::Result<Option<RunStatus>> {
    let transaction = begin_immediate(connection)?;
    end_run(&transaction, run, RunStatus::Cancelled, at)?;
    let status = read::run_status(&transaction, run)?;
    transaction.commit()?;
    Ok(status)
}

/// The maximum number of runs deleted in one transaction, so that a revocation does not wait until all old runs are
/// deleted.
const MAX_DELETED_RUNS: i64 = 20;

pub(super) fn delete_run(connection: &mut Connection, run: RunId) -> rusqlite::Result<RunDeletion> {
    let transaction = begin_immediate(connection)?;
    match read::run_status(&transaction, run)? {
        None => return Ok(RunDeletion::NotFound),
        Some(RunStatus::Running) => return Ok(RunDeletion::Running),
        Some(_) => {}
    }
    delete_run_rows(&transaction, run.get())?;
    transaction.commit()?;
    Ok(RunDeletion::Deleted)
}

/// Deletes some of the runs whose last event was before `oldest`, including runs that never ended. Returns the deleted
/// runs; none if there are no more such runs.
pub(in crate::sqlite) fn delete_runs_before(
    connection: &mut Connection,
    oldest: Timestamp,
) -> rusqlite::Result<Vec<RunId>> {
    let transaction = begin_immediate(connection)?;
    let runs: Vec<RunId> = transaction
        .prepare("SELECT id FROM runs WHERE max(last_event_at, coalesce(ended_at, 0)) < ?1 ORDER BY id LIMIT ?2")?
        .query_map([oldest.as_millis(), MAX_DELETED_RUNS], |row| read::read_run_id(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    for run in &runs {
        delete_run_rows(&transaction, run.get())?;
    }
    transaction.commit()?;
    Ok(runs)
}

/// Deletes a run with all its data.
fn delete_run_rows(transaction: &Transaction<'_>, run: i64) -> rusqlite::Result<()> {
    for statement in [
        "INSERT INTO removed_files (id) SELECT id FROM checkpoints WHERE run_id = ?1 AND state <> 'replaced'",
        "DELETE FROM checkpoints WHERE run_id = ?1",
        "DELETE FROM epochs WHERE run_id = ?1",
        "DELETE FROM console WHERE run_id = ?1",
        "DELETE FROM run_keys WHERE run_id = ?1",
    ] {
        transaction.prepare_cached(statement)?.execute([run])?;
    }
    let model: String = transaction
        .prepare_cached("DELETE FROM runs WHERE id = ?1 RETURNING model_id")?
        .query_row([run], |row| row.get(0))?;
    let unused = "DELETE FROM models WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE model_id = ?1)";
    transaction.prepare_cached(unused)?.execute([model])?;
    Ok(())
}

pub(in crate::sqlite) fn note_files_removed(
    connection: &mut Connection,
    checkpoints: &[CheckpointId],
) -> rusqlite::Result<()> {
    let transaction = begin_immediate(connection)?;
    for id in checkpoints {
        transaction.prepare_cached("DELETE FROM removed_files WHERE id = ?1")?.execute([id.as_str()])?;
    }
    transaction.commit()
}

/// Ends a running run. Returns whether this call ended the run.
fn end_run(transaction: &Transaction<'_>, run: RunId, status: RunStatus, at: Timestamp) -> rusqlite::Result<bool> {
    let changed = transaction.execute(
        "UPDATE runs SET status = ?2, ended_at = ?3 WHERE id = ?1 AND status = 'running'",
        params![run.get(), status.as_ref(), at.as_millis()],
    )?;
    Ok(changed == 1)
}

fn record_epoch(
    transaction: &Transaction<'_>,
    run: RunId,
    epoch: &EpochReport,
    feed: &ReportedBy,
) -> rusqlite::Result<()> {
    let (metrics, system) = truncate_to_quota(transaction, run, epoch)?;
    transaction
        .prepare_cached(
            "INSERT INTO epochs (run_id, epoch, metrics, system, fitness, best_fitness, key_id, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (run_id, epoch) DO UPDATE SET metrics = excluded.metrics, system = excluded.system,
             fitness = excluded.fitness, best_fitness = excluded.best_fitness, key_id = excluded.key_id,
             received_at = excluded.received_at",
        )?
        .execute(params![
            run.get(),
            epoch.epoch,
            metrics,
            system,
            epoch.fitness,
            epoch.best_fitness,
            reporting_key(feed),
            feed.at.as_millis(),
        ])?;
    transaction.execute(
        "UPDATE runs SET planned_epochs = coalesce(?2, planned_epochs), system = coalesce(?3, system),
         model_info = coalesce(?4, model_info) WHERE id = ?1",
        params![run.get(), epoch.planned, to_json_text(&epoch.system)?, to_json_text(&epoch.model_info)?],
    )?;
    Ok(())
}

/// Returns the metrics and the system-load sample of an epoch as JSON. Omits any part that would exceed the run's
/// quota.
fn truncate_to_quota(
    transaction: &Transaction<'_>,
    run: RunId,
    epoch: &EpochReport,
) -> rusqlite::Result<(String, Option<String>)> {
    let others: i64 = transaction
        .prepare_cached(
            "SELECT coalesce(sum(octet_length(metrics) + coalesce(octet_length(system), 0)), 0) FROM epochs
             WHERE run_id = ?1 AND epoch <> ?2",
        )?
        .query_row(params![run.get(), epoch.epoch], |row| row.get(0))?;
    let most = MAX_EPOCH_BYTES as usize;
    let others = usize::try_from(others).unwrap_or(most);
    let none = || "{}".to_owned();
    let metrics = to_json_text(&Some(&epoch.metrics))?.filter(|text| others + text.len() <= most).unwrap_or_else(none);
    let system = to_json_text(&epoch.system)?.filter(|text| others + metrics.len() + text.len() <= most / 2);
    Ok((metrics, system))
}

fn record_console(
    transaction: &Transaction<'_>,
    run: RunId,
    part: &ConsolePart,
    feed: &ReportedBy,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO console (run_id, chunk_id, content, key_id)
             VALUES (?1, coalesce(?2, (SELECT coalesce(max(chunk_id), 0) + 1 FROM console WHERE run_id = ?1)), ?3, ?4)
             ON CONFLICT (run_id, chunk_id) DO UPDATE SET content = excluded.content, key_id = excluded.key_id",
        )?
        .execute(params![run.get(), part.chunk_id.map(u64::cast_signed), part.content, reporting_key(feed)])?;
    let dropped = transaction
        .prepare_cached(
            "DELETE FROM console WHERE run_id = ?1 AND chunk_id <= (
                 SELECT max(chunk_id) FROM (
                     SELECT chunk_id, sum(octet_length(content) + 64) OVER (ORDER BY chunk_id DESC) AS newer
                     FROM console WHERE run_id = ?1)
                 WHERE newer > ?2)",
        )?
        .execute(params![run.get(), MAX_CONSOLE_BYTES])?;
    if dropped > 0 {
        let update = "UPDATE runs SET console_dropped = console_dropped + ?2 WHERE id = ?1";
        transaction.execute(update, params![run.get(), dropped.cast_signed()])?;
    }
    Ok(())
}

/// Stores the final results of a run. A cancelled run can have results too, because its process may still send them.
fn record_results(transaction: &Transaction<'_>, run: RunId, ending: &RunCompletion) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE runs SET results = coalesce(?2, results), class_names = coalesce(?3, class_names),
         plots = coalesce(?4, plots), results_dropped = ?5 AND coalesce(results, class_names, plots) IS NULL WHERE id = ?1",
        params![
            run.get(),
            to_json_text(&ending.results)?,
            to_json_text(&ending.class_names)?,
            to_json_text(&ending.plots)?,
            ending.is_dropped
        ],
    )?;
    Ok(())
}

pub(super) fn add_checkpoint(
    connection: &mut Connection,
    run: RunId,
    checkpoint: &Checkpoint,
) -> rusqlite::Result<Vec<CheckpointId>> {
    let transaction = begin_immediate(connection)?;
    transaction.execute(
        "INSERT INTO checkpoints (id, run_id, filename, size, state, key_id, uploaded_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            checkpoint.checkpoint_id.as_str(),
            run.get(),
            checkpoint.filename.as_str(),
            checkpoint.size.cast_signed(),
            checkpoint.state.as_ref(),
            checkpoint.key_id.as_ref().map(|key| key.as_str()),
            checkpoint.uploaded_at.as_millis(),
        ],
    )?;
    let replaced = transaction
        .prepare(
            "UPDATE checkpoints SET state = 'replaced' WHERE run_id = ?1 AND state = 'uploaded' AND rowid NOT IN (
                 SELECT rowid FROM checkpoints WHERE run_id = ?1 AND state = 'uploaded' ORDER BY rowid DESC LIMIT ?2)
             RETURNING id",
        )?
        .query_map(params![run.get(), MAX_UNCONFIRMED_CHECKPOINTS], read::read_checkpoint_id)?
        .collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(replaced)
}

pub(super) fn save_checkpoint(
    connection: &mut Connection,
    run: RunId,
    id: &CheckpointId,
    feed: &ReportedBy,
) -> rusqlite::Result<Option<Vec<CheckpointId>>> {
    let transaction = begin_immediate(connection)?;
    let known = "SELECT rowid, state FROM checkpoints WHERE id = ?1 AND run_id = ?2";
    let known = transaction
        .query_row(known, params![id.as_str(), run.get()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((number, state)): Option<(i64, String)> = known else {
        return Ok(None);
    };
    touch_run(&transaction, run, feed)?;
    let mut replaced = Vec::new();
    if state != CheckpointState::Replaced.as_ref() {
        transaction.execute("UPDATE checkpoints SET state = 'saved' WHERE id = ?1", [id.as_str()])?;
        let mut earlier = transaction.prepare(
            "UPDATE checkpoints SET state = 'replaced' WHERE run_id = ?1 AND rowid < ?2 AND state <> 'replaced'
             RETURNING id",
        )?;
        let ids = earlier.query_map(params![run.get(), number], read::read_checkpoint_id)?;
        replaced = ids.collect::<rusqlite::Result<_>>()?;
    }
    transaction.commit()?;
    Ok(Some(replaced))
}

/// Updates the time of the run's last event. Returns `false` if the run does not exist.
fn touch_run(transaction: &Transaction<'_>, run: RunId, feed: &ReportedBy) -> rusqlite::Result<bool> {
    let heard = transaction.execute(
        // A last-event time in the future was recorded while the clock was wrong. Replace it, because it would hide
        // that the run has stopped sending events.
        "UPDATE runs SET last_event_at = CASE WHEN last_event_at > ?3 THEN ?2 ELSE max(last_event_at, ?2) END
         WHERE id = ?1",
        params![run.get(), feed.at.as_millis(), feed.at.saturating_add(CLOCK_TOLERANCE).as_millis()],
    )?;
    if heard == 1 {
        link_key(transaction, run, feed)?;
    }
    Ok(heard == 1)
}

fn link_key(transaction: &Transaction<'_>, run: RunId, feed: &ReportedBy) -> rusqlite::Result<()> {
    if let Some(key) = reporting_key(feed) {
        transaction.execute(
            "INSERT INTO run_keys (key_id, run_id, first_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![key, run.get(), feed.at.as_millis()],
        )?;
    }
    Ok(())
}

fn begin_immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn reporting_key(feed: &ReportedBy) -> Option<&str> {
    feed.actor.key_id().map(|key| key.as_str())
}

/// Serializes a value as JSON text, or `None` as NULL.
fn to_json_text<T: Serialize>(value: &Option<T>) -> rusqlite::Result<Option<String>> {
    let text = value.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
