//! What became of requests: last-used times, counts by hour, and the programs behind them.

use rusqlite::{Connection, Row, params};
use ulkeys_domain::wire::{Happening, HourlyUse, KeySource, KeyUsage, MAX_SOURCES};
use ulkeys_domain::{CLOCK_TOLERANCE, KeyId, Timestamp};

use super::rows::{read_agent, read_enum, read_time, time};
use super::{activity, days};
use crate::{MILLIS_PER_HOUR, Origin, SourceUse, UseBatch};

pub(super) fn record(connection: &mut Connection, batch: &UseBatch) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    // What a clock recorded that was ahead must not hide later uses. One that is behind must not destroy right times.
    let latest = match batch.at {
        Some(now) if days::is_not_behind(&transaction, now)? => now.saturating_add(CLOCK_TOLERANCE).as_millis(),
        _ => i64::MAX,
    };
    for (column, uses) in [("last_used_at", &batch.last_used), ("admin_used_at", &batch.admin_used)] {
        for (id, at) in uses {
            transaction
                .prepare_cached(&format!(
                    "UPDATE keys SET {column} = ?2 WHERE id = ?1 AND ({column} IS NULL OR {column} < ?2 OR {column} > ?3)
                     AND (revoked_at IS NULL OR revoked_at >= ?2)"
                ))?
                .execute(params![id.as_str(), at.as_millis(), latest])?;
        }
    }
    for count in &batch.counts {
        transaction
            .prepare_cached(
                "INSERT INTO usage (key_id, hour, outcome, requests) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
            )?
            .execute(params![count.key.as_str(), count.hour, count.outcome.as_ref(), count.requests.cast_signed()])?;
    }
    for source in &batch.sources {
        record_source(&transaction, source, latest)?;
    }
    for refusals in &batch.refusals {
        activity::add_refusals(&transaction, refusals)?;
    }
    transaction.commit()
}

/// Replaces uses that a clock recorded that was ahead, once it is right again: by the last hour in which the key was used
/// according to the counts, so that a used key does not seem unused.
pub(super) fn repair_future_uses(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    if !days::is_not_behind(connection, now)? {
        return Ok(());
    }
    let latest = now.saturating_add(CLOCK_TOLERANCE).as_millis();
    let last_hour =
        "(SELECT max(hour) * ?2 FROM usage WHERE key_id = keys.id AND outcome = 'accepted' AND hour * ?2 <= ?1)";
    for column in ["last_used_at", "admin_used_at"] {
        let repair = format!("UPDATE keys SET {column} = {last_hour} WHERE {column} > ?1");
        connection.execute(&repair, params![latest, MILLIS_PER_HOUR])?;
    }
    let sources = "UPDATE sources SET last_used_at = first_used_at WHERE last_used_at > ?1 AND first_used_at <= ?1";
    connection.execute(sources, params![latest]).map(drop)
}

fn record_source(connection: &Connection, source: &SourceUse, latest: i64) -> rusqlite::Result<()> {
    let (key, peer) = (source.key.as_str(), source.peer.to_string());
    let known = connection
        .prepare_cached(
            "UPDATE sources SET requests = requests + ?5,
                 last_used_at = CASE WHEN last_used_at > ?6 THEN ?4 ELSE max(last_used_at, ?4) END,
                 first_used_at = CASE WHEN first_used_at > ?6 THEN ?7 ELSE first_used_at END
             WHERE key_id = ?1 AND peer = ?2 AND agent = ?3",
        )?
        .execute(params![
            key,
            peer,
            source.agent,
            source.last.as_millis(),
            source.requests.cast_signed(),
            latest,
            source.first.as_millis(),
        ])?;
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
                outcome: read_enum(row, 1)?,
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

/// Removes a slice of what is older than `oldest`. Whether there is more. An entry of activity is removed only with those
/// that were written before it: one of a clock that was behind has the age of its neighbors.
pub(super) fn remove_some_before(
    connection: &mut Connection,
    oldest: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    const SLICE: i64 = 5_000;
    let (millis, hour) = (oldest.as_millis(), oldest.as_millis().div_euclid(MILLIS_PER_HOUR));
    let transaction = connection.transaction()?;
    let usage = "DELETE FROM usage WHERE (key_id, hour, outcome) IN
        (SELECT key_id, hour, outcome FROM usage WHERE hour < ?1 LIMIT ?2)";
    let sources = "DELETE FROM sources WHERE (key_id, peer, agent) IN
        (SELECT key_id, peer, agent FROM sources WHERE last_used_at < ?1 LIMIT ?2)";
    let activity = "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < ?1 AND id <
            coalesce((SELECT id FROM activity WHERE at BETWEEN ?1 AND ?3 ORDER BY id LIMIT 1), ?4) LIMIT ?2)";
    let usage = transaction.execute(usage, [hour, SLICE])?;
    let sources = transaction.execute(sources, [millis, SLICE])?;
    let activity = transaction.execute(activity, [millis, SLICE, now.as_millis(), i64::MAX])?;
    transaction.commit()?;
    Ok(usage.max(sources).max(activity) as i64 == SLICE)
}
