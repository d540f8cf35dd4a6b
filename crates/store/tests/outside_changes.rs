//! Tests of changes that other programs make to the database, while a service has it open or between two runs of the
//! service. No acknowledged change is lost without an error, and a revoked key stays revoked.

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SysRng;
use rusqlite::{Connection, params};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{AccountId, ActivityKind, KeyId, KeyName, OutsideChange, Timestamp};
use ulkeys_store::{
    ActivityEntry, ActivityEvent, DatabaseProblem, HourlyCount, KeyRepository, KnownKeys as _, SqliteStore, StopCause,
    Store as _, UsageBatch, WriteError, WriteResult,
};

use support::key_index::KeyIndex;
use support::{FollowedStore, TestPaths, audit, detected_changes, insert, is_active, new_key, now, revoke, wait};

impl TestPaths {
    /// Copies the database in another process: closing the file in this process would drop the locks that this process
    /// holds on the file.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.folder.path().join(name);
        let copied = std::process::Command::new("cp").arg(self.database()).arg(&copy).status().expect("run");
        assert!(copied.success());
        copy
    }
}

/// Opens a copy of the database, with the same revocation record.
async fn follow_copy(copy: &Path, record: &Path) -> FollowedStore {
    FollowedStore::follow(SqliteStore::open_with_record(copy, record, now).expect("opens")).await
}

async fn open_without_record(path: &Path) -> FollowedStore {
    FollowedStore::follow(SqliteStore::open(path).expect("opens")).await
}

/// Returns the problem of the database that made a write fail.
fn problem<T>(result: WriteResult<T>) -> DatabaseProblem {
    match result.map(|_| ()) {
        Err(WriteError::Store(error)) => error.problem,
        other => panic!("expected a failure of the store: {other:?}"),
    }
}

async fn stored_changes(store: &FollowedStore) -> Vec<OutsideChange> {
    let page = store.list_activity(None, Some(ActivityKind::ChangedOutside), None, 100).await.expect("read");
    let mut all: Vec<_> = page
        .entries
        .iter()
        .map(|entry| match &entry.event {
            ActivityEvent::ChangedOutside { change, .. } => *change,
            other => panic!("{other:?}"),
        })
        .collect();
    all.sort();
    all
}

// The following tests check that revoked keys stay revoked.

#[tokio::test]
async fn open_old_copy_keeps_later_revocation() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    drop(store);
    let copy = paths.copy("backup.db");
    let store = paths.open().await;
    revoke(&store, &id).await;
    let revoked_at = store.get_key(&id).await.expect("read").expect("exists").revoked_at;
    drop(store);
    std::fs::rename(copy, paths.database()).expect("restored");

    let store = paths.open().await;
    assert!(!is_active(&store, &hash));
    assert_eq!(store.get_key(&id).await.expect("read").expect("exists").revoked_at, revoked_at, "repaired");
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
    assert_eq!(stored_changes(&store).await, [OutsideChange::KeptRevoked]);
    drop(store);
    let store = paths.open().await;
    assert_eq!(detected_changes(&store), [], "the change is reported once");
    assert!(!is_active(&store, &hash));
}

#[tokio::test]
async fn check_cleared_revocation_is_never_accepted() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    revoke(&store, &id).await;
    paths.edit("UPDATE keys SET revoked_at = NULL");
    let start = Instant::now();
    while detected_changes(&store).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for the change to be detected");
        assert!(!is_active(&store, &hash));
        store.check_outside_changes().await.expect("checked");
    }
    assert!(!is_active(&store, &hash));
    assert!(store.get_key(&id).await.expect("read").expect("exists").revoked_at.is_some(), "repaired");
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
}

#[tokio::test]
async fn check_inserted_row_of_revoked_key_stays_revoked() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    revoke(&store, &id).await;
    paths.edit("DELETE FROM keys");
    wait(&store, "the removal", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::Removed, 1)]);
    let other = Connection::open(paths.database()).expect("opened");
    let again = KeyId::generate(&mut SysRng).expect("randomness");
    other
        .execute(
            "INSERT INTO keys (account_id, id, name, prefix, hash, scopes, created_at) VALUES (1, ?1, 'x', 'ul_00000000', ?2, 'read', 1)",
            params![again.as_str(), hash.as_bytes()],
        )
        .expect("inserted");
    wait(&store, "the key", |health| health.changes.len() == 2).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::Removed, 1), (OutsideChange::KeptRevoked, 1)]);
    assert!(!is_active(&store, &hash));
}

