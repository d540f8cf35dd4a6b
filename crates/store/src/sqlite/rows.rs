//! Reads column values that this program has written. Any other value means that the file is damaged.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use ulkeys_domain::{AccountId, Actor, KeyHash, KeyId, KeyName, KeyPrefix, KeyRecord, Scopes, Timestamp};

use crate::Revision;

/// The columns that [`read_key`] reads, in this order.
pub(super) const KEY_COLUMNS: &str = "id, name, prefix, scopes, created_at, last_used_at, revoked_at, \
    admin_used_at, replaces, (SELECT id FROM keys AS later \
    WHERE later.account_id = keys.account_id AND later.replaces = keys.id ORDER BY later.revoked_at IS NULL DESC, \
    later.rowid DESC LIMIT 1)";
/// The number of columns in [`KEY_COLUMNS`].
pub(super) const KEY_COLUMN_COUNT: usize = 10;

/// Returns identifiers as a JSON array, which a statement reads with `json_each`. The text of a statement then does not
/// depend on their number.
pub(super) fn to_json_array<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> rusqlite::Result<String> {
    let ids: Vec<_> = ids.into_iter().collect();
    serde_json::to_string(&ids).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn read_key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    Ok(KeyRecord {
        id: read_id(row, 0)?,
        name: read_name(row, 1)?,
        prefix: read_text(row, 2, KeyPrefix::parse)?,
        scopes: read_scopes(row, 3)?,
        created_at: read_time(row, 4)?,
        last_used_at: read_optional_time(row, 5)?,
        revoked_at: read_optional_time(row, 6)?,
        admin_used_at: read_optional_time(row, 7)?,
        replaces: read_optional_id(row, 8)?,
        replaced_by: read_optional_id(row, 9)?,
    })
}

pub(super) fn read_account(row: &Row<'_>, column: usize) -> rusqlite::Result<AccountId> {
    AccountId::new(row.get(column)?).ok_or_else(|| unreadable_column(column, Type::Integer))
}

pub(super) fn read_id(row: &Row<'_>, column: usize) -> rusqlite::Result<KeyId> {
    read_text(row, column, KeyId::parse)
}

pub(super) fn read_optional_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<KeyId>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => read_id(row, column).map(Some),
    }
}

pub(super) fn read_name(row: &Row<'_>, column: usize) -> rusqlite::Result<KeyName> {
    read_text(row, column, |text| KeyName::parse_stored(text).ok())
}

pub(super) fn read_scopes(row: &Row<'_>, column: usize) -> rusqlite::Result<Scopes> {
    read_text(row, column, |text| Scopes::parse(text.split(' ')).ok())
}

pub(super) fn read_text<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable_column(column, Type::Text))
}

pub(super) fn read_hash(row: &Row<'_>, column: usize) -> rusqlite::Result<KeyHash> {
    let hash = row.get_ref(column)?.as_blob()?.try_into().map_err(|_| unreadable_column(column, Type::Blob))?;
    Ok(KeyHash::from_bytes(hash))
}

pub(super) fn read_revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    row.get::<_, i64>(column).map(|revision| Revision(revision.cast_unsigned()))
}

pub(super) fn read_actor(row: &Row<'_>, column: usize) -> rusqlite::Result<Actor> {
    read_text(row, column, Actor::parse)
}

/// Reads an enum value, stored by name.
pub(super) fn read_enum<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    read_text(row, column, |text| text.parse().ok())
}

/// Reads a user agent; an empty string means that the client sent none.
pub(super) fn read_user_agent(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(Some(row.get::<_, String>(column)?).filter(|agent| !agent.is_empty()))
}

pub(super) fn read_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    timestamp_from_millis(column, row.get(column)?)
}

pub(super) fn read_optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(|millis| timestamp_from_millis(column, millis)).transpose()
}

pub(super) fn timestamp_from_millis(column: usize, millis: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millis(millis).ok_or_else(|| unreadable_column(column, Type::Integer))
}

pub(super) fn unreadable_column(column: usize, kind: Type) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, "not a value that this program writes".into())
}
