//! Contract tests for training runs.

use std::collections::BTreeMap;

use rand::rngs::SysRng;
use serde_json::json;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, CheckpointState, ConsolePart, EpochReport, FileName, ModelId, ModelRef, RunCompletion,
    RunId, RunStart, RunStatus, RunUpdate, Slug, StartedRun,
};
use ulkeys_domain::{Actor, KeyId, Timestamp};
use ulkeys_store::{MAX_CONSOLE_BYTES, MAX_EPOCH_BYTES, ReportedBy};

use crate::fixture::StoreFixture;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("in range")
}

fn key() -> KeyId {
    KeyId::generate(&mut SysRng).expect("randomness")
}

fn by(key: &KeyId, millis: i64) -> ReportedBy {
    ReportedBy { actor: Actor::Key(*key), at: at(millis) }
}

fn app(millis: i64) -> ReportedBy {
    ReportedBy { actor: Actor::Session, at: at(millis) }
}

fn named(project: &str, name: &str) -> ModelRef {
    ModelRef::Named { project: Slug::of_project(project), name: Slug::of(name, "train") }
}

async fn start(store: &StoreFixture, name: &str, feed: ReportedBy) -> StartedRun {
    let new_model = ModelId::generate(&mut SysRng).expect("randomness");
    let start = RunStart { epochs: Some(3), device: Some("cpu".into()), ..RunStart::default() };
    store.start_run(new_model, named("project", name), start, feed).await.expect("stored").expect("a new model")
}

fn epoch(number: u32, loss: f64) -> RunUpdate {
    let metrics = BTreeMap::from([("train/box_loss".to_owned(), Some(loss)), ("metrics/mAP50(B)".to_owned(), None)]);
    RunUpdate::Epoch(EpochReport { epoch: number, metrics, fitness: Some(loss), ..EpochReport::default() })
}

fn console(chunk_id: impl Into<Option<u64>>, content: impl Into<String>) -> RunUpdate {
    RunUpdate::Console(ConsolePart { chunk_id: chunk_id.into(), content: content.into() })
}

async fn start_run_with_taken_name_creates_another_model(store: &StoreFixture) {
    let first = start(store, "exp1", app(1)).await;
    let second = start(store, "exp1", app(2)).await;
    let taken = start(store, "exp1-2", app(3)).await;
    let third = start(store, "exp1", app(4)).await;
    let slugs = [&first, &second, &taken, &third].map(|run| run.slug.as_str());
    assert_eq!(slugs, ["exp1", "exp1-2", "exp1-2-2", "exp1-3"]);
    assert_ne!(first.model_id, second.model_id);
    assert!(first.run_id < second.run_id);
    // If no run identifier is given, the newest run with the model name is returned.
    let found = store.find_run(named("project", "exp1"), None).await.expect("read");
    assert_eq!(found, Some(third));
    assert_eq!(store.find_run(named("other", "exp1"), None).await.expect("read"), None);
}

async fn counts_include_projects_and_models(store: &StoreFixture) {
    let counts = async || {
        let counts = store.count_resources().await.expect("read");
        (counts.projects, counts.models)
    };
    assert_eq!(counts().await, (0, 0));
    let first = start(store, "exp1", app(1)).await;
    start(store, "exp1", app(2)).await;
    let new_model = || ModelId::generate(&mut SysRng).expect("randomness");
    let resumed = ModelRef::Model(first.model_id);
    store.start_run(new_model(), resumed, RunStart::default(), app(3)).await.expect("stored").expect("another run");
    assert_eq!(counts().await, (1, 2), "resuming a run creates no model");
    store.start_run(new_model(), named("other", "exp1"), RunStart::default(), app(4)).await.expect("stored");
    assert_eq!(counts().await, (2, 3));
}

async fn start_run_of_known_model_creates_another_run(store: &StoreFixture) {
    let first = start(store, "exp1", app(1)).await;
    let other = start(store, "other", app(1)).await;
    let target = ModelRef::Model(first.model_id.clone());
    let fresh = || ModelId::generate(&mut SysRng).expect("randomness");
    let again =
        store.start_run(fresh(), target.clone(), RunStart::default(), app(2)).await.expect("stored").expect("exists");
    assert_eq!((&again.model_id, &again.slug), (&first.model_id, &first.slug));
    assert_ne!(again.run_id, first.run_id);
    assert_eq!(store.find_run(target.clone(), None).await.expect("read"), Some(again));
    assert_eq!(store.find_run(target.clone(), Some(first.run_id)).await.expect("read"), Some(first));
    assert_eq!(store.find_run(target, Some(other.run_id)).await.expect("read"), None, "another model's run");
    let unknown = ModelRef::Model(ModelId::parse("model_'; DROP TABLE runs; --").expect("short"));
    assert_eq!(store.find_run(unknown.clone(), None).await.expect("read"), None);
    assert_eq!(store.start_run(fresh(), unknown, RunStart::default(), app(3)).await.expect("read"), None);
}

