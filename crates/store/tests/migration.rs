//! Migrations update a database of an earlier version and preserve its data.

#[path = "support/old_database.rs"]
mod old_database;

use std::path::Path;
use std::sync::{Arc, mpsc};

use rand::rngs::SysRng;
use rusqlite::{Connection, params};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::training::{CheckpointId, ModelId, ModelRef, RunId, RunStart, Slug};
use ulkeys_domain::{
    AccountId, ActivityKind, Actor, AttentionThresholds, KeyId, KeyName, KeySort, KeyStatus, OutsideChange, Secret,
    Timestamp,
};
use ulkeys_store::{
    AccountStore, ActivityEvent, AuditContext, KeyQuery, RejectedRequests, ReportedBy, Revision, RunDeletion,
    SqliteStore, Store as _, StoredBytes, StoredKey, TrainingBytes, UsageBatch,
};

use old_database::database_of_version;

#[tokio::test]
async fn open_first_version_keeps_keys_and_accepts_runs() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let id = KeyId::generate(&mut SysRng).expect("randomness");
    let old = Connection::open(&path).expect("created");
    old.execute_batch(include_str!("../migrations/sqlite/0001_keys.sql")).expect("the first schema");
    old.pragma_update(None, "user_version", 1).expect("written");
    old.execute(
        "INSERT INTO keys (id, name, prefix, hash, scopes, created_at) VALUES (?1, 'kept', ?2, ?3, 'read', 1)",
        params![id.as_str(), secret.prefix().as_str(), secret.hash().as_bytes()],
    )
    .expect("written");
    drop(old);

    let store = SqliteStore::open(&path).expect("migrated");
    let [kept] = &snapshot(&store).await[..] else { panic!("one key") };
    assert_eq!((kept.hash, kept.info.id, kept.info.name.as_str()), (secret.hash(), id, "kept"));
    let target = ModelRef::Named { project: Slug::of("p", "project"), name: Slug::of("n", "train") };
    let feed = ReportedBy { actor: Actor::Key(id), at: Timestamp::from_millis(2).expect("in range") };
    let model = ModelId::generate(&mut SysRng).expect("randomness");
    let run = account(&store).start_run(model, target, RunStart::default(), feed).await.expect("stored");
    assert_eq!(run.map(|run| run.run_id.get()), Some(1));
}

#[tokio::test]
async fn open_version_before_search_finds_and_sorts_keys() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    let old = database_of_version(&path, 3);
    for (name, revoked_at) in [("Zürich", None), ("ÉCOLE", None), ("apple", None), ("Ärger", Some(2))] {
        let secret = Secret::generate(&mut SysRng).expect("randomness");
        let id = KeyId::generate(&mut SysRng).expect("randomness");
        old.execute(
            "INSERT INTO keys (id, name, prefix, hash, scopes, created_at, revoked_at)
             VALUES (?1, ?2, ?3, ?4, 'read admin', 1, ?5)",
            params![id.as_str(), name, secret.prefix().as_str(), secret.hash().as_bytes(), revoked_at],
        )
        .expect("written");
    }
    drop(old);

    let store = SqliteStore::open(&path).expect("migrated");
    assert_eq!(found(&store, "", None).await, ["apple", "Ärger", "ÉCOLE", "Zürich"]);
    assert_eq!(found(&store, "ecole", None).await, ["ÉCOLE"]);
    assert_eq!(found(&store, "ARGER", None).await, ["Ärger"]);
    assert_eq!(found(&store, "", Some("Zürich")).await, ["Zürich"]);
    let keys = account(&store).list_active(None, 1_000).await.expect("read");
    assert!(keys.iter().all(|key| (key.admin_used_at, key.replaces, key.replaced_by) == (None, None, None)));
}

