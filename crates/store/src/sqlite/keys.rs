//! Reads and writes the table of keys. Each change and its activity entry are written in one transaction.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use ulkeys_api::ActivityEvent;
use ulkeys_domain::{KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Timestamp, normalize_for_search};

use super::rows::{KEY_COLUMN_COUNT, KEY_COLUMNS, read_key, unreadable_column};
use super::{activity, outside_changes};
use crate::revocation_record::RecordPosition;
use crate::{AuditContext, Revocation};

pub(super) fn insert(
    connection: &mut Connection,
    key: &KeyRecord,
    hash: &KeyHash,
    audit: &AuditContext,
) -> rusqlite::Result<bool> {
    let transaction = connection.transaction()?;
    if !actor_is_active(&transaction, audit)? {
        return Ok(false);
    }
    transaction.execute(
        "INSERT INTO keys (id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at, admin_used_at, revoked_at,
                           replaces)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            key.id.as_str(),
            key.name.as_str(),
            normalize_for_search(key.name.as_str()),
            key.prefix.as_str(),
            hash.as_bytes(),
            key.scopes.to_string(),
            key.created_at.as_millis(),
            key.last_used_at.map(Timestamp::as_millis),
            key.admin_used_at.map(Timestamp::as_millis),
            key.revoked_at.map(Timestamp::as_millis),
            key.replaces.as_ref().map(KeyId::as_str),
        ],
    )?;
    activity::insert(&transaction, &key.id, key.created_at, audit, &ActivityEvent::Created { by: audit.actor })?;
    outside_changes::update_digest(&transaction, hash, None, &KeyAuthInfo::from(key))?;
    transaction.commit()?;
    Ok(true)
}

/// Returns whether the key that requested a change is still active. The caller's transaction prevents a concurrent
/// revocation.
fn actor_is_active(connection: &Connection, audit: &AuditContext) -> rusqlite::Result<bool> {
    let Some(by) = &audit.actor else {
        return Ok(true);
    };
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1 AND revoked_at IS NULL)")?
        .query_row([by.as_str()], |row| row.get(0))
}

pub(super) fn find(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<KeyRecord>> {
    connection
        .prepare_cached(&format!("SELECT {KEY_COLUMNS} FROM keys WHERE id = ?1"))?
        .query_row([id.as_str()], read_key)
        .optional()
}

pub(super) fn list_active(connection: &Connection) -> rusqlite::Result<Vec<KeyRecord>> {
    connection
        .prepare_cached(&format!(
            "SELECT {KEY_COLUMNS} FROM keys WHERE revoked_at IS NULL ORDER BY created_at DESC, rowid DESC"
        ))?
        .query_map([], read_key)?
        .collect()
}

/// Renames an active key. Returns the hash and the new state of the key.
pub(super) fn rename(
    connection: &mut Connection,
    id: &KeyId,
    name: &KeyName,
    at: Timestamp,
    audit: &AuditContext,
) -> rusqlite::Result<Option<(KeyHash, KeyRecord)>> {
    let transaction = connection.transaction()?;
    let Some((hash, mut key)) = find_with_hash(&transaction, id)?.filter(|(_, key)| key.revoked_at.is_none()) else {
        return Ok(None);
    };
    if !actor_is_active(&transaction, audit)? {
        return Ok(None);
    }
    if key.name != *name {
        transaction.execute(
            "UPDATE keys SET name = ?2, normalized_name = ?3 WHERE id = ?1",
            params![id.as_str(), name.as_str(), normalize_for_search(name.as_str())],
        )?;
        let what = ActivityEvent::Renamed {
            by: audit.actor,
            old_name: key.name.as_str().to_owned(),
            new_name: name.as_str().to_owned(),
        };
        activity::insert(&transaction, id, at, audit, &what)?;
        let before = KeyAuthInfo::from(&key);
        key.name = name.clone();
        outside_changes::update_digest(&transaction, &hash, Some(&before), &KeyAuthInfo::from(&key))?;
    }
    transaction.commit()?;
    Ok(Some((hash, key)))
}

/// Revokes a key. Returns the hash and the new state of the key, and the revocation. As the last step before the
/// commit, `record` writes the revocation to the revocation record outside the database. If the commit then fails, the
/// record already contains the revocation, and the caller completes it. If the record were written after the commit, a
/// failure in between could leave a revocation that is undone when an old copy of the database is restored.
pub(super) fn revoke(
    connection: &mut Connection,
    id: &KeyId,
    at: Timestamp,
    audit: &AuditContext,
    record: impl FnOnce(&KeyHash, Timestamp) -> Option<RecordPosition>,
) -> rusqlite::Result<Option<(KeyHash, KeyRecord, Revocation)>> {
    let transaction = connection.transaction()?;
    let Some((hash, mut key)) = find_with_hash(&transaction, id)? else {
        return Ok(None);
    };
    if !actor_is_active(&transaction, audit)? {
        return Ok(None);
    }
    let revocation = Revocation { at: key.revoked_at.unwrap_or(at), is_new: key.revoked_at.is_none() };
    if revocation.is_new {
        transaction.execute("UPDATE keys SET revoked_at = ?2 WHERE id = ?1", params![id.as_str(), at.as_millis()])?;
        activity::insert(&transaction, id, at, audit, &ActivityEvent::Revoked { by: audit.actor })?;
        let before = KeyAuthInfo::from(&key);
        key.revoked_at = Some(at);
        outside_changes::update_digest(&transaction, &hash, Some(&before), &KeyAuthInfo::from(&key))?;
        if let Some(seen) = record(&hash, at) {
            outside_changes::store_record_position(&transaction, &seen)?;
        }
    }
    transaction.commit()?;
    Ok(Some((hash, key, revocation)))
}

fn find_with_hash(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<(KeyHash, KeyRecord)>> {
    let read = |row: &Row<'_>| {
        let hash = row.get_ref(KEY_COLUMN_COUNT)?.as_blob()?;
        let hash = hash.try_into().map_err(|_| unreadable_column(KEY_COLUMN_COUNT, rusqlite::types::Type::Blob))?;
        Ok((KeyHash::from_bytes(hash), read_key(row)?))
    };
    connection
        .prepare_cached(&format!("SELECT {KEY_COLUMNS}, hash FROM keys WHERE id = ?1"))?
        .query_row([id.as_str()], read)
        .optional()
}