#[tokio::test]
async fn check_each_kind_of_change_is_reported_and_noted() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (renamed, _) = insert(&store, "renamed").await;
    let (widened, _) = insert(&store, "widened").await;
    let (swapped, _) = insert(&store, "swapped").await;
    let (removed, _) = insert(&store, "removed").await;
    let (revoked, revoked_hash) = insert(&store, "revoked").await;
    let (added, added_hash) = new_key("added");
    let other = Connection::open(paths.database()).expect("opened");
    other
        .execute_batch(&format!(
            "BEGIN;
             UPDATE keys SET name = 'other' WHERE id = '{renamed}';
             UPDATE keys SET scopes = 'read admin' WHERE id = '{widened}';
             UPDATE keys SET hash = randomblob(32) WHERE id = '{swapped}';
             UPDATE keys SET revoked_at = 5 WHERE id = '{revoked}';
             DELETE FROM keys WHERE id = '{removed}';
             INSERT INTO keys (account_id, id, name, prefix, hash, scopes, created_at)
                 VALUES (1, '{}', 'added', 'ul_00000000', x'{}', 'admin', 1);
             COMMIT",
            added.id,
            added_hash.as_bytes().map(|byte| format!("{byte:02x}")).concat(),
        ))
        .expect("changed");
    wait(&store, "the changes", |health| !health.changes.is_empty()).await;
    let all = [
        OutsideChange::Added,
        OutsideChange::Removed,
        OutsideChange::Renamed,
        OutsideChange::ScopesChanged,
        OutsideChange::SecretChanged,
        OutsideChange::Revoked,
    ];
    assert_eq!(detected_changes(&store), all.map(|change| (change, 1)));
    assert_eq!(stored_changes(&store).await, all);
    assert!(is_active(&store, &added_hash), "the owner may add keys (see SECURITY.md)");
    let page = store.list_activity(Some(widened), Some(ActivityKind::ChangedOutside), None, 10).await.expect("read");
    let (before, after) = (Some("read".into()), Some("read admin".into()));
    let expected = ActivityEvent::ChangedOutside { change: OutsideChange::ScopesChanged, keys: 1, before, after };
    assert_eq!(page.entries[0].event, expected);
    assert_eq!((page.entries[0].peer.as_str(), page.entries[0].key_name.as_deref()), ("", Some("widened")));
    drop(store);

    // Revocations made by other programs are also added to the revocation record, so they cannot be undone.
    paths.edit("UPDATE keys SET revoked_at = NULL WHERE revoked_at IS NOT NULL");
    let store = paths.open().await;
    assert!(!is_active(&store, &revoked_hash));
}

#[tokio::test]
async fn check_many_changes_are_noted_in_one_entry() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    for number in 0..30 {
        insert(&store, &format!("key {number}")).await;
    }
    paths.edit("UPDATE keys SET scopes = 'admin'");
    wait(&store, "the changes", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::ScopesChanged, 30)]);
    assert_eq!(stored_changes(&store).await, [OutsideChange::ScopesChanged]);
}

#[tokio::test]
async fn check_key_moved_to_other_account_is_reported_to_both() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    paths.edit("INSERT INTO accounts (id) VALUES (2)");
    paths.edit("UPDATE keys SET account_id = 2");
    wait(&store, "the change", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::Added, 1), (OutsideChange::Removed, 1)]);
    let other = AccountId::new(2).expect("positive");
    assert_eq!(store.lookup_stored(&hash).map(|key| key.account), Some(other));
    assert_eq!(store.get_key(&id).await.expect("read"), None);
    for (account, expected) in [(AccountId::EMBEDDED, OutsideChange::Removed), (other, OutsideChange::Added)] {
        let kind = Some(ActivityKind::ChangedOutside);
        let page = store.store.account(account).list_activity(Some(id), kind, None, 10).await.expect("read");
        let changes: Vec<_> = page.entries.into_iter().map(|entry| entry.event).collect();
        let noted = ActivityEvent::ChangedOutside { change: expected, keys: 1, before: None, after: None };
        assert_eq!(changes, [noted]);
    }
    drop(store);
    assert_eq!(detected_changes(&paths.open().await), [], "the change is reported once");
}

/// A key whose account does not exist belongs to nobody, so requests with it are rejected.
#[tokio::test]
async fn check_key_moved_to_unknown_account_is_removed() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, hash) = insert(&store, "key").await;
    insert(&store, "other").await;
    let other = Connection::open(paths.database()).expect("opened");
    other
        .execute_batch("PRAGMA foreign_keys = OFF; UPDATE keys SET account_id = 7 WHERE name = 'key'")
        .expect("changed");
    wait(&store, "the change", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::Removed, 1)]);
    assert!(!is_active(&store, &hash));
    drop(store);
    let store = paths.open().await;
    assert_eq!(detected_changes(&store), [], "the change is reported once");
    assert!(!is_active(&store, &hash));
}

/// The account cannot be named in the activity any more, so the service's own account reports the change.
#[tokio::test]
async fn check_key_deleted_with_its_account_is_removed() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, hash) = insert(&store, "key").await;
    let other = Connection::open(paths.database()).expect("opened");
    other
        .execute_batch("INSERT INTO accounts (id) VALUES (2); UPDATE keys SET account_id = 2 WHERE name = 'key'")
        .expect("changed");
    wait(&store, "the change", |health| health.changes.len() == 2).await;
    other
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM keys; DELETE FROM accounts WHERE id = 2")
        .expect("changed");
    wait(&store, "the deletion", |health| {
        health.changes.iter().any(|change| change.change == OutsideChange::Removed && change.keys == 2)
    })
    .await;
    assert!(!is_active(&store, &hash));
    drop(store);
    let store = paths.open().await;
    assert_eq!(detected_changes(&store), [], "the change is written, so it is reported once");
}

