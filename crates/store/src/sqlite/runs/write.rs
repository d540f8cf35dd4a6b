//! Changes training runs. The caller's transaction has acquired the write lock, so the data that a function reads
//! cannot change before the commit.

use rusqlite::{Connection, OptionalExtension as _, named_params};
use serde::Serialize;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, CheckpointState, ConsolePart, EpochReport, ModelId, ModelRef, RunCompletion, RunId,
    RunStart, RunStatus, RunUpdate, Slug, StartedRun,
};
use ulkeys_domain::{AccountId, CLOCK_TOLERANCE, Timestamp};

use super::read;
use crate::sqlite::account_scope::AccountScope;
use crate::sqlite::rows::read_account;
use crate::{MAX_CONSOLE_BYTES, MAX_EPOCH_BYTES, MAX_UNCONFIRMED_CHECKPOINTS, ReportedBy, RunDeletion};

pub(super) fn start_run(
    scope: AccountScope<'_>,
    new_model: &ModelId,
    target: &ModelRef,
    start: &RunStart,
    feed: &ReportedBy,
) -> rusqlite::Result<Option<StartedRun>> {
    let model = match target {
        ModelRef::Model(id) => read::find_model(scope, id)?,
        ModelRef::Named { project, name } => Some(add_model(scope, new_model, project, name, feed.at)?),
    };
    let Some((model_id, project, slug)) = model else {
        return Ok(None);
    };
    let run_id = scope.query_row(
        "INSERT INTO runs (account_id, model_id, status, planned_epochs, device, started_at, last_event_at, train_args,
                           environment, system, model_info, key_id)
         VALUES (:account_id, :model, 'running', :epochs, :device, :at, :at, :train_args, :environment, :system,
                 :model_info, :key)
         RETURNING id",
        named_params! {
            ":model": model_id.as_str(),
            ":epochs": start.epochs,
            ":device": start.device,
            ":at": feed.at.as_millis(),
            ":train_args": to_json_text(&start.train_args)?,
            ":environment": to_json_text(&start.environment)?,
            ":system": to_json_text(&start.system)?,
            ":model_info": to_json_text(&start.model_info)?,
            ":key": reporting_key(feed),
        },
        |row| read::read_run_id(row, 0),
    )?;
    link_key(scope, run_id, feed)?;
    Ok(Some(StartedRun { run_id, model_id, project, slug, status: RunStatus::Running }))
}

/// Adds a model, with the first free slug that is derived from its name.
fn add_model(
    scope: AccountScope<'_>,
    id: &ModelId,
    project: &Slug,
    name: &Slug,
    at: Timestamp,
) -> rusqlite::Result<(ModelId, Slug, Slug)> {
    let count: u32 = scope.query_row(
        "SELECT count(*) FROM models WHERE account_id = :account_id AND project = :project AND name = :name",
        named_params! { ":project": project.as_str(), ":name": name.as_str() },
        |row| row.get(0),
    )?;
    let numbered =
        (u64::from(count) + 1..).map(|number| if number == 1 { name.clone() } else { name.with_number(number) });
    for slug in numbered {
        // The numbered slug, for example `exp1-2`, may already be taken by a model with that name.
        let inserted = scope.execute(
            "INSERT INTO models (account_id, id, project, name, slug, created_at)
             VALUES (:account_id, :id, :project, :name, :slug, :at)
             ON CONFLICT (account_id, project, slug) DO NOTHING",
            named_params! {
                ":id": id.as_str(),
                ":project": project.as_str(),
                ":name": name.as_str(),
                ":slug": slug.as_str(),
                ":at": at.as_millis(),
            },
        )?;
        if inserted == 1 {
            return Ok((id.clone(), project.clone(), slug));
        }
    }
    Err(rusqlite::Error::StatementChangedRows(0))
}

pub(super) fn record_update(
    scope: AccountScope<'_>,
    run: RunId,
    change: &RunUpdate,
    feed: &ReportedBy,
) -> rusqlite::Result<Option<RunStatus>> {
    if !touch_run(scope, run, feed)? {
        return Ok(None);
    }
    match change {
        RunUpdate::Alive => {}
        RunUpdate::System(system) => {
            let update = "UPDATE runs SET system = :system WHERE account_id = :account_id AND id = :run";
            let system = to_json_text(&Some(system))?;
            scope.execute(update, named_params! { ":run": run.get(), ":system": system })?;
        }
        RunUpdate::Epoch(epoch) => record_epoch(scope, run, epoch, feed)?,
        RunUpdate::Console(part) => record_console(scope, run, part, feed)?,
        RunUpdate::Complete(ending) => {
            end_run(scope, run, RunStatus::Completed, feed.at)?;
            record_results(scope, run, ending)?;
        }
        RunUpdate::Failed(error) => {
            if end_run(scope, run, RunStatus::Failed, feed.at)? {
                let update = "UPDATE runs SET error = :error WHERE account_id = :account_id AND id = :run";
                scope.execute(update, named_params! { ":run": run.get(), ":error": error })?;
            }
        }
    }
    read::run_status(scope, run)
}

