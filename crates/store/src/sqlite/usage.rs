//! Reads and writes usage: last-used times, hourly counts, and clients.

use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, params};
use ulkeys_api::{ActivityEvent, HourlyUsage, KeyClient, KeyUsage, MAX_CLIENTS_PER_KEY};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{Actor, CLOCK_TOLERANCE, KeyId, Timestamp};

use super::rows::{read_enum, read_id, read_time, read_user_agent, timestamp_from_millis, to_json_array};
use super::{activity, service_days};
use crate::{AuditContext, ClientUsage, HourlyCount, MILLIS_PER_HOUR, UsageBatch};

/// The number of batches whose identifiers are stored. A service repeats only its last batch.
const REMEMBERED_BATCHES: i64 = 100;

pub(super) fn record(connection: &mut Connection, batch: &UsageBatch) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let is_new = transaction
        .prepare_cached("INSERT INTO usage_batches (id) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([batch.id.0])?;
    if is_new == 0 {
        return Ok(());
    }
    transaction
        .prepare_cached("DELETE FROM usage_batches WHERE number <= last_insert_rowid() - ?1")?
        .execute([REMEMBERED_BATCHES])?;
    // Replace last-used times in the future, which were recorded while the clock was ahead, because they would hide
    // later requests. If the clock is now behind, replace nothing, because the stored times may be correct.
    let latest = match batch.at {
        Some(now) if service_days::is_clock_plausible(&transaction, now)? => {
            now.saturating_add(CLOCK_TOLERANCE).as_millis()
        }
        _ => i64::MAX,
    };
    for (column, usage) in [("last_used_at", &batch.last_used), ("admin_used_at", &batch.admin_used)] {
        for (id, at) in usage {
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
    for client in &batch.clients {
        record_client(&transaction, client, latest)?;
    }
    for refusals in &batch.rejected {
        activity::add_rejected_requests(&transaction, refusals)?;
    }
    transaction.commit()
}

/// Replaces last-used times in the future, which were left by a clock that was ahead and has since been corrected. The
/// new value is the last hour with an accepted request, so that a used key does not appear unused.
pub(super) fn repair_future_uses(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    if !service_days::is_clock_plausible(connection, now)? {
        return Ok(());
    }
    let latest = now.saturating_add(CLOCK_TOLERANCE).as_millis();
    let last_hour =
        "(SELECT max(hour) * ?2 FROM usage WHERE key_id = keys.id AND outcome = 'accepted' AND hour * ?2 <= ?1)";
    for column in ["last_used_at", "admin_used_at"] {
        let repair = format!("UPDATE keys SET {column} = {last_hour} WHERE {column} > ?1");
        connection.execute(&repair, params![latest, MILLIS_PER_HOUR])?;
    }
    let clients = "UPDATE clients SET last_used_at = first_used_at WHERE last_used_at > ?1 AND first_used_at <= ?1";
    connection.execute(clients, params![latest]).map(drop)
}

fn record_client(connection: &Connection, client: &ClientUsage, latest: i64) -> rusqlite::Result<()> {
    let (key, peer) = (client.key.as_str(), client.peer.to_string());
    let known = connection
        .prepare_cached(
            "UPDATE clients SET requests = requests + ?5,
                 last_used_at = CASE WHEN last_used_at > ?6 THEN ?4 ELSE max(last_used_at, ?4) END,
                 first_used_at = CASE WHEN first_used_at > ?6 THEN ?7 ELSE first_used_at END
             WHERE key_id = ?1 AND peer = ?2 AND user_agent = ?3",
        )?
        .execute(params![
            key,
            peer,
            client.user_agent,
            client.last.as_millis(),
            client.requests.cast_signed(),
            latest,
            client.first.as_millis(),
        ])?;
    if known == 1 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO clients (key_id, peer, user_agent, first_used_at, last_used_at, requests)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key,
            peer,
            client.user_agent,
            client.first.as_millis(),
            client.last.as_millis(),
            client.requests.cast_signed(),
        ])?;
    let evicted = connection
        .prepare_cached(
            "DELETE FROM clients WHERE key_id = ?1 AND (peer, user_agent) NOT IN
                 (SELECT peer, user_agent FROM clients WHERE key_id = ?1 ORDER BY last_used_at DESC LIMIT ?2)",
        )?
        .execute(params![key, MAX_CLIENTS_PER_KEY])?;
    // Do not report a new client if older clients had to be evicted for it: a client that sends a new user agent with
    // each request must not fill the activity list.
    if evicted == 0 {
        let audit = AuditContext { actor: Actor::System, peer: client.peer, user_agent: client.user_agent.clone() };
        activity::insert(connection, &client.key, client.first, &audit, &ActivityEvent::NewClient)?;
    }
    Ok(())
}