#[tokio::test]
async fn open_database_edited_between_runs_is_reported() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    insert(&store, "key").await;
    drop(store);
    let store = paths.open().await;
    assert_eq!(detected_changes(&store), [], "a normal shutdown is not a change");
    store
        .rename(&insert(&store, "other").await.0, KeyName::parse("new").expect("valid"), now(), audit())
        .await
        .expect("renamed");
    drop(store);
    assert_eq!(detected_changes(&paths.open().await), []);
    paths.edit("INSERT INTO accounts (id) VALUES (2)");
    assert_eq!(detected_changes(&paths.open().await), [], "an account is no key");
    for edit in [
        "UPDATE keys SET account_id = 2 WHERE name = 'key'",
        "UPDATE keys SET scopes = 'admin' WHERE name = 'key'",
        "UPDATE keys SET hash = randomblob(32) WHERE name = 'key'",
        "DELETE FROM keys WHERE name = 'key'",
    ] {
        paths.edit(edit);
        assert_eq!(detected_changes(&paths.open().await), [(OutsideChange::WhileClosed, 0)], "{edit}");
        assert_eq!(detected_changes(&paths.open().await), [], "{edit}");
    }
}

#[tokio::test]
async fn open_older_database_records_its_revocations() {
    let paths = TestPaths::new();
    let store = open_without_record(&paths.database()).await;
    let (id, hash) = insert(&store, "key").await;
    revoke(&store, &id).await;
    drop(store);
    drop(paths.open().await);
    paths.edit("UPDATE keys SET revoked_at = NULL");
    let store = paths.open().await;
    assert!(!is_active(&store, &hash));
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
}

#[tokio::test]
async fn open_second_database_shares_the_record() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    drop(store);
    let other = paths.copy("data/other.db");
    let store = paths.open().await;
    revoke(&store, &id).await;
    let copy = follow_copy(&other, &paths.record_path()).await;
    assert!(!is_active(&copy, &hash), "the same key in another database");
}

#[tokio::test]
async fn check_revocation_by_another_process_applies() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    store.store.checkpoint().await.expect("checkpointed");
    let other = paths.copy("data/other.db");
    let copy = follow_copy(&other, &paths.record_path()).await;
    assert!(is_active(&store, &hash));
    revoke(&copy, &id).await;
    wait(&store, "the revocation", |health| !health.changes.is_empty()).await;
    assert!(!is_active(&store, &hash));
}

#[tokio::test]
async fn open_lost_or_edited_record_is_rebuilt_and_reported() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (one, one_hash) = insert(&store, "one").await;
    let (two, _) = insert(&store, "two").await;
    revoke(&store, &one).await;
    revoke(&store, &two).await;
    drop(store);
    let whole = std::fs::read_to_string(paths.record_path()).expect("readable");
    let shortened: String = whole.split_inclusive('\n').take(2).collect();
    let edited = whole.replacen(' ', "x", 4);
    for (content, expected) in [
        (None, OutsideChange::RecordLost),
        (Some(shortened), OutsideChange::RecordDamaged),
        (Some(edited), OutsideChange::RecordDamaged),
        (Some(String::new()), OutsideChange::RecordDamaged),
    ] {
        match content {
            None => std::fs::remove_file(paths.record_path()).expect("removed"),
            Some(text) => std::fs::write(paths.record_path(), text).expect("written"),
        }
        let store = paths.open().await;
        assert_eq!(detected_changes(&store), [(expected, 0)]);
        assert_eq!(stored_changes(&store).await.last(), Some(&expected));
        drop(store);
        let store = paths.open().await;
        assert_eq!(detected_changes(&store), [], "the change is reported once: {expected:?}");
        drop(store);
        let lines = std::fs::read_to_string(paths.record_path()).expect("rebuilt").lines().count();
        assert_eq!(lines, 3, "{expected:?}");
        // Restore the original record for the next case.
        std::fs::write(paths.record_path(), &whole).expect("written");
        drop(paths.open().await);
    }
    paths.edit("UPDATE keys SET revoked_at = NULL");
    assert!(!is_active(&paths.open().await, &one_hash));
}

#[tokio::test]
async fn open_foreign_record_applies_both() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (one, one_hash) = insert(&store, "one").await;
    revoke(&store, &one).await;
    drop(store);
    let foreign = TestPaths::new();
    drop(foreign.open().await);
    std::fs::copy(foreign.record_path(), paths.record_path()).expect("replaced");
    assert_eq!(detected_changes(&paths.open().await), [(OutsideChange::RecordReplaced, 0)]);
    paths.edit("UPDATE keys SET revoked_at = NULL");
    assert!(!is_active(&paths.open().await, &one_hash));
}

#[tokio::test]
async fn revoke_with_read_only_record_revokes_and_is_reported() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (one, one_hash) = insert(&store, "one").await;
    // Replace the record with a folder, which can be neither read nor written as a file, even by root.
    let aside = paths.record_path().with_extension("aside");
    std::fs::rename(paths.record_path(), &aside).expect("moved");
    std::fs::create_dir(paths.record_path()).expect("created");
    revoke(&store, &one).await;
    assert!(!is_active(&store, &one_hash));
    assert!(store.health().borrow().record_failure.is_some());
    drop(store);
    let store = paths.open().await;
    assert!(store.health().borrow().record_failure.is_some(), "the service runs and reports the failure");
    assert!(!is_active(&store, &one_hash));
    std::fs::remove_dir(paths.record_path()).expect("removed");
    std::fs::rename(&aside, paths.record_path()).expect("moved back");
    wait(&store, "the record", |health| health.record_failure.is_none()).await;
    drop(store);
    paths.edit("UPDATE keys SET revoked_at = NULL");
    assert!(!is_active(&paths.open().await, &one_hash), "the missing revocation was added to the record");
}

