//! Reads pages of the key list, searched, filtered, and sorted.

use rusqlite::ToSql;
use rusqlite::types::Value;
use ulkeys_domain::{AttentionThresholds, KeyStatus, SortBy, normalize_for_search};

use super::account_scope::AccountScope;
use super::rows::{KEY_COLUMN_COUNT, KEY_COLUMNS, read_key};
use crate::{CursorValue, KeyCounts, KeyCursor, KeyPage, KeyQuery};

/// The maximum number of search words. Further words are ignored.
const MAX_SEARCH_WORDS: usize = 8;

/// The table of keys, for counting active keys. SQLite does not know that most keys belong to one account, so without
/// this hint, it reads all keys in the order of another index.
const COUNTED_ACTIVE_KEYS: &str = "keys INDEXED BY keys_active_by_age";

/// The SQL equivalent of [`AttentionThresholds::reasons`].
const NEEDS_ATTENTION_SQL: &str = "revoked_at IS NULL AND (created_at <= :old
    OR ((last_used_at IS NULL OR last_used_at > :latest) AND created_at <= :never_used) OR last_used_at <= :unused
    OR (instr(scopes, 'admin') > 0 AND
        CASE WHEN admin_used_at <= :latest THEN admin_used_at ELSE created_at END <= :admin_unused))";

/// The values of the parameters of a generated statement.
struct Parameters(Vec<(String, Value)>);

impl Parameters {
    /// Adds a value and returns the name of its parameter.
    fn add(&mut self, value: impl Into<Value>) -> String {
        let name = format!(":value{}", self.0.len());
        self.0.push((name.clone(), value.into()));
        name
    }

    fn as_named(&self) -> Vec<(&str, &dyn ToSql)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value as &dyn ToSql)).collect()
    }
}

