//! The schema separates the data of accounts, and a database without accounts is updated to it.

#[path = "support/old_database.rs"]
mod old_database;

use std::path::Path;

use rusqlite::Connection;
use ulkeys_domain::{AccountId, KeyId};
use ulkeys_store::{RunDeletion, SqliteStore, Store as _, StoredBytes};

use old_database::database_of_version;

/// The tables that describe the database rather than an account.
const WITHOUT_ACCOUNT: [&str; 6] =
    ["accounts", "change_counter", "key_digest", "revocation_records", "service_days", "usage_batches"];
/// The primary keys and unique constraints that cover all accounts, by their table and first column: clients keep the
/// number of a run, pages of activity continue before a number, and a key is looked up by its hash before its account
/// is known.
const OVER_ALL_ACCOUNTS: [(&str, &str); 3] = [("activity", "id"), ("keys", "hash"), ("runs", "id")];
/// The tables whose rows have a number that orders them.
const ORDERED_BY_ROW: [&str; 2] = ["keys", "checkpoints"];

const KEY: &str = "key_000000000000000000000001";

/// A row in each table of version 9, and deleted rows whose numbers must not be given again.
const ROWS: &str = "
    INSERT INTO keys (rowid, id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at, admin_used_at,
                      revoked_at, replaces, revision) VALUES
        (9, 'key_000000000000000000000001', 'É', 'e', 'ul_00000001', randomblob(32), 'read admin', 1, 2, 3, 4,
         'key_000000000000000000000002', 5),
        (4, 'key_000000000000000000000002', 'b', 'b', 'ul_00000002', randomblob(32), 'read', 1, NULL, NULL, NULL, NULL, 6);
    INSERT INTO usage VALUES ('key_000000000000000000000001', 1, 'accepted', 2);
    INSERT INTO clients VALUES ('key_000000000000000000000001', '127.0.0.1', 'yolo', 1, 2, 3);
    INSERT INTO activity (at, kind, key_id, peer, user_agent, actor) VALUES
        (1, 'created', 'key_000000000000000000000001', '127.0.0.1', 'app', 'session');
    INSERT INTO activity (at, kind, key_id, peer, user_agent, outcome, hour, requests, last_at) VALUES
        (2, 'refused', '', '127.0.0.1', 'curl', 'unknown', 0, 1, 2), (3, 'refused', '', '::1', '', 'unknown', 0, 1, 3);
    DELETE FROM activity WHERE at = 3;
    INSERT INTO models VALUES ('model_1', 'p', 'n', 'n', 1);
    INSERT INTO runs (model_id, status, planned_epochs, device, started_at, last_event_at, ended_at, error, train_args,
                      environment, system, model_info, results, class_names, plots, console_dropped, key_id,
                      results_dropped) VALUES
        ('model_1', 'failed', 3, 'cpu', 1, 2, 3, 'e', '{}', '{}', '{}', '{}', '{}', '{}', '{}', 7,
         'key_000000000000000000000001', 1);
    INSERT INTO runs (model_id, status, started_at, last_event_at) VALUES ('model_1', 'running', 1, 1);
    DELETE FROM runs WHERE id = 2;
    INSERT INTO run_keys VALUES ('key_000000000000000000000001', 1, 1);
    INSERT INTO epochs VALUES (1, 0, '{\"a\":1}', '{}', 0.5, 0.25, 'key_000000000000000000000001', 2);
    INSERT INTO console VALUES (1, 1, 'lines', NULL);
    INSERT INTO checkpoints (rowid, id, run_id, filename, size, state, key_id, uploaded_at) VALUES
        (9, 'ckpt_000000000000000000000001', 1, 'a.pt', 1000, 'saved', 'key_000000000000000000000001', 2),
        (4, 'ckpt_000000000000000000000002', 1, 'b.pt', 2000, 'replaced', NULL, 1);
    INSERT INTO removed_files VALUES ('ckpt_000000000000000000000003');
    INSERT INTO key_digest VALUES (1, 2, 3);
    INSERT INTO revocation_records VALUES ('00000000000000000000000000000000', 0, 'c');
    INSERT INTO service_days (day) VALUES (20000);
    INSERT INTO usage_batches VALUES (1, randomblob(16));
    UPDATE change_counter SET revision = 6;