pub(super) fn load_usage(connection: &mut Connection, key_id: KeyId, since: Timestamp) -> rusqlite::Result<KeyUsage> {
    let transaction = connection.transaction()?;
    let hours = transaction
        .prepare_cached(
            "SELECT hour, outcome, requests FROM usage WHERE key_id = ?1 AND hour >= ?2 ORDER BY hour, outcome",
        )?
        .query_map(params![key_id.as_str(), since.as_millis().div_euclid(MILLIS_PER_HOUR)], |row| {
            Ok(HourlyUsage {
                hour: timestamp_from_millis(0, row.get::<_, i64>(0)?.saturating_mul(MILLIS_PER_HOUR))?,
                outcome: read_enum(row, 1)?,
                requests: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let clients = transaction
        .prepare_cached(
            "SELECT peer, user_agent, first_used_at, last_used_at, requests FROM clients WHERE key_id = ?1
             ORDER BY last_used_at DESC, peer, user_agent",
        )?
        .query_map([key_id.as_str()], read_client)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(KeyUsage { key_id, hours, sources: clients })
}

pub(super) fn load_accepted(
    connection: &Connection,
    ids: &[KeyId],
    hours: &RangeInclusive<i64>,
) -> rusqlite::Result<Vec<HourlyCount>> {
    let outcome = Decision::Accepted;
    connection
        .prepare_cached(
            "SELECT key_id, hour, requests FROM usage
             WHERE key_id IN (SELECT value FROM json_each(?1)) AND hour BETWEEN ?2 AND ?3 AND outcome = ?4",
        )?
        .query_map(params![to_json_array(ids)?, hours.start(), hours.end(), outcome.as_ref()], |row| {
            let requests = row.get::<_, i64>(2)?.cast_unsigned();
            Ok(HourlyCount { key: read_id(row, 0)?, hour: row.get(1)?, outcome, requests })
        })?
        .collect()
}

fn read_client(row: &Row<'_>) -> rusqlite::Result<KeyClient> {
    Ok(KeyClient {
        peer: row.get(0)?,
        agent: read_user_agent(row, 1)?,
        first_used_at: read_time(row, 2)?,
        last_used_at: read_time(row, 3)?,
        requests: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

/// Deletes a batch of data older than `oldest` and returns whether there may be more. An activity entry is deleted only
/// together with the entries written before it. So an entry that was written while the clock was behind is not deleted
/// early, but together with its neighbors.
pub(super) fn delete_slice_before(
    connection: &mut Connection,
    oldest: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    const MAX_DELETED_ROWS: i64 = 5_000;
    let (millis, hour) = (oldest.as_millis(), oldest.as_millis().div_euclid(MILLIS_PER_HOUR));
    let transaction = connection.transaction()?;
    let usage = "DELETE FROM usage WHERE (key_id, hour, outcome) IN
        (SELECT key_id, hour, outcome FROM usage WHERE hour < ?1 LIMIT ?2)";
    let clients = "DELETE FROM clients WHERE (key_id, peer, user_agent) IN
        (SELECT key_id, peer, user_agent FROM clients WHERE last_used_at < ?1 LIMIT ?2)";
    let activity = "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < ?1 AND id <
            coalesce((SELECT id FROM activity WHERE at BETWEEN ?1 AND ?3 ORDER BY id LIMIT 1), ?4) LIMIT ?2)";
    let usage = transaction.execute(usage, [hour, MAX_DELETED_ROWS])?;
    let clients = transaction.execute(clients, [millis, MAX_DELETED_ROWS])?;
    let activity = transaction.execute(activity, [millis, MAX_DELETED_ROWS, now.as_millis(), i64::MAX])?;
    transaction.commit()?;
    Ok(usage.max(clients).max(activity) as i64 == MAX_DELETED_ROWS)
}