pub(super) fn load_page(scope: AccountScope<'_>, query: &KeyQuery) -> rusqlite::Result<KeyPage> {
    let mut parameters = match query.status {
        KeyStatus::Attention => threshold_params(&query.thresholds),
        KeyStatus::Active | KeyStatus::Revoked | KeyStatus::All => Parameters(Vec::new()),
    };
    let mut filter = "account_id = :account_id AND ".to_owned();
    filter += match query.status {
        KeyStatus::Active => "revoked_at IS NULL",
        KeyStatus::Attention => NEEDS_ATTENTION_SQL,
        KeyStatus::Revoked => "revoked_at IS NOT NULL",
        KeyStatus::All => "true",
    };
    if let Some(name) = &query.name {
        let (normalized, name) =
            (parameters.add(normalize_for_search(name.as_str())), parameters.add(name.as_str().to_owned()));
        filter += &format!(" AND normalized_name = {normalized} AND name = {name}");
    }
    for word in query.text.split_whitespace().take(MAX_SEARCH_WORDS) {
        let word = parameters.add(normalize_for_search(word));
        filter += &format!(
            " AND (instr(normalized_name, {word}) > 0 OR instr(prefix, {word}) > 0 OR instr(scopes, {word}) > 0 OR id = {word})"
        );
    }
    // A search word may occur anywhere in a name, a prefix, or a scope, so a search must read all rows. Reading them in
    // storage order is several times faster than reading them in the order of an index.
    let has_name_index = query.name.is_some() && query.status != KeyStatus::All;
    let scan = |helps: bool| if helps || has_name_index { "keys" } else { "keys NOT INDEXED" };
    let is_indexed = match query.status {
        KeyStatus::Active | KeyStatus::Revoked => query.text.trim().is_empty(),
        KeyStatus::All => query.text.trim().is_empty() && query.name.is_none(),
        KeyStatus::Attention => false,
    };
    let is_sorted = match query.status {
        KeyStatus::Active => matches!(query.sort.by, SortBy::CreatedAt | SortBy::Name),
        KeyStatus::Revoked => query.sort.by == SortBy::RevokedAt,
        KeyStatus::Attention | KeyStatus::All => false,
    };
    let counted = match query.status {
        KeyStatus::Active if is_indexed && query.name.is_none() => COUNTED_ACTIVE_KEYS,
        _ => scan(is_indexed),
    };
    let sorted = scan(is_indexed && is_sorted);
    let direction = if query.sort.descending { "DESC" } else { "ASC" };
    let count = format!("SELECT count(*) FROM {counted} WHERE {filter}");
    let total: i64 = scope.query_row(&count, &parameters.as_named(), |row| row.get(0))?;
    // Read one key more than requested, to find out whether more keys follow.
    let limit = parameters.add(i64::from(query.limit) + 1);
    let skip = parameters.add(i64::try_from(query.offset).unwrap_or(i64::MAX));
    let column = match query.sort.by {
        SortBy::Name => "normalized_name".to_owned(),
        SortBy::Scopes => "scopes".to_owned(),
        SortBy::CreatedAt => "created_at".to_owned(),
        // A last-used time in the future counts as unused.
        SortBy::LastUsedAt => {
            let latest = parameters.add(query.thresholds.latest.as_millis());
            format!("CASE WHEN last_used_at <= {latest} THEN last_used_at END")
        }
        SortBy::RevokedAt => "revoked_at".to_owned(),
    };
    if let Some(KeyCursor { value, id }) = &query.after {
        let (sorted_by, value) = match value {
            CursorValue::Name(name) => ("normalized_name", parameters.add(name.clone())),
            CursorValue::CreatedAt(at) => ("created_at", parameters.add(at.as_millis())),
        };
        let id = parameters.add(id.as_str().to_owned());
        // Only another program deletes keys. The keys that were tied with a deleted key are then listed once more.
        let (comparison, first_row) = if query.sort.descending { ("<", i64::MAX) } else { (">", i64::MIN) };
        filter += &format!(
            " AND ({sorted_by}, rowid) {comparison}
                  ({value}, coalesce((SELECT rowid FROM keys AS last
                       WHERE last.account_id = :account_id AND last.id = {id}), {first_row}))"
        );
    }
    // The inner query sorts only row numbers, which is many times faster than sorting whole rows.
    let mut rows: Vec<_> = scope.query_all(
        &format!(
            "SELECT {KEY_COLUMNS}, normalized_name FROM keys WHERE rowid IN
                 (SELECT rowid FROM {sorted} WHERE {filter} ORDER BY {column} {direction}, rowid {direction}
                  LIMIT {limit} OFFSET {skip})
             ORDER BY {column} {direction}, rowid {direction}"
        ),
        &parameters.as_named(),
        |row| Ok((read_key(row)?, row.get(KEY_COLUMN_COUNT)?)),
    )?;
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
    scope: AccountScope<'_>,
    thresholds: &AttentionThresholds,
) -> rusqlite::Result<KeyCounts> {
    let counts = format!(
        "SELECT (SELECT count(*) FROM {COUNTED_ACTIVE_KEYS} WHERE account_id = :account_id AND revoked_at IS NULL),
                (SELECT count(*) FROM keys NOT INDEXED WHERE account_id = :account_id AND {NEEDS_ATTENTION_SQL}),
                (SELECT count(*) FROM keys WHERE account_id = :account_id AND revoked_at IS NOT NULL)"
    );
    scope.query_row(&counts, &threshold_params(thresholds).as_named(), |row| {
        let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok(KeyCounts { active: count(0)?, attention: count(1)?, revoked: count(2)? })
    })
}

/// Returns the parameters of [`NEEDS_ATTENTION_SQL`].
fn threshold_params(thresholds: &AttentionThresholds) -> Parameters {
    let times = [
        (":old", thresholds.old),
        (":never_used", thresholds.never_used),
        (":unused", thresholds.unused),
        (":admin_unused", thresholds.admin_unused),
        (":latest", thresholds.latest),
    ];
    Parameters(times.map(|(name, time)| (name.to_owned(), Value::Integer(time.as_millis()))).to_vec())
}