// The following tests check that writes stop when the file at the path is no longer the open database.

async fn ensure_writes_stop(store: &FollowedStore, cause: StopCause) {
    wait(store, "the end of writing", |health| health.stopped.as_ref().is_some_and(|stopped| stopped.cause == cause))
        .await;
    let (record, hash) = new_key("late");
    assert_eq!(problem(store.insert(record, hash, audit()).await), DatabaseProblem::Replaced);
    assert_eq!(store.store.ping().await.expect_err("not ready").problem, DatabaseProblem::Replaced);
}

/// Creates a second database, like one that a synchronization program might move to the path of the first database.
fn other_database(paths: &TestPaths) -> PathBuf {
    let other = paths.folder.path().join("other.db");
    drop(SqliteStore::open(&other).expect("created"));
    other
}

#[tokio::test]
async fn insert_into_replaced_file_is_rejected() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "before").await;
    std::fs::rename(other_database(&paths), paths.database()).expect("replaced");
    let (record, late) = new_key("late");
    assert_eq!(problem(store.insert(record, late, audit()).await), DatabaseProblem::Replaced, "not acknowledged");
    assert_eq!(problem(store.revoke(&id, now(), audit()).await), DatabaseProblem::Replaced);
    assert!(is_active(&store, &hash), "authorization continues");
    ensure_writes_stop(&store, StopCause::Replaced).await;

    // The former file was deleted, so the store has saved a copy that contains the acknowledged changes.
    let saved = store.health().borrow().stopped.clone().and_then(|stopped| stopped.saved).expect("a copy");
    drop(store);
    let store = paths.open().await;
    assert_eq!(store.list_active(None, 1_000).await.expect("read"), [], "the new file is complete and unchanged");
    drop(store);
    let copy = open_without_record(Path::new(&saved)).await;
    assert!(is_active(&copy, &hash));
    assert_eq!(copy.list_active(None, 1_000).await.expect("read").len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn insert_into_replaced_file_saves_private_copy() {
    use std::os::unix::fs::PermissionsExt as _;
    let paths = TestPaths::new();
    let store = paths.open().await;
    insert(&store, "before").await;
    std::fs::rename(other_database(&paths), paths.database()).expect("replaced");
    ensure_writes_stop(&store, StopCause::Replaced).await;
    let saved = paths.database().with_file_name("keys.db.set-aside");
    assert_eq!(saved.metadata().expect("exists").permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn write_to_moved_file_continues_when_it_returns() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, hash) = insert(&store, "before").await;
    let elsewhere = paths.folder.path().join("elsewhere.db");
    std::fs::rename(paths.database(), &elsewhere).expect("moved");
    ensure_writes_stop(&store, StopCause::Missing).await;
    // The WAL was checkpointed into the moved file, so a copy of this file alone contains all keys.
    let copy = paths.folder.path().join("copy.db");
    std::fs::copy(&elsewhere, &copy).expect("copied");
    assert!(is_active(&open_without_record(&copy).await, &hash));
    std::fs::rename(&elsewhere, paths.database()).expect("moved back");
    wait(&store, "the file", |health| health.stopped.is_none()).await;
    let (_, later) = insert(&store, "later").await;
    drop(store);
    let store = paths.open().await;
    assert!(is_active(&store, &hash) && is_active(&store, &later));
}

#[tokio::test]
async fn write_to_moved_and_replaced_file_is_complete() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, hash) = insert(&store, "before").await;
    let elsewhere = paths.folder.path().join("elsewhere.db");
    std::fs::rename(paths.database(), &elsewhere).expect("moved");
    std::fs::copy(other_database(&paths), paths.database()).expect("replaced");
    ensure_writes_stop(&store, StopCause::Replaced).await;
    drop(store);
    assert_eq!(paths.open().await.list_active(None, 1_000).await.expect("read"), []);
    assert!(is_active(&open_without_record(&elsewhere).await, &hash));
}

#[tokio::test]
async fn write_to_deleted_file_saves_copy() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, hash) = insert(&store, "before").await;
    std::fs::remove_file(paths.database()).expect("deleted");
    ensure_writes_stop(&store, StopCause::Missing).await;
    let saved = store.health().borrow().stopped.clone().and_then(|stopped| stopped.saved).expect("a copy");
    drop(store);
    assert!(is_active(&open_without_record(Path::new(&saved)).await, &hash));
}

#[tokio::test]
async fn write_with_deleted_log_or_folder_is_rejected() {
    for name in ["keys.db-wal", "keys.db-shm"] {
        let paths = TestPaths::new();
        let store = paths.open().await;
        let (_, hash) = insert(&store, "before").await;
        std::fs::remove_file(paths.database().with_file_name(name)).expect("deleted");
        ensure_writes_stop(&store, StopCause::Replaced).await;
        drop(store);
        assert!(is_active(&paths.open().await, &hash), "{name}");
    }
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, hash) = insert(&store, "before").await;
    let (data, elsewhere) = (paths.folder.path().join("data"), paths.folder.path().join("elsewhere"));
    std::fs::rename(&data, &elsewhere).expect("moved");
    ensure_writes_stop(&store, StopCause::Missing).await;
    std::fs::rename(&elsewhere, &data).expect("moved back");
    wait(&store, "the folder", |health| health.stopped.is_none()).await;
    assert!(is_active(&store, &hash));
}