async fn record_epoch_in_any_order_is_stored_once(store: &StoreFixture) {
    let (one, two) = (key(), key());
    let run = start(store, "exp1", by(&one, 1)).await.run_id;
    for (number, loss, feed) in
        [(2, 0.3, by(&one, 5)), (0, 0.1, by(&two, 4)), (2, 0.1 + 0.2, by(&two, 3)), (1, 1e-300, app(6))]
    {
        let status = store.record_update(run, epoch(number, loss), feed).await.expect("stored");
        assert_eq!(status, Some(RunStatus::Running));
    }
    let details = store.run_details(run).await.expect("read").expect("exists");
    let kept: Vec<_> = details.epochs.iter().map(|epoch| (epoch.epoch, epoch.metrics["train/box_loss"])).collect();
    assert_eq!(kept, [(0, Some(0.1)), (1, Some(1e-300)), (2, Some(0.1 + 0.2))]);
    assert!(details.epochs.iter().all(|epoch| epoch.metrics["metrics/mAP50(B)"].is_none()));
    let fed: Vec<_> = details.epochs.iter().map(|epoch| epoch.key_id).collect();
    assert_eq!(fed, [Some(two), None, Some(two)]);
    assert_eq!(details.summary.key_ids, [one, two]);
    assert_eq!((details.summary.planned_epochs, details.summary.recorded_epochs), (Some(3), 3));
    assert_eq!(details.summary.last_event_at, at(6));
}

async fn run_epochs_are_paged_with_system_load(store: &StoreFixture) {
    let run = start(store, "exp1", app(1)).await.run_id;
    let other = start(store, "other", app(1)).await.run_id;
    for number in [0, 1, 2, 5] {
        let system = Some(json!({ "cpu": number }));
        let end = EpochReport { epoch: number, system, ..EpochReport::default() };
        store.record_update(run, RunUpdate::Epoch(end), app(2)).await.expect("stored");
    }
    let page = async |after, limit| {
        let epochs = store.run_epochs(run, after, limit).await.expect("read").expect("exists");
        assert!(epochs.iter().all(|epoch| epoch.system == Some(json!({ "cpu": epoch.epoch.epoch }))));
        epochs.into_iter().map(|epoch| epoch.epoch.epoch).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, [0, 1]);
    assert_eq!(page(Some(1), 2).await, [2, 5]);
    assert_eq!(page(Some(0), 9).await, [1, 2, 5]);
    assert!(page(Some(5), 2).await.is_empty());
    assert_eq!(store.run_epochs(other, None, 9).await.expect("read"), Some(Vec::new()));
    assert_eq!(store.run_epochs(RunId::new(99).expect("positive"), None, 9).await.expect("read"), None);
}

/// A malicious process could send very large epochs repeatedly. Beyond the quota, samples are omitted first, and then
/// metrics too.
async fn record_epoch_beyond_quota_is_truncated(store: &StoreFixture) {
    let run = start(store, "exp1", app(1)).await.run_id;
    let other = start(store, "other", app(1)).await.run_id;
    let large = |epoch: u32| {
        let metrics = BTreeMap::from([("m".repeat(500_000), Some(0.5))]);
        RunUpdate::Epoch(EpochReport {
            epoch,
            metrics,
            system: Some(json!("s".repeat(500_000))),
            ..EpochReport::default()
        })
    };
    for number in 0..40 {
        store.record_update(run, large(number), app(2)).await.expect("stored");
    }
    store.record_update(run, large(3), app(2)).await.expect("stored");
    let kept = store.run_epochs(run, None, 100).await.expect("read").expect("exists");
    let has_metrics: Vec<_> = kept.iter().map(|epoch| !epoch.epoch.metrics.is_empty()).collect();
    let with_system = kept.iter().filter(|epoch| epoch.system.is_some()).count();
    let with_metrics = has_metrics.iter().filter(|has| **has).count();
    assert_eq!((kept.len(), with_metrics), (40, 25), "{has_metrics:?}");
    assert_eq!(with_system, 7, "a repeated epoch is stored without a sample");
    assert!(has_metrics.is_sorted_by(|a, b| a >= b), "the first epochs");
    assert!((with_metrics + with_system) * 500_000 <= MAX_EPOCH_BYTES as usize);
    store.record_update(other, large(0), app(2)).await.expect("stored");
    assert!(
        store.run_epochs(other, None, 1).await.expect("read").expect("exists")[0].system.is_some(),
        "each run has a separate quota"
    );
}

