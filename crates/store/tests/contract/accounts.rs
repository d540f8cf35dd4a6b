//! Contract tests for two accounts in one store: each account reads and changes only its own data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SysRng;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::training::{
    Checkpoint, CheckpointId, CheckpointState, ConsolePart, EpochReport, FileName, ModelId, ModelRef, RunStart,
    RunUpdate, Slug, StartedRun,
};
use ulkeys_domain::{
    AccountId, ActivityKind, Actor, AttentionThresholds, KeyId, KeyName, KeyRecord, KeySort, KeyStatus,
};
use ulkeys_store::{
    AccountStore, ActivityEvent, AuditContext, HourlyCount, KeyQuery, KeyRepository, KnownKeys as _, MILLIS_PER_HOUR,
    RejectedRequests, ReportedBy, RunDeletion, StoredBytes, UsageBatch, WriteError,
};

use crate::fixture::{TwoKeyAccounts, TwoStoreAccounts, second_account};
use crate::key_index::KeyIndex;
use crate::keys::{PEER, at, audit, client_usage, insert, new_key};

fn query() -> KeyQuery {
    KeyQuery {
        status: KeyStatus::All,
        thresholds: AttentionThresholds::at(at(1), 1),
        text: String::new(),
        name: None,
        sort: KeySort::parse("name").expect("valid sort order"),
        after: None,
        offset: 0,
        limit: 10,
    }
}

async fn keys_are_found_in_their_account_only(stores: &TwoKeyAccounts) {
    let (key, _) = insert(&stores.one, "key", 1).await;
    let (other, _) = insert(&stores.two, "key", 2).await;
    let (revoked, _) = insert(&stores.two, "revoked", 3).await;
    stores.two.revoke(&revoked.id, at(4), audit()).await.expect("revoked");
    let old = AttentionThresholds::at(at(i64::from(u32::MAX) * 1_000), 1);
    for (account, own, foreign, revoked) in [(&stores.one, &key, &other, 0), (&stores.two, &other, &key, 1)] {
        assert_eq!(account.get_key(&own.id).await.expect("read").as_ref(), Some(own));
        assert_eq!(account.get_key(&foreign.id).await.expect("read"), None);
        let found = account.get_keys(vec![own.id, foreign.id]).await.expect("read");
        assert_eq!(found, std::slice::from_ref(own));
        assert_eq!(account.list_active(None, 10).await.expect("read"), std::slice::from_ref(own));
        let counts = account.count_keys(old).await.expect("read");
        assert_eq!((counts.active, counts.attention, counts.revoked), (1, 1, revoked));
        for (status, text, name, expected) in [
            (KeyStatus::All, "", None, 1 + revoked),
            (KeyStatus::All, "key", None, 1),
            (KeyStatus::All, "", Some("key"), 1),
            (KeyStatus::Active, "", None, 1),
            (KeyStatus::Attention, "", None, 1),
            (KeyStatus::Revoked, "", None, revoked),
        ] {
            let name = name.map(|name| KeyName::parse(name).expect("valid"));
            let page = account.list(KeyQuery { status, text: text.to_owned(), name, thresholds: old, ..query() }).await;
            let page = page.expect("read");
            assert_eq!((page.total, page.keys.len() as u64), (expected, expected), "{status:?} {text}");
            assert!(page.keys.iter().all(|key| key.id != foreign.id));
        }
        let foreign_entries = account.list_activity(Some(foreign.id), None, None, 10).await.expect("read").entries;
        assert_eq!(foreign_entries, []);
        let created = account.list_activity(None, Some(ActivityKind::Created), None, 10).await.expect("read").entries;
        assert_eq!(created.len() as u64, 1 + revoked);
        assert!(created.iter().all(|entry| entry.key_id != Some(foreign.id)));
    }
}