/// The command `cp other.db keys.db` overwrites the content of the existing file. SQLite does not notice this and would
/// mix the two databases.
#[tokio::test]
async fn write_to_overwritten_file_is_rejected_and_not_mixed() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    insert(&store, "before").await;
    let other = other_database(&paths);
    let bytes = std::fs::read(&other).expect("readable");
    std::fs::write(paths.database(), &bytes).expect("overwritten");
    ensure_writes_stop(&store, StopCause::Overwritten).await;
    drop(store);
    assert!(std::fs::read(paths.database()).expect("readable") == bytes, "closing the database wrote to the file");
    assert_eq!(paths.open().await.list_active(None, 1_000).await.expect("read"), []);
    assert!(paths.database().with_file_name("keys.db-wal.set-aside").exists(), "the WAL is retained");

    let paths = TestPaths::new();
    let store = paths.open().await;
    insert(&store, "before").await;
    std::fs::write(paths.database(), "").expect("truncated");
    ensure_writes_stop(&store, StopCause::Overwritten).await;
}

#[tokio::test]
async fn write_after_checkpoints_is_accepted() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    for number in 0..40 {
        insert(&store, &format!("key {number}")).await;
        if number % 10 == 0 {
            store.store.checkpoint().await.expect("checkpointed");
        }
    }
    // Writes and checkpoints that another program makes through SQLite do not stop the store's writes.
    let other = Connection::open(paths.database()).expect("opened");
    other.execute("UPDATE keys SET name = 'x'", []).expect("changed");
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("done");
    insert(&store, "later").await;
    assert_eq!(store.health().borrow().stopped, None);
}

/// The `.restore` command of the sqlite3 shell replaces the content through SQLite, so writing continues.
#[tokio::test]
async fn check_restored_by_sqlite_is_read_and_keeps_revocations() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    store.store.checkpoint().await.expect("checkpointed");
    let backup = paths.copy("backup.db");
    revoke(&store, &id).await;
    insert(&store, "newer").await;
    let shell = std::process::Command::new("sqlite3")
        .arg(paths.database())
        .arg(format!(".restore {}", backup.display()))
        .status();
    assert!(shell.expect("the sqlite3 shell").success());
    wait(&store, "the changes", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::Removed, 1), (OutsideChange::KeptRevoked, 1)]);
    assert!(!is_active(&store, &hash));
    assert_eq!(store.health().borrow().stopped, None);
}

#[tokio::test]
async fn check_recreates_deleted_lock_file() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    std::fs::remove_file(paths.database().with_file_name("keys.db.lock")).expect("deleted");
    let start = Instant::now();
    while !paths.database().with_file_name("keys.db.lock").exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for the lock file to be recreated");
        store.check_outside_changes().await.expect("checked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = SqliteStore::open(&paths.database()).err().expect("rejected");
    assert_eq!(error.problem, DatabaseProblem::Locked);
    insert(&store, "later").await;

    std::fs::remove_file(paths.database().with_file_name("keys.db.lock")).expect("deleted");
    let other = std::fs::File::create(paths.database().with_file_name("keys.db.lock")).expect("created");
    other.lock().expect("locked");
    ensure_writes_stop(&store, StopCause::Shared).await;
    drop(other);
    wait(&store, "the lock", |health| health.stopped.is_none()).await;
}

/// Executes a statement in the sqlite3 shell, a separate process.
fn run_in_sqlite_shell(paths: &TestPaths, statement: &str) {
    let shell = std::process::Command::new("sqlite3").arg(paths.database()).arg(statement).output();
    assert!(shell.expect("the sqlite3 shell").status.success(), "{statement}");
}

/// Backup scripts, replication tools, and database browsers may checkpoint the database in any of SQLite's four modes.
#[tokio::test]
async fn insert_after_checkpoint_by_another_process_is_accepted() {
    for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
        for has_reader in [false, true] {
            let paths = TestPaths::new();
            let store = paths.open().await;
            let mut hashes = vec![insert(&store, "first").await.1];
            // An open read transaction limits a checkpoint: frames written after the start of the transaction are not
            // copied.
            let reader = Connection::open(paths.database()).expect("opened");
            if has_reader {
                reader.execute_batch("BEGIN; SELECT count(*) FROM keys").expect("read");
            }
            // Insert enough keys to make the database file grow.
            for number in 0..60 {
                hashes.push(insert(&store, &format!("key {number}")).await.1);
            }
            let modified = || paths.database().metadata().and_then(|metadata| metadata.modified()).expect("exists");
            let before = modified();
            run_in_sqlite_shell(&paths, &format!("PRAGMA wal_checkpoint({mode})"));
            assert_ne!(modified(), before, "{mode} copied nothing");
            hashes.push(insert(&store, "later").await.1);
            store.check_outside_changes().await.expect("checked");
            assert_eq!(store.health().borrow().stopped, None, "{mode}, reader: {has_reader}");
            drop(reader);
            run_in_sqlite_shell(&paths, "PRAGMA wal_checkpoint(PASSIVE)");
            hashes.push(insert(&store, "last").await.1);
            assert!(!paths.database().with_file_name("keys.db-wal.set-aside").exists(), "the WAL was set aside");
            drop(store);
            let store = paths.open().await;
            for hash in &hashes {
                assert!(is_active(&store, hash), "{mode}, reader: {has_reader}");
            }
        }
    }
}