async fn record_epoch_two_thousand_real_epochs_fit_quota(store: &StoreFixture) {
    let run = start(store, "exp1", app(1)).await.run_id;
    let metrics: BTreeMap<_, _> =
        (0..15).map(|n| (format!("metrics/name-of-one-{n:02}"), Some(0.123_456_789))).collect();
    let gpu = json!({"memUsed": 20.25, "memTotal": 24.5, "util": 97, "temp": 71, "name": "NVIDIA GeForce RTX 4090"});
    let system = json!({"cpu": 31.5, "ram": 44.1, "disk": {"read": 1.5, "write": 2.5}, "gpus": {"0": gpu, "1": gpu}});
    for epoch in 0..2_000 {
        let end =
            EpochReport { epoch, metrics: metrics.clone(), system: Some(system.clone()), ..EpochReport::default() };
        store.record_update(run, RunUpdate::Epoch(end), app(2)).await.expect("stored");
    }
    let kept = store.run_epochs(run, None, 3_000).await.expect("read").expect("exists");
    assert_eq!(kept.len(), 2_000);
    assert!(kept.iter().all(|epoch| epoch.epoch.metrics == metrics && epoch.system.as_ref() == Some(&system)));
}

async fn start_run_stores_details(store: &StoreFixture) {
    let target = named("project", "exp1");
    let begin = RunStart {
        epochs: Some(3),
        device: Some("cpu".into()),
        train_args: Some(json!({"imgsz": "64"})),
        environment: Some(json!({"os": "Linux"})),
        system: Some(json!({"cpu": 1})),
        model_info: None,
    };
    let new_model = ModelId::generate(&mut SysRng).expect("randomness");
    let run = store.start_run(new_model, target, begin, app(1)).await.expect("stored").expect("new").run_id;
    let info = EpochReport { model_info: Some(json!({"parameters": 5})), planned: Some(9), ..EpochReport::default() };
    store.record_update(run, RunUpdate::Epoch(info), app(2)).await.expect("stored");
    store.record_update(run, RunUpdate::System(json!({"cpu": 2})), app(3)).await.expect("stored");
    let ending = RunCompletion {
        results: Some(json!({"bestEpoch": 2, "metrics": {"fitness": 0.30000000000000004}})),
        class_names: Some(vec!["box".into(), "ключ 👩‍🔬".into()]),
        plots: Some(json!([{"type": "confusion_matrix", "matrix": [[0.0, 32.0]]}])),
        is_dropped: false,
    };
    store.record_update(run, RunUpdate::Complete(ending.clone()), app(4)).await.expect("stored");
    store.record_update(run, RunUpdate::Alive, app(5)).await.expect("stored");

    let details = store.run_details(run).await.expect("read").expect("exists");
    assert_eq!(details.summary.status, RunStatus::Completed);
    assert_eq!((details.summary.ended_at, details.summary.last_event_at), (Some(at(4)), at(5)));
    assert_eq!((details.summary.planned_epochs, details.summary.device.as_deref()), (Some(9), Some("cpu")));
    assert_eq!((details.train_args, details.environment), (Some(json!({"imgsz": "64"})), Some(json!({"os": "Linux"}))));
    assert_eq!((details.system, details.model_info), (Some(json!({"cpu": 2})), Some(json!({"parameters": 5}))));
    assert_eq!(
        (details.results, details.class_names, details.plots),
        (ending.results, ending.class_names, ending.plots)
    );
}