#[tokio::test]
async fn open_version_before_plain_letters_finds_names() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    let old = database_of_version(&path, 4);
    for (name, folded) in [("strand", "strand"), ("Straße", "straße"), ("Łódź", "łodz")] {
        let secret = Secret::generate(&mut SysRng).expect("randomness");
        let id = KeyId::generate(&mut SysRng).expect("randomness");
        old.execute(
            "INSERT INTO keys (id, name, folded, prefix, hash, scopes, created_at) VALUES (?1, ?2, ?3, ?4, ?5, 'read', 1)",
            params![id.as_str(), name, folded, secret.prefix().as_str(), secret.hash().as_bytes()],
        )
        .expect("written");
    }
    drop(old);

    let store = SqliteStore::open(&path).expect("migrated");
    assert_eq!(found(&store, "", None).await, ["Łódź", "strand", "Straße"]);
    assert_eq!(found(&store, "strasse", None).await, ["Straße"]);
    assert_eq!(found(&store, "", Some("Łódź")).await, ["Łódź"]);
    drop(store);
    let version: i64 = Connection::open(&path)
        .and_then(|database| database.pragma_query_value(None, "user_version", |row| row.get(0)))
        .expect("read");
    assert_eq!(version, 10);
}

#[tokio::test]
async fn open_version_before_totals_counts_existing_training_data() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    let old = database_of_version(&path, 6);
    let key = KeyId::generate(&mut SysRng).expect("randomness");
    let checkpoint = CheckpointId::generate(&mut SysRng).expect("randomness");
    let model = ModelId::generate(&mut SysRng).expect("randomness");
    old.execute_batch(&format!(
        "INSERT INTO models VALUES ('{model}', 'p', 'n', 'n', 1);
         INSERT INTO runs (id, model_id, status, started_at, last_event_at, results)
             VALUES (1, '{model}', 'completed', 1, 1, '{{\"a\":1}}');
         INSERT INTO run_keys VALUES ('{key}', 1, 1);
         INSERT INTO epochs (run_id, epoch, metrics, key_id, received_at) VALUES (1, 0, '{{}}', '{key}', 1);
         INSERT INTO console VALUES (1, 1, 'lines', NULL);
         INSERT INTO checkpoints VALUES ('{checkpoint}', 1, 'best.pt', 1000, 'saved', '{key}', 1);",
        key = key.as_str(),
        model = model.as_str(),
        checkpoint = checkpoint.as_str(),
    ))
    .expect("written");
    drop(old);

    let store = SqliteStore::open(&path).expect("migrated");
    let bytes = account(&store).training_bytes(Some(key)).await.expect("read");
    assert_eq!(bytes.key, StoredBytes { rows: 500 + 7 + 100 + 2, files: 1000 });
    assert_eq!(bytes.all, StoredBytes { rows: bytes.key.rows + 64 + 5, files: 1000 });
    let run = RunId::new(1).expect("positive");
    assert_eq!(account(&store).delete_run(run).await.expect("deleted"), RunDeletion::Deleted);
    assert_eq!(account(&store).training_bytes(Some(key)).await.expect("read"), TrainingBytes::default());
    assert_eq!(store.files_to_remove(false).await.expect("read"), [checkpoint]);
}