#[tokio::test]
async fn insert_after_touch_is_accepted() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, before) = insert(&store, "before").await;
    for touched in ["keys.db", "keys.db-wal", "keys.db-shm", "keys.db.lock"] {
        let path = paths.database().with_file_name(touched);
        assert!(std::process::Command::new("touch").arg(path).status().expect("run").success());
    }
    store.check_outside_changes().await.expect("checked");
    let (_, later) = insert(&store, "later").await;
    assert_eq!(store.health().borrow().stopped, None);
    drop(store);
    let store = paths.open().await;
    assert!(is_active(&store, &before) && is_active(&store, &later));
}

/// The older copy has the same header and schema as the database; only pages with rows differ.
#[tokio::test]
async fn insert_into_file_overwritten_by_older_copy_is_rejected() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, _) = insert(&store, "before").await;
    store.store.checkpoint().await.expect("checkpointed");
    let copy = paths.copy("backup.db");
    store.rename(&id, KeyName::parse("after").expect("valid"), now(), audit()).await.expect("renamed");
    store.store.checkpoint().await.expect("checkpointed");
    insert(&store, "in the log").await;
    assert!(std::process::Command::new("cp").arg(&copy).arg(paths.database()).status().expect("run").success());
    ensure_writes_stop(&store, StopCause::Overwritten).await;
    drop(store);
    assert!(paths.database().with_file_name("keys.db-wal.set-aside").exists(), "the WAL is retained");
    assert_eq!(paths.open().await.list_active(None, 1_000).await.expect("read").len(), 1, "the copy is unchanged");
}

/// Runs `write` while another program holds a transaction that `write` must wait for, and calls `change` before that
/// transaction ends.
async fn while_locked<T>(paths: &TestPaths, write: impl Future<Output = T>, change: impl FnOnce()) -> T {
    let other = Connection::open(paths.database()).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        change();
        other.execute_batch("ROLLBACK").expect("released");
    };
    tokio::join!(write, release).0
}

#[tokio::test]
async fn revoke_database_locked_by_another_program_waits() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    let name = KeyName::parse("new").expect("valid");
    while_locked(&paths, store.rename(&id, name, now(), audit()), || ()).await.expect("written");
    while_locked(&paths, store.revoke(&id, now(), audit()), || ()).await.expect("written");
    assert!(!is_active(&store, &hash));
}

/// A usage batch is written again after a failed write, so a failed write must leave none of it in the store.
#[tokio::test]
async fn record_usage_with_file_moved_during_commit_counts_once() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, _) = insert(&store, "key").await;
    let count = HourlyCount { key: id, hour: 1, outcome: Decision::Accepted, requests: 1 };
    let batch = std::sync::Arc::new(UsageBatch { counts: vec![count], ..UsageBatch::empty() });
    let elsewhere = paths.folder.path().join("elsewhere.db");
    let moved = || std::fs::rename(paths.database(), &elsewhere).expect("moved");
    let is_written = while_locked(&paths, store.store.record_usage(batch.clone()), moved).await.is_ok();
    std::fs::rename(&elsewhere, paths.database()).expect("moved back");
    wait(&store, "the file", |health| health.stopped.is_none()).await;
    if !is_written {
        store.store.record_usage(batch).await.expect("written");
    }
    let usage = store.key_usage(&id, Timestamp::from_millis(0).expect("in range")).await.expect("read");
    assert_eq!(usage.hours.iter().map(|hour| hour.requests).sum::<u64>(), 1);
}

/// A revocation succeeds even if the database file is moved, because the revocation record applies to any file at the
/// path.
#[tokio::test]
async fn revoke_with_file_moved_during_commit_holds_and_is_reported() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    let elsewhere = paths.folder.path().join("elsewhere.db");
    let moved = || std::fs::rename(paths.database(), &elsewhere).expect("moved");
    let revoked = while_locked(&paths, store.revoke(&id, now(), audit()), moved).await;
    assert!(!is_active(&store, &hash));
    assert!(revoked.expect("revoked by the record").value.is_new);
    // An insertion fails, because no file at the path contains the new key.
    let (record, late) = new_key("late");
    assert_eq!(problem(store.insert(record, late, audit()).await), DatabaseProblem::Replaced);
}

#[tokio::test]
async fn insert_with_file_moved_during_commit_is_rejected() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (record, hash) = new_key("key");
    let elsewhere = paths.folder.path().join("elsewhere.db");
    let moved = || std::fs::rename(paths.database(), &elsewhere).expect("moved");
    let inserted = while_locked(&paths, store.insert(record, hash, audit()), moved).await;
    assert_eq!(problem(inserted), DatabaseProblem::Replaced, "not acknowledged");
}

#[tokio::test]
async fn check_outside_changes_each_call_finds_new_changes() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    insert(&store, "key").await;
    for number in 1..4 {
        assert!(!store.check_outside_changes().await.expect("checked"), "the service's own changes");
        paths.edit(&format!("UPDATE keys SET name = 'name {number}'"));
        assert!(store.check_outside_changes().await.expect("checked"), "{number}");
    }
}

