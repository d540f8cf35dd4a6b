//! The database file: what is wrong with it is said, and what is in it is left alone.

use std::path::{Path, PathBuf};

use rand::rngs::SysRng;
use rusqlite::Connection;
use ulkeys_domain::wire::DatabaseProblem;
use ulkeys_domain::{KeyId, KeyName, KeyRecord, Scope, Scopes, Secret, Timestamp};
use ulkeys_store::{KeyStore as _, Origin, SqliteStore};

fn origin() -> Origin {
    Origin { by: None, peer: std::net::Ipv4Addr::LOCALHOST.into(), agent: "".into() }
}

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("deep/er/keys.db");
    Place { _folder: folder, path }
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
    store.insert(record.clone(), secret.hash(), origin()).await.expect("inserted");
    record
}

fn problem(path: &Path) -> DatabaseProblem {
    let error = SqliteStore::open(path).err().expect("refused");
    assert_eq!(error.path, path);
    assert!(!error.detail.is_empty());
    error.problem
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let place = place();
    let record = with_one_key(&place.path).await;
    let again = SqliteStore::open(&place.path).expect("opens again");
    assert_eq!(again.list_active().await.expect("read"), [record]);
}

#[tokio::test]
async fn a_second_service_is_kept_out() {
    let place = place();
    let first = SqliteStore::open(&place.path).expect("new database");
    assert_eq!(problem(&place.path), DatabaseProblem::Locked);
    drop(first);
    SqliteStore::open(&place.path).expect("free again");
}

/// A person with a database tool is not kept out, but noticed.
#[tokio::test]
async fn a_change_by_another_program_is_noticed() {
    let place = place();
    let store = SqliteStore::open(&place.path).expect("new database");
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let record = new_record(&secret);
    store.insert(record.clone(), secret.hash(), origin()).await.expect("inserted");
    let find = async || store.find_by_hash(&secret.hash()).await.expect("read").expect("there");
    assert_eq!(find().await.revoked_at, None);
    let unreadable = new_record(&Secret::generate(&mut SysRng).expect("randomness"));
    store
        .insert(unreadable.clone(), Secret::generate(&mut SysRng).expect("randomness").hash(), origin())
        .await
        .expect("inserted");
    // One row that nobody can read must not keep the others as they were.
    let other = Connection::open(&place.path).unwrap();
    other.execute("UPDATE keys SET scopes = 'everything' WHERE id = ?1", [unreadable.id.as_str()]).expect("changed");
    other.execute("UPDATE keys SET revoked_at = 5 WHERE id = ?1", [record.id.as_str()]).expect("changed");
    let start = std::time::Instant::now();
    while find().await.revoked_at.is_none() {
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "noticed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place();
    let _open = SqliteStore::open(&place.path).expect("new database");
    let folder = place.path.parent().expect("has one");
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 2, "the database and its log");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let place = place();
    std::fs::create_dir_all(place.path.parent().unwrap()).unwrap();
    std::fs::write(&place.path, "").unwrap();
    let record = with_one_key(&place.path).await;
    assert_eq!(record.name.as_str(), "kept");
}

#[tokio::test]
async fn a_locked_database_is_reported() {
    let place = place();
    let record = with_one_key(&place.path).await;
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    assert_eq!(problem(&place.path), DatabaseProblem::Locked);
    drop(other);
    let store = SqliteStore::open(&place.path).expect("free again");
    assert_eq!(store.list_active().await.expect("read"), [record]);
}

#[tokio::test]
async fn a_write_lock_of_another_program_is_reported_and_passes() {
    let place = place();
    let record = with_one_key(&place.path).await;
    let store = SqliteStore::open(&place.path).expect("opens");
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.revoke(&record.id, record.created_at, origin()).await.expect_err("locked");
    assert_eq!(error.problem, DatabaseProblem::Locked);
    assert_eq!(store.list_active().await.expect("reading goes on"), std::slice::from_ref(&record));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.revoke(&record.id, record.created_at, origin()).await.expect("free").is_some());
}

#[tokio::test]
async fn a_database_from_a_newer_version_is_left_alone() {
    let place = place();
    with_one_key(&place.path).await;
    Connection::open(&place.path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    left_alone(&place.path, DatabaseProblem::Newer);
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let place = place();
    std::fs::create_dir_all(place.path.parent().unwrap()).unwrap();
    Connection::open(&place.path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    left_alone(&place.path, DatabaseProblem::Foreign);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let place = place();
    std::fs::create_dir_all(place.path.parent().unwrap()).unwrap();
    std::fs::write(&place.path, "my diary ".repeat(1000)).unwrap();
    left_alone(&place.path, DatabaseProblem::Corrupt);
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start() {
    let place = place();
    with_one_key(&place.path).await;
    let mut bytes = std::fs::read(&place.path).unwrap();
    bytes[4096..8192].fill(0xA5);
    std::fs::write(&place.path, bytes).unwrap();
    left_alone(&place.path, DatabaseProblem::Corrupt);
}

#[tokio::test]
async fn a_value_that_no_version_writes_is_reported_not_guessed() {
    let place = place();
    with_one_key(&place.path).await;
    let store = SqliteStore::open(&place.path).expect("opens");
    Connection::open(&place.path).unwrap().execute("UPDATE keys SET scopes = 'root'", []).unwrap();
    assert_eq!(store.list_active().await.expect_err("unknown scope").problem, DatabaseProblem::Corrupt);
}

fn left_alone(path: &Path, expected: DatabaseProblem) {
    let before = std::fs::read(path).expect("readable");
    assert_eq!(problem(path), expected);
    assert!(std::fs::read(path).expect("readable") == before, "the file was changed");
}