#[tokio::test]
async fn open_version_before_columns_were_renamed_keeps_clients_activity_and_revocations() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (path, record) = (folder.path().join("keys.db"), folder.path().join("revocations"));
    let old = database_of_version(&path, 7);
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let id = KeyId::generate(&mut SysRng).expect("randomness");
    old.execute(
        "INSERT INTO keys (id, name, folded, prefix, hash, scopes, created_at) VALUES (?1, 'Zoé', 'zoe', ?2, ?3, 'read', 1)",
        params![id.as_str(), secret.prefix().as_str(), secret.hash().as_bytes()],
    )
    .expect("written");
    old.execute_batch(&format!(
        "INSERT INTO sources VALUES ('{key}', '127.0.0.1', 'yolo', 1, 2, 3);
         INSERT INTO activity (at, kind, key_id, peer, agent, by_key) VALUES (1, 'created', '{key}', '', 'app', '{key}');
         INSERT INTO activity (at, kind, key_id, peer, agent, outcome, hour, requests, last_at)
             VALUES (2, 'refused', '{key}', '127.0.0.1', 'curl', 'scope', 0, 1, 2);
         INSERT INTO records VALUES ('00000000000000000000000000000000', 1, 'lost');
         INSERT INTO days (day) VALUES (20000);",
        key = id.as_str(),
    ))
    .expect("written");
    drop(old);

    let clock = || Timestamp::from_millis(3).expect("in range");
    let store = SqliteStore::open_with_record(&path, &record, clock).expect("migrated");
    assert_eq!(found(&store, "zoe", Some("Zoé")).await, ["Zoé"]);
    let usage = account(&store).key_usage(&id, clock()).await.expect("read");
    let clients: Vec<_> = usage.clients.iter().map(|client| (client.user_agent.as_deref(), client.requests)).collect();
    assert_eq!(clients, [(Some("yolo"), 3)]);
    let changes: Vec<_> = store.health().borrow().changes.iter().map(|count| count.change).collect();
    assert_eq!(changes, [OutsideChange::RecordLost], "the old database had used a record");
    let entries = account(&store).list_activity(Some(id), None, None, 10).await.expect("read").entries;
    let events: Vec<_> = entries.into_iter().map(|entry| (entry.user_agent, entry.event)).collect();
    let rejected = ActivityEvent::Rejected { outcome: Decision::Scope, requests: 1, last_at: at(2) };
    let created = ActivityEvent::Created { by: Some(id) };
    assert_eq!(events, [(Some("curl".to_owned()), rejected), (Some("app".to_owned()), created)]);

    // Another rejection in the same hour is added to the existing entry.
    let again = RejectedRequests {
        key: Some(id),
        outcome: Decision::Scope,
        peer: [127, 0, 0, 1].into(),
        user_agent: "curl".into(),
        first: at(4),
        last: at(4),
        requests: 1,
    };
    let batch = UsageBatch { rejected: vec![again], ..UsageBatch::empty() };
    store.record_usage(batch.into()).await.expect("written");
    let entries =
        account(&store).list_activity(Some(id), Some(ActivityKind::Rejected), None, 10).await.expect("read").entries;
    let events: Vec<_> = entries.into_iter().map(|entry| entry.event).collect();
    assert_eq!(events, [ActivityEvent::Rejected { outcome: Decision::Scope, requests: 2, last_at: at(4) }]);
}

/// Adds a key and an activity entry of each kind to a database of version 8.
fn add_key_with_activity(old: &Connection) -> (KeyId, KeyId) {
    let secret = Secret::generate(&mut SysRng).expect("randomness");
    let [key, admin] = [(), ()].map(|()| KeyId::generate(&mut SysRng).expect("randomness"));
    old.execute(
        "INSERT INTO keys (id, name, normalized_name, prefix, hash, scopes, created_at)
         VALUES (?1, 'key', 'key', ?2, ?3, 'read', 1)",
        params![key.as_str(), secret.prefix().as_str(), secret.hash().as_bytes()],
    )
    .expect("written");
    old.execute_batch(&format!(
        "INSERT INTO activity (at, kind, key_id, peer, user_agent, actor_key_id, old_name, new_name) VALUES
             (1, 'created', '{key}', '127.0.0.1', 'app', NULL, NULL, NULL),
             (2, 'renamed', '{key}', '127.0.0.1', 'app', NULL, 'a', 'b'),
             (3, 'revoked', '{key}', '127.0.0.1', 'app', NULL, NULL, NULL),
             (4, 'created', '{key}', '127.0.0.1', 'curl', '{admin}', NULL, NULL),
             (5, 'renamed', '{key}', '127.0.0.1', 'curl', '{admin}', 'b', 'key'),
             (6, 'revoked', '{key}', '127.0.0.1', 'curl', '{admin}', NULL, NULL),
             (7, 'newSource', '{key}', '127.0.0.1', 'yolo', NULL, NULL, NULL);
         INSERT INTO activity (at, kind, key_id, peer, user_agent, outcome, hour, requests, last_at)
             VALUES (8, 'refused', '{key}', '127.0.0.1', 'curl', 'scope', 0, 2, 9);
         INSERT INTO activity (at, kind, key_id, peer, user_agent, change, keys)
             VALUES (10, 'changedOutside', '{key}', '', '', 'added', 1);",
    ))
    .expect("written");
    (key, admin)
}