async fn keys_are_changed_in_their_account_only(stores: &TwoKeyAccounts) {
    let (key, hash) = insert(&stores.one, "key", 1).await;
    let (other, _) = insert(&stores.two, "other", 1).await;
    let name = KeyName::parse("new").expect("valid");
    let renamed = stores.two.rename(&key.id, name, at(2), audit()).await;
    assert!(matches!(renamed, Err(WriteError::NotFound)), "{renamed:?}");
    let revoked = stores.two.revoke(&key.id, at(2), audit()).await;
    assert!(matches!(revoked, Err(WriteError::NotFound)), "{revoked:?}");
    let (duplicate, _) = new_key("duplicate", 2);
    let inserted = stores.two.insert(duplicate, hash, audit()).await;
    assert!(matches!(inserted, Err(WriteError::Conflict)), "a hash is unique over all accounts: {inserted:?}");
    let by_foreign_key = AuditContext { actor: Actor::Key(key.id), ..audit() };
    let revoked = stores.two.revoke(&other.id, at(2), by_foreign_key).await;
    assert!(matches!(revoked, Err(WriteError::ActorRevoked)), "{revoked:?}");
    let (replacement, hash) = new_key("replacement", 2);
    let replacement = KeyRecord { replaces: Some(key.id), ..replacement };
    stores.two.insert(replacement, hash, audit()).await.expect("inserted");
    assert_eq!(stores.one.get_key(&key.id).await.expect("read"), Some(key), "nothing has changed the key");
    assert_eq!(stores.two.get_key(&other.id).await.expect("read"), Some(other));
}

/// An identifier is unique in its account only.
async fn keys_with_same_identifier_are_independent(stores: &TwoKeyAccounts) {
    let (key, _) = insert(&stores.one, "key", 1).await;
    let (twin, hash) = new_key("twin", 1);
    let twin = KeyRecord { id: key.id, ..twin };
    stores.two.insert(twin.clone(), hash, audit()).await.expect("inserted");
    let batch = UsageBatch { last_used: vec![(key.id, at(2))], ..UsageBatch::empty() };
    stores.store.record_usage(Arc::new(batch)).await.expect("recorded");
    let used = stores.one.get_key(&key.id).await.expect("read").expect("exists");
    assert_eq!(used.last_used_at, Some(at(2)), "usage belongs to the account of the service itself");
    let name = KeyName::parse("new").expect("valid");
    stores.one.rename(&key.id, name, at(2), audit()).await.expect("renamed");
    stores.one.revoke(&key.id, at(3), audit()).await.expect("revoked");
    assert_eq!(stores.two.get_key(&twin.id).await.expect("read"), Some(twin));
    for (account, expected) in [(&stores.one, vec!["new"; 3]), (&stores.two, vec!["twin"])] {
        let entries = account.list_activity(Some(key.id), None, None, 10).await.expect("read").entries;
        assert_eq!(entries.iter().filter_map(|entry| entry.key_name.as_deref()).collect::<Vec<_>>(), expected);
    }
}

