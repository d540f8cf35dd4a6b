//! Reads and writes the table of keys. Each change and its activity entry are written in one transaction.

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, ToSql, named_params};
use rustc_hash::{FxHashMap, FxHashSet};
use ulkeys_domain::{
    AccountId, Actor, KeyAuthInfo, KeyHash, KeyId, KeyName, KeyRecord, Timestamp, normalize_for_search,
};

use super::account_scope::AccountScope;
use super::rows::{
    KEY_COLUMN_COUNT, KEY_COLUMNS, read_account, read_hash, read_id, read_key, read_name, read_optional_time,
    read_revision, read_scopes, read_time, to_json_array,
};
use super::{activity, outside_changes};
use crate::revocation_record::RecordPosition;
use crate::{ActivityEvent, AuditContext, Committed, Revision, Revocation, StoredKey};

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
    scope: AccountScope<'_>,
    latest: Revision,
    key: &KeyRecord,
    hash: &KeyHash,
    audit: &AuditContext,
) -> KeyWriteResult<()> {
    check_actor(scope, audit)?;
    let revision = take_revision(scope.whole_database(), latest)?;
    let inserted = scope.execute(
        "INSERT INTO keys (account_id, id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at,
                           admin_used_at, revoked_at, replaces, revision)
         VALUES (:account_id, :id, :name, :normalized_name, :prefix, :hash, :scopes, :created_at, :last_used_at,
                 :admin_used_at, :revoked_at, :replaces, :revision)",
        named_params! {
            ":id": key.id.as_str(),
            ":name": key.name.as_str(),
            ":normalized_name": normalize_for_search(key.name.as_str()),
            ":prefix": key.prefix.as_str(),
            ":hash": hash.as_bytes(),
            ":scopes": key.scopes.to_string(),
            ":created_at": key.created_at.as_millis(),
            ":last_used_at": key.last_used_at.map(Timestamp::as_millis),
            ":admin_used_at": key.admin_used_at.map(Timestamp::as_millis),
            ":revoked_at": key.revoked_at.map(Timestamp::as_millis),
            ":replaces": key.replaces.as_ref().map(KeyId::as_str),
            ":revision": revision.0.cast_signed(),
        },
    );
    inserted.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => KeyWriteError::Conflict,
        _ => error.into(),
    })?;
    activity::insert(
        scope,
        &key.id,
        key.created_at,
        audit,
        &ActivityEvent::Created { by: audit.actor.key_id().copied() },
    )?;
    let stored = StoredKey { account: scope.account(), hash: *hash, info: key.into(), revision };
    outside_changes::update_digest(scope.whole_database(), None, &stored)?;
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
fn check_actor(scope: AccountScope<'_>, audit: &AuditContext) -> Result<(), KeyWriteError> {
    let Actor::Key(by) = &audit.actor else {
        return Ok(());
    };
    let is_active: bool = scope.query_row(
        "SELECT EXISTS (SELECT 1 FROM keys WHERE account_id = :account_id AND id = :id AND revoked_at IS NULL)",
        named_params! { ":id": by.as_str() },
        |row| row.get(0),
    )?;
    if is_active { Ok(()) } else { Err(KeyWriteError::ActorRevoked) }
}

pub(super) fn find(scope: AccountScope<'_>, id: &KeyId) -> rusqlite::Result<Option<KeyRecord>> {
    let select = format!("SELECT {KEY_COLUMNS} FROM keys WHERE account_id = :account_id AND id = :id");
    scope.query_row(&select, named_params! { ":id": id.as_str() }, read_key).optional()
}

pub(super) fn find_all(scope: AccountScope<'_>, ids: &[KeyId]) -> rusqlite::Result<Vec<KeyRecord>> {
    let select = format!(
        "SELECT {KEY_COLUMNS} FROM keys WHERE account_id = :account_id AND id IN (SELECT value FROM json_each(:ids))"
    );
    scope.query_all(&select, named_params! { ":ids": to_json_array(ids)? }, read_key)
}

