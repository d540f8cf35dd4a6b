//! Replays a recorded training run against the real service, with the published Python client, unmodified.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use ulkeys_api::CreateKey;
use ulkeys_api::training::EpochDetails;
use ulkeys_client::RunQuery;
use ulkeys_domain::DEFAULT_ROTATION_DAYS;
use ulkeys_domain::training::{CheckpointState, RunId, RunStatus};
use ulkeys_tests::{HeadlessService, Service, replay_recorded_run};

const RECORDED_EVENTS: &str = include_str!("../fixtures/yolo-train-3-epochs.ndjson");
/// The size of the recorded upload in bytes.
const CHECKPOINT_SIZE: usize = 5_411_290;

fn recorded_epochs() -> Vec<Value> {
    let lines =
        RECORDED_EVENTS.lines().map(|line| serde_json::from_str::<Value>(line).expect("the recorded event is JSON"));
    lines.map(|line| line["body"].clone()).filter(|body| body["event"] == "epoch_end").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_run_is_stored_unchanged() -> Result<()> {
    let mut service = Service::start().await?;
    let folder = tempfile::tempdir()?;
    let checkpoint = folder.path().join("best.pt");
    let bytes: Vec<u8> = (0..CHECKPOINT_SIZE).map(|number| (number * 31 % 251) as u8).collect();
    std::fs::write(&checkpoint, &bytes)?;

    let (url, (_, key)) = (format!("http://{}", service.address), service.create_key("trainer", &["training"]).await?);
    let sent = replay_recorded_run(&url, &key, &checkpoint).await?;
    assert_eq!(sent["start"]["modelUrl"], format!("http://{}/ada/project/exp1", service.address));
    assert_eq!(sent["ticketModelId"], sent["start"]["modelId"]);
    assert_eq!((&sent["last"]["event"], &sent["last"]["cancelled"]), (&json!("training_complete"), &json!(false)));
    assert!(sent["received"].as_array().is_some_and(|all| all.len() == 17 && all.iter().all(|one| one == true)));

    let run = RunId::new(sent["start"]["runId"].as_i64().context("not a number")?).context("not a positive number")?;
    let kept = service.client.get_run(run).await?.details;
    assert_eq!((kept.summary.status, kept.summary.planned_epochs), (RunStatus::Completed, Some(3)));
    assert_eq!(kept.class_names, Some(vec!["box".to_owned()]));
    assert_eq!(kept.results.context("no results")?["bestEpoch"], 2);
    let recorded = recorded_epochs();
    let epochs = service.client.list_epochs(run, None, 200).await?.epochs;
    assert_eq!((kept.epochs.len(), epochs.len()), (recorded.len(), recorded.len()));
    for (EpochDetails { epoch, system }, body) in epochs.iter().zip(&recorded) {
        let data = &body["data"];
        assert_eq!((json!(epoch.epoch), json!(epoch.metrics)), (data["epoch"].clone(), data["metrics"].clone()));
        assert_eq!((json!(system), json!(epoch.fitness)), (data["system"].clone(), data["fitness"].clone()));
    }
    let states: Vec<_> = kept.checkpoints.iter().map(|checkpoint| checkpoint.state).collect();
    assert_eq!(states, [CheckpointState::Saved]);
    assert!(service.download_checkpoint(run).await? == bytes, "the checkpoint has other bytes");
    let console = service.client.get_console(run).await?;
    let ids: Vec<_> = console.chunks.iter().map(|chunk| chunk.chunk_id).collect();
    assert!(ids.len() == 13 && ids.is_sorted() && console.dropped == 0, "{ids:?}");

    let key = kept.summary.key_ids.first().cloned();
    let list = service.client.list_runs(&RunQuery { key, limit: Some(1), cursor: None }).await?;
    assert_eq!((list.runs.len(), &list.runs[0].summary, list.next_cursor), (1, &kept.summary, None));
    assert_eq!(
        service.client.cancel_run(run).await?.status,
        RunStatus::Completed,
        "cancelling a completed run changed its status"
    );
    service.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_with_read_only_key_is_rejected_and_stores_nothing() -> Result<()> {
    let mut service = Service::start().await?;
    let folder = tempfile::tempdir()?;
    let checkpoint = folder.path().join("best.pt");
    std::fs::write(&checkpoint, "never sent")?;
    let (url, (_, key)) = (format!("http://{}", service.address), service.create_key("reader", &["read"]).await?);
    let sent = replay_recorded_run(&url, &key, &checkpoint).await?;
    assert_eq!(sent["refused"], 403, "{sent}");
    assert!(service.client.list_runs(&RunQuery::default()).await?.runs.is_empty());
    service.stop().await
}

/// On a machine without a screen, the training reports to `ul-keys serve`.
#[tokio::test(flavor = "multi_thread")]
async fn replayed_run_is_stored_by_service_without_window() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut service = HeadlessService::start(&folder.path().join("data")).await?;
    let checkpoint = folder.path().join("best.pt");
    std::fs::write(&checkpoint, vec![7; CHECKPOINT_SIZE])?;
    let scopes = vec!["training".to_owned()];
    let new = CreateKey { name: "trainer".to_owned(), scopes, replaces: None };
    let key = service.client.create_key(&new, DEFAULT_ROTATION_DAYS).await?;
    let sent = replay_recorded_run(&service.url, key.key.0.expose(), &checkpoint).await?;
    assert_eq!((&sent["last"]["event"], &sent["last"]["cancelled"]), (&json!("training_complete"), &json!(false)));
    assert!(service.stop().await?.success());

    let service = HeadlessService::start(&folder.path().join("data")).await?;
    let run = RunId::new(sent["start"]["runId"].as_i64().context("not a number")?).context("not a positive number")?;
    let kept = service.client.get_run(run).await?.details;
    assert_eq!((kept.summary.status, kept.epochs.len()), (RunStatus::Completed, recorded_epochs().len()));
    let states: Vec<_> = kept.checkpoints.iter().map(|checkpoint| checkpoint.state).collect();
    assert_eq!(states, [CheckpointState::Saved]);
    Ok(())
}
