//! A store of keys in memory, for the contract tests. It can fail on demand.

use std::collections::{BTreeMap, HashSet};
use std::ops::{Deref, RangeInclusive};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::{
    AccountId, ActivityKind, AttentionThresholds, CLOCK_TOLERANCE, KeyHash, KeyId, KeyName, KeyRecord, KeyStatus,
    SortBy, Timestamp, normalize_for_search,
};
use ulkeys_store::{
    ActivityEntry, ActivityEvent, ActivityPage, AuditContext, ClientUsage, Committed, CursorValue, DatabaseProblem,
    HourlyCount, HourlyUsage, KeyChanges, KeyClient, KeyCounts, KeyCursor, KeyPage, KeyQuery, KeyRepository, KeyUsage,
    KeyVisitor, KnownKeys, MAX_CLIENTS_PER_KEY, MILLIS_PER_HOUR, RejectedRequests, Result, Revision, Revocation,
    StoreError, StoredKey, UsageBatch, UsageBatchId, WriteError, WriteResult,
};

use crate::fixture::KeyStore;

/// How the next write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The disk is full; nothing is written.
    Full,
    /// Another program has locked the database; nothing is written.
    Busy,
    /// The write is committed, but the caller gets an error.
    AfterCommit,
}

/// The keys of all accounts.
#[derive(Default)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    next_failure: Mutex<Option<Failure>>,
}

/// The keys of one account. It dereferences to the store.
pub(crate) struct MemoryAccount {
    store: Arc<MemoryStore>,
    id: AccountId,
}

#[derive(Default)]
struct State {
    /// All keys, in the order in which they were inserted.
    keys: Vec<MemoryKey>,
    /// The last change to any key.
    revision: Revision,
    activity: Vec<(AccountId, ActivityKind, ActivityEntry)>,
    /// The number of requests by account, key, hour, and outcome.
    hours: BTreeMap<(AccountId, KeyId, i64, String), HourlyUsage>,
    clients: BTreeMap<(AccountId, KeyId), Vec<KeyClient>>,
    batches: HashSet<UsageBatchId>,
}

struct MemoryKey {
    account: AccountId,
    record: KeyRecord,
    hash: KeyHash,
    revision: Revision,
}

impl MemoryStore {
    /// Returns the keys of an account.
    pub(crate) fn account(self: &Arc<Self>, id: AccountId) -> Arc<MemoryAccount> {
        Arc::new(MemoryAccount { store: Arc::clone(self), id })
    }

    /// Makes the next write fail.
    pub(crate) fn fail_next_write(&self, failure: Failure) {
        *self.next_failure.lock() = Some(failure);
    }

    /// Runs `work`, which changes nothing if it returns an error.
    fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut State) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut state = self.state.lock();
        let failure = self.next_failure.lock().take();
        let fail = |problem| Err(StoreError { problem, detail: format!("{failure:?}") }.into());
        match failure {
            Some(Failure::Full) => fail(DatabaseProblem::Full),
            Some(Failure::Busy) => fail(DatabaseProblem::Locked),
            Some(Failure::AfterCommit) => work(&mut state).and_then(|_| fail(DatabaseProblem::Unavailable)),
            None => work(&mut state),
        }
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Deref for MemoryAccount {
    type Target = MemoryStore;

    fn deref(&self) -> &MemoryStore {
        &self.store
    }
}

impl MemoryAccount {
    /// Changes a key. `work` returns its result, and the position of the key and the activity if it changed the key.
    fn write_key<T>(
        &self,
        at: Timestamp,
        audit: &AuditContext,
        work: impl FnOnce(&mut State) -> std::result::Result<(T, Option<(usize, ActivityEvent)>), WriteError>,
    ) -> WriteResult<T> {
        self.write(|state| {
            let actor = audit.actor.key_id().map(|id| state.find(self.id, id));
            if actor.is_some_and(|position| position.is_none_or(|actor| !state.is_active(actor))) {
                return Err(WriteError::ActorRevoked);
            }
            let (value, change) = work(state)?;
            let change = change.map(|(position, event)| {
                state.revision.0 += 1;
                state.keys[position].revision = state.revision;
                let id = state.keys[position].record.id;
                state.add_activity(self.id, Some(id), at, audit.peer.to_string(), &audit.user_agent, event);
                state.keys[position].to_stored()
            });
            Ok(Committed { value, revision: state.revision, change })
        })
    }
}