/// A batch of usage covers all accounts.
async fn record_usage_goes_to_account_of_each_key(stores: &TwoKeyAccounts) {
    let (key, _) = insert(&stores.one, "key", 1).await;
    let (other, _) = insert(&stores.two, "other", 1).await;
    let count = |key: &KeyRecord, requests| HourlyCount { key: key.id, hour: 0, outcome: Decision::Accepted, requests };
    let rejected = |key: Option<KeyId>, requests| RejectedRequests {
        key,
        outcome: if key.is_some() { Decision::Scope } else { Decision::Unknown },
        peer: PEER,
        user_agent: "".into(),
        first: at(5),
        last: at(5),
        requests,
    };
    let batch = UsageBatch {
        last_used: vec![(key.id, at(5)), (other.id, at(6))],
        admin_used: vec![(other.id, at(6))],
        counts: vec![count(&key, 1), count(&other, 2)],
        clients: vec![client_usage(key.id, "yolo", 5), client_usage(other.id, "curl", 6)],
        rejected: vec![rejected(Some(key.id), 3), rejected(Some(other.id), 4), rejected(None, 5)],
        ..UsageBatch::empty()
    };
    stores.store.record_usage(Arc::new(batch)).await.expect("recorded");
    for (account, own, foreign, requests, used, agent) in [
        (&stores.one, &key, &other, 1, (at(5), None), "yolo"),
        (&stores.two, &other, &key, 2, (at(6), Some(at(6))), "curl"),
    ] {
        let record = account.get_key(&own.id).await.expect("read").expect("exists");
        assert_eq!((record.last_used_at, record.admin_used_at), (Some(used.0), used.1));
        let usage = account.key_usage(&own.id, at(0)).await.expect("read");
        assert_eq!(usage.hours.iter().map(|hour| hour.requests).collect::<Vec<_>>(), [requests]);
        assert_eq!(usage.clients.iter().map(|client| client.user_agent.as_deref()).collect::<Vec<_>>(), [Some(agent)]);
        let counted = account.accepted_requests(vec![key.id, other.id], 0..=1).await.expect("read");
        assert_eq!(counted.iter().map(|count| (count.key, count.requests)).collect::<Vec<_>>(), [(own.id, requests)]);
        let usage = account.key_usage(&foreign.id, at(0)).await.expect("read");
        assert_eq!((usage.hours.len(), usage.clients.len()), (0, 0));
    }
    let rejected = async |account: &Arc<dyn KeyRepository>| {
        let page = account.list_activity(None, Some(ActivityKind::Rejected), None, 10).await.expect("read");
        let requests = page.entries.into_iter().map(|entry| match entry.event {
            ActivityEvent::Rejected { requests, .. } => (entry.key_id, requests),
            other => panic!("{other:?}"),
        });
        requests.collect::<BTreeMap<_, _>>()
    };
    // Requests without a known key are shown to the owner of the service.
    assert_eq!(rejected(&stores.one).await, BTreeMap::from([(Some(key.id), 3), (None, 5)]));
    assert_eq!(rejected(&stores.two).await, BTreeMap::from([(Some(other.id), 4)]));
}

/// The change feed covers all accounts.
async fn snapshot_and_changes_contain_account_of_each_key(stores: &TwoKeyAccounts) {
    let (_, hash) = insert(&stores.one, "key", 1).await;
    let index = Arc::<KeyIndex>::default();
    let start = stores.store.snapshot(index.visitor()).await.expect("read");
    index.start_at(start);
    let (other, other_hash) = new_key("other", 2);
    let written = stores.two.insert(other, other_hash, audit()).await.expect("inserted");
    assert_eq!(written.change.as_ref().map(|key| key.account), Some(second_account()));
    let changes = stores.store.changes_since(start, index.clone()).await.expect("read");
    assert_eq!(changes.stored, written.change.into_iter().collect::<Vec<_>>());
    index.apply_changes(changes);
    assert_eq!(index.get(&hash).map(|key| key.account), Some(AccountId::EMBEDDED));
    let reloaded = Arc::<KeyIndex>::default();
    stores.store.snapshot(reloaded.visitor()).await.expect("read");
    assert_eq!(reloaded.get(&other_hash).map(|key| key.account), Some(second_account()));
}

fn app(millis: i64) -> ReportedBy {
    ReportedBy { actor: Actor::Session, at: at(millis) }
}

fn model_id() -> ModelId {
    ModelId::generate(&mut SysRng).expect("randomness")
}

fn named() -> ModelRef {
    ModelRef::Named { project: Slug::of_project("project"), name: Slug::of("exp1", "train") }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        checkpoint_id: CheckpointId::generate(&mut SysRng).expect("randomness"),
        filename: FileName::parse("best.pt").expect("valid"),
        size: 1_000,
        state: CheckpointState::Uploaded,
        key_id: None,
        uploaded_at: at(3),
    }
}

/// Starts a run with an epoch, console output, and a checkpoint.
async fn start_run(account: &Arc<dyn AccountStore>, key: KeyId) -> (StartedRun, Checkpoint) {
    let feed = || ReportedBy { actor: Actor::Key(key), at: at(2) };
    let run = account.start_run(model_id(), named(), RunStart::default(), feed()).await.expect("stored").expect("new");
    let epoch = EpochReport { epoch: 0, ..EpochReport::default() };
    let console = ConsolePart { chunk_id: Some(1), content: "lines".into() };
    for update in [RunUpdate::Epoch(epoch), RunUpdate::Console(console)] {
        account.record_update(run.run_id, update, feed()).await.expect("stored").expect("exists");
    }
    let upload = checkpoint();
    account.add_checkpoint(run.run_id, upload.clone()).await.expect("stored");
    (run, upload)
}

