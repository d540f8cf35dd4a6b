//! Tests that the service writes all data before it stops.

use reqwest::StatusCode;

use crate::common::TestService;

#[tokio::test]
async fn shutdown_persists_last_used_and_keys() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("key", &["read"]).await;
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    let before = service.listed_key(&key_id).await;
    assert!(before["lastUsedAt"].is_string(), "returned immediately from memory");
    let folder = service.stop().await;

    let service = TestService::start_in(folder).await;
    assert_eq!(service.listed_key(&key_id).await, before);
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
}

/// A copy of the database file is complete after shutdown, even if another program has the database open.
#[tokio::test]
async fn database_copy_after_shutdown_is_complete() {
    let service = TestService::start().await;
    let (key_id, key) = service.create_key("key", &["read"]).await;
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
    let before = service.listed_key(&key_id).await;
    let other = rusqlite::Connection::open(service.folder.path().join("keys.db")).expect("opened");
    other.query_row("SELECT count(*) FROM keys", [], |row| row.get::<_, i64>(0)).expect("read");
    let (copy, folder) = (tempfile::tempdir().expect("temporary folder"), service.stop().await);
    std::fs::copy(folder.path().join("keys.db"), copy.path().join("keys.db")).expect("copied");
    drop(other);

    let service = TestService::start_in(copy).await;
    assert_eq!(service.listed_key(&key_id).await, before);
    assert_eq!(service.get_summary(&key).await.status(), StatusCode::OK);
}
