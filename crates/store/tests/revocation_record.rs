//! Tests the revocation record while the record or the database cannot be written. No known revocation is lost, and
//! only changes made by another program are reported as such.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::SysRng;
use rusqlite::{Connection, params};
use ulkeys_domain::{ActivityKind, KeyHash, KeyId, KeyName, OutsideChange};
use ulkeys_store::{DatabaseHealth, KeyRepository, WriteError};

use support::{FollowedStore, TestPaths, audit, detected_changes, insert, is_active, now, revoke, wait};

impl TestPaths {
    /// Prevents the database from storing a position in the revocation record, so that no revocation can be committed.
    fn refuse_notes(&self) {
        let refuse =
            "CREATE TRIGGER refuse BEFORE INSERT ON revocation_records BEGIN SELECT RAISE(FAIL, 'no space'); END";
        Connection::open(self.database()).expect("opened").execute_batch(refuse).expect("created");
    }

    fn accept_notes(&self) {
        Connection::open(self.database()).expect("opened").execute_batch("DROP TRIGGER refuse").expect("dropped");
    }
}

fn hex(hash: &KeyHash) -> String {
    hash.as_bytes().map(|byte| format!("{byte:02x}")).concat()
}

async fn check_repeatedly(store: &FollowedStore, time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        store.check_outside_changes().await.expect("checked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn check_lost_record_that_cannot_be_rebuilt_is_reported_later() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, _) = insert(&store, "key").await;
    revoke(&store, &id).await;
    drop(store);
    // Replace the folder of the record with a dangling link, so that the record is missing and cannot be created.
    let state = paths.folder.path().join("state");
    std::fs::rename(&state, paths.folder.path().join("elsewhere")).expect("moved");
    std::os::unix::fs::symlink(paths.folder.path().join("nowhere"), &state).expect("linked");
    let store = paths.open().await;
    assert!(store.health().borrow().record_failure.is_some());
    check_repeatedly(&store, Duration::from_millis(1_500)).await;
    assert_eq!(detected_changes(&store), []);
    std::fs::remove_file(&state).expect("removed");
    wait(&store, "the record", |health| health.record_failure.is_none()).await;
    wait(&store, "the report", |health| !health.changes.is_empty()).await;
    assert_eq!(detected_changes(&store), [(OutsideChange::RecordLost, 0)]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn open_shortened_record_after_failed_repair_is_reported() {
    use std::os::fd::AsRawFd as _;
    let paths = TestPaths::new();
    let store = paths.open().await;
    for name in ["one", "two"] {
        let (id, _) = insert(&store, name).await;
        revoke(&store, &id).await;
    }
    drop(store);
    let whole = std::fs::read_to_string(paths.record_path()).expect("readable");
    std::fs::write(paths.record_path(), whole.split_inclusive('\n').take(2).collect::<String>()).expect("written");
    // Open the record through `/proc/self/fd`, a folder in which no file can be created, so that the repair fails.
    let file = std::fs::File::open(paths.record_path()).expect("opened");
    let store = paths.open_with(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))).await;
    assert!(store.health().borrow().record_failure.is_some());
    check_repeatedly(&store, Duration::from_millis(1_500)).await;
    let (id, _) = insert(&store, "three").await;
    revoke(&store, &id).await;
    drop(store);
    let store = paths.open().await;
    assert_eq!(detected_changes(&store), [(OutsideChange::RecordDamaged, 0)]);
    drop(store);
    assert_eq!(std::fs::read_to_string(paths.record_path()).expect("readable").lines().count(), 4);
    assert_eq!(detected_changes(&paths.open().await), [], "reported once");
}

#[tokio::test]
async fn check_lost_or_foreign_record_keeps_revocations_of_removed_keys() {
    for is_foreign in [false, true] {
        let paths = TestPaths::new();
        let store = paths.open().await;
        let (id, hash) = insert(&store, "leaked").await;
        revoke(&store, &id).await;
        paths.edit("DELETE FROM keys");
        wait(&store, "the removal", |health| !health.changes.is_empty()).await;
        if is_foreign {
            let foreign = TestPaths::new();
            drop(foreign.open().await);
            std::fs::copy(foreign.record_path(), paths.record_path()).expect("replaced");
        } else {
            std::fs::remove_file(paths.record_path()).expect("removed");
        }
        wait(&store, "the record", |health| health.changes.len() == 2).await;
        assert!(std::fs::read_to_string(paths.record_path()).expect("readable").contains(&hex(&hash)));
        let again = KeyId::generate(&mut SysRng).expect("randomness");
        let insert = "INSERT INTO keys (account_id, id, name, prefix, hash, scopes, created_at)
            VALUES (1, ?1, 'x', 'ul_00000000', ?2, 'read', 1)";
        let other = Connection::open(paths.database()).expect("opened");
        other.execute(insert, params![again.as_str(), hash.as_bytes()]).expect("inserted");
        wait(&store, "the key", |health| health.changes.len() == 3).await;
        assert!(!is_active(&store, &hash));
    }
}

#[tokio::test]
async fn revoke_with_failed_commit_is_effective_and_no_outside_change() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    paths.refuse_notes();
    let revocation = store.revoke(&id, now(), audit()).await.expect("recorded").value;
    assert!(revocation.is_new);
    assert!(!is_active(&store, &hash));
    let again = store.revoke(&id, now(), audit()).await.expect("recorded").value;
    assert_eq!((again.at, again.is_new), (revocation.at, false));
    check_repeatedly(&store, Duration::from_millis(1_500)).await;
    paths.accept_notes();
    check_repeatedly(&store, Duration::from_millis(1_500)).await;
    assert_eq!(store.get_key(&id).await.expect("read").expect("exists").revoked_at, Some(revocation.at));
    assert_eq!(detected_changes(&store), []);
    let page = store.list_activity(Some(id), Some(ActivityKind::Revoked), None, 10).await.expect("read");
    assert_eq!(page.entries.len(), 1);
    drop(store);
    let store = paths.open().await;
    assert!(!is_active(&store, &hash));
    assert_eq!(detected_changes(&store), []);
}