async fn runs_are_found_in_their_account_only(stores: &TwoStoreAccounts) {
    let keys = [(), ()].map(|()| KeyId::generate(&mut SysRng).expect("randomness"));
    let (first, upload) = start_run(&stores.one, keys[0]).await;
    let before = stores.two.count_resources().await.expect("read");
    assert_eq!((before.projects, before.models), (0, 0));
    let (second, _) = start_run(&stores.two, keys[1]).await;
    assert_eq!(first.slug, second.slug, "another account's models do not take a name");
    stores.one.save_checkpoint(first.run_id, upload.checkpoint_id.clone(), app(4)).await.expect("stored");
    for (account, own, foreign, key) in
        [(&stores.one, &first, &second, keys[0]), (&stores.two, &second, &first, keys[1])]
    {
        let counts = account.count_resources().await.expect("read");
        assert_eq!((counts.projects, counts.models), (1, 1));
        assert_eq!(account.find_run(named(), None).await.expect("read").as_ref(), Some(own));
        assert_eq!(account.find_run(named(), Some(foreign.run_id)).await.expect("read"), None);
        assert_eq!(account.find_run(ModelRef::Model(foreign.model_id.clone()), None).await.expect("read"), None);
        let ids = |runs: Vec<ulkeys_domain::training::RunSummary>| -> Vec<_> {
            runs.into_iter().map(|run| (run.run_id, run.key_ids, run.recorded_epochs)).collect()
        };
        let expected = [(own.run_id, vec![key], 1)];
        assert_eq!(ids(account.list_runs(None, None, 10).await.expect("read")), expected);
        assert_eq!(ids(account.list_runs(Some(key), None, 10).await.expect("read")), expected);
        assert_eq!(ids(account.find_summaries(vec![first.run_id, second.run_id]).await.expect("read")), expected);
        assert_eq!(ids(account.open_runs(10).await.expect("read")), expected);
        let foreign_key = keys.iter().find(|other| **other != key).copied();
        assert_eq!(ids(account.list_runs(foreign_key, None, 10).await.expect("read")), []);
        assert_eq!(account.run_details(foreign.run_id).await.expect("read"), None);
        assert_eq!(account.run_epochs(foreign.run_id, None, 10).await.expect("read"), None);
        assert_eq!(account.run_console(foreign.run_id).await.expect("read"), None);
        assert_eq!(account.saved_checkpoint(foreign.run_id).await.expect("read"), None);
        let foreign_bytes = account.training_bytes(foreign_key).await.expect("read");
        assert_eq!(foreign_bytes.key, StoredBytes::default());
        let bytes = account.training_bytes(Some(key)).await.expect("read");
        assert!(bytes.key.rows > 0, "{bytes:?}");
        assert_eq!(bytes.all.rows, 2 * bytes.key.rows, "the total limits the database, so it covers all accounts");
        assert_eq!(bytes.all.files, 2_000);
    }
}

async fn runs_are_changed_in_their_account_only(stores: &TwoStoreAccounts) {
    let key = KeyId::generate(&mut SysRng).expect("randomness");
    let (run, upload) = start_run(&stores.one, key).await;
    let id = run.run_id;
    let read = async || {
        let console = stores.one.run_console(id).await.expect("read").expect("exists");
        (stores.one.run_details(id).await.expect("read").expect("exists"), console)
    };
    let before = read().await;
    let two = &stores.two;
    for update in [
        RunUpdate::Alive,
        RunUpdate::Epoch(EpochReport { epoch: 1, ..EpochReport::default() }),
        RunUpdate::Console(ConsolePart { chunk_id: None, content: "other".into() }),
        RunUpdate::Failed("error".into()),
    ] {
        assert_eq!(two.record_update(id, update, app(9)).await.expect("read"), None);
    }
    assert_eq!(two.cancel_run(id, at(9)).await.expect("read"), None);
    assert_eq!(two.save_checkpoint(id, upload.checkpoint_id.clone(), app(9)).await.expect("read"), None);
    two.add_checkpoint(id, checkpoint()).await.expect_err("the run belongs to another account");
    let of_model = ModelRef::Model(run.model_id.clone());
    assert_eq!(two.start_run(model_id(), of_model, RunStart::default(), app(9)).await.expect("read"), None);
    assert_eq!(two.delete_run(id).await.expect("read"), RunDeletion::NotFound);
    assert_eq!(read().await, before, "nothing has changed the run");

    let (other, _) = start_run(two, key).await;
    two.cancel_run(other.run_id, at(9)).await.expect("stored");
    assert_eq!(two.delete_run(other.run_id).await.expect("deleted"), RunDeletion::Deleted);
    assert_eq!(read().await, before, "the deletion of another run with the same names has changed nothing");
    assert_eq!(two.training_bytes(Some(key)).await.expect("read").key, StoredBytes::default());
    assert_eq!(stores.one.count_resources().await.expect("read").models, 1);
    assert_eq!(two.count_resources().await.expect("read").models, 0);
}