/// Returns the accounts of keys. Keys that do not exist are ignored. If two accounts have a key with the same
/// identifier, which happens only if another program has written it, returns the account of the service itself.
pub(super) fn find_accounts(
    connection: &Connection,
    ids: &FxHashSet<KeyId>,
) -> rusqlite::Result<FxHashMap<KeyId, AccountId>> {
    connection
        .prepare_cached(
            "SELECT id, account_id FROM keys
             WHERE account_id IN (SELECT id FROM accounts) AND id IN (SELECT value FROM json_each(?1))
             ORDER BY account_id DESC",
        )?
        .query_map([to_json_array(ids)?], |row| Ok((read_id(row, 0)?, read_account(row, 1)?)))?
        .collect()
}

/// Returns whether the database contains a key as revoked.
pub(super) fn is_revoked(connection: &Connection, hash: &KeyHash) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE hash = ?1 AND revoked_at IS NOT NULL)")?
        .query_row([hash.as_bytes()], |row| row.get(0))
}

pub(super) fn list_active(
    scope: AccountScope<'_>,
    after: Option<(Timestamp, KeyId)>,
    limit: u32,
) -> rusqlite::Result<Vec<KeyRecord>> {
    let position = if after.is_some() {
        "AND (created_at, rowid) <
             (:at, (SELECT rowid FROM keys AS last WHERE last.account_id = :account_id AND last.id = :id))"
    } else {
        ""
    };
    let (at, id) = after.map(|(at, id)| (at.as_millis(), id.as_str().to_owned())).unzip();
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":limit", &limit)];
    parameters.extend(at.as_ref().map(|at| (":at", at as &dyn ToSql)));
    parameters.extend(id.as_ref().map(|id| (":id", id as &dyn ToSql)));
    let select = format!(
        "SELECT {KEY_COLUMNS} FROM keys WHERE account_id = :account_id AND revoked_at IS NULL {position}
         ORDER BY created_at DESC, rowid DESC LIMIT :limit"
    );
    scope.query_all(&select, &parameters, read_key)
}

/// Renames an active key, and returns it. `is_revoked` returns whether the key is revoked although the database
/// contains it as active.
pub(super) fn rename(
    scope: AccountScope<'_>,
    latest: Revision,
    id: &KeyId,
    name: &KeyName,
    at: Timestamp,
    audit: &AuditContext,
    is_revoked: impl FnOnce(&KeyHash) -> bool,
) -> KeyWriteResult<KeyRecord> {
    check_actor(scope, audit)?;
    let found = find_with_hash(scope, id)?;
    let found = found.filter(|(hash, key)| key.revoked_at.is_none() && !is_revoked(hash));
    let (hash, mut key) = found.ok_or(KeyWriteError::NotFound)?;
    if key.name == *name {
        return Ok(Committed { value: key, revision: last_revision(scope.whole_database())?, change: None });
    }
    let revision = take_revision(scope.whole_database(), latest)?;
    scope.execute(
        "UPDATE keys SET name = :name, normalized_name = :normalized_name, revision = :revision
         WHERE account_id = :account_id AND id = :id",
        named_params! {
            ":id": id.as_str(),
            ":name": name.as_str(),
            ":normalized_name": normalize_for_search(name.as_str()),
            ":revision": revision.0.cast_signed(),
        },
    )?;
    let what = ActivityEvent::Renamed {
        by: audit.actor.key_id().copied(),
        old_name: key.name.as_str().to_owned(),
        new_name: name.as_str().to_owned(),
    };
    activity::insert(scope, id, at, audit, &what)?;
    let account = scope.account();
    let before = StoredKey { account, hash, info: KeyAuthInfo::from(&key), revision };
    key.name = name.clone();
    let stored = StoredKey { account, hash, info: KeyAuthInfo::from(&key), revision };
    outside_changes::update_digest(scope.whole_database(), Some(&before), &stored)?;
    Ok(Committed { value: key, revision, change: Some(stored) })
}