async fn record_second_completion_changes_nothing(store: &StoreFixture) {
    let complete =
        || RunUpdate::Complete(RunCompletion { results: Some(json!({"partial": true})), ..RunCompletion::default() });
    let failed = || RunUpdate::Failed("no memory".into());
    let done = start(store, "done", app(1)).await.run_id;
    let broken = start(store, "broken", app(1)).await.run_id;
    let stopped = start(store, "stopped", app(1)).await.run_id;
    store.record_update(done, complete(), app(2)).await.expect("stored");
    assert_eq!(store.record_update(done, failed(), app(3)).await.expect("stored"), Some(RunStatus::Completed));
    assert_eq!(store.cancel_run(done, at(4)).await.expect("stored"), Some(RunStatus::Completed));
    assert_eq!(store.record_update(broken, failed(), app(2)).await.expect("stored"), Some(RunStatus::Failed));
    assert_eq!(store.record_update(broken, complete(), app(3)).await.expect("stored"), Some(RunStatus::Failed));
    assert_eq!(store.cancel_run(stopped, at(2)).await.expect("stored"), Some(RunStatus::Cancelled));
    assert_eq!(store.cancel_run(stopped, at(3)).await.expect("stored"), Some(RunStatus::Cancelled));
    assert_eq!(store.record_update(stopped, complete(), app(3)).await.expect("stored"), Some(RunStatus::Cancelled));

    let of = async |run| store.run_details(run).await.expect("read").expect("exists");
    assert_eq!(of(done).await.summary.error, None);
    assert_eq!(of(broken).await.summary.error.as_deref(), Some("no memory"));
    let stopped = of(stopped).await;
    assert_eq!((stopped.summary.ended_at, stopped.results), (Some(at(2)), Some(json!({"partial": true}))));
}

async fn record_console_is_ordered_and_capped(store: &StoreFixture) {
    let one = key();
    let run = start(store, "exp1", app(1)).await.run_id;
    for (chunk, text) in [(Some(7), "seven"), (Some(5), "five"), (Some(7), "seven again"), (None, "eight")] {
        store.record_update(run, console(chunk, text), by(&one, 2)).await.expect("stored");
    }
    let kept = store.run_console(run).await.expect("read").expect("exists");
    let texts: Vec<_> = kept.chunks.iter().map(|chunk| (chunk.chunk_id, chunk.content.as_str())).collect();
    assert_eq!(texts, [(5, "five"), (7, "seven again"), (8, "eight")]);
    assert_eq!((kept.dropped, kept.chunks[0].key_id.as_ref()), (0, Some(&one)));

    let large = "x".repeat(250_000);
    for chunk in 10..16 {
        store.record_update(run, console(chunk, &large), app(3)).await.expect("stored");
    }
    let kept = store.run_console(run).await.expect("read").expect("exists");
    let ids: Vec<_> = kept.chunks.iter().map(|chunk| chunk.chunk_id).collect();
    assert_eq!((ids, kept.dropped), (vec![12, 13, 14, 15], 5));
    assert!(kept.chunks.iter().map(|chunk| chunk.content.len()).sum::<usize>() <= MAX_CONSOLE_BYTES as usize);
    let other = start(store, "other", app(1)).await.run_id;
    assert_eq!(store.run_console(other).await.expect("read").expect("exists").chunks, []);
}

fn checkpoint(by: &KeyId, millis: i64) -> Checkpoint {
    Checkpoint {
        checkpoint_id: CheckpointId::generate(&mut SysRng).expect("randomness"),
        filename: FileName::parse("best.pt").expect("valid"),
        size: 5_411_290,
        state: CheckpointState::Uploaded,
        key_id: Some(*by),
        uploaded_at: at(millis),
    }
}

async fn save_checkpoint_replaces_earlier_ones(store: &StoreFixture) {
    let one = key();
    let run = start(store, "exp1", app(1)).await.run_id;
    let other = start(store, "other", app(1)).await.run_id;
    let [first, second, third, strange] = [2, 3, 4, 5].map(|millis| checkpoint(&one, millis));
    for upload in [&first, &second] {
        assert_eq!(store.add_checkpoint(run, upload.clone()).await.expect("stored"), []);
    }
    store.add_checkpoint(other, strange.clone()).await.expect("stored");
    assert!(store.add_checkpoint(run, first.clone()).await.is_err(), "the same identifier again");
    assert!(
        store.add_checkpoint(RunId::new(999).expect("positive"), checkpoint(&one, 1)).await.is_err(),
        "the run does not exist"
    );
    assert_eq!(store.saved_checkpoint(run).await.expect("read"), None, "no checkpoint is confirmed");

    let save = async |upload: &Checkpoint| {
        store.save_checkpoint(run, upload.checkpoint_id.clone(), by(&one, 9)).await.expect("stored")
    };
    assert_eq!(save(&second).await, Some(vec![first.checkpoint_id.clone()]));
    assert_eq!(store.add_checkpoint(run, third.clone()).await.expect("stored"), []);
    assert_eq!(save(&second).await, Some(vec![]), "a repeated report");
    assert_eq!(save(&first).await, Some(vec![]), "a late report");
    assert_eq!(save(&strange).await, None, "the checkpoint belongs to another run");
    assert_eq!(save(&checkpoint(&one, 1)).await, None, "unknown");

    let saved = store.saved_checkpoint(run).await.expect("read").expect("exists");
    assert_eq!(saved, Checkpoint { state: CheckpointState::Saved, ..second.clone() });
    let details = store.run_details(run).await.expect("read").expect("exists");
    let states: Vec<_> = details.checkpoints.iter().map(|kept| (&kept.checkpoint_id, kept.state)).collect();
    let expected = [
        (&third.checkpoint_id, CheckpointState::Uploaded),
        (&second.checkpoint_id, CheckpointState::Saved),
        (&first.checkpoint_id, CheckpointState::Replaced),
    ];
    assert_eq!(states, expected);
    assert!(details.summary.has_checkpoint);
    assert_eq!(details.summary.key_ids, [one], "a key that saves a checkpoint is listed for the run");
    let mut files = store.store.checkpoints_with_file().await.expect("read");
    let mut expected = [second, third, strange].map(|upload| upload.checkpoint_id);
    files.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    expected.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    assert_eq!(files, expected);
}