/// Midnight at the start of an arbitrary day after this program's first release, in milliseconds since the Unix epoch.
const NOW: i64 = 20_775 * DAY;
const DAY: i64 = 24 * MILLIS_PER_HOUR;

async fn purge_and_file_lists_cover_all_accounts(stores: &TwoStoreAccounts) {
    let (key, _) = insert(&stores.one, "key", 1).await;
    let (other, _) = insert(&stores.two, "other", 1).await;
    let count = |key: &KeyRecord| HourlyCount { key: key.id, hour: 0, outcome: Decision::Accepted, requests: 1 };
    let ahead = NOW + 400 * DAY;
    let batch = UsageBatch {
        last_used: vec![(key.id, at(ahead)), (other.id, at(ahead))],
        counts: vec![count(&key), count(&other)],
        clients: vec![client_usage(key.id, "yolo", 5), client_usage(other.id, "yolo", 5)],
        ..UsageBatch::empty()
    };
    stores.store.record_usage(Arc::new(batch)).await.expect("recorded");
    let (first, upload) = start_run(&stores.one, key.id).await;
    let (second, other_upload) = start_run(&stores.two, other.id).await;
    let mut uploads = [upload.checkpoint_id, other_upload.checkpoint_id].map(|id| id.as_str().to_owned());
    uploads.sort();
    let sorted = |ids: Vec<CheckpointId>| {
        let mut ids: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(sorted(stores.store.checkpoints_with_file().await.expect("read")), uploads);
    let retention = Duration::from_hours(24);
    for day in 0..8 {
        stores.store.purge_old_entries(at(NOW + day * DAY), retention).await.expect("removed");
    }
    for (account, key) in [(&stores.one, &key), (&stores.two, &other)] {
        let usage = account.key_usage(&key.id, at(0)).await.expect("read");
        assert_eq!((usage.hours.len(), usage.clients.len()), (0, 0));
        let record = account.get_key(&key.id).await.expect("read").expect("exists");
        assert_eq!(record.last_used_at, Some(at(0)), "a time in the future is replaced by the last counted hour");
        assert_eq!(account.list_activity(None, None, None, 10).await.expect("read").entries, []);
    }
    let deleted = stores.store.purge_runs(at(NOW + 7 * DAY), retention).await.expect("deleted");
    assert_eq!(deleted, [first.run_id, second.run_id]);
    let files = stores.store.files_to_remove(false).await.expect("read");
    assert_eq!(sorted(files.clone()), uploads);
    stores.store.note_files_removed(files).await.expect("noted");
    assert_eq!(stores.store.files_to_remove(false).await.expect("read"), []);
}

contract_cases! {
    sqlite_keys = sqlite_key_accounts, memory_keys = memory_key_accounts;
    [
        keys_are_found_in_their_account_only,
        keys_are_changed_in_their_account_only,
        keys_with_same_identifier_are_independent,
        record_usage_goes_to_account_of_each_key,
        snapshot_and_changes_contain_account_of_each_key,
    ]
}

contract_cases! {
    sqlite_runs = sqlite_accounts;
    [
        runs_are_found_in_their_account_only,
        runs_are_changed_in_their_account_only,
        purge_and_file_lists_cover_all_accounts,
    ]
}