/// The database still contains the key as active.
#[tokio::test]
async fn rename_after_failed_commit_of_revocation_is_rejected() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    paths.refuse_notes();
    revoke(&store, &id).await;
    let renamed = store.rename(&id, KeyName::parse("new").expect("valid"), now(), audit()).await;
    assert!(matches!(renamed, Err(WriteError::NotFound)), "{renamed:?}");
    assert!(!is_active(&store, &hash));
}

#[tokio::test]
async fn revoke_with_failed_commit_and_lost_result_arrives_with_next_changes() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    paths.refuse_notes();
    assert!(store.check_outside_changes().await.expect("checked"), "the trigger");
    drop(KeyRepository::revoke(&*store, &id, now(), audit()).await.expect("recorded"));
    assert!(is_active(&store, &hash), "the result is lost");
    assert!(!store.check_outside_changes().await.expect("checked"), "the service's own change");
    assert!(!is_active(&store, &hash));
    assert_eq!(detected_changes(&store), []);
}

#[tokio::test]
async fn open_after_failed_commit_keeps_key_revoked() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    let (id, hash) = insert(&store, "leaked").await;
    paths.refuse_notes();
    revoke(&store, &id).await;
    drop(store);
    paths.accept_notes();
    let store = paths.open().await;
    assert!(!is_active(&store, &hash));
    assert_eq!(detected_changes(&store), [(OutsideChange::KeptRevoked, 1)]);
    drop(store);
    assert_eq!(detected_changes(&paths.open().await), []);
}

