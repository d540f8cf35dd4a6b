//! Reads and writes the table of keys. Each change and its activity entry are written in one transaction.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params, params_from_iter};
use ulkeys_api::ActivityEvent;
use ulkeys_domain::{Actor, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Timestamp, normalize_for_search};

use super::rows::{
    KEY_COLUMN_COUNT, KEY_COLUMNS, read_hash, read_id, read_key, read_name, read_optional_time, read_revision,
    read_scopes, read_time, to_json_array,
};
use super::{activity, outside_changes};
use crate::revocation_record::RecordPosition;
use crate::{AuditContext, Committed, Revision, Revocation, StoredKey};

/// Why a write of a key changed nothing; see [`crate::WriteError`].
#[derive(Debug)]
pub(super) enum KeyWriteError {
    NotFound,
    ActorRevoked,
    Conflict,
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for KeyWriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The result of a write of a key.
type KeyWriteResult<T> = Result<Committed<T>, KeyWriteError>;

pub(super) fn insert(
    connection: &mut Connection,
    latest: Revision,
    key: &KeyRecord,
    hash: &KeyHash,
    audit: &AuditContext,
) -> KeyWriteResult<()> {
    let transaction = connection.transaction()?;
    check_actor(&transaction, audit)?;
    let revision = take_revision(&transaction, latest)?;
    let inserted = transaction.execute(
        "INSERT INTO keys (id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at, admin_used_at, revoked_at,
                           replaces, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
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
            revision.0.cast_signed(),
        ],
    );
    inserted.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => KeyWriteError::Conflict,
        _ => error.into(),
    })?;
    activity::insert(
        &transaction,
        &key.id,
        key.created_at,
        audit,
        &ActivityEvent::Created { by: audit.actor.key_id().copied() },
    )?;
    let stored = StoredKey { hash: *hash, info: key.into(), revision };
    outside_changes::update_digest(&transaction, hash, None, &stored.info)?;
    transaction.commit()?;
    Ok(Committed { value: (), revision, change: Some(stored) })
}

/// Takes the next revision. `latest` is the last revision that this process has used: a revision that it used for an
/// outside change is not in the database, and an older copy of the database may have been restored.
fn take_revision(connection: &Connection, latest: Revision) -> rusqlite::Result<Revision> {
    connection
        .prepare_cached("UPDATE change_counter SET revision = max(revision, ?1) + 1 RETURNING revision")?
        .query_row([latest.0.cast_signed()], |row| read_revision(row, 0))
}

/// Returns the last revision that a transaction took.
pub(super) fn last_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    connection.query_row("SELECT revision FROM change_counter", [], |row| read_revision(row, 0))
}

/// Returns an error if a key requested the change and has been revoked. The caller's transaction prevents a concurrent
/// revocation.
fn check_actor(connection: &Connection, audit: &AuditContext) -> Result<(), KeyWriteError> {
    let Actor::Key(by) = &audit.actor else {
        return Ok(());
    };
    let is_active = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1 AND revoked_at IS NULL)")?
        .query_row([by.as_str()], |row| row.get::<_, bool>(0))?;
    if is_active { Ok(()) } else { Err(KeyWriteError::ActorRevoked) }
}

pub(super) fn find(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<KeyRecord>> {
    connection
        .prepare_cached(&format!("SELECT {KEY_COLUMNS} FROM keys WHERE id = ?1"))?
        .query_row([id.as_str()], read_key)
        .optional()
}

pub(super) fn find_all(connection: &Connection, ids: &[KeyId]) -> rusqlite::Result<Vec<KeyRecord>> {
    connection
        .prepare_cached(&format!("SELECT {KEY_COLUMNS} FROM keys WHERE id IN (SELECT value FROM json_each(?1))"))?
        .query_map([to_json_array(ids)?], read_key)?
        .collect()
}

/// Returns whether the database contains a key as revoked.
pub(super) fn is_revoked(connection: &Connection, hash: &KeyHash) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE hash = ?1 AND revoked_at IS NOT NULL)")?
        .query_row([hash.as_bytes()], |row| row.get(0))
}

pub(super) fn list_active(
    connection: &Connection,
    after: Option<(Timestamp, KeyId)>,
    limit: u32,
) -> rusqlite::Result<Vec<KeyRecord>> {
    let position = if after.is_some() {
        "AND (created_at, rowid) < (?2, (SELECT rowid FROM keys AS last WHERE last.id = ?3))"
    } else {
        ""
    };
    let (at, id) = after.map(|(at, id)| (at.as_millis(), id.as_str().to_owned())).unzip();
    let mut values = vec![Value::Integer(limit.into())];
    values.extend(at.map(Value::Integer));
    values.extend(id.map(Value::Text));
    connection
        .prepare_cached(&format!(
            "SELECT {KEY_COLUMNS} FROM keys WHERE revoked_at IS NULL {position}
             ORDER BY created_at DESC, rowid DESC LIMIT ?1"
        ))?
        .query_map(params_from_iter(values), read_key)?
        .collect()
}

