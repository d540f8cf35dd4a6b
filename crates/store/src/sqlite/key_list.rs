//! Reads pages of the key list, searched, filtered, and sorted.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use ulkeys_api::{KeyCounts, KeyStatus, SortBy};
use ulkeys_domain::{AttentionThresholds, normalize_for_search};

use super::rows::{KEY_COLUMN_COUNT, KEY_COLUMNS, read_key};
use crate::{CursorValue, KeyCursor, KeyPage, KeyQuery};

/// The maximum number of search words. Further words are ignored.
const MAX_SEARCH_WORDS: usize = 8;

/// The SQL equivalent of [`AttentionThresholds::reasons`].
const NEEDS_ATTENTION_SQL: &str = "revoked_at IS NULL AND (created_at <= ?1
    OR ((last_used_at IS NULL OR last_used_at > ?5) AND created_at <= ?2) OR last_used_at <= ?3
    OR (instr(scopes, 'admin') > 0 AND
        CASE WHEN admin_used_at <= ?5 THEN admin_used_at ELSE created_at END <= ?4))";

pub(super) fn load_page(connection: &mut Connection, query: &KeyQuery) -> rusqlite::Result<KeyPage> {
    let mut values = match query.status {
        KeyStatus::Attention => threshold_params(&query.thresholds),
        KeyStatus::Active | KeyStatus::Revoked | KeyStatus::All => Vec::new(),
    };
    let mut bind = |value: String| {
        values.push(Value::Text(value));
        format!("?{}", values.len())
    };
    let mut filter = match query.status {
        KeyStatus::Active => "revoked_at IS NULL".to_owned(),
        KeyStatus::Attention => NEEDS_ATTENTION_SQL.to_owned(),
        KeyStatus::Revoked => "revoked_at IS NOT NULL".to_owned(),
        KeyStatus::All => "true".to_owned(),
    };
    if let Some(name) = &query.name {
        let (normalized, name) = (bind(normalize_for_search(name.as_str())), bind(name.as_str().to_owned()));
        filter += &format!(" AND normalized_name = {normalized} AND name = {name}");
    }
    for word in query.text.split_whitespace().take(MAX_SEARCH_WORDS) {
        let word = bind(normalize_for_search(word));
        filter += &format!(
            " AND (instr(normalized_name, {word}) > 0 OR instr(prefix, {word}) > 0 OR instr(scopes, {word}) > 0 OR id = {word})"
        );
    }
    // A search word may occur anywhere in a name, a prefix, or a scope, so a search must read all rows. Reading them in
    // storage order is several times faster than reading them in the order of an index.
    let scan = |helps: bool| if helps || query.name.is_some() { "keys" } else { "keys NOT INDEXED" };
    let is_indexed = query.text.trim().is_empty() && query.status != KeyStatus::Attention;
    let is_sorted = match query.status {
        KeyStatus::Active => matches!(query.sort.by, SortBy::CreatedAt | SortBy::Name),
        KeyStatus::Revoked => query.sort.by == SortBy::RevokedAt,
        KeyStatus::Attention | KeyStatus::All => false,
    };
    let (counted, sorted) = (scan(is_indexed), scan(is_indexed && is_sorted));
    let direction = if query.sort.descending { "DESC" } else { "ASC" };
    let column = match query.sort.by {
        SortBy::Name => "normalized_name".to_owned(),
        SortBy::Scopes => "scopes".to_owned(),
        SortBy::CreatedAt => "created_at".to_owned(),
        // A last-used time in the future counts as unused.
        SortBy::LastUsedAt => {
            format!("CASE WHEN last_used_at <= ?{} THEN last_used_at END", values.len() + 3)
        }
        SortBy::RevokedAt => "revoked_at".to_owned(),
    };

    // Use one transaction, so that the total and the page come from the same state of the database.
    let transaction = connection.transaction()?;
    let total: i64 = transaction
        .prepare_cached(&format!("SELECT count(*) FROM {counted} WHERE {filter}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    let (limit, skip) = (values.len() + 1, values.len() + 2);
    // Read one key more than requested, to find out whether more keys follow.
    values.push(Value::Integer(i64::from(query.limit) + 1));
    values.push(Value::Integer(i64::try_from(query.offset).unwrap_or(i64::MAX)));
    if query.sort.by == SortBy::LastUsedAt {
        values.push(Value::Integer(query.thresholds.latest.as_millis()));
    }
    if let Some(KeyCursor { value, id }) = &query.after {
        let (value_param, id_param) = (values.len() + 1, values.len() + 2);
        let sorted_by = match value {
            CursorValue::Name(name) => {
                values.push(Value::Text(name.clone()));
                "normalized_name"
            }
            CursorValue::CreatedAt(at) => {
                values.push(Value::Integer(at.as_millis()));
                "created_at"
            }
        };
        values.push(Value::Text(id.as_str().to_owned()));
        // Only another program deletes keys. The keys that were tied with a deleted key are then listed once more.
        let (comparison, first_row) = if query.sort.descending { ("<", i64::MAX) } else { (">", i64::MIN) };
        filter += &format!(
            " AND ({sorted_by}, rowid) {comparison}
                  (?{value_param}, coalesce((SELECT rowid FROM keys AS last WHERE last.id = ?{id_param}), {first_row}))"
        );
    }
    // The inner query sorts only row numbers, which is many times faster than sorting whole rows.
    let mut rows = transaction
        .prepare_cached(&format!(
            "SELECT {KEY_COLUMNS}, normalized_name FROM keys WHERE rowid IN
                 (SELECT rowid FROM {sorted} WHERE {filter} ORDER BY {column} {direction}, rowid {direction}
                  LIMIT ?{limit} OFFSET ?{skip})
             ORDER BY {column} {direction}, rowid {direction}"
        ))?
        .query_map(params_from_iter(&values), |row| Ok((read_key(row)?, row.get(KEY_COLUMN_COUNT)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = rows.len() > query.limit as usize;
    rows.truncate(query.limit as usize);
    // A position has the stored name without case and accents, because the keys are sorted by it.
    let next = rows.last().filter(|_| has_more).and_then(|(key, normalized_name)| {
        let value = match query.sort.by {
            SortBy::Name => CursorValue::Name(String::clone(normalized_name)),
            SortBy::CreatedAt => CursorValue::CreatedAt(key.created_at),
            SortBy::Scopes | SortBy::LastUsedAt | SortBy::RevokedAt => return None,
        };
        Some(KeyCursor { value, id: key.id })
    });
    let keys = rows.into_iter().map(|(key, _)| key).collect();
    Ok(KeyPage { keys, total: total.cast_unsigned(), next })
}

pub(super) fn count_by_status(
    connection: &Connection,
    thresholds: &AttentionThresholds,
) -> rusqlite::Result<KeyCounts> {
    let counts = format!(
        "SELECT (SELECT count(*) FROM keys WHERE revoked_at IS NULL),
                (SELECT count(*) FROM keys NOT INDEXED WHERE {NEEDS_ATTENTION_SQL}),
                (SELECT count(*) FROM keys WHERE revoked_at IS NOT NULL)"
    );
    connection.prepare_cached(&counts)?.query_row(params_from_iter(threshold_params(thresholds)), |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok(KeyCounts { active: count(0)?, attention: count(1)?, revoked: count(2)? })
    })
}

fn threshold_params(thresholds: &AttentionThresholds) -> Vec<Value> {
    let times = [thresholds.old, thresholds.never_used, thresholds.unused, thresholds.admin_unused, thresholds.latest];
    times.map(|time| Value::Integer(time.as_millis())).to_vec()
}
