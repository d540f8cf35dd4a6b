//! What became of requests: last-used times, counts by hour, and the programs behind them.

use rusqlite::{Connection, Row, params};
use ulkeys_domain::wire::{Happening, HourlyUse, KeySource, KeyUsage, MAX_SOURCES};
use ulkeys_domain::{KeyId, Timestamp};

use super::activity;
use super::rows::{read_agent, read_outcome, read_time, time};
use crate::{MILLIS_PER_HOUR, Origin, SourceUse, UseBatch};

pub(super) fn record(connection: &mut Connection, batch: &UseBatch) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (id, at) in &batch.last_used {
        transaction
            .prepare_cached(
                "UPDATE keys SET last_used_at = ?2 WHERE id = ?1
                 AND (last_used_at IS NULL OR last_used_at < ?2) AND (revoked_at IS NULL OR revoked_at >= ?2)",
            )?
            .execute(params![id.as_str(), at.as_millis()])?;
    }
    for (id, at) in &batch.admin_used {
        transaction
            .prepare_cached(
                "UPDATE keys SET admin_used_at = ?2 WHERE id = ?1
                 AND (admin_used_at IS NULL OR admin_used_at < ?2) AND (revoked_at IS NULL OR revoked_at >= ?2)",
            )?
            .execute(params![id.as_str(), at.as_millis()])?;
    }
    for count in &batch.counts {
        transaction
            .prepare_cached(
                "INSERT INTO usage (key_id, hour, outcome, requests) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
            )?
            .execute(params![count.key.as_str(), count.hour, count.outcome.as_str(), count.requests.cast_signed()])?;
    }
    for source in &batch.sources {
        record_source(&transaction, source)?;
    }
    for refusals in &batch.refusals {
        activity::add_refusals(&transaction, refusals)?;
    }
    transaction.commit()
}

fn record_source(connection: &Connection, source: &SourceUse) -> rusqlite::Result<()> {
    let (key, peer) = (source.key.as_str(), source.peer.to_string());
    let known = connection
        .prepare_cached(
            "UPDATE sources SET last_used_at = max(last_used_at, ?4), requests = requests + ?5
             WHERE key_id = ?1 AND peer = ?2 AND agent = ?3",
        )?
        .execute(params![key, peer, source.agent, source.last.as_millis(), source.requests.cast_signed()])?;
    if known == 1 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO sources (key_id, peer, agent, first_used_at, last_used_at, requests)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key,
            peer,
            source.agent,
            source.first.as_millis(),
            source.last.as_millis(),
            source.requests.cast_signed(),
        ])?;
    let evicted = connection
        .prepare_cached(
            "DELETE FROM sources WHERE key_id = ?1 AND (peer, agent) NOT IN
                 (SELECT peer, agent FROM sources WHERE key_id = ?1 ORDER BY last_used_at DESC LIMIT ?2)",
        )?
        .execute(params![key, MAX_SOURCES])?;
    // A program that calls itself something else each time must not fill the list of activity.
    if evicted == 0 {
        let origin = Origin { by: None, peer: source.peer, agent: source.agent.clone() };
        activity::add(connection, &source.key, source.first, &origin, &Happening::NewSource)?;
    }
    Ok(())
}

pub(super) fn usage(connection: &mut Connection, key_id: KeyId, since: Timestamp) -> rusqlite::Result<KeyUsage> {
    let transaction = connection.transaction()?;
    let hours = transaction
        .prepare_cached(
            "SELECT hour, outcome, requests FROM usage WHERE key_id = ?1 AND hour >= ?2 ORDER BY hour, outcome",
        )?
        .query_map(params![key_id.as_str(), since.as_millis().div_euclid(MILLIS_PER_HOUR)], |row| {
            Ok(HourlyUse {
                hour: time(0, row.get::<_, i64>(0)?.saturating_mul(MILLIS_PER_HOUR))?,
                outcome: read_outcome(row, 1)?,
                requests: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let sources = transaction
        .prepare_cached(
            "SELECT peer, agent, first_used_at, last_used_at, requests FROM sources WHERE key_id = ?1
             ORDER BY last_used_at DESC, peer, agent",
        )?
        .query_map([key_id.as_str()], read_source)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(KeyUsage { key_id, hours, sources })
}

fn read_source(row: &Row<'_>) -> rusqlite::Result<KeySource> {
    Ok(KeySource {
        peer: row.get(0)?,
        agent: read_agent(row, 1)?,
        first_used_at: read_time(row, 2)?,
        last_used_at: read_time(row, 3)?,
        requests: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

/// Forgets a slice of what is older. Whether there is more.
pub(super) fn forget_some_before(connection: &mut Connection, at: Timestamp) -> rusqlite::Result<bool> {
    const SLICE: i64 = 5_000;
    let (millis, hour) = (at.as_millis(), at.as_millis().div_euclid(MILLIS_PER_HOUR));
    let transaction = connection.transaction()?;
    let usage = "DELETE FROM usage WHERE (key_id, hour, outcome) IN
        (SELECT key_id, hour, outcome FROM usage WHERE hour < ?1 LIMIT ?2)";
    let activity = "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < ?1 LIMIT ?2)";
    let sources = "DELETE FROM sources WHERE (key_id, peer, agent) IN
        (SELECT key_id, peer, agent FROM sources WHERE last_used_at < ?1 LIMIT ?2)";
    let mut most = 0;
    for (statement, oldest) in [(usage, hour), (activity, millis), (sources, millis)] {
        most = most.max(transaction.execute(statement, [oldest, SLICE])?);
    }
    transaction.commit()?;
    Ok(most as i64 == SLICE)
}