async fn add_checkpoint_keeps_two_unconfirmed_uploads(store: &StoreFixture) {
    let one = key();
    let run = start(store, "exp1", app(1)).await.run_id;
    let other = start(store, "other", app(1)).await.run_id;
    let uploads: Vec<_> = (0..5).map(|millis| checkpoint(&one, millis)).collect();
    let ids: Vec<_> = uploads.iter().map(|upload| upload.checkpoint_id.clone()).collect();
    let add = async |number: usize| store.add_checkpoint(run, uploads[number].clone()).await.expect("stored");
    let elsewhere = checkpoint(&one, 1);
    store.add_checkpoint(other, elsewhere.clone()).await.expect("stored");
    assert_eq!(add(0).await, []);
    store.save_checkpoint(run, ids[0].clone(), by(&one, 9)).await.expect("stored");
    assert_eq!((add(1).await, add(2).await), (vec![], vec![]));
    assert_eq!(add(3).await, [ids[1].clone()], "the oldest unconfirmed checkpoint, not the saved one");
    assert_eq!(add(4).await, [ids[2].clone()]);
    let late = store.save_checkpoint(run, ids[1].clone(), by(&one, 9)).await.expect("stored");
    assert_eq!(late, Some(vec![]), "a replaced checkpoint does not change");
    assert_eq!(store.saved_checkpoint(run).await.expect("read").map(|saved| saved.checkpoint_id), Some(ids[0].clone()));
    let mut files = store.store.checkpoints_with_file().await.expect("read");
    let mut expected = vec![ids[0].clone(), ids[3].clone(), ids[4].clone(), elsewhere.checkpoint_id];
    files.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    expected.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    assert_eq!(files, expected);
}

async fn list_runs_is_paged_newest_first_and_filtered_by_key(store: &StoreFixture) {
    let (one, two) = (key(), key());
    let mut runs = Vec::new();
    for number in 0..5 {
        let feeder = if number % 2 == 0 { &one } else { &two };
        runs.push(start(store, "exp", by(feeder, number)).await.run_id);
    }
    store.record_update(runs[1], RunUpdate::Alive, by(&one, 9)).await.expect("stored");
    let list = async |key: Option<&KeyId>, before: Option<RunId>, limit| {
        let runs = store.list_runs(key.cloned(), before, limit).await.expect("read");
        runs.into_iter().map(|run| run.run_id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 2).await, [runs[4], runs[3]]);
    assert_eq!(list(None, Some(runs[3]), 2).await, [runs[2], runs[1]]);
    assert_eq!(list(None, Some(runs[1]), 2).await, [runs[0]]);
    assert_eq!(list(Some(&one), None, 10).await, [runs[4], runs[2], runs[1], runs[0]]);
    assert_eq!(list(Some(&one), Some(runs[4]), 1).await, [runs[2]]);
    assert_eq!(list(Some(&two), None, 10).await, [runs[3], runs[1]]);
    assert_eq!(list(Some(&key()), None, 10).await, []);
    let both = store.list_runs(None, Some(runs[2]), 1).await.expect("read");
    assert_eq!(both[0].key_ids, [two, one], "in order of their first event");
}

