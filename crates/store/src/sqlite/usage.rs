//! Reads and writes usage: last-used times, hourly counts, and clients.

use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, named_params};
use rustc_hash::FxHashSet;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{AccountId, Actor, CLOCK_TOLERANCE, KeyId, Timestamp};

use super::account_scope::{AccountScope, Parameters};
use super::rows::{read_enum, read_id, read_time, read_user_agent, timestamp_from_millis, to_json_array};
use super::{activity, keys, service_days};
use crate::{
    ActivityEvent, AuditContext, ClientUsage, HourlyCount, HourlyUsage, KeyClient, KeyUsage, MAX_CLIENTS_PER_KEY,
    MILLIS_PER_HOUR, UsageBatch,
};

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
    let accounts = keys::find_accounts(&transaction, &keys_of_batch(batch))?;
    // Requests without an existing key, and the last requests of a key that another program has removed, belong to the
    // account of the service itself, so that its owner sees them.
    let scope = |key: Option<&KeyId>| {
        let account = key.and_then(|key| accounts.get(key).copied());
        AccountScope::new(&transaction, account.unwrap_or(AccountId::EMBEDDED))
    };
    for (column, usage) in [("last_used_at", &batch.last_used), ("admin_used_at", &batch.admin_used)] {
        let update = format!(
            "UPDATE keys SET {column} = :at WHERE account_id = :account_id AND id = :id
             AND ({column} IS NULL OR {column} < :at OR {column} > :latest)
             AND (revoked_at IS NULL OR revoked_at >= :at)"
        );
        for (id, at) in usage {
            let parameters = named_params! { ":id": id.as_str(), ":at": at.as_millis(), ":latest": latest };
            scope(Some(id)).execute(&update, parameters)?;
        }
    }
    for count in &batch.counts {
        scope(Some(&count.key)).execute(
            "INSERT INTO usage (account_id, key_id, hour, outcome, requests)
             VALUES (:account_id, :key, :hour, :outcome, :requests)
             ON CONFLICT DO UPDATE SET requests = requests + excluded.requests",
            named_params! {
                ":key": count.key.as_str(),
                ":hour": count.hour,
                ":outcome": count.outcome.as_ref(),
                ":requests": count.requests.cast_signed(),
            },
        )?;
    }
    for client in &batch.clients {
        record_client(scope(Some(&client.key)), client, latest)?;
    }
    for rejected in &batch.rejected {
        activity::add_rejected_requests(scope(rejected.key.as_ref()), rejected)?;
    }
    transaction.commit()
}

/// Returns all keys in a batch.
fn keys_of_batch(batch: &UsageBatch) -> FxHashSet<KeyId> {
    let used = batch.last_used.iter().chain(&batch.admin_used).map(|(key, _)| *key);
    let counted = batch.counts.iter().map(|count| count.key);
    let clients = batch.clients.iter().map(|client| client.key);
    let rejected = batch.rejected.iter().filter_map(|rejected| rejected.key);
    used.chain(counted).chain(clients).chain(rejected).collect()
}

/// Replaces last-used times in the future, which were left by a clock that was ahead and has since been corrected. The
/// new value is the last hour with an accepted request, so that a used key does not appear unused. The caller has
/// checked that the clock is plausible.
pub(super) fn repair_future_uses(scope: AccountScope<'_>, now: Timestamp) -> rusqlite::Result<()> {
    let latest = now.saturating_add(CLOCK_TOLERANCE).as_millis();
    let last_hour = "(SELECT max(hour) * :millis FROM usage WHERE account_id = :account_id AND key_id = keys.id
        AND outcome = 'accepted' AND hour * :millis <= :latest)";
    for column in ["last_used_at", "admin_used_at"] {
        let repair = format!(
            "UPDATE keys NOT INDEXED SET {column} = {last_hour} WHERE account_id = :account_id AND {column} > :latest"
        );
        scope.execute(&repair, named_params! { ":latest": latest, ":millis": MILLIS_PER_HOUR })?;
    }
    let clients = "UPDATE clients SET last_used_at = first_used_at
        WHERE account_id = :account_id AND last_used_at > :latest AND first_used_at <= :latest";
    scope.execute(clients, named_params! { ":latest": latest }).map(drop)
}

fn record_client(scope: AccountScope<'_>, client: &ClientUsage, latest: i64) -> rusqlite::Result<()> {
    let (key, peer) = (client.key.as_str(), client.peer.to_string());
    let (first, last, requests) = (client.first.as_millis(), client.last.as_millis(), client.requests.cast_signed());
    let columns: Parameters<'_> = named_params! {
        ":key": key,
        ":peer": peer,
        ":user_agent": client.user_agent,
        ":first": first,
        ":last": last,
        ":requests": requests,
    };
    let known = scope.execute(
        "UPDATE clients SET requests = requests + :requests,
             last_used_at = CASE WHEN last_used_at > :latest THEN :last ELSE max(last_used_at, :last) END,
             first_used_at = CASE WHEN first_used_at > :latest THEN :first ELSE first_used_at END
         WHERE account_id = :account_id AND key_id = :key AND peer = :peer AND user_agent = :user_agent",
        &[columns, named_params! { ":latest": latest }].concat(),
    )?;
    if known == 1 {
        return Ok(());
    }
    scope.execute(
        "INSERT INTO clients (account_id, key_id, peer, user_agent, first_used_at, last_used_at, requests)
         VALUES (:account_id, :key, :peer, :user_agent, :first, :last, :requests)",
        columns,
    )?;
    // The limit is a part of the statement, because SQLite prepares a statement again when a parameter of LIMIT
    // changes.
    let evict = format!(
        "DELETE FROM clients WHERE account_id = :account_id AND key_id = :key AND (peer, user_agent) NOT IN
             (SELECT peer, user_agent FROM clients WHERE account_id = :account_id AND key_id = :key
              ORDER BY last_used_at DESC LIMIT {MAX_CLIENTS_PER_KEY})"
    );
    let evicted = scope.execute(&evict, named_params! { ":key": key })?;
    // Do not report a new client if older clients had to be evicted for it: a client that sends a new user agent with
    // each request must not fill the activity list.
    if evicted == 0 {
        let audit = AuditContext { actor: Actor::System, peer: client.peer, user_agent: client.user_agent.clone() };
        activity::insert(scope, &client.key, client.first, &audit, &ActivityEvent::NewClient)?;
    }
    Ok(())
}

