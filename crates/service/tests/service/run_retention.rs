//! Tests that training runs are deleted after the retention period.

use std::time::Duration;

use reqwest::StatusCode;
use rusqlite::Connection;

use crate::common::TestService;
use crate::training_events::{get_json, start_run};

#[tokio::test]
async fn expired_runs_are_deleted_if_clock_is_right() {
    let service = TestService::start().await;
    let (_, key) = service.create_key("trainer", &["training"]).await;
    let [old, new] = [start_run(&service, &key, "old").await, start_run(&service, &key, "new").await];
    let mut folder = service.stop().await;
    let age = |folder: &tempfile::TempDir, statement: &str| {
        let database = Connection::open(folder.path().join("keys.db")).expect("opened");
        database.execute_batch(statement).expect("changed");
    };
    let day = 24 * 60 * 60 * 1000_i64;
    age(&folder, &format!("UPDATE runs SET last_event_at = last_event_at - 60 * {day} WHERE id = 1"));
    let status = async |folder| {
        let retention = Some(Duration::from_hours(30 * 24));
        let service = TestService::start_with(folder, |config| config.training.retention = retention.into()).await;
        let mut found = Vec::new();
        for run in [&old, &new] {
            let path = format!("/api/training/runs/{}", run["runId"]);
            tokio::time::sleep(Duration::from_millis(500)).await;
            found.push(get_json(&service, &service.session, &path).await.0 == StatusCode::OK);
        }
        (found, service.stop().await)
    };
    let found;
    (found, folder) = status(folder).await;
    assert_eq!(found, [true, true], "the service ran on only one day, so the clock is not trusted");
    age(
        &folder,
        &format!(
            "WITH RECURSIVE days(day) AS (SELECT unixepoch() * 1000 / {day} - 10 UNION ALL SELECT day + 1 FROM days
             WHERE day < unixepoch() * 1000 / {day}) INSERT OR REPLACE INTO service_days (day) SELECT day FROM days"
        ),
    );
    let (found, _folder) = status(folder).await;
    assert_eq!(found, [false, true]);
}