async fn find_summaries_returns_existing_runs_as_listed(store: &StoreFixture) {
    let one = key();
    let mut runs = Vec::new();
    for number in 0..3 {
        runs.push(start(store, "exp", by(&one, number)).await.run_id);
    }
    store.record_update(runs[2], epoch(0, 1.0), by(&one, 9)).await.expect("stored");
    store.cancel_run(runs[1], at(10)).await.expect("stored");
    let unknown = RunId::new(99).expect("positive");
    let mut found = store.find_summaries(vec![runs[0], unknown, runs[2]]).await.expect("read");
    found.sort_by_key(|run| std::cmp::Reverse(run.run_id));
    let mut listed = store.list_runs(None, None, 10).await.expect("read");
    assert_eq!(listed.remove(1).run_id, runs[1]);
    assert_eq!(found, listed);
    store.delete_run(runs[1]).await.expect("stored");
    assert_eq!(store.find_summaries(vec![runs[1]]).await.expect("read"), []);
    assert_eq!(store.find_summaries(Vec::new()).await.expect("read"), []);
}

async fn open_runs_are_sorted_by_last_event(store: &StoreFixture) {
    let mut runs = Vec::new();
    for number in 0..6 {
        runs.push(start(store, "exp", app(number)).await.run_id);
    }
    let open = async |limit| {
        let runs = store.open_runs(limit).await.expect("read");
        runs.into_iter().map(|run| run.run_id).collect::<Vec<_>>()
    };
    store.record_update(runs[1], RunUpdate::Alive, app(20)).await.expect("stored");
    store.record_update(runs[2], RunUpdate::Failed("error".into()), app(21)).await.expect("stored");
    store.cancel_run(runs[3], at(22)).await.expect("stored");
    store.cancel_run(runs[4], at(22)).await.expect("stored");
    store.record_update(runs[4], RunUpdate::Alive, app(23)).await.expect("stored");
    assert_eq!(open(10).await, [runs[1], runs[5], runs[3], runs[0]]);
    assert_eq!(open(2).await, [runs[1], runs[5]]);
}

async fn record_update_of_unknown_run_is_ignored(store: &StoreFixture) {
    let unknown = RunId::new(7).expect("positive");
    assert_eq!(store.record_update(unknown, epoch(0, 1.0), by(&key(), 1)).await.expect("read"), None);
    assert_eq!(store.record_update(unknown, console(1, "x"), app(1)).await.expect("read"), None);
    assert_eq!(store.cancel_run(unknown, at(1)).await.expect("read"), None);
    assert_eq!(store.run_details(unknown).await.expect("read"), None);
    assert_eq!(store.run_console(unknown).await.expect("read"), None);
    assert_eq!(store.list_runs(None, None, 10).await.expect("read"), []);
}

async fn record_updates_in_parallel_are_all_stored(store: &StoreFixture) {
    let run = start(store, "exp1", app(1)).await.run_id;
    let changes = async |first: u32| {
        for number in (first..40).step_by(4) {
            store.record_update(run, epoch(number, f64::from(number)), app(2)).await.expect("stored");
        }
        start(store, "exp1", app(3)).await.slug
    };
    let (a, b, c, d) = tokio::join!(changes(0), changes(1), changes(2), changes(3));
    let details = store.run_details(run).await.expect("read").expect("exists");
    assert_eq!(details.epochs.iter().map(|epoch| epoch.epoch).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    let mut slugs = [a, b, c, d].map(|slug| slug.as_str().to_owned());
    slugs.sort();
    assert_eq!(slugs, ["exp1-2", "exp1-3", "exp1-4", "exp1-5"]);
}

contract_cases! {
    sqlite = sqlite;
    [
        start_run_with_taken_name_creates_another_model,
        counts_include_projects_and_models,
        start_run_of_known_model_creates_another_run,
        record_epoch_in_any_order_is_stored_once,
        run_epochs_are_paged_with_system_load,
        record_epoch_beyond_quota_is_truncated,
        record_epoch_two_thousand_real_epochs_fit_quota,
        start_run_stores_details,
        record_second_completion_changes_nothing,
        record_console_is_ordered_and_capped,
        save_checkpoint_replaces_earlier_ones,
        add_checkpoint_keeps_two_unconfirmed_uploads,
        list_runs_is_paged_newest_first_and_filtered_by_key,
        find_summaries_returns_existing_runs_as_listed,
        open_runs_are_sorted_by_last_event,
        record_update_of_unknown_run_is_ignored,
        record_updates_in_parallel_are_all_stored,
    ]
}