/// A panic in one check must not keep later checks from running, for example by poisoning a lock.
#[tokio::test]
async fn check_outside_changes_after_panic_continues() {
    static CLOCK_FAILS: AtomicBool = AtomicBool::new(false);
    fn clock() -> Timestamp {
        assert!(!CLOCK_FAILS.load(Ordering::Relaxed), "a deliberate failure");
        now()
    }
    let paths = TestPaths::new();
    let store = SqliteStore::open_with_record(&paths.database(), &paths.record_path(), clock).expect("opens");
    let store = FollowedStore::follow(store).await;
    let (id, hash) = insert(&store, "key").await;
    CLOCK_FAILS.store(true, Ordering::Relaxed);
    paths.edit("UPDATE keys SET name = 'other'");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    store.check_outside_changes().await.expect_err("a panic");
    CLOCK_FAILS.store(false, Ordering::Relaxed);
    paths.edit("UPDATE keys SET revoked_at = 5");
    wait(&store, "the changes", |health| health.changes.len() == 2).await;
    assert!(!is_active(&store, &hash));
    assert_eq!(store.lookup(&hash).expect("known").name.as_str(), "other");
    assert_eq!(store.get_key(&id).await.expect("read").expect("exists").name.as_str(), "other");
}

/// A failing trigger simulates a full disk, so that the revocation cannot be stored in the database at first.
#[tokio::test]
async fn open_read_only_old_copy_keeps_revocation_and_stores_it_later() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    store.store.checkpoint().await.expect("checkpointed");
    let copy = paths.copy("backup.db");
    revoke(&store, &id).await;
    drop(store);
    std::fs::rename(copy, paths.database()).expect("restored");
    let other = Connection::open(paths.database()).expect("opened");
    other
        .execute_batch("CREATE TRIGGER full BEFORE UPDATE ON keys BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        .expect("changed");
    let store = paths.open().await;
    assert!(!is_active(&store, &hash));
    other.execute_batch("DROP TRIGGER full").expect("changed");
    wait(&store, "the change", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
    assert!(store.get_key(&id).await.expect("read").expect("exists").revoked_at.is_some(), "repaired");
}

// The following tests check the change feed.

/// A write that a caller gave up waiting for is committed, but the caller does not know the result.
#[tokio::test]
async fn check_own_writes_with_lost_results_are_no_outside_changes() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (renamed, renamed_hash) = insert(&store, "renamed").await;
    let (_, edited_hash) = insert(&store, "edited").await;
    assert!(!store.check_outside_changes().await.expect("checked"));
    let (inserted, inserted_hash) = new_key("inserted");
    drop(KeyRepository::insert(&*store, inserted, inserted_hash, audit()).await.expect("inserted"));
    let name = KeyName::parse("new").expect("valid");
    drop(KeyRepository::rename(&*store, &renamed, name, now(), audit()).await.expect("renamed"));
    let changes = store.read_changes().await.expect("read");
    assert_eq!((changes.stored.len(), changes.is_from_outside), (2, false));

    // The same changes are delivered if another program has changed the database in the meantime.
    paths.edit("UPDATE keys SET scopes = 'admin' WHERE name = 'edited'");
    assert!(store.check_outside_changes().await.expect("checked"));
    assert_eq!(detected_changes(&store), [(OutsideChange::ScopesChanged, 1)]);
    let name_of = |hash| store.lookup(hash).expect("known").name.as_str().to_owned();
    assert_eq!([&renamed_hash, &inserted_hash, &edited_hash].map(name_of), ["new", "inserted", "edited"]);
    assert_eq!(store.lookup(&edited_hash).expect("known").scopes.to_string(), "admin");
}

/// The result of a check is lost if the caller gives up waiting for it.
#[tokio::test]
async fn changes_with_lost_result_are_delivered_again() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (_, changed) = insert(&store, "changed").await;
    insert(&store, "removed").await;
    let (id, revoked) = insert(&store, "revoked").await;
    store.store.checkpoint().await.expect("checkpointed");
    let copy = follow_copy(&paths.copy("data/other.db"), &paths.record_path()).await;
    assert!(!store.check_outside_changes().await.expect("checked"));

    revoke(&copy, &id).await;
    drop(store.read_changes().await.expect("read"));
    assert!(store.check_outside_changes().await.expect("checked"), "by another service, through the record");
    assert!(!is_active(&store, &revoked));

    paths.edit("UPDATE keys SET scopes = 'admin' WHERE name = 'changed'");
    paths.edit("DELETE FROM keys WHERE name = 'removed'");
    let lost = store.read_changes().await.expect("read");
    assert!(store.check_outside_changes().await.expect("checked"));
    assert_eq!(store.lookup(&changed).expect("known").scopes.to_string(), "admin");
    assert!(lost.removed.iter().all(|hash| store.lookup(hash).is_none()) && lost.removed.len() == 1);
    let reported = [OutsideChange::Removed, OutsideChange::ScopesChanged, OutsideChange::KeptRevoked];
    assert_eq!(detected_changes(&store), reported.map(|change| (change, 1)), "each change is reported once");
    assert!(!store.check_outside_changes().await.expect("checked"), "each result is applied once");
}