#[tokio::test]
async fn open_version_before_change_feed_names_actors() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("keys.db");
    let old = database_of_version(&path, 8);
    let (key, admin) = add_key_with_activity(&old);
    drop(old);

    let store = SqliteStore::open(&path).expect("migrated");
    let [stored] = &snapshot(&store).await[..] else { panic!("one key") };
    assert_eq!((stored.info.id, stored.revision), (key, Revision::default()));
    let entries = account(&store).list_activity(None, None, None, 100).await.expect("read").entries;
    let (by, old_name, new_name) = (Some(admin), "b".to_owned(), "key".to_owned());
    let expected = [
        ActivityEvent::ChangedOutside { change: OutsideChange::Added, keys: 1, before: None, after: None },
        ActivityEvent::Rejected { outcome: Decision::Scope, requests: 2, last_at: at(9) },
        ActivityEvent::NewClient,
        ActivityEvent::Revoked { by },
        ActivityEvent::Renamed { by, old_name, new_name },
        ActivityEvent::Created { by },
        ActivityEvent::Revoked { by: None },
        ActivityEvent::Renamed { by: None, old_name: "a".to_owned(), new_name: "b".to_owned() },
        ActivityEvent::Created { by: None },
    ];
    assert_eq!(entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>(), expected);
    let audit = AuditContext { actor: Actor::Session, peer: [127, 0, 0, 1].into(), user_agent: "".into() };
    let revoked = account(&store).revoke(&key, at(11), audit).await.expect("revoked");
    assert!(revoked.revision > Revision::default());
    drop(store);

    let database = Connection::open(&path).expect("opened");
    let mut select = database.prepare("SELECT actor FROM activity ORDER BY id").expect("the new column");
    let actors = select.query_map([], |row| row.get::<_, String>(0)).expect("read");
    let actors: Vec<_> = actors.collect::<rusqlite::Result<_>>().expect("read");
    let (session, admin, system) = ("session", admin.as_str(), "system");
    assert_eq!(actors, [session, session, session, admin, admin, admin, system, system, system, session]);
}

/// Returns the schema and the content of a database that a failed migration must leave unchanged.
fn dump(path: &Path) -> Vec<String> {
    let database = Connection::open(path).expect("opened");
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    let mut lines = vec![version.to_string()];
    for query in ["SELECT sql FROM sqlite_schema ORDER BY name", "SELECT * FROM keys", "SELECT * FROM activity"] {
        let mut select = database.prepare(query).expect("valid");
        let columns = select.column_count();
        let mut rows = select.query([]).expect("read");
        while let Some(row) = rows.next().expect("read") {
            lines.extend((0..columns).map(|column| format!("{:?}", row.get_ref(column).expect("read"))));
        }
    }
    lines
}

/// The owner has added an index to a column that a migration removes after its other changes, or an index whose name
/// the last migration gives to another one.
#[tokio::test]
async fn open_failed_migration_leaves_file_unchanged() {
    for (version, name, column) in [
        (7, "activity_by_actor", "by_key"),
        (8, "activity_by_actor", "actor_key_id"),
        (9, "activity_by_account", "actor"),
    ] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("keys.db");
        let old = database_of_version(&path, version);
        old.pragma_update(None, "journal_mode", "WAL").expect("as the program does");
        if version == 8 {
            add_key_with_activity(&old);
        }
        old.execute_batch(&format!("CREATE INDEX {name} ON activity ({column})")).expect("created");
        drop(old);
        let before = (std::fs::read(&path).expect("readable"), dump(&path));
        let error = SqliteStore::open(&path).err().expect("the migration fails");
        assert!(error.detail.contains(name), "{error}");
        let bytes = std::fs::read(&path).expect("readable");
        assert!((bytes, dump(&path)) == before, "the file was changed");

        Connection::open(&path).expect("opened").execute_batch(&format!("DROP INDEX {name}")).expect("dropped");
        let store = SqliteStore::open(&path).expect("migrated");
        assert_eq!(snapshot(&store).await.len(), usize::from(version == 8));
    }
}