/// Revokes a key. As the last step before the caller's commit, `record` writes the revocation to the revocation record
/// outside the database. If the commit then fails, the record already contains the revocation, and the caller completes
/// it. If the record were written after the commit, a failure in between could leave a revocation that is undone when
/// an old copy of the database is restored.
pub(super) fn revoke(
    scope: AccountScope<'_>,
    latest: Revision,
    id: &KeyId,
    at: Timestamp,
    audit: &AuditContext,
    record: impl FnOnce(&StoredKey, Timestamp) -> Option<RecordPosition>,
) -> KeyWriteResult<Revocation> {
    check_actor(scope, audit)?;
    let (hash, mut key) = find_with_hash(scope, id)?.ok_or(KeyWriteError::NotFound)?;
    if let Some(first) = key.revoked_at {
        let value = Revocation { at: first, is_new: false };
        return Ok(Committed { value, revision: last_revision(scope.whole_database())?, change: None });
    }
    let revision = take_revision(scope.whole_database(), latest)?;
    scope.execute(
        "UPDATE keys SET revoked_at = :at, revision = :revision WHERE account_id = :account_id AND id = :id",
        named_params! { ":id": id.as_str(), ":at": at.as_millis(), ":revision": revision.0.cast_signed() },
    )?;
    activity::insert(scope, id, at, audit, &ActivityEvent::Revoked { by: audit.actor.key_id().copied() })?;
    let account = scope.account();
    let before = StoredKey { account, hash, info: KeyAuthInfo::from(&key), revision };
    key.revoked_at = Some(at);
    let stored = StoredKey { account, hash, info: KeyAuthInfo::from(&key), revision };
    outside_changes::update_digest(scope.whole_database(), Some(&before), &stored)?;
    if let Some(seen) = record(&before, at) {
        outside_changes::store_record_position(scope.whole_database(), &seen)?;
    }
    Ok(Committed { value: Revocation { at, is_new: true }, revision, change: Some(stored) })
}

fn find_with_hash(scope: AccountScope<'_>, id: &KeyId) -> rusqlite::Result<Option<(KeyHash, KeyRecord)>> {
    let read = |row: &Row<'_>| Ok((read_hash(row, KEY_COLUMN_COUNT)?, read_key(row)?));
    let select = format!("SELECT {KEY_COLUMNS}, hash FROM keys WHERE account_id = :account_id AND id = :id");
    scope.query_row(&select, named_params! { ":id": id.as_str() }, read).optional()
}

/// Reads the keys of all accounts that were changed after `revision`, or all keys if `revision` is `None`, and calls
/// `visit` for each. `unreadable` decides whether a malformed row is an error or is skipped. A key whose account does
/// not exist counts as removed: only another program can write such a row.
pub(super) fn scan(
    connection: &Connection,
    revision: Option<Revision>,
    unreadable: impl Fn(rusqlite::Error) -> rusqlite::Result<()>,
    mut visit: impl FnMut(StoredKey),
) -> rusqlite::Result<()> {
    // Reading all keys in storage order is several times faster than reading them in the order of an index.
    let filter = match revision {
        Some(_) => "account_id IN (SELECT id FROM accounts) AND revision > ?1",
        None => "+account_id IN (SELECT id FROM accounts) AND ?1 = 0",
    };
    let mut statement = connection.prepare(&format!(
        "SELECT id, name, scopes, created_at, revoked_at, hash, revision, account_id FROM keys WHERE {filter}"
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
    Ok(StoredKey { account: read_account(row, 7)?, hash: read_hash(row, 5)?, info, revision: read_revision(row, 6)? })
}

/// Logs the error of an unreadable key and skips that key, so requests with the key are rejected.
pub(super) fn skip_unreadable(error: rusqlite::Error) -> rusqlite::Result<()> {
    tracing::error!(%error, "cannot read a key from the database; requests with this key are rejected");
    Ok(())
}
