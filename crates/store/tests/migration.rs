//! A database of an earlier version is brought up to date, and keeps what is in it.

use rand::rngs::SysRng;
use rusqlite::{Connection, params};
use ulkeys_domain::training::{ModelId, RunStart, Slug, Target};
use ulkeys_domain::{KeyId, Secret, Timestamp};
use ulkeys_store::{Feed, KeyStore as _, RunStore as _, SqliteStore};

#[tokio::test]
async fn a_database_of_the_first_version_takes_runs_and_keeps_its_keys() {
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

    let store = SqliteStore::open(&path).expect("brought up to date");
    let kept = store.find_by_hash(&secret.hash()).await.expect("read").expect("there");
    assert_eq!((kept.id, kept.name.as_str()), (id, "kept"));
    let target = Target::Named { project: Slug::of("p", "project"), name: Slug::of("n", "train") };
    let feed = Feed { key: Some(id), at: Timestamp::from_millis(2).expect("in range") };
    let model = ModelId::generate(&mut SysRng).expect("randomness");
    let run = store.start_run(model, target, RunStart::default(), feed).await.expect("kept");
    assert_eq!(run.map(|run| run.run_id.get()), Some(1));
}