#[tokio::test]
async fn check_unwritable_record_does_not_write_to_database() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    insert(&store, "key").await;
    std::fs::remove_file(paths.record_path()).expect("removed");
    std::fs::create_dir(paths.record_path()).expect("created");
    wait(&store, "the failure", |health| health.record_failure.is_some()).await;
    // If a check tried to write to the database, it would wait two seconds for this lock.
    let other = Connection::open(paths.database()).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2_500) {
        let look = Instant::now();
        store.check_outside_changes().await.expect("checked");
        assert!(look.elapsed() < Duration::from_millis(1_500), "the check waited for the lock");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(store.health().borrow().record_failure.is_some());
}

#[tokio::test]
async fn open_on_two_computers_in_turn_reports_once() {
    let paths = TestPaths::new();
    let other = paths.folder.path().join("other/revocations");
    let store = paths.open().await;
    let (id, hash) = insert(&store, "key").await;
    revoke(&store, &id).await;
    drop(store);
    assert_eq!(detected_changes(&paths.open_with(&other).await), [(OutsideChange::RecordLost, 0)]);
    assert!(std::fs::read_to_string(&other).expect("readable").contains(&hex(&hash)));
    for record in [paths.record_path(), other.clone(), paths.record_path(), other] {
        assert_eq!(detected_changes(&paths.open_with(&record).await), [], "{}", record.display());
    }
    // Each record is still compared with the position that the database stored for it, so a shortened record is
    // detected.
    let whole = std::fs::read_to_string(paths.record_path()).expect("readable");
    std::fs::write(paths.record_path(), whole.split_inclusive('\n').take(1).collect::<String>()).expect("written");
    assert_eq!(detected_changes(&paths.open().await), [(OutsideChange::RecordDamaged, 0)]);
}

#[tokio::test]
async fn check_record_lost_again_is_counted_again() {
    let paths = TestPaths::new();
    let store = paths.open().await;
    for times in 1..=2 {
        std::fs::remove_file(paths.record_path()).expect("removed");
        let is_counted = |health: &DatabaseHealth| health.changes.first().is_some_and(|count| count.times == times);
        wait(&store, "the report", is_counted).await;
    }
    assert_eq!(detected_changes(&store), [(OutsideChange::RecordLost, 0)]);
}

/// Tests edits that editors and synchronization programs make to a text file. The revocations in an edited record must
/// still apply to an old copy of the database.
#[tokio::test]
async fn open_edited_record_keeps_revocations() {
    type Edit = fn(&str) -> String;
    let edits: [(&str, Edit); 5] = [
        ("no line end", |text| text.trim_end().to_owned()),
        ("CRLF", |text| text.replace('\n', "\r\n")),
        ("capitals", |text| text.to_uppercase()),
        ("spaces", |text| text.replace('\n', " \n")),
        ("indented", |text| text.lines().map(|line| format!("\t{line}\n")).collect()),
    ];
    for (name, edit) in edits {
        let paths = TestPaths::new();
        let store = paths.open().await;
        let (first, first_hash) = insert(&store, "first").await;
        let (last, last_hash) = insert(&store, "last").await;
        drop(store);
        let old = std::fs::read(paths.database()).expect("read");
        let store = paths.open().await;
        revoke(&store, &first).await;
        revoke(&store, &last).await;
        drop(store);
        let text = std::fs::read_to_string(paths.record_path()).expect("read");
        std::fs::write(paths.record_path(), edit(&text)).expect("written");
        std::fs::write(paths.database(), &old).expect("restored");
        for start in 0..2 {
            let store = paths.open().await;
            assert!(!is_active(&store, &first_hash), "{name}, start {start}");
            assert!(!is_active(&store, &last_hash), "{name}, start {start}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn open_with_pipe_in_place_of_record_does_not_wait() {
    let paths = TestPaths::new();
    drop(paths.open().await);
    std::fs::remove_file(paths.record_path()).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(paths.record_path()).status().expect("mkfifo");
    assert!(made.success());
    let store = paths.open().await;
    assert!(store.health().borrow().record_failure.is_some());
    let (id, hash) = insert(&store, "key").await;
    revoke(&store, &id).await;
    assert!(!is_active(&store, &hash));
}
