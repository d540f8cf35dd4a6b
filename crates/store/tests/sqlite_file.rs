//! Tests of the database file: problems with the file are reported, and its content is left unchanged.

#[path = "support/key_index.rs"]
mod key_index;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::SysRng;
use rusqlite::Connection;
use tokio::task::JoinSet;
use ulkeys_domain::{AccountId, Actor, KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp};
use ulkeys_store::{AccountStore, AuditContext, DatabaseProblem, KnownKeys as _, SqliteStore, Store as _, WriteError};

use key_index::KeyIndex;

fn audit() -> AuditContext {
    AuditContext { actor: Actor::Session, peer: std::net::Ipv4Addr::LOCALHOST.into(), user_agent: "".into() }
}

fn keys(store: &SqliteStore) -> Arc<dyn AccountStore> {
    store.account(AccountId::EMBEDDED)
}

struct TestPaths {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn test_paths() -> TestPaths {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("deep/er/keys.db");
    TestPaths { _folder: folder, path }
}

fn new_record(secret: &Secret) -> KeyRecord {
    KeyRecord::new(
        KeyId::generate(&mut SysRng).expect("randomness"),
        KeyName::parse("kept").expect("valid"),
        secret.prefix(),
        Scopes::new([Scope::Admin]).expect("not empty"),
        Timestamp::from_millis(1).expect("in range"),
    )
}

async fn with_one_key(path: &Path) -> KeyRecord {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let record = new_record(&secret);
    let store = SqliteStore::open(path).expect("new database");
    keys(&store).insert(record.clone(), secret.hash(), audit()).await.expect("inserted");
    record
}

fn problem(path: &Path) -> DatabaseProblem {
    let error = SqliteStore::open(path).err().expect("rejected");
    assert_eq!(error.path, path);
    assert_eq!(error.to_string(), format!("cannot open {}: {} ({})", path.display(), error.problem, error.detail));
    assert!(!error.detail.is_empty());
    error.problem
}

#[tokio::test]
async fn reopen_keeps_keys() {
    let paths = test_paths();
    let record = with_one_key(&paths.path).await;
    let again = SqliteStore::open(&paths.path).expect("opens again");
    assert_eq!(keys(&again).list_active(None, 1_000).await.expect("read"), [record]);
}

/// Returns the path of the database's write-ahead log (WAL).
fn log_of(path: &Path) -> PathBuf {
    path.with_file_name("keys.db-wal")
}

/// Returns the names of the files in the folder of the database, except the lock file.
fn files(path: &Path) -> Vec<String> {
    let entries = path.parent().expect("has a parent").read_dir().expect("readable");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect();
    names.retain(|name| name != "keys.db.lock");
    names.sort();
    names
}

/// Creates a key, and returns it with the contents that the database file and the WAL would have after the process was
/// killed.
async fn killed_database() -> (KeyRecord, Vec<u8>, Vec<u8>) {
    let paths = test_paths();
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let record = new_record(&secret);
    let store = SqliteStore::open(&paths.path).expect("new database");
    keys(&store).insert(record.clone(), secret.hash(), audit()).await.expect("inserted");
    let log = std::fs::read(log_of(&paths.path)).expect("readable");
    assert!(!log.is_empty(), "the key is not in the WAL");
    (record, std::fs::read(&paths.path).expect("readable"), log)
}

#[tokio::test]
async fn close_makes_copy_of_main_file_complete() {
    let paths = test_paths();
    let record = with_one_key(&paths.path).await;
    let store = SqliteStore::open(&paths.path).expect("opens");
    // Read concurrently, so that several connections are in use before the store is closed.
    let store = Arc::new(store);
    let read = |store: Arc<SqliteStore>| async move { keys(&store).list_active(None, 1_000).await };
    let reads: JoinSet<_> = (0..50).map(|_| read(store.clone())).collect();
    for read in reads.join_all().await {
        assert_eq!(read.expect("read"), std::slice::from_ref(&record));
    }
    drop(store);
    assert_eq!(files(&paths.path), ["keys.db"]);
    let copy = paths.path.with_file_name("copy.db");
    std::fs::copy(&paths.path, &copy).unwrap();
    let copy = SqliteStore::open(&copy).expect("complete database");
    assert_eq!(keys(&copy).list_active(None, 1_000).await.expect("read"), [record]);
}

/// The store is still open during the checkpoint, for example because a request has not finished.
#[tokio::test]
async fn checkpoint_makes_copy_of_main_file_complete() {
    let paths = test_paths();
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let record = new_record(&secret);
    let store = SqliteStore::open(&paths.path).expect("new database");
    keys(&store).insert(record.clone(), secret.hash(), audit()).await.expect("inserted");
    store.checkpoint().await.expect("checkpointed");
    assert_eq!(log_of(&paths.path).metadata().unwrap().len(), 0);
    let copy = paths.path.with_file_name("copy.db");
    std::fs::copy(&paths.path, &copy).unwrap();
    let copy = SqliteStore::open(&copy).expect("complete database");
    assert_eq!(keys(&copy).list_active(None, 1_000).await.expect("read"), std::slice::from_ref(&record));

    keys(&store).revoke(&record.id, record.created_at, audit()).await.expect("the store is still usable");
    assert_eq!(keys(&store).list_active(None, 1_000).await.expect("read"), []);
}

#[tokio::test]
async fn checkpoint_during_foreign_read_is_reported() {
    let paths = test_paths();
    let record = with_one_key(&paths.path).await;
    let store = SqliteStore::open(&paths.path).expect("opens");
    let other = Connection::open(&paths.path).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM keys").unwrap();
    keys(&store).revoke(&record.id, record.created_at, audit()).await.expect("revoked");
    let error = store.checkpoint().await.expect_err("in use");
    assert_eq!(error.problem, DatabaseProblem::Locked);
    let text = "another program has locked the database (another program is reading the database)";
    assert_eq!(error.to_string(), text, "no path");
}

/// SQLite deletes a WAL that it finds next to an empty database, although the WAL may contain the only copy of a key.
#[tokio::test]
async fn open_quarantines_orphan_wal() {
    for leave_empty_file in [false, true] {
        let paths = test_paths();
        std::fs::create_dir_all(paths.path.parent().unwrap()).unwrap();
        let (record, database, log) = killed_database().await;
        std::fs::write(log_of(&paths.path), &log).unwrap();
        if leave_empty_file {
            std::fs::write(&paths.path, "").unwrap();
        }
        let store = SqliteStore::open(&paths.path).expect("a new database");
        assert_eq!(keys(&store).list_active(None, 1_000).await.expect("read"), []);
        drop(store);
        assert_eq!(files(&paths.path), ["keys.db", "keys.db-wal.set-aside"]);
        let aside = log_of(&paths.path).with_extension("db-wal.set-aside");
        assert!(std::fs::read(&aside).unwrap() == log, "the WAL is not complete");

        // The original database file and the quarantined WAL together still contain the key.
        std::fs::write(&paths.path, database).unwrap();
        std::fs::rename(aside, log_of(&paths.path)).unwrap();
        let store = SqliteStore::open(&paths.path).expect("opens");
        assert_eq!(keys(&store).list_active(None, 1_000).await.expect("read"), [record]);
    }
}

#[tokio::test]
async fn open_never_overwrites_quarantined_wal() {
    let paths = test_paths();
    std::fs::create_dir_all(paths.path.parent().unwrap()).unwrap();
    for log in ["first", "second", "third"] {
        std::fs::write(log_of(&paths.path), log).unwrap();
        drop(SqliteStore::open(&paths.path).expect("a new database"));
        std::fs::remove_file(&paths.path).unwrap();
    }
    let names = ["keys.db-wal.set-aside", "keys.db-wal.set-aside-2", "keys.db-wal.set-aside-3"];
    assert_eq!(files(&paths.path), names);
    for (name, log) in names.into_iter().zip(["first", "second", "third"]) {
        assert_eq!(std::fs::read_to_string(paths.path.with_file_name(name)).unwrap(), log);
    }
}

/// The WAL of a database that another service has open must not be moved.
#[tokio::test]
async fn open_leaves_log_of_running_service() {
    let paths = test_paths();
    let _running = SqliteStore::open(&paths.path).expect("new database");
    std::fs::remove_file(&paths.path).unwrap();
    assert_eq!(problem(&paths.path), DatabaseProblem::Locked);
    assert!(log_of(&paths.path).exists());
    assert!(!paths.path.exists(), "a new database was created");
}

#[tokio::test]
async fn open_damaged_database_keeps_its_log() {
    let paths = test_paths();
    let record = with_one_key(&paths.path).await;
    let store = SqliteStore::open(&paths.path).expect("opens");
    keys(&store).revoke(&record.id, record.created_at, audit()).await.expect("revoked");
    let (mut database, log) = (std::fs::read(&paths.path).unwrap(), std::fs::read(log_of(&paths.path)).unwrap());
    drop(store);
    assert!(!log.is_empty(), "the revocation is not in the WAL");
    database[4096..].fill(0xA5);
    std::fs::write(&paths.path, database).unwrap();
    std::fs::write(log_of(&paths.path), &log).unwrap();
    left_alone(&paths.path, DatabaseProblem::Corrupt);
    assert!(std::fs::read(log_of(&paths.path)).unwrap() == log, "the WAL was changed");
}

#[tokio::test]
async fn open_while_another_service_runs_is_rejected() {
    let paths = test_paths();
    let first = SqliteStore::open(&paths.path).expect("new database");
    assert_eq!(problem(&paths.path), DatabaseProblem::Locked);
    drop(first);
    SqliteStore::open(&paths.path).expect("available again");
}

/// The store detects changes that a database tool makes while the database is open.
#[tokio::test]
async fn check_detects_change_by_another_program() {
    let paths = test_paths();
    let store = SqliteStore::open(&paths.path).expect("new database");
    let index = Arc::<KeyIndex>::default();
    index.start_at(store.snapshot(index.visitor()).await.expect("read"));
    let [(record, hash), (unreadable, unreadable_hash)] = [(), ()].map(|()| {
        let secret = Secret::generate(&mut SysRng).expect("randomness");
        (new_record(&secret), secret.hash())
    });
    for (record, hash) in [(&record, hash), (&unreadable, unreadable_hash)] {
        index.apply_write(&keys(&store).insert(record.clone(), hash, audit()).await.expect("inserted"));
    }
    let revoked_at = || index.get(&hash).expect("exists").info.revoked_at;
    assert_eq!(revoked_at(), None);
    // An unreadable row must not prevent changes in other rows from being applied.
    let other = Connection::open(&paths.path).unwrap();
    other.execute("UPDATE keys SET scopes = 'everything' WHERE id = ?1", [unreadable.id.as_str()]).expect("changed");
    other.execute("UPDATE keys SET revoked_at = 5 WHERE id = ?1", [record.id.as_str()]).expect("changed");
    let start = std::time::Instant::now();
    while revoked_at().is_none() {
        assert!(
            start.elapsed() < std::time::Duration::from_secs(10),
            "timed out waiting for the change to be detected"
        );
        let changes = store.changes_since(index.revision(), index.clone()).await.expect("checked");
        index.apply_changes(changes);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn open_creates_private_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let paths = test_paths();
    let _open = SqliteStore::open(&paths.path).expect("new database");
    let folder = paths.path.parent().expect("has a parent");
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 2, "the database and the WAL");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn open_empty_file_creates_database() {
    let paths = test_paths();
    std::fs::create_dir_all(paths.path.parent().unwrap()).unwrap();
    std::fs::write(&paths.path, "").unwrap();
    let record = with_one_key(&paths.path).await;
    assert_eq!(record.name.as_str(), "kept");
}

#[tokio::test]
async fn open_locked_database_is_reported() {
    let paths = test_paths();
    let record = with_one_key(&paths.path).await;
    let other = Connection::open(&paths.path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    assert_eq!(problem(&paths.path), DatabaseProblem::Locked);
    drop(other);
    let store = SqliteStore::open(&paths.path).expect("available again");
    assert_eq!(keys(&store).list_active(None, 1_000).await.expect("read"), [record]);
}

#[tokio::test]
async fn write_during_foreign_write_lock_is_reported_and_recovers() {
    let paths = test_paths();
    let record = with_one_key(&paths.path).await;
    let store = SqliteStore::open(&paths.path).expect("opens");
    let other = Connection::open(&paths.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let revoked = keys(&store).revoke(&record.id, record.created_at, audit()).await;
    let Err(WriteError::Store(error)) = revoked else { panic!("the database is locked: {revoked:?}") };
    assert_eq!(error.problem, DatabaseProblem::Locked);
    assert_eq!(
        keys(&store).list_active(None, 1_000).await.expect("reading is still possible"),
        std::slice::from_ref(&record)
    );
    other.execute_batch("ROLLBACK").unwrap();
    let revoked = keys(&store).revoke(&record.id, record.created_at, audit()).await;
    assert!(revoked.expect("the database is no longer locked").value.is_new);
}

#[tokio::test]
async fn open_newer_version_is_rejected_and_unchanged() {
    let paths = test_paths();
    with_one_key(&paths.path).await;
    Connection::open(&paths.path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    left_alone(&paths.path, DatabaseProblem::Newer);
}

#[tokio::test]
async fn open_database_of_another_program_is_rejected_and_unchanged() {
    let paths = test_paths();
    std::fs::create_dir_all(paths.path.parent().unwrap()).unwrap();
    Connection::open(&paths.path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    left_alone(&paths.path, DatabaseProblem::Foreign);
}

#[tokio::test]
async fn open_file_that_is_no_database_is_rejected_and_unchanged() {
    let paths = test_paths();
    std::fs::create_dir_all(paths.path.parent().unwrap()).unwrap();
    std::fs::write(&paths.path, "my diary ".repeat(1000)).unwrap();
    left_alone(&paths.path, DatabaseProblem::Corrupt);
}

#[tokio::test]
async fn open_detects_damaged_page() {
    let paths = test_paths();
    with_one_key(&paths.path).await;
    let mut bytes = std::fs::read(&paths.path).unwrap();
    bytes[4096..8192].fill(0xA5);
    std::fs::write(&paths.path, bytes).unwrap();
    left_alone(&paths.path, DatabaseProblem::Corrupt);
}

#[tokio::test]
async fn open_value_of_no_version_is_reported() {
    let paths = test_paths();
    with_one_key(&paths.path).await;
    let store = SqliteStore::open(&paths.path).expect("opens");
    Connection::open(&paths.path).unwrap().execute("UPDATE keys SET scopes = 'root'", []).unwrap();
    assert_eq!(
        keys(&store).list_active(None, 1_000).await.expect_err("unknown scope").problem,
        DatabaseProblem::Corrupt
    );
}

fn left_alone(path: &Path, expected: DatabaseProblem) {
    let before = std::fs::read(path).expect("readable");
    assert_eq!(problem(path), expected);
    assert!(std::fs::read(path).expect("readable") == before, "the file was changed");
}

/// Environment variable with the path of the database that [`open_database_named_by_environment_is_readable`] opens.
const DATABASE_ENV_VARIABLE: &str = "UL_KEYS_TEST_OPEN";

/// Tests nothing by itself: [`open_without_file_locks_is_reported`] runs it in a separate process under strace.
#[test]
#[expect(clippy::print_stdout, reason = "it reports through its output")]
fn open_database_named_by_environment_is_readable() {
    if let Some(path) = std::env::var_os(DATABASE_ENV_VARIABLE) {
        println!("problem: {:?}", SqliteStore::open(Path::new(&path)).err().map(|error| error.problem));
    }
}

/// Network file systems and some FUSE file systems return these errors (flock(2)).
#[cfg(target_os = "linux")]
#[test]
fn open_without_file_locks_is_reported() {
    for error in ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL"] {
        let paths = test_paths();
        let program = std::env::current_exe().expect("this program");
        let output = std::process::Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", &format!("inject=flock:error={error}")])
            .arg(program)
            .args(["--exact", "open_database_named_by_environment_is_readable", "--nocapture"])
            .env(DATABASE_ENV_VARIABLE, &paths.path)
            .output()
            .expect("strace");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.contains("problem: Some(LockingUnsupported)"), "{error}: {output}");
        assert!(!paths.path.exists(), "{error}: a database was created");
    }
}