/// Environment variable with the path of the database that [`open_database_named_by_environment_is_migrated`] opens.
const DATABASE_ENV_VARIABLE: &str = "UL_KEYS_TEST_MIGRATE";

/// Tests nothing by itself: [`open_with_full_disk_migrates_completely_or_not_at_all`] runs it in a separate process
/// under strace.
#[test]
#[expect(clippy::print_stdout, reason = "it reports through its output")]
fn open_database_named_by_environment_is_migrated() {
    if let Some(path) = std::env::var_os(DATABASE_ENV_VARIABLE) {
        println!("problem: {:?}", SqliteStore::open(Path::new(&path)).err().map(|error| error.problem));
    }
}

/// The disk is full from the first write on, from the second write on, and so on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn open_with_full_disk_migrates_completely_or_not_at_all() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (template, path) = (folder.path().join("template.db"), folder.path().join("keys.db"));
    let old = database_of_version(&template, 8);
    old.pragma_update(None, "journal_mode", "WAL").expect("as the program does");
    add_key_with_activity(&old);
    drop(old);
    let program = std::env::current_exe().expect("this program");
    let before = dump(&template);
    let mut failures = 0;
    for write in 1.. {
        std::fs::copy(&template, &path).expect("copied");
        let inject = format!("inject=pwrite64:error=ENOSPC:when={write}+");
        let output = std::process::Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject])
            .arg(&program)
            .args(["--exact", "open_database_named_by_environment_is_migrated", "--nocapture"])
            .env(DATABASE_ENV_VARIABLE, &path)
            .output()
            .expect("strace");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let has_failed = output.contains("problem: Some(");
        assert!(has_failed || output.contains("problem: None"), "{output}");
        failures += usize::from(has_failed);
        if has_failed {
            assert!(dump(&path) == before, "write {write} changed a part of the database");
        }
        let store = SqliteStore::open(&path).expect("migrated when there is space again");
        assert_eq!(snapshot(&store).await.len(), 1, "write {write}");
        assert_eq!(account(&store).list_activity(None, None, None, 100).await.expect("read").entries.len(), 9);
        drop(store);
        std::fs::remove_file(&path).expect("removed");
        if !has_failed {
            break;
        }
    }
    assert!(failures > 10, "the migration made only {failures} writes");
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

fn account(store: &SqliteStore) -> Arc<dyn AccountStore> {
    store.account(AccountId::EMBEDDED)
}

async fn snapshot(store: &SqliteStore) -> Vec<StoredKey> {
    let (sender, receiver) = mpsc::channel();
    store.snapshot(Box::new(move |key| sender.send(key).expect("received"))).await.expect("read");
    receiver.into_iter().collect()
}

/// Returns the names of the keys that match the search words `text` and, if `name` is set, have exactly that name.
async fn found(store: &SqliteStore, text: &str, name: Option<&str>) -> Vec<String> {
    let query = KeyQuery {
        status: KeyStatus::All,
        thresholds: AttentionThresholds::at(Timestamp::from_millis(1).expect("in range"), 1),
        text: text.to_owned(),
        name: name.map(|name| KeyName::parse(name).expect("valid")),
        sort: KeySort::parse("name").expect("valid sort order"),
        after: None,
        offset: 0,
        limit: 10,
    };
    let keys = account(store).list(query).await.expect("read").keys;
    keys.iter().map(|key| key.name.as_str().to_owned()).collect()
}