/// The service does not know its own revocation yet when it finds one by another service.
#[tokio::test]
async fn check_own_revocation_with_lost_result_is_no_outside_change() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (own, own_hash) = insert(&store, "own").await;
    let (foreign, foreign_hash) = insert(&store, "foreign").await;
    store.store.checkpoint().await.expect("checkpointed");
    let copy = follow_copy(&paths.copy("data/other.db"), &paths.record_path()).await;
    drop(KeyRepository::revoke(&*store, &own, now(), audit()).await.expect("revoked"));
    revoke(&copy, &foreign).await;
    assert!(store.check_outside_changes().await.expect("checked"));
    assert!(!is_active(&store, &own_hash) && !is_active(&store, &foreign_hash));
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
    let of_key = async |id| store.list_activity(Some(id), None, None, 10).await.expect("read").entries;
    let is_outside = |entry: &ActivityEntry| matches!(entry.event, ActivityEvent::ChangedOutside { .. });
    assert!(!of_key(own).await.iter().any(is_outside));
    assert!(of_key(foreign).await.iter().any(is_outside));
}

/// A newer copy of the database contains keys with revisions that this process has not used.
#[tokio::test]
async fn check_restored_newer_copy_is_reported() {
    let paths = TestPaths::new();
    drop(paths.open().await);
    let old = paths.copy("old.db");
    let store = paths.open().await;
    let (_, hash) = insert(&store, "newer").await;
    drop(store);
    let newer = paths.copy("newer.db");
    std::fs::rename(old, paths.database()).expect("restored");
    let store = paths.open().await;
    assert!(store.lookup(&hash).is_none());
    run_in_sqlite_shell(&paths, &format!(".restore {}", newer.display()));
    assert!(store.check_outside_changes().await.expect("checked"));
    assert!(is_active(&store, &hash));
    assert_eq!(detected_changes(&store), [(OutsideChange::Added, 1)]);
}

#[tokio::test]
async fn write_after_restored_older_copy_takes_later_revision() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    store.store.checkpoint().await.expect("checkpointed");
    let backup = paths.copy("backup.db");
    let rename = async |name: &str| {
        let renamed = store.rename(&id, KeyName::parse(name).expect("valid"), now(), audit()).await;
        renamed.expect("renamed").revision
    };
    let before = rename("before").await;
    run_in_sqlite_shell(&paths, &format!(".restore {}", backup.display()));
    // The first write comes before the restored copy is found, the second one after that.
    let unnoticed = rename("unnoticed").await;
    assert!(unnoticed > before);
    assert!(store.check_outside_changes().await.expect("checked"));
    let detected = store.read_changes().await.expect("read").revision;
    assert!(detected > unnoticed, "the outside change takes a revision too");
    assert!(rename("after").await > detected);
    assert_eq!(store.lookup(&hash).expect("known").name.as_str(), "after");
    drop(store);
    assert_eq!(paths.open().await.lookup(&hash).expect("known").name.as_str(), "after");
}

/// A write may come before the check that finds the outside change.
#[tokio::test]
async fn rename_of_key_with_cleared_revocation_does_not_activate_it() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    revoke(&store, &id).await;
    paths.edit("UPDATE keys SET revoked_at = NULL");
    let renamed = store.rename(&id, KeyName::parse("new").expect("valid"), now(), audit()).await;
    assert!(matches!(renamed, Err(WriteError::NotFound)), "{renamed:?}");
    assert!(!is_active(&store, &hash));
    store.check_outside_changes().await.expect("checked");
    assert!(!is_active(&store, &hash));
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
}

/// A service must start and must apply changes while another program holds a lock.
#[tokio::test]
async fn changes_while_another_program_locks_database_are_delivered() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    let other = Connection::open(paths.database()).expect("opened");
    other
        .execute_batch("UPDATE keys SET revoked_at = 5; BEGIN IMMEDIATE; UPDATE keys SET name = 'uncommitted'")
        .expect("locked");
    assert!(store.check_outside_changes().await.expect("checked"));
    assert!(!is_active(&store, &hash));
    assert_eq!(detected_changes(&store), [], "the activity entry cannot be written yet");
    let index = std::sync::Arc::<KeyIndex>::default();
    store.store.snapshot(index.visitor()).await.expect("read");
    let key = index.get(&hash).expect("exists").info;
    assert_eq!((key.id, key.name.as_str(), key.revoked_at.is_some()), (id, "key", true));
    other.execute_batch("ROLLBACK").expect("released");
    wait(&store, "the report", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::Revoked, 1)]);
}

#[tokio::test]
async fn insert_failed_after_commit_to_moved_file_arrives_when_file_returns() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (record, hash) = new_key("key");
    let elsewhere = paths.folder.path().join("elsewhere.db");
    let moved = || std::fs::rename(paths.database(), &elsewhere).expect("moved");
    let inserted = while_locked(&paths, store.insert(record, hash, audit()), moved).await;
    assert_eq!(problem(inserted), DatabaseProblem::Replaced);
    store.check_outside_changes().await.expect("checked");
    assert!(store.lookup(&hash).is_none(), "no file at the path contains the key");
    std::fs::rename(&elsewhere, paths.database()).expect("moved back");
    wait(&store, "the file", |health| health.stopped.is_none()).await;
    assert!(is_active(&store, &hash));
    assert_eq!(detected_changes(&store), []);
}