pub(super) fn load_usage(scope: AccountScope<'_>, key_id: KeyId, since: Timestamp) -> rusqlite::Result<KeyUsage> {
    let hours = scope.query_all(
        "SELECT hour, outcome, requests FROM usage
         WHERE account_id = :account_id AND key_id = :key AND hour >= :since ORDER BY hour, outcome",
        named_params! { ":key": key_id.as_str(), ":since": since.as_millis().div_euclid(MILLIS_PER_HOUR) },
        |row| {
            Ok(HourlyUsage {
                hour: timestamp_from_millis(0, row.get::<_, i64>(0)?.saturating_mul(MILLIS_PER_HOUR))?,
                outcome: read_enum(row, 1)?,
                requests: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        },
    )?;
    let clients = scope.query_all(
        "SELECT peer, user_agent, first_used_at, last_used_at, requests FROM clients
         WHERE account_id = :account_id AND key_id = :key ORDER BY last_used_at DESC, peer, user_agent",
        named_params! { ":key": key_id.as_str() },
        read_client,
    )?;
    Ok(KeyUsage { hours, clients })
}

pub(super) fn load_accepted(
    scope: AccountScope<'_>,
    ids: &[KeyId],
    hours: &RangeInclusive<i64>,
) -> rusqlite::Result<Vec<HourlyCount>> {
    let outcome = Decision::Accepted;
    scope.query_all(
        "SELECT key_id, hour, requests FROM usage
         WHERE account_id = :account_id AND key_id IN (SELECT value FROM json_each(:ids))
         AND hour BETWEEN :first AND :last AND outcome = :outcome",
        named_params! {
            ":ids": to_json_array(ids)?,
            ":first": hours.start(),
            ":last": hours.end(),
            ":outcome": outcome.as_ref(),
        },
        |row| {
            let requests = row.get::<_, i64>(2)?.cast_unsigned();
            Ok(HourlyCount { key: read_id(row, 0)?, hour: row.get(1)?, outcome, requests })
        },
    )
}

fn read_client(row: &Row<'_>) -> rusqlite::Result<KeyClient> {
    Ok(KeyClient {
        peer: row.get(0)?,
        user_agent: read_user_agent(row, 1)?,
        first_used_at: read_time(row, 2)?,
        last_used_at: read_time(row, 3)?,
        requests: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

/// Deletes a batch of an account's data older than `oldest` and returns whether there may be more. An activity entry is
/// deleted only together with the entries written before it. So an entry that was written while the clock was behind is
/// not deleted early, but together with its neighbors.
pub(super) fn delete_slice_before(
    scope: AccountScope<'_>,
    oldest: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    const MAX_DELETED_ROWS: i64 = 5_000;
    let (millis, hour) = (oldest.as_millis(), oldest.as_millis().div_euclid(MILLIS_PER_HOUR));
    let usage = "DELETE FROM usage WHERE account_id = :account_id AND (key_id, hour, outcome) IN
        (SELECT key_id, hour, outcome FROM usage WHERE account_id = :account_id AND hour < :oldest LIMIT :limit)";
    let clients = "DELETE FROM clients WHERE account_id = :account_id AND (key_id, peer, user_agent) IN
        (SELECT key_id, peer, user_agent FROM clients
         WHERE account_id = :account_id AND last_used_at < :oldest LIMIT :limit)";
    let activity = "DELETE FROM activity WHERE account_id = :account_id AND id IN (
        SELECT id FROM activity WHERE account_id = :account_id AND at < :oldest AND id < coalesce(
            (SELECT id FROM activity WHERE account_id = :account_id AND at BETWEEN :oldest AND :now ORDER BY id LIMIT 1),
            :last) LIMIT :limit)";
    let usage = scope.execute(usage, named_params! { ":oldest": hour, ":limit": MAX_DELETED_ROWS })?;
    let clients = scope.execute(clients, named_params! { ":oldest": millis, ":limit": MAX_DELETED_ROWS })?;
    let activity = scope.execute(
        activity,
        named_params! { ":oldest": millis, ":now": now.as_millis(), ":last": i64::MAX, ":limit": MAX_DELETED_ROWS },
    )?;
    Ok(usage.max(clients).max(activity) as i64 == MAX_DELETED_ROWS)
}