impl MemoryKey {
    fn to_stored(&self) -> StoredKey {
        StoredKey { account: self.account, hash: self.hash, info: (&self.record).into(), revision: self.revision }
    }
}

impl State {
    fn find(&self, account: AccountId, id: &KeyId) -> Option<usize> {
        self.keys.iter().position(|key| key.account == account && key.record.id == *id)
    }

    fn keys_of(&self, account: AccountId) -> impl Iterator<Item = &MemoryKey> {
        self.keys.iter().filter(move |key| key.account == account)
    }

    /// Returns the account to which usage of a key belongs.
    fn account_of_usage(&self, id: Option<KeyId>) -> AccountId {
        let accounts = self.keys.iter().filter(|key| Some(key.record.id) == id).map(|key| key.account);
        accounts.min_by_key(|account| account.get()).unwrap_or(AccountId::EMBEDDED)
    }

    fn is_active(&self, position: usize) -> bool {
        self.keys[position].record.revoked_at.is_none()
    }

    /// Returns the record of a key, with the key that replaces it.
    fn record(&self, key: &MemoryKey) -> KeyRecord {
        let successors = self.keys_of(key.account).map(|later| &later.record);
        let successors = successors.filter(|later| later.replaces == Some(key.record.id));
        let newest = successors.max_by_key(|later| later.revoked_at.is_none());
        KeyRecord { replaced_by: newest.map(|later| later.id), ..key.record.clone() }
    }

    fn add_activity(
        &mut self,
        account: AccountId,
        key: Option<KeyId>,
        at: Timestamp,
        peer: String,
        user_agent: &str,
        event: ActivityEvent,
    ) {
        let kind = match event {
            ActivityEvent::Created { .. } => ActivityKind::Created,
            ActivityEvent::Renamed { .. } => ActivityKind::Renamed,
            ActivityEvent::Revoked { .. } => ActivityKind::Revoked,
            ActivityEvent::NewClient => ActivityKind::NewClient,
            ActivityEvent::Rejected { .. } => ActivityKind::Rejected,
            ActivityEvent::ChangedOutside { .. } => ActivityKind::ChangedOutside,
        };
        let (id, user_agent) = (self.activity.len() as u64 + 1, named(user_agent));
        let entry = ActivityEntry { id, event, key_id: key, key_name: None, key_prefix: None, at, peer, user_agent };
        self.activity.push((account, kind, entry));
    }

    fn record_client(&mut self, client: &ClientUsage) {
        let account = self.account_of_usage(Some(client.key));
        let known = self.clients.entry((account, client.key)).or_default();
        let (peer, user_agent) = (client.peer.to_string(), named(&client.user_agent));
        if let Some(known) = known.iter_mut().find(|known| known.peer == peer && known.user_agent == user_agent) {
            known.last_used_at = known.last_used_at.max(client.last);
            known.requests += client.requests;
            return;
        }
        let (first_used_at, last_used_at, requests) = (client.first, client.last, client.requests);
        known.push(KeyClient { peer: peer.clone(), user_agent, first_used_at, last_used_at, requests });
        known.sort_by_key(|known| std::cmp::Reverse(known.last_used_at));
        let has_space = known.len() <= MAX_CLIENTS_PER_KEY as usize;
        known.truncate(MAX_CLIENTS_PER_KEY as usize);
        if has_space {
            self.add_activity(
                account,
                Some(client.key),
                client.first,
                peer,
                &client.user_agent,
                ActivityEvent::NewClient,
            );
        }
    }