";

fn query_all(database: &Connection, query: &str) -> Vec<Vec<String>> {
    let mut select = database.prepare(query).expect("valid");
    let columns = select.column_count();
    let text = |row: &rusqlite::Row<'_>, column| {
        row.get_ref(column).map(|value| match value.as_str() {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{value:?}"),
        })
    };
    let rows = select.query_map([], |row| (0..columns).map(|column| text(row, column)).collect()).expect("read");
    rows.collect::<rusqlite::Result<_>>().expect("read")
}

fn tables(database: &Connection) -> Vec<String> {
    query_all(
        database,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .concat()
}

/// Returns each row of a table, with the columns of version 9.
fn rows(database: &Connection, table: &str, columns: &str) -> Vec<Vec<String>> {
    let mut rows = query_all(database, &format!("SELECT {columns} FROM {table}"));
    rows.sort();
    rows
}

#[test]
fn open_new_database_puts_account_first_in_keys_and_indexes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    drop(SqliteStore::open(&path).expect("new database"));
    let database = Connection::open(&path).expect("opened");
    let (with_account, without): (Vec<_>, Vec<_>) =
        tables(&database).into_iter().partition(|table| !WITHOUT_ACCOUNT.contains(&table.as_str()));
    assert_eq!(without, WITHOUT_ACCOUNT, "the list names existing tables only");
    let mut over_all_accounts = Vec::new();
    for table in &with_account {
        let account =
            format!("SELECT \"notnull\", dflt_value FROM pragma_table_info('{table}') WHERE name = 'account_id'");
        assert_eq!(query_all(&database, &account), [["Integer(1)", "Null"]], "{table} has a required account");
        let owner =
            format!("SELECT \"from\", \"to\" FROM pragma_foreign_key_list('{table}') WHERE \"table\" = 'accounts'");
        assert_eq!(query_all(&database, &owner), [["account_id", "id"]], "the account of {table} exists");
        let others = format!(
            "SELECT id FROM pragma_foreign_key_list('{table}') WHERE \"table\" <> 'accounts' GROUP BY id
             HAVING sum(\"from\" = 'account_id' AND \"to\" = 'account_id') = 0"
        );
        assert_eq!(query_all(&database, &others), [[""; 0]; 0], "{table} refers to rows of the same account");
        let primary_key = format!("SELECT name FROM pragma_table_info('{table}') WHERE pk = 1");
        let indexes = format!(
            "SELECT columns.name FROM pragma_index_list('{table}') AS indexes, pragma_index_info(indexes.name) AS columns
             WHERE columns.seqno = 0"
        );
        let first_columns = [query_all(&database, &primary_key), query_all(&database, &indexes)].concat().concat();
        let others = first_columns.into_iter().filter(|column| column != "account_id");
        over_all_accounts.extend(others.map(|column| (table.clone(), column)));
    }
    let expected = OVER_ALL_ACCOUNTS.map(|(table, column)| (table.to_owned(), column.to_owned()));
    assert_eq!(over_all_accounts, expected);
}

#[tokio::test]
async fn open_version_before_accounts_keeps_all_rows() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    let old = database_of_version(&path, 9);
    old.execute_batch(ROWS).expect("inserted");
    let numbers = "SELECT name, seq FROM sqlite_sequence WHERE name IN ('activity', 'runs') ORDER BY name";
    let content = |database: &Connection, table: &String, columns: &String| rows(database, table, columns);
    let columns: Vec<_> = tables(&old)
        .into_iter()
        .map(|table| {
            let names = query_all(&old, &format!("SELECT name FROM pragma_table_info('{table}')")).concat();
            let number = if ORDERED_BY_ROW.contains(&table.as_str()) { "rowid, " } else { "" };
            (table, number.to_owned() + &names.join(", "))
        })
        .collect();
    let before: Vec<_> = columns.iter().map(|(table, columns)| content(&old, table, columns)).collect();
    assert!(before.iter().all(|rows| !rows.is_empty()), "each table has rows");
    let numbers_before = query_all(&old, numbers);
    assert_eq!(numbers_before, [["activity", "Integer(3)"], ["runs", "Integer(2)"]]);
    drop(old);

    let store = SqliteStore::open(&path).expect("migrated");
    let database = Connection::open(&path).expect("opened");
    for ((table, columns), before) in columns.iter().zip(&before) {
        assert_eq!(&content(&database, table, columns), before, "{table}");
        if !WITHOUT_ACCOUNT.contains(&table.as_str()) {
            let accounts = query_all(&database, &format!("SELECT DISTINCT account_id FROM {table}"));
            assert_eq!(accounts, [["Integer(1)"]], "{table}");
        }
    }
    assert_eq!(query_all(&database, numbers), numbers_before, "numbers of deleted rows are not given again");
    assert_eq!(query_all(&database, "PRAGMA integrity_check"), [["ok"]]);
    assert_eq!(query_all(&database, "PRAGMA foreign_key_check"), [[""; 0]; 0]);
    drop(database);

    // The triggers still keep the totals right.
    let account = store.account(AccountId::EMBEDDED);
    let run = account.list_runs(None, None, 10).await.expect("read").remove(0).run_id;
    assert_eq!(account.delete_run(run).await.expect("deleted"), RunDeletion::Deleted);
    for key in [KeyId::parse(KEY), None] {
        assert_eq!(account.training_bytes(key).await.expect("read").key, StoredBytes::default(), "{key:?}");
    }
}