/// Renames an active key, and returns it. `is_revoked` returns whether the key is revoked although the database
/// contains it as active.
pub(super) fn rename(
    connection: &mut Connection,
    latest: Revision,
    id: &KeyId,
    name: &KeyName,
    at: Timestamp,
    audit: &AuditContext,
    is_revoked: impl FnOnce(&KeyHash) -> bool,
) -> KeyWriteResult<KeyRecord> {
    let transaction = connection.transaction()?;
    check_actor(&transaction, audit)?;
    let found = find_with_hash(&transaction, id)?;
    let found = found.filter(|(hash, key)| key.revoked_at.is_none() && !is_revoked(hash));
    let (hash, mut key) = found.ok_or(KeyWriteError::NotFound)?;
    if key.name == *name {
        return Ok(Committed { value: key, revision: last_revision(&transaction)?, change: None });
    }
    let revision = take_revision(&transaction, latest)?;
    transaction.execute(
        "UPDATE keys SET name = ?2, normalized_name = ?3, revision = ?4 WHERE id = ?1",
        params![id.as_str(), name.as_str(), normalize_for_search(name.as_str()), revision.0.cast_signed()],
    )?;
    let what = ActivityEvent::Renamed {
        by: audit.actor.key_id().copied(),
        old_name: key.name.as_str().to_owned(),
        new_name: name.as_str().to_owned(),
    };
    activity::insert(&transaction, id, at, audit, &what)?;
    let before = KeyAuthInfo::from(&key);
    key.name = name.clone();
    let stored = StoredKey { hash, info: KeyAuthInfo::from(&key), revision };
    outside_changes::update_digest(&transaction, &hash, Some(&before), &stored.info)?;
    transaction.commit()?;
    Ok(Committed { value: key, revision, change: Some(stored) })
}

/// Revokes a key. As the last step before the commit, `record` writes the revocation to the revocation record outside
/// the database. If the commit then fails, the record already contains the revocation, and the caller completes it. If
/// the record were written after the commit, a failure in between could leave a revocation that is undone when an old
/// copy of the database is restored.
pub(super) fn revoke(
    connection: &mut Connection,
    latest: Revision,
    id: &KeyId,
    at: Timestamp,
    audit: &AuditContext,
    record: impl FnOnce(&StoredKey, Timestamp) -> Option<RecordPosition>,
) -> KeyWriteResult<Revocation> {
    let transaction = connection.transaction()?;
    check_actor(&transaction, audit)?;
    let (hash, mut key) = find_with_hash(&transaction, id)?.ok_or(KeyWriteError::NotFound)?;
    if let Some(first) = key.revoked_at {
        let value = Revocation { at: first, is_new: false };
        return Ok(Committed { value, revision: last_revision(&transaction)?, change: None });
    }
    let revision = take_revision(&transaction, latest)?;
    transaction.execute(
        "UPDATE keys SET revoked_at = ?2, revision = ?3 WHERE id = ?1",
        params![id.as_str(), at.as_millis(), revision.0.cast_signed()],
    )?;
    activity::insert(&transaction, id, at, audit, &ActivityEvent::Revoked { by: audit.actor.key_id().copied() })?;
    let before = StoredKey { hash, info: KeyAuthInfo::from(&key), revision };
    key.revoked_at = Some(at);
    let stored = StoredKey { hash, info: KeyAuthInfo::from(&key), revision };
    outside_changes::update_digest(&transaction, &hash, Some(&before.info), &stored.info)?;
    if let Some(seen) = record(&before, at) {
        outside_changes::store_record_position(&transaction, &seen)?;
    }
    transaction.commit()?;
    Ok(Committed { value: Revocation { at, is_new: true }, revision, change: Some(stored) })
}

fn find_with_hash(connection: &Connection, id: &KeyId) -> rusqlite::Result<Option<(KeyHash, KeyRecord)>> {
    let read = |row: &Row<'_>| Ok((read_hash(row, KEY_COLUMN_COUNT)?, read_key(row)?));
    connection
        .prepare_cached(&format!("SELECT {KEY_COLUMNS}, hash FROM keys WHERE id = ?1"))?
        .query_row([id.as_str()], read)
        .optional()
}

/// Reads the keys that were changed after `revision`, or all keys if `revision` is `None`, and calls `visit` for each.
/// `unreadable` decides whether a malformed row is an error or is skipped.
pub(super) fn scan(
    connection: &Connection,
    revision: Option<Revision>,
    unreadable: impl Fn(rusqlite::Error) -> rusqlite::Result<()>,
    mut visit: impl FnMut(StoredKey),
) -> rusqlite::Result<()> {
    let filter = if revision.is_some() { "revision > ?1" } else { "?1 = 0" };
    let mut statement = connection.prepare(&format!(
        "SELECT id, name, scopes, created_at, revoked_at, hash, revision FROM keys WHERE {filter}"
    ))?;
    let mut rows = statement.query([revision.unwrap_or_default().0.cast_signed()])?;
    while let Some(row) = rows.next()? {
        match read_stored_key(row) {
            Ok(key) => visit(key),
            Err(error) => unreadable(error)?,
        }
    }
    Ok(())
}

fn read_stored_key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    let info = KeyAuthInfo {
        id: read_id(row, 0)?,
        name: read_name(row, 1)?,
        scopes: read_scopes(row, 2)?,
        created_at: read_time(row, 3)?,
        revoked_at: read_optional_time(row, 4)?,
    };
    Ok(StoredKey { hash: read_hash(row, 5)?, info, revision: read_revision(row, 6)? })
}

/// Logs the error of an unreadable key and skips that key, so requests with the key are rejected.
pub(super) fn skip_unreadable(error: rusqlite::Error) -> rusqlite::Result<()> {
    tracing::error!(%error, "cannot read a key from the database; requests with this key are rejected");
    Ok(())
}