    fn record_rejected(&mut self, rejected: &RejectedRequests) {
        let RejectedRequests { key, outcome, requests, last, .. } = *rejected;
        let hour = |at: Timestamp| at.as_millis().div_euclid(MILLIS_PER_HOUR);
        let peer = rejected.peer.to_string();
        for (.., entry) in &mut self.activity {
            let is_same = entry.key_id == key && entry.peer == peer && hour(entry.at) == hour(rejected.first);
            match &mut entry.event {
                ActivityEvent::Rejected { outcome: known, requests, last_at } if is_same && *known == outcome => {
                    *requests += rejected.requests;
                    *last_at = last.max(*last_at);
                    entry.user_agent = named(&rejected.user_agent);
                    return;
                }
                _ => {}
            }
        }
        let event = ActivityEvent::Rejected { outcome, requests, last_at: last };
        let account = self.account_of_usage(key);
        self.add_activity(account, key, rejected.first, peer, &rejected.user_agent, event);
    }
}

/// Returns a user agent, or `None` if the client sent none.
fn named(user_agent: &str) -> Option<String> {
    Some(user_agent.to_owned()).filter(|agent| !agent.is_empty())
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn snapshot(&self, visit: KeyVisitor) -> Result<Revision> {
        let state = self.read();
        state.keys.iter().map(MemoryKey::to_stored).for_each(visit);
        Ok(state.revision)
    }

    async fn changes_since(&self, revision: Revision, _known: Arc<dyn KnownKeys>) -> Result<KeyChanges> {
        let state = self.read();
        let changed = state.keys.iter().filter(|key| key.revision > revision);
        let stored = changed.map(MemoryKey::to_stored).collect();
        Ok(KeyChanges { revision: state.revision, stored, ..KeyChanges::default() })
    }

    async fn record_usage(&self, batch: Arc<UsageBatch>) -> Result<()> {
        self.write(|state| {
            if !state.batches.insert(batch.id) {
                return Ok(());
            }
            let latest = batch.at.map(|now| now.saturating_add(CLOCK_TOLERANCE));
            let move_forward = |used: &mut Option<Timestamp>, at: Timestamp, revoked_at: Option<Timestamp>| {
                let is_later = used.is_none_or(|used| used < at || latest.is_some_and(|latest| used > latest));
                if is_later && revoked_at.is_none_or(|revoked_at| revoked_at >= at) {
                    *used = Some(at);
                }
            };
            let accounts: Vec<_> = state.keys.iter().map(|key| state.account_of_usage(Some(key.record.id))).collect();
            for (key, _) in state.keys.iter_mut().zip(accounts).filter(|(key, account)| key.account == *account) {
                let KeyRecord { id, last_used_at, admin_used_at, revoked_at, .. } = &mut key.record;
                for (column, usage) in [(last_used_at, &batch.last_used), (admin_used_at, &batch.admin_used)] {
                    let of_key = usage.iter().filter(|(key, _)| key == id);
                    of_key.for_each(|(_, at)| move_forward(column, *at, *revoked_at));
                }
            }
            for count in &batch.counts {
                let hour = Timestamp::from_millis(count.hour * MILLIS_PER_HOUR).expect("in range");
                let usage = HourlyUsage { hour, outcome: count.outcome, requests: 0 };
                let account = state.account_of_usage(Some(count.key));
                let place = (account, count.key, count.hour, count.outcome.to_string());
                let total = state.hours.entry(place).or_insert(usage);
                total.requests += count.requests;
            }
            batch.clients.iter().for_each(|client| state.record_client(client));
            batch.rejected.iter().for_each(|rejected| state.record_rejected(rejected));
            Ok(())
        })
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl KeyRepository for MemoryAccount {
    async fn insert(&self, key: KeyRecord, hash: KeyHash, audit: AuditContext) -> WriteResult<()> {
        self.write_key(key.created_at, &audit, |state| {
            if state.find(self.id, &key.id).is_some() || state.keys.iter().any(|known| known.hash == hash) {
                return Err(WriteError::Conflict);
            }
            let (account, revision) = (self.id, Revision::default());
            state.keys.push(MemoryKey { account, record: key.clone(), hash, revision });
            let created = ActivityEvent::Created { by: audit.actor.key_id().copied() };
            Ok(((), Some((state.keys.len() - 1, created))))
        })
    }

    async fn get_key(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let state = self.read();
        Ok(state.find(self.id, id).map(|position| state.record(&state.keys[position])))
    }

    async fn get_keys(&self, ids: Vec<KeyId>) -> Result<Vec<KeyRecord>> {
        let state = self.read();
        let found = state.keys_of(self.id).filter(|key| ids.contains(&key.record.id));
        Ok(found.map(|key| state.record(key)).collect())
    }

    async fn list_active(&self, after: Option<(Timestamp, KeyId)>, limit: u32) -> Result<Vec<KeyRecord>> {
        let state = self.read();
        let active = state.keys_of(self.id).filter(|key| key.record.revoked_at.is_none());
        let mut active: Vec<_> = active.map(|key| state.record(key)).collect();
        active.sort_by_key(|key| key.created_at);
        active.reverse();
        let after = after.map(|(at, id)| (at, state.find(self.id, &id)));
        active.retain(|key| after.is_none_or(|after| (key.created_at, state.find(self.id, &key.id)) < after));
        active.truncate(limit as usize);
        Ok(active)
    }

    async fn list(&self, query: KeyQuery) -> Result<KeyPage> {
        let words: Vec<_> = query.text.split_whitespace().take(8).map(normalize_for_search).collect();
        let normalized = |key: &KeyRecord| normalize_for_search(key.name.as_str());
        let contains_word = |key: &KeyRecord, word: &String| {
            let texts = [normalized(key), key.prefix.as_str().to_owned(), key.scopes.to_string()];
            key.id.as_str() == word || texts.iter().any(|text| text.contains(word))
        };
        let possible = |used: Option<Timestamp>| used.filter(|at| *at <= query.thresholds.latest);
        let state = self.read();
        let mut found: Vec<_> = state.keys_of(self.id).map(|key| state.record(key)).collect();
        found.retain(|key| match query.status {
            KeyStatus::All => true,
            KeyStatus::Active => key.revoked_at.is_none(),
            KeyStatus::Revoked => key.revoked_at.is_some(),
            KeyStatus::Attention => !query.thresholds.reasons(key).is_empty(),
        });
        found.retain(|key| query.name.as_ref().is_none_or(|name| *name == key.name));
        found.retain(|key| words.iter().all(|word| contains_word(key, word)));
        match query.sort.by {
            SortBy::Name => found.sort_by_key(normalized),
            SortBy::Scopes => found.sort_by_key(|key| key.scopes.to_string()),
            SortBy::CreatedAt => found.sort_by_key(|key| key.created_at),
            SortBy::LastUsedAt => found.sort_by_key(|key| possible(key.last_used_at)),
            SortBy::RevokedAt => found.sort_by_key(|key| key.revoked_at),
        }
        if query.sort.descending {
            found.reverse();
        }
        let total = found.len() as u64;
        let value = |key: &KeyRecord| match query.sort.by {
            SortBy::Name => Some(CursorValue::Name(normalized(key))),
            SortBy::CreatedAt => Some(CursorValue::CreatedAt(key.created_at)),
            _ => None,
        };
        if let Some(KeyCursor { value: last, id }) = &query.after {
            let last = (Some(last.clone()), state.find(self.id, id));
            found.retain(|key| {
                let position = (value(key), state.find(self.id, &key.id));
                if query.sort.descending { position < last } else { position > last }
            });
        }
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let mut keys: Vec<_> = found.into_iter().skip(offset).collect();
        let has_more = keys.len() > query.limit as usize;
        keys.truncate(query.limit as usize);
        let last = keys.last().filter(|_| has_more);
        let next = last.and_then(|key| Some(KeyCursor { value: value(key)?, id: key.id }));
        Ok(KeyPage { keys, total, next })
    }

    async fn count_keys(&self, thresholds: AttentionThresholds) -> Result<KeyCounts> {
        let state = self.read();
        let count = |matches: &dyn Fn(&KeyRecord) -> bool| {
            state.keys_of(self.id).filter(|key| matches(&key.record)).count() as u64
        };
        Ok(KeyCounts {
            active: count(&|key| key.revoked_at.is_none()),
            attention: count(&|key| !thresholds.reasons(key).is_empty()),
            revoked: count(&|key| key.revoked_at.is_some()),
        })
    }

    async fn rename(&self, id: &KeyId, name: KeyName, at: Timestamp, audit: AuditContext) -> WriteResult<KeyRecord> {
        self.write_key(at, &audit, |state| {
            let found = state.find(self.id, id).filter(|position| state.is_active(*position));
            let position = found.ok_or(WriteError::NotFound)?;
            let old = std::mem::replace(&mut state.keys[position].record.name, name.clone());
            let renamed = state.record(&state.keys[position]);
            let by = audit.actor.key_id().copied();
            let (old_name, new_name) = (old.as_str().to_owned(), name.as_str().to_owned());
            let change = (position, ActivityEvent::Renamed { by, old_name, new_name });
            Ok((renamed, Some(change).filter(|_| old != name)))
        })
    }

    async fn revoke(&self, id: &KeyId, at: Timestamp, audit: AuditContext) -> WriteResult<Revocation> {
        self.write_key(at, &audit, |state| {
            let position = state.find(self.id, id).ok_or(WriteError::NotFound)?;
            let is_new = state.is_active(position);
            let at = *state.keys[position].record.revoked_at.get_or_insert(at);
            let change = (position, ActivityEvent::Revoked { by: audit.actor.key_id().copied() });
            Ok((Revocation { at, is_new }, Some(change).filter(|_| is_new)))
        })
    }

    async fn key_usage(&self, id: &KeyId, since: Timestamp) -> Result<KeyUsage> {
        let state = self.read();
        let first = (self.id, *id, since.as_millis().div_euclid(MILLIS_PER_HOUR), String::new());
        let hours = state.hours.range(first..).take_while(|((account, key, ..), _)| (account, key) == (&self.id, id));
        let hours = hours.map(|(_, usage)| usage.clone()).collect();
        let mut clients = state.clients.get(&(self.id, *id)).cloned().unwrap_or_default();
        clients.sort_by_key(|client| std::cmp::Reverse(client.last_used_at));
        Ok(KeyUsage { hours, clients })
    }

    async fn accepted_requests(&self, ids: Vec<KeyId>, hours: RangeInclusive<i64>) -> Result<Vec<HourlyCount>> {
        let state = self.read();
        let matching = state.hours.iter().filter(|((account, key, hour, _), usage)| {
            *account == self.id && ids.contains(key) && hours.contains(hour) && usage.outcome == Decision::Accepted
        });
        let count = |((_, key, hour, _), usage): (&(AccountId, KeyId, i64, String), &HourlyUsage)| HourlyCount {
            key: *key,
            hour: *hour,
            outcome: usage.outcome,
            requests: usage.requests,
        };
        Ok(matching.map(count).collect())
    }

    async fn list_activity(
        &self,
        key: Option<KeyId>,
        kind: Option<ActivityKind>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<ActivityPage> {
        let state = self.read();
        let matching = state.activity.iter().rev().filter(|(account, entry_kind, entry)| {
            *account == self.id
                && key.is_none_or(|key| entry.key_id == Some(key))
                && kind.is_none_or(|kind| *entry_kind == kind)
                && before.is_none_or(|before| entry.id < before)
        });
        let mut entries: Vec<_> = matching.map(|(.., entry)| entry.clone()).collect();
        let has_more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        for entry in &mut entries {
            if let Some(position) = entry.key_id.and_then(|id| state.find(self.id, &id)) {
                let record = &state.keys[position].record;
                entry.key_name = Some(record.name.as_str().to_owned());
                entry.key_prefix = Some(record.prefix.as_str().to_owned());
            }
        }
        let next = entries.last().filter(|_| has_more).map(|entry| entry.id);
        Ok(ActivityPage { entries, next })
    }
}