/// Adds statements to a database of version 9, opens it, and returns the schema entries of the owner.
fn migrate_with(path: &Path, statements: &str) -> Connection {
    let old = database_of_version(path, 9);
    old.execute_batch(ROWS).expect("inserted");
    old.execute_batch(statements).expect("changed");
    drop(old);
    drop(SqliteStore::open(path).expect("migrated"));
    Connection::open(path).expect("opened")
}

#[test]
fn open_version_before_accounts_keeps_owner_views_indexes_and_triggers() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let database = migrate_with(
        &folder.path().join("keys.db"),
        "CREATE TABLE notes (text TEXT);
         CREATE VIEW names AS SELECT name FROM keys ORDER BY name;
         CREATE INDEX keys_by_prefix ON keys (prefix);
         CREATE TRIGGER note_renames AFTER UPDATE OF name ON KEYS BEGIN INSERT INTO notes VALUES (new.name); END;",
    );
    assert_eq!(query_all(&database, "SELECT * FROM names"), [["b"], ["É"]]);
    let plan = query_all(&database, "EXPLAIN QUERY PLAN SELECT id FROM keys WHERE prefix = 'ul_00000001'");
    assert!(plan.concat().concat().contains("keys_by_prefix"), "{plan:?}");
    database.execute("UPDATE keys SET name = 'c' WHERE name = 'b'", []).expect("renamed");
    assert_eq!(query_all(&database, "SELECT text FROM notes"), [["c"]]);
}

#[test]
fn open_database_without_index_that_statements_name_creates_it() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    drop(SqliteStore::open(&path).expect("new database"));
    let index = "SELECT sql FROM sqlite_schema WHERE name = 'keys_active_by_age'";
    let columns = |database: &Connection| {
        let columns = query_all(database, "SELECT name FROM pragma_index_info('keys_active_by_age')");
        (columns, query_all(database, index).concat().concat().contains("revoked_at IS NULL"))
    };
    let database = Connection::open(&path).expect("opened");
    let of_migration = columns(&database);
    database.execute("DROP INDEX keys_active_by_age", []).expect("dropped");
    drop(SqliteStore::open(&path).expect("opened"));
    assert_eq!(columns(&database), of_migration);
}

/// The shell of SQLite does not enforce foreign keys, so a database may contain such rows.
#[test]
fn open_version_before_accounts_keeps_rows_without_run() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let deletion = "PRAGMA foreign_keys = OFF; DELETE FROM runs; DELETE FROM models;";
    let database = migrate_with(&folder.path().join("keys.db"), deletion);
    let counts =
        "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM epochs), (SELECT count(*) FROM checkpoints)";
    assert_eq!(query_all(&database, counts), [["Integer(0)", "Integer(1)", "Integer(2)"]]);
}