pub(super) fn cancel_run(scope: AccountScope<'_>, run: RunId, at: Timestamp) -> rusqlite::Result<Option<RunStatus>> {
    end_run(scope, run, RunStatus::Cancelled, at)?;
    read::run_status(scope, run)
}

/// The maximum number of runs deleted in one transaction, so that a revocation does not wait until all old runs are
/// deleted.
const MAX_DELETED_RUNS: i64 = 20;

pub(super) fn delete_run(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<RunDeletion> {
    match read::run_status(scope, run)? {
        None => return Ok(RunDeletion::NotFound),
        Some(RunStatus::Running) => return Ok(RunDeletion::Running),
        Some(_) => {}
    }
    delete_run_rows(scope, run)?;
    Ok(RunDeletion::Deleted)
}

/// Deletes some of the runs of all accounts whose last event was before `oldest`, including runs that never ended.
/// Returns the deleted runs; none if there are no more such runs.
pub(in crate::sqlite) fn delete_runs_before(
    connection: &mut Connection,
    oldest: Timestamp,
) -> rusqlite::Result<Vec<RunId>> {
    let transaction = connection.transaction()?;
    let select = "SELECT account_id, id FROM runs WHERE max(last_event_at, coalesce(ended_at, 0)) < ?1
        AND account_id IN (SELECT id FROM accounts) ORDER BY id LIMIT ?2";
    let runs: Vec<(AccountId, RunId)> = transaction
        .prepare(select)?
        .query_map([oldest.as_millis(), MAX_DELETED_RUNS], |row| {
            Ok((read_account(row, 0)?, read::read_run_id(row, 1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (account, run) in &runs {
        delete_run_rows(AccountScope::new(&transaction, *account), *run)?;
    }
    transaction.commit()?;
    Ok(runs.into_iter().map(|(_, run)| run).collect())
}

/// Deletes a run with all its data.
fn delete_run_rows(scope: AccountScope<'_>, run: RunId) -> rusqlite::Result<()> {
    let parameters = named_params! { ":run": run.get() };
    for statement in [
        "INSERT INTO removed_files (account_id, id) SELECT account_id, id FROM checkpoints
         WHERE account_id = :account_id AND run_id = :run AND state <> 'replaced'",
        "DELETE FROM checkpoints WHERE account_id = :account_id AND run_id = :run",
        "DELETE FROM epochs WHERE account_id = :account_id AND run_id = :run",
        "DELETE FROM console WHERE account_id = :account_id AND run_id = :run",
        "DELETE FROM run_keys WHERE account_id = :account_id AND run_id = :run",
    ] {
        scope.execute(statement, parameters)?;
    }
    let delete = "DELETE FROM runs WHERE account_id = :account_id AND id = :run RETURNING model_id";
    let model: String = scope.query_row(delete, parameters, |row| row.get(0))?;
    let unused = "DELETE FROM models WHERE account_id = :account_id AND id = :model
        AND NOT EXISTS (SELECT 1 FROM runs WHERE account_id = :account_id AND model_id = :model)";
    scope.execute(unused, named_params! { ":model": model })?;
    Ok(())
}

pub(in crate::sqlite) fn note_files_removed(
    connection: &mut Connection,
    checkpoints: &[CheckpointId],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for id in checkpoints {
        transaction
            .prepare_cached("DELETE FROM removed_files WHERE account_id IN (SELECT id FROM accounts) AND id = ?1")?
            .execute([id.as_str()])?;
    }
    transaction.commit()
}

/// Ends a running run. Returns whether this call ended the run.
fn end_run(scope: AccountScope<'_>, run: RunId, status: RunStatus, at: Timestamp) -> rusqlite::Result<bool> {
    let changed = scope.execute(
        "UPDATE runs SET status = :status, ended_at = :at
         WHERE account_id = :account_id AND id = :run AND status = 'running'",
        named_params! { ":run": run.get(), ":status": status.as_ref(), ":at": at.as_millis() },
    )?;
    Ok(changed == 1)
}

fn record_epoch(scope: AccountScope<'_>, run: RunId, epoch: &EpochReport, feed: &ReportedBy) -> rusqlite::Result<()> {
    let (metrics, system) = truncate_to_quota(scope, run, epoch)?;
    scope.execute(
        "INSERT INTO epochs (account_id, run_id, epoch, metrics, system, fitness, best_fitness, key_id, received_at)
         VALUES (:account_id, :run, :epoch, :metrics, :system, :fitness, :best_fitness, :key, :at)
         ON CONFLICT (account_id, run_id, epoch) DO UPDATE SET metrics = excluded.metrics, system = excluded.system,
         fitness = excluded.fitness, best_fitness = excluded.best_fitness, key_id = excluded.key_id,
         received_at = excluded.received_at",
        named_params! {
            ":run": run.get(),
            ":epoch": epoch.epoch,
            ":metrics": metrics,
            ":system": system,
            ":fitness": epoch.fitness,
            ":best_fitness": epoch.best_fitness,
            ":key": reporting_key(feed),
            ":at": feed.at.as_millis(),
        },
    )?;
    scope.execute(
        "UPDATE runs SET planned_epochs = coalesce(:planned, planned_epochs), system = coalesce(:system, system),
         model_info = coalesce(:model_info, model_info) WHERE account_id = :account_id AND id = :run",
        named_params! {
            ":run": run.get(),
            ":planned": epoch.planned,
            ":system": to_json_text(&epoch.system)?,
            ":model_info": to_json_text(&epoch.model_info)?,
        },
    )?;
    Ok(())
}

/// Returns the metrics and the system-load sample of an epoch as JSON. Omits any part that would exceed the run's
/// quota.
fn truncate_to_quota(
    scope: AccountScope<'_>,
    run: RunId,
    epoch: &EpochReport,
) -> rusqlite::Result<(String, Option<String>)> {
    let others: i64 = scope.query_row(
        "SELECT coalesce(sum(octet_length(metrics) + coalesce(octet_length(system), 0)), 0) FROM epochs
         WHERE account_id = :account_id AND run_id = :run AND epoch <> :epoch",
        named_params! { ":run": run.get(), ":epoch": epoch.epoch },
        |row| row.get(0),
    )?;
    let most = MAX_EPOCH_BYTES as usize;
    let others = usize::try_from(others).unwrap_or(most);
    let none = || "{}".to_owned();
    let metrics = to_json_text(&Some(&epoch.metrics))?.filter(|text| others + text.len() <= most).unwrap_or_else(none);
    let system = to_json_text(&epoch.system)?.filter(|text| others + metrics.len() + text.len() <= most / 2);
    Ok((metrics, system))
}

fn record_console(scope: AccountScope<'_>, run: RunId, part: &ConsolePart, feed: &ReportedBy) -> rusqlite::Result<()> {
    scope.execute(
        "INSERT INTO console (account_id, run_id, chunk_id, content, key_id)
         VALUES (:account_id, :run, coalesce(:chunk, (SELECT coalesce(max(chunk_id), 0) + 1 FROM console
                 WHERE account_id = :account_id AND run_id = :run)), :content, :key)
         ON CONFLICT (account_id, run_id, chunk_id) DO UPDATE SET content = excluded.content, key_id = excluded.key_id",
        named_params! {
            ":run": run.get(),
            ":chunk": part.chunk_id.map(u64::cast_signed),
            ":content": part.content,
            ":key": reporting_key(feed),
        },
    )?;
    let dropped = scope.execute(
        "DELETE FROM console WHERE account_id = :account_id AND run_id = :run AND chunk_id <= (
             SELECT max(chunk_id) FROM (
                 SELECT chunk_id, sum(octet_length(content) + 64) OVER (ORDER BY chunk_id DESC) AS newer
                 FROM console WHERE account_id = :account_id AND run_id = :run)
             WHERE newer > :limit)",
        named_params! { ":run": run.get(), ":limit": MAX_CONSOLE_BYTES },
    )?;
    if dropped > 0 {
        let update = "UPDATE runs SET console_dropped = console_dropped + :dropped
            WHERE account_id = :account_id AND id = :run";
        scope.execute(update, named_params! { ":run": run.get(), ":dropped": dropped.cast_signed() })?;
    }
    Ok(())
}

/// Stores the final results of a run. A cancelled run can have results too, because its process may still send them.
fn record_results(scope: AccountScope<'_>, run: RunId, ending: &RunCompletion) -> rusqlite::Result<()> {
    scope.execute(
        "UPDATE runs SET results = coalesce(:results, results), class_names = coalesce(:class_names, class_names),
         plots = coalesce(:plots, plots),
         results_dropped = :is_dropped AND coalesce(results, class_names, plots) IS NULL
         WHERE account_id = :account_id AND id = :run",
        named_params! {
            ":run": run.get(),
            ":results": to_json_text(&ending.results)?,
            ":class_names": to_json_text(&ending.class_names)?,
            ":plots": to_json_text(&ending.plots)?,
            ":is_dropped": ending.is_dropped,
        },
    )?;
    Ok(())
}

pub(super) fn add_checkpoint(
    scope: AccountScope<'_>,
    run: RunId,
    checkpoint: &Checkpoint,
) -> rusqlite::Result<Vec<CheckpointId>> {
    scope.execute(
        "INSERT INTO checkpoints (account_id, id, run_id, filename, size, state, key_id, uploaded_at)
         VALUES (:account_id, :id, :run, :filename, :size, :state, :key, :at)",
        named_params! {
            ":id": checkpoint.checkpoint_id.as_str(),
            ":run": run.get(),
            ":filename": checkpoint.filename.as_str(),
            ":size": checkpoint.size.cast_signed(),
            ":state": checkpoint.state.as_ref(),
            ":key": checkpoint.key_id.as_ref().map(|key| key.as_str()),
            ":at": checkpoint.uploaded_at.as_millis(),
        },
    )?;
    scope.query_all(
        "UPDATE checkpoints SET state = 'replaced'
         WHERE account_id = :account_id AND run_id = :run AND state = 'uploaded' AND rowid NOT IN (
             SELECT rowid FROM checkpoints WHERE account_id = :account_id AND run_id = :run AND state = 'uploaded'
             ORDER BY rowid DESC LIMIT :limit)
         RETURNING id",
        named_params! { ":run": run.get(), ":limit": MAX_UNCONFIRMED_CHECKPOINTS },
        read::read_checkpoint_id,
    )
}

pub(super) fn save_checkpoint(
    scope: AccountScope<'_>,
    run: RunId,
    id: &CheckpointId,
    feed: &ReportedBy,
) -> rusqlite::Result<Option<Vec<CheckpointId>>> {
    let known = "SELECT rowid, state FROM checkpoints WHERE account_id = :account_id AND id = :id AND run_id = :run";
    let parameters = named_params! { ":id": id.as_str(), ":run": run.get() };
    let known = scope.query_row(known, parameters, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((number, state)): Option<(i64, String)> = known else {
        return Ok(None);
    };
    touch_run(scope, run, feed)?;
    let mut replaced = Vec::new();
    if state != CheckpointState::Replaced.as_ref() {
        let update = "UPDATE checkpoints SET state = 'saved' WHERE account_id = :account_id AND id = :id";
        scope.execute(update, named_params! { ":id": id.as_str() })?;
        replaced = scope.query_all(
            "UPDATE checkpoints SET state = 'replaced'
             WHERE account_id = :account_id AND run_id = :run AND rowid < :number AND state <> 'replaced'
             RETURNING id",
            named_params! { ":run": run.get(), ":number": number },
            read::read_checkpoint_id,
        )?;
    }
    Ok(Some(replaced))
}

/// Updates the time of the run's last event. Returns `false` if the run does not exist.
fn touch_run(scope: AccountScope<'_>, run: RunId, feed: &ReportedBy) -> rusqlite::Result<bool> {
    let heard = scope.execute(
        // A last-event time in the future was recorded while the clock was wrong. Replace it, because it would hide
        // that the run has stopped sending events.
        "UPDATE runs SET last_event_at = CASE WHEN last_event_at > :latest THEN :at ELSE max(last_event_at, :at) END
         WHERE account_id = :account_id AND id = :run",
        named_params! {
            ":run": run.get(),
            ":at": feed.at.as_millis(),
            ":latest": feed.at.saturating_add(CLOCK_TOLERANCE).as_millis(),
        },
    )?;
    if heard == 1 {
        link_key(scope, run, feed)?;
    }
    Ok(heard == 1)
}

fn link_key(scope: AccountScope<'_>, run: RunId, feed: &ReportedBy) -> rusqlite::Result<()> {
    if let Some(key) = reporting_key(feed) {
        scope.execute(
            "INSERT INTO run_keys (account_id, key_id, run_id, first_at) VALUES (:account_id, :key, :run, :at)
             ON CONFLICT DO NOTHING",
            named_params! { ":key": key, ":run": run.get(), ":at": feed.at.as_millis() },
        )?;
    }
    Ok(())
}

fn reporting_key(feed: &ReportedBy) -> Option<&str> {
    feed.actor.key_id().map(|key| key.as_str())
}

/// Serializes a value as JSON text, or `None` as NULL.
fn to_json_text<T: Serialize>(value: &Option<T>) -> rusqlite::Result<Option<String>> {
    let text = value.as_ref().map(serde_json::to_string).transpose();
    text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
